/**
 * Servers that announce the end of a connection with GOAWAY and NO_ERROR, as proxies that rotate
 * connections do; over real HTTP/2.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Stream } from "effect"
import * as A from "../support/acceptance.ts"
import { ackResponse } from "../../src/local/stream/streamMessages.ts"
import { realClient } from "../support/realClient.ts"
import { grpcMessage, type RawConnection, type RawFault, startRawServer } from "./rawHttp2Server.ts"

const NO_ERROR = 0

/** Starts a server whose first connection misbehaves, and opens a stream to it. */
const streamTo = (
  fault: RawFault,
  options: { readonly connectionPerStream?: boolean; readonly recovery?: boolean }
) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.promise(() => startRawServer((connection) => (connection === 0 ? fault : undefined))),
      ({ close }) => Effect.promise(close)
    )
    const { recovery = true, ...client } = options
    const zerobus = yield* realClient(`http://127.0.0.1:${server.port}`, {
      ...client,
      stream: { recovery, batching: "off", drainTimeout: 0 }
    })
    return { server, stream: yield* zerobus.createStream(A.table) }
  })

describe("a connection whose server sends GOAWAY", () => {
  for (const connectionPerStream of [true, false]) {
    const which = connectionPerStream ? "its own" : "a shared one"
    it.live(
      `is left by a stream on ${which} once the sent records are durable, and none arrives twice`,
      () =>
        Effect.gen(function* () {
          const leaving = Deferred.makeUnsafe<RawConnection>()
          // Message 1 is acknowledged, message 2 is not: the server sends GOAWAY first.
          const { server, stream } = yield* streamTo(
            (connection, message) => {
              if (message !== 2) return false
              connection.goaway(connection.stream, NO_ERROR)
              Deferred.doneUnsafe(leaving, Exit.succeed(connection))
              return true
            },
            { connectionPerStream }
          )
          const paused = yield* A.started(
            Stream.runDrain(Stream.takeUntil(stream.stateChanges, (state) => state === "paused"))
          )
          yield* (yield* stream.ingestRecord(A.record(0))).await
          const second = yield* stream.ingestRecord(A.record(1))
          const connection = yield* Deferred.await(leaving)
          yield* paused.join
          const rest = yield* Effect.forEach([2, 3, 4], (n) => stream.ingestRecord(A.record(n)))
          yield* A.settle
          assert.deepStrictEqual(server.offsets, [[0, 1]])
          connection.data(grpcMessage(ackResponse(1)))
          yield* second.await
          yield* rest[2]!.await
          assert.deepStrictEqual(server.offsets, [
            [0, 1],
            [0, 1, 2]
          ])
          yield* stream.close
        })
    )
  }

  it.live("is left at a second GOAWAY if the first one arrived before anything was durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* streamTo((connection, message) => {
        if (message === 0 || message === 2) connection.goaway(connection.stream, NO_ERROR)
        return false
      }, {})
      const again = yield* A.started(
        Stream.runDrain(Stream.takeUntil(stream.stateChanges, (state) => state === "recovering"))
      )
      yield* (yield* stream.ingestRecord(A.record(0))).await
      yield* (yield* stream.ingestRecord(A.record(1))).await
      yield* again.join
      yield* (yield* stream.ingestRecord(A.record(2))).await
      assert.deepStrictEqual(server.offsets, [[0, 1], [0]])
      yield* stream.close
    })
  )

  it.live(
    "is kept while it has made nothing durable: the next one would begin in the same way",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* streamTo((connection, message) => {
          if (message === 0) connection.goaway(connection.stream, NO_ERROR)
          return false
        }, {})
        for (let n = 0; n < 5; n++) yield* (yield* stream.ingestRecord(A.record(n))).await
        yield* stream.close
        assert.deepStrictEqual(server.offsets, [[0, 1, 2, 3, 4]])
      })
  )

  it.live("is kept by a stream that does not recover", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* streamTo(
        (connection, message) => {
          if (message === 2) connection.goaway(connection.stream, NO_ERROR)
          return false
        },
        { recovery: false }
      )
      for (let n = 0; n < 5; n++) yield* (yield* stream.ingestRecord(A.record(n))).await
      yield* stream.close
      assert.deepStrictEqual(server.offsets, [[0, 1, 2, 3, 4]])
    })
  )
})
