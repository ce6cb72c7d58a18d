/**
 * A program in a process of its own, to be killed, that ingests numbered records: `clientProcess.ts ephemeral|persistent SPOOL FIRST [COUNT]`
 * with a spool, `clientProcess.ts source - [ID] [END]` with none, from where the persistent stream of the id is resumed. It prints `taken N` for
 * each record that `ingestRecord` took, and `stream ID` for a persistent stream. With a count or an end it flushes then, and prints `done`.
 */
import { Effect, References } from "effect"
import { Spool, TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"
import { print } from "../support/printed.ts"

const [mode = "", folder = "", start = "0", count = "Infinity"] = process.argv.slice(2)
const table = TableProperties.json("main.default.kills")
const options = { recoveryBackoff: 100 }
const spooled = { ...options, spool: Spool.directory(folder) }

/** The stream, and the numbers of the records that it takes. */
const open = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const first = Number(start)
  const last = first + Number(count)
  if (mode === "ephemeral") return { stream: yield* zerobus.createStream(table, spooled), first, last }
  if (mode === "persistent") return { stream: yield* zerobus.createPersistentStream(table, spooled), first, last }
  const stream = yield* start === ""
    ? zerobus.createPersistentStream(table, options)
    : zerobus.resumePersistentStream(table, start, options)
  print(`stream ${stream.streamId}\n`)
  return { stream, first: stream.resumedAt, last: Number(count) }
})

const program = Effect.gen(function* () {
  const { first, last, stream } = yield* open
  for (let n: number = first; n < last; n++) {
    yield* stream.ingestRecord({ n, pad: "x".repeat(60) })
    print(`taken ${n}\n`)
  }
  yield* stream.flush
  print("done\n")
})

Effect.runFork(
  program.pipe(Effect.scoped, Effect.provide(ZerobusLayer), Effect.provideService(References.MinimumLogLevel, "None"))
)
