/**
 * A separate program that ingests ten records, of which the fifth and the eighth are bad, keeps
 * dead letters in a file, and kills itself at the first one: `letterProcess.ts PORT TABLE FILE
 * before|after|never [SPOOL RECORDS]`.
 */
import { Effect, References } from "effect"
import { DeadLetters, HeadersProvider, Spool, TableProperties, Zerobus } from "effect-zerobus"
import { recordOf } from "./refusingServer.ts"

const [port = "", tableName = "", file = "", when = "never", spool, records = "10"] =
  process.argv.slice(2)
const letters = DeadLetters.file(file)
const die = Effect.sync(() => process.kill(process.pid, "SIGKILL"))

await Effect.runPromise(
  Effect.flatMap(Zerobus, (zerobus) =>
    zerobus.withStream(
      TableProperties.proto(tableName, Uint8Array.of(0x0a, 0x01, 0x54)),
      {
        spool: spool === undefined ? undefined : Spool.directory(spool),
        onRefused: (refused) =>
          Effect.gen(function* () {
            if (when === "before") yield* die
            yield* letters(refused)
            if (when === "after") yield* die
          })
      },
      (stream) =>
        Effect.gen(function* () {
          for (let number = 0; number < Number(records); number++)
            yield* stream.ingestRecord(recordOf(number, number === 4 || number === 7))
        })
    )
  ).pipe(
    Effect.provide(
      Zerobus.layer({
        serverEndpoint: `http://127.0.0.1:${port}`,
        proxy: false,
        stream: {
          headersProvider: HeadersProvider.make({
            getHeaders: Effect.succeed({ authorization: "Bearer letters" })
          })
        }
      })
    ),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
