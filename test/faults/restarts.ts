/**
 * `npm run faults:restart -- [--streams 1000] [--own]`: kills the server of many open streams and
 * starts it again on the same port. All streams must return within five seconds, spread over that
 * time, and none may be lost again: each opens exactly one more session.
 */
import { Effect, ManagedRuntime, References, Scope, Stream } from "effect"
import { HeadersProvider, TableProperties, Zerobus, type ZerobusStream } from "effect-zerobus"
import { parseArgs } from "node:util"
import { descriptor, TABLE } from "../benchmark/clients/client.ts"
import { startSink } from "../benchmark/processes.ts"

const { values: flags } = parseArgs({
  options: {
    streams: { type: "string", default: "1000" },
    own: { type: "boolean", default: false }
  }
})
const count = Number(flags.streams)
/**
 * Milliseconds: without a server, until all streams have to be back, and after that without another
 * loss.
 */
const [DOWN, LIMIT, AFTER] = [300, 5000, 3000]

const pause = (millis: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, millis))

const first = await startSink()
await first.order({ ackInterval: 0 })
const { port } = first
const runtime = ManagedRuntime.make(
  Zerobus.layer({
    serverEndpoint: `http://127.0.0.1:${port}`,
    connectionPerStream: flags.own,
    proxy: false
  })
)
const headersProvider = HeadersProvider.make({
  getHeaders: Effect.succeed({ authorization: "Bearer restart" })
})
const streams = await runtime.runPromise(
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const one = zerobus.createStream(TableProperties.proto(TABLE, descriptor), { headersProvider })
    return yield* Effect.all(
      Array.from({ length: count }, () => one),
      { concurrency: 64 }
    )
  }).pipe(
    Scope.provide(Scope.makeUnsafe()),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
/** Sends a record over a stream and waits until it is durable. */
const sendOver = (stream: ZerobusStream<Uint8Array>) =>
  Effect.flatMap(stream.ingestRecord(new Uint8Array(100)), (receipt) => receipt.await)
const sendAll = (): Promise<void> =>
  runtime.runPromise(Effect.forEach(streams, sendOver, { concurrency: "unbounded", discard: true }))

await sendAll()
/** When streams were open again. */
const back: Array<number> = []
for (const { stateChanges } of streams) {
  const noted = Stream.runForEach(Stream.drop(stateChanges, 1), (state) =>
    Effect.sync(() => void (state === "open" && back.push(performance.now())))
  )
  runtime.runFork(noted)
}
await first.stop()
await pause(DOWN)
const second = await startSink(undefined, { port })
const up = performance.now()
await second.order({ ackInterval: 0 })
await sendAll()
const durable = performance.now() - up
await pause(AFTER)
const [soonest, last] = [Math.min(...back) - up, Math.max(...back) - up]
console.log(
  `${count} streams on ${flags.own ? "connections of their own" : "shared connections"}: open ` +
    `again after ` +
    `${Math.round(soonest)} to ${Math.round(last)} ms, all records durable after ` +
    `${Math.round(durable)} ms, ` +
    `${back.length} sessions opened`
)
const good = back.length === count && durable <= LIMIT
if (!good) console.log(`Expected ${count} sessions, and all records durable within ${LIMIT} ms.`)
await second.stop()
process.exit(good ? 0 : 1)
