/**
 * A server with the default ping rule of gRPC servers: the second ping without data in between ends
 * the connection with GOAWAY and ENHANCE_YOUR_CALM. The stream continues and pings less often.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, References } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import { startRawServer } from "./rawHttp2Server.ts"

const ENHANCE_YOUR_CALM = 11

it.live("a server that refuses pings ends connections, never the stream", () =>
  Effect.gen(function* () {
    const pings: Array<number> = []
    const server = yield* Effect.acquireRelease(
      Effect.promise(() =>
        startRawServer(
          // The first two connections acknowledge nothing, so the client has to ping.
          (connection) => (connection < 2 ? (_, message) => message > 0 : undefined),
          ({ goaway, socket, stream }, connection) => {
            pings[connection] = (pings[connection] ?? 0) + 1
            if (pings[connection] < 2) return false
            goaway(stream, ENHANCE_YOUR_CALM)
            socket.end()
            return true
          }
        )
      ),
      ({ close }) => Effect.promise(close)
    )
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(JSON.stringify(message)))
    const client = Zerobus.layer({
      serverEndpoint: `http://127.0.0.1:${server.port}`,
      clientSecret: Redacted.make("unused"),
      proxy: false,
      keepalive: { interval: 40, timeout: 2000 },
      stream: {
        recoveryBackoff: "1 millis",
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({ authorization: "Bearer pings" })
        })
      }
    }).pipe(
      Layer.provideMerge(
        Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Info"))
      )
    )
    yield* Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(
        TableProperties.proto("main.default.pings", Uint8Array.of(0x0a, 0x01, 0x54))
      )
      const ack = yield* stream.ingestRecord(Uint8Array.of(0, 0, 0, 0))
      yield* ack.await
      yield* stream.close
    }).pipe(Effect.provide(client))
    assert.strictEqual(server.connections, 3)
    assert.deepStrictEqual(pings.slice(0, 2), [2, 2])
    assert.lengthOf(
      logged.filter((line) => line.includes("refuses pings this often")),
      1
    )
    const lost = logged.filter((line) => line.includes("lost its connection"))
    assert.lengthOf(lost, 2)
    assert.match(
      lost[0]!,
      /refused pings every 40 ms \(ENHANCE_YOUR_CALM\); the interval is now 80 ms/
    )
    assert.match(lost[1]!, /the interval is now 160 ms/)
  }).pipe(Effect.scoped)
)
