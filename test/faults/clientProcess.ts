/**
 * A program in a process of its own, to be killed, that ingests numbered records with a spool: `clientProcess.ts SPOOL FIRST [COUNT]`. It
 * prints `taken N` for each record that `ingestRecord` took. With a count it ingests so many, flushes, and prints `done`.
 */
import { Effect, References } from "effect"
import { Spool, TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"
import { print } from "../support/printed.ts"

const [folder = "", first = "0", count = "Infinity"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const stream = yield* zerobus.createStream(TableProperties.json("main.default.kills"), {
    spool: Spool.directory(folder),
    recoveryBackoff: 100
  })
  const last = Number(first) + Number(count)
  for (let n = Number(first); n < last; n++) {
    yield* stream.ingestRecord({ n, pad: "x".repeat(60) })
    print(`taken ${n}\n`)
  }
  yield* stream.flush
  print("done\n")
})

Effect.runFork(
  program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), Effect.provideService(References.MinimumLogLevel, "None"))
)
