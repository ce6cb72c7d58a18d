/**
 * Goal 17, scenario RC-25: pings detect a connection that is open at both ends and carries nothing,
 * while a record is in flight. An idle stream is pinged at a separate, longer interval.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import { startCountingServer } from "./countingServer.ts"
import { startFaultProxy } from "./faultProxy.ts"

/**
 * Milliseconds. Without pings, only the limit of 60 seconds without an acknowledgement would detect
 * it.
 */
const keepalive = { interval: 100, timeout: 100 }

it.live(
  "RC-25 finds a half-open connection under a record in flight by keepalive, and recovers",
  () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.promise(startCountingServer),
        ({ close }) => Effect.sync(close)
      )
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => startFaultProxy(server.port, () => undefined)),
        (proxy) => Effect.promise(proxy.close)
      )
      const client = Zerobus.layer({
        serverEndpoint: `http://127.0.0.1:${proxy.port}`,
        clientSecret: Redacted.make("unused"),
        proxy: false,
        keepalive,
        stream: {
          recoveryBackoff: "1 millis",
          headersProvider: HeadersProvider.make({
            getHeaders: Effect.succeed({ authorization: "Bearer idle" })
          })
        }
      })
      yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const stream = yield* zerobus.createStream(
          TableProperties.proto("main.default.idle", Uint8Array.of(0x0a, 0x01, 0x54))
        )
        const recovering = yield* stream.stateChanges.pipe(
          Stream.filter((state) => state === "recovering"),
          Stream.take(1),
          Stream.runDrain,
          Effect.forkScoped({ startImmediately: true })
        )
        proxy.cutAll("blackhole")
        const ack = yield* stream.ingestRecord(Uint8Array.of(0, 0, 0, 0))
        yield* Fiber.join(recovering)
        yield* ack.await
        assert.strictEqual(proxy.connections, 2)
        yield* stream.close
      }).pipe(Effect.provide(client))
    }).pipe(Effect.scoped),
  10_000
)
