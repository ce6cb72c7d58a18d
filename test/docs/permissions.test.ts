/**
 * Proves that the client needs no permission except reading its own files and using the network: an
 * example runs under Node's permission model, without child processes, worker threads, native
 * add-ons or writing.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LocalEnvironment, root, runSource } from "../support/localEnvironment.ts"

const table = "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)"

// Later versions of Node restrict the network too.
const network = process.allowedNodeEnvironmentFlags.has("--allow-net") ? ["--allow-net"] : []
const permissions = ["--permission", "--allow-fs-read=*", ...network]

layer(LocalEnvironment.layer([table]), { excludeTestServices: true })(
  "under the permission model",
  (it) => {
    it.effect(
      "the client sends a record and sees it durable",
      () =>
        Effect.gen(function* () {
          const { environment } = yield* LocalEnvironment
          const example = Path.join(root, "examples/01-first-record.ts")
          const { output, status } = yield* runSource(example, environment, permissions)
          assert.strictEqual(status, 0, output)
          assert.match(output, /durable at offset 0\n/)
        }),
      30_000
    )

    it.effect(
      "what the client does not need is refused",
      () =>
        Effect.gen(function* () {
          const folder = Path.join(root, ".cache", "permissions")
          Fs.mkdirSync(folder, { recursive: true })
          const file = Path.join(folder, "writes.ts")
          Fs.writeFileSync(
            file,
            `import { writeFileSync } from "node:fs"\nwriteFileSync(${JSON.stringify(file)}, "")\n`
          )
          const { output, status } = yield* runSource(file, {}, permissions)
          assert.notStrictEqual(status, 0)
          assert.include(output, "ERR_ACCESS_DENIED")
        }),
      30_000
    )
  }
)
