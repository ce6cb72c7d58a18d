/**
 * Runs every example as a reader would, in a separate process with a local server, and checks its
 * output.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { printed, tables } from "../support/exampleOutputs.ts"
import { LocalEnvironment, root, runSource } from "../support/localEnvironment.ts"

const files = Fs.readdirSync(Path.join(root, "examples")).filter((file) =>
  /^\d\d-.*\.ts$/.test(file)
)

layer(LocalEnvironment.layer(tables), { excludeTestServices: true, timeout: 60_000 })(
  "examples",
  (it) => {
    for (const file of files) {
      it.effect(
        file,
        () =>
          Effect.gen(function* () {
            const { environment } = yield* LocalEnvironment
            const { output, status } = yield* runSource(
              Path.join(root, "examples", file),
              environment
            )
            assert.match(output, printed[file] ?? /^an entry in the table$/)
            assert.strictEqual(status, 0, output)
          }),
        60_000
      )
    }
  }
)
