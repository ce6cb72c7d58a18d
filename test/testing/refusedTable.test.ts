/**
 * A table that another writer makes unwritable while clients stream into it: the client ends with a
 * schema error that names table and reason, keeps its records, and no record counts as refused.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Option } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const data = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-refused-"))

layer(ZerobusLocal.layer({ dataDir: data }), { excludeTestServices: true })(
  "a table that another writer makes unwritable",
  (it) => {
    it.effect("ends running streams with the reason and keeps acknowledged records for later", () =>
      Effect.gen(function* () {
        const server = yield* ZerobusLocal
        yield* server.createTable("main.default.t(id BIGINT)")
        const zerobus = yield* Zerobus
        const stream = yield* zerobus.createStream(TableProperties.json("main.default.t"))
        const first = yield* stream.ingestRecord({ id: 1 })
        yield* first.await
        const log = Path.join(data, "main/default/t/_delta_log")
        const next = Fs.readdirSync(log).filter((name) => name.endsWith(".json")).length
        const protocol = {
          minReaderVersion: 1,
          minWriterVersion: 7,
          writerFeatures: ["rowTracking", "domainMetadata"]
        }
        Fs.writeFileSync(
          Path.join(log, `${String(next).padStart(20, "0")}.json`),
          JSON.stringify({ protocol })
        )
        yield* Effect.exit(server.flush())
        yield* Effect.ignore(stream.ingestRecord({ id: 2 }))
        const ended = yield* Effect.exit(stream.flush)
        const failure = Option.getOrThrow(Exit.findErrorOption(ended))
        assert.strictEqual(failure._tag, "SchemaMismatch")
        assert.include(
          String(failure.message),
          "main.default.t is refused, because it has row tracking"
        )
        assert.notInclude(String(failure.message), data)
        assert.deepStrictEqual(yield* stream.getUnackedRecords, ['{"id":2}'])
      })
    )
  }
)
