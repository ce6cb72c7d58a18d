/**
 * A program in a separate process that ingests batches of ten numbered rows through a spool:
 * `spoolProcess.ts PORT SPOOL FIRST COUNT KILL`. With KILL it kills itself once its batches are in
 * the spool; else it closes the stream, which sends everything.
 */
import { Field, Int32, Schema, tableFromArrays } from "apache-arrow"
import { Effect, References } from "effect"
import { HeadersProvider, Spool, Zerobus } from "effect-zerobus"
import { ArrowTable } from "effect-zerobus/arrow"

const [port = "", folder = "", first = "0", count = "0", kill] = process.argv.slice(2)
const table = ArrowTable.make("main.default.kills", new Schema([new Field("n", new Int32(), true)]))

await Effect.runPromise(
  Effect.flatMap(Zerobus, (zerobus) =>
    zerobus.withStream(table, { spool: Spool.directory(folder) }, (stream) =>
      Effect.gen(function* () {
        for (let batch = 0; batch < Number(count); batch++) {
          const from = Number(first) + batch * 10
          const n = Int32Array.from({ length: 10 }, (_, row) => from + row)
          const receipt = yield* stream.ingestRecord(tableFromArrays({ n }))
          yield* receipt.persisted
        }
        if (kill !== undefined) process.kill(process.pid, "SIGKILL")
      })
    )
  ).pipe(
    Effect.provide(
      Zerobus.layer({
        serverEndpoint: `http://127.0.0.1:${port}`,
        proxy: false,
        stream: {
          headersProvider: HeadersProvider.make({
            getHeaders: Effect.succeed({ authorization: "Bearer kills" })
          })
        }
      })
    ),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
