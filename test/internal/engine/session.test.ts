/**
 * The life of one connection: its messages about protocol errors, what it waits for, and how long.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Queue, Schedule, Stream } from "effect"
import { Transport, Zerobus } from "effect-zerobus"
import { createdResponse } from "../../../src/local/stream/streamMessages.ts"
import * as A from "../../support/acceptance.ts"
import { provider } from "../../support/memoryClient.ts"
import { code, response, type Script } from "../../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

/**
 * Opens a stream, sends one record, runs `act` on the server, and returns the error that ends the
 * stream.
 */
const endedBy = (
  act: (connection: Parameters<NonNullable<Script["onCreate"]>>[0]) => void,
  options: Parameters<typeof A.open>[0] = {}
) =>
  Effect.gen(function* () {
    const { provider, server, stream } = yield* A.open(
      { ...single, recovery: false, ...options },
      A.silent
    )
    const ack = yield* stream.ingestRecord(A.record(0))
    yield* A.settle
    act(server.last)
    yield* A.settle
    const error = yield* Effect.flip(ack.await)
    return { error, provider, server }
  })

describe("what a server must not send", () => {
  for (const [what, bytes, message] of [
    [
      "no protobuf message",
      response.garbage(),
      "The server sent a response that is not a protobuf message."
    ],
    [
      "a second answer to the create request",
      response.created("again"),
      "The server answered a create request that was not made."
    ],
    [
      "nothing of a known kind",
      response.unknown(),
      "The server sent a response of an unknown kind."
    ],
    [
      "an acknowledgement of nothing",
      response.ackWithoutOffset(),
      "The server sent an acknowledgement without an offset."
    ],
    ["a negative acknowledgement", response.ack(-1), "The server acknowledged a negative offset."],
    [
      "an acknowledgement of what was not sent",
      response.ack(1),
      "The server acknowledged offset 1, but only 1 messages were sent on this connection."
    ]
  ] as const) {
    it.effect(`${what}: the error names it, is final, and does not blame credentials`, () =>
      Effect.gen(function* () {
        const { error, provider, server } = yield* endedBy((connection) => connection.send(bytes), {
          recovery: true
        })
        assert.deepStrictEqual(
          [error._tag, "message" in error && error.message],
          ["ProtocolViolation", message]
        )
        assert.deepStrictEqual(
          [server.connections.length, provider.invalidated, server.last.resets],
          [1, 0, 1]
        )
      })
    )
  }

  it.effect("anything but an answer to the create request first", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({ onCreate: (connection) => connection.ack(0) })
      const error = yield* Effect.flip(zerobus.createStream(A.table))
      assert.deepStrictEqual(
        [error._tag, error.message],
        ["ProtocolViolation", "The server's first response does not answer the create request."]
      )
    })
  )

  it.effect("but it may send an acknowledgement and a close signal in one message", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...single, recovery: true }, A.silent, {})
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.send(response.ack(0), response.closing(0))
      yield* A.settle
      assert.strictEqual(yield* ack.await, 0)
      assert.strictEqual(server.connections.length, 2)
      assert.strictEqual(server.connection(0).halfCloses, 1)
    })
  )
})

describe("the end of a call", () => {
  it.effect("is attributed to the server when it was orderly", () =>
    Effect.gen(function* () {
      const { error } = yield* endedBy((connection) => connection.end())
      const retryable = A.tagged(error, "Retryable")
      assert.deepStrictEqual(
        [retryable.reason._tag, retryable.message, retryable.attempts],
        ["ConnectionLost", "The server ended the stream.", 1]
      )
    })
  )

  it.effect("invalidates credentials that were refused, those and no others", () =>
    Effect.gen(function* () {
      for (const [status, tag, invalidated] of [
        [code.UNAUTHENTICATED, "InvalidToken", 1],
        [code.PERMISSION_DENIED, "PermissionDenied", 1],
        [code.NOT_FOUND, "InvalidTable", 0],
        [code.INVALID_ARGUMENT, "InvalidArgument", 0],
        [code.UNAVAILABLE, "Retryable", 0]
      ] as const) {
        const { error, provider } = yield* endedBy((connection) => connection.fail(status))
        assert.deepStrictEqual([error._tag, provider.invalidated], [tag, invalidated])
      }
    })
  )

  it.effect("keeps the name of the last connection that had one", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        single,
        {},
        { onCreate: (c) => c.accept("second") },
        {
          onCreate: (c) => c.send(response.created())
        }
      )
      assert.strictEqual(yield* stream.sessionId, "session-0")
      for (const expected of ["second", "second"]) {
        server.last.cut()
        yield* A.advance(10)
        assert.strictEqual(yield* stream.sessionId, expected)
      }
      assert.deepStrictEqual([server.connections.length, stream.streamId], [3, "session-0"])
    })
  )
})

describe("the limit on silence", () => {
  it.effect("reports how long it was and how much is in flight", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, recovery: false, serverLackOfAckTimeout: 200 },
        A.silent
      )
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.ack(0)
      yield* A.advance(200)
      const error = A.tagged(yield* Effect.flip(stream.flush), "Retryable")
      assert.strictEqual(error.reason._tag, "AckTimeout")
      assert.strictEqual(
        error.message,
        "No record became durable for 200 ms although 2 messages are in flight."
      )
      assert.strictEqual(error.attempts, 1)
    })
  )

  it.effect("restarts with each acknowledgement, and stops while nothing is in flight", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...single, serverLackOfAckTimeout: 200 }, A.silent)
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      for (const upTo of [0, 1, 2]) {
        yield* A.advance(190)
        server.last.ack(upTo)
        yield* A.settle
      }
      yield* A.advance(5000, 100)
      assert.strictEqual(server.connections.length, 1)
      yield* stream.ingestRecord(A.record(3))
      yield* A.advance(150)
      // A second record in flight does not extend the limit.
      yield* stream.ingestRecord(A.record(4))
      yield* A.advance(49)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(12, 1)
      assert.strictEqual(server.connections.length, 2)
    })
  )
})

describe("the limit on silence about a record", () => {
  it.effect("does not count the time that the server took to refuse the one before", () =>
    Effect.gen(function* () {
      const refused: Array<number> = []
      const { server, stream } = yield* A.open(
        {
          ...single,
          serverLackOfAckTimeout: 200,
          onRefused: ({ offset }) => Effect.sync(() => refused.push(offset))
        },
        A.silent
      )
      for (const n of [0, 1]) {
        yield* stream.ingestRecord(A.record(n))
        // A single record is refused twice before it counts as refused.
        for (const _ of [1, 2]) {
          yield* A.advance(90)
          server.last.fail(code.INVALID_ARGUMENT)
          yield* A.settle
        }
      }
      assert.deepStrictEqual([refused, server.connections.length], [[0, 1], 5])
    })
  )
})

describe("an acknowledgement of what has not left", () => {
  it.effect("does not put off the end of silence", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, recovery: false, serverLackOfAckTimeout: 200, drainTimeout: 0 },
        A.silent
      )
      server.last.pause()
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(150)
      server.last.ack(0)
      yield* A.advance(49)
      const waiting = yield* A.started(ack.await)
      assert.isFalse(waiting.done())
      yield* A.advance(1)
      assert.strictEqual(A.tagged(waiting.error(), "Retryable").reason._tag, "AckTimeout")
    })
  )
})

describe("a pause", () => {
  it.effect("shows as a state, until the next connection is open", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent, {})
      const seen: Array<string> = []
      yield* A.started(
        Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(100)
      yield* A.settle
      assert.deepStrictEqual(seen, ["open", "paused"])
      // Records ingested now wait for the next connection.
      yield* stream.ingestRecord(A.record(1))
      yield* A.advance(99)
      assert.deepStrictEqual(
        [server.connections.length, server.last.messages.length, server.last.halfCloses],
        [1, 1, 0]
      )
      yield* A.advance(1)
      yield* stream.flush
      assert.deepStrictEqual([...new Set(seen)].slice(0, 3), ["open", "paused", "recovering"])
      assert.strictEqual(seen.at(-1), "open")
      assert.deepStrictEqual(server.last.records, A.recordsFrom(0, 2))
    })
  )

  it.effect(
    "is no state of a stream that does not recover: it ends with the rotation at once",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...single, recovery: false }, A.silent)
        const seen = yield* A.started(Stream.runCollect(stream.stateChanges))
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.closing(5000)
        yield* A.advance(500)
        const error = A.tagged(yield* Effect.flip(ack.await), "Retryable")
        assert.deepStrictEqual(
          [error.reason._tag, error.message, error.attempts],
          [
            "ConnectionLost",
            "The server requested a new connection (stream rotation), and recovery is off.",
            1
          ]
        )
        assert.notInclude([...seen.value()], "paused")
      })
  )

  it.effect("ends with a close, which then waits for the drain only", () =>
    Effect.gen(function* () {
      const quiet: Script = { onMessage: () => {}, onHalfClose: () => {} }
      const { server, stream } = yield* A.open(
        { ...single, flushTimeout: 100, drainTimeout: 50 },
        quiet
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(60_000)
      yield* A.settle
      const closing = yield* A.started(stream.close)
      yield* A.advance(99)
      assert.strictEqual(server.last.halfCloses, 0)
      yield* A.advance(1)
      assert.deepStrictEqual([server.last.halfCloses, closing.done()], [1, false])
      yield* A.advance(49)
      assert.isFalse(closing.done())
      yield* A.advance(1)
      A.tagged(closing.error(), "FlushTimeout")
      assert.deepStrictEqual([server.connections.length, server.last.resets], [1, 1])
    })
  )

  it.effect("lets the end of the call decide: an orderly one rotates, a failure is one", () =>
    Effect.gen(function* () {
      for (const [end, expected] of [
        ["orderly", ["open", "paused", "recovering", "replaying", "open"]],
        ["failure", ["open", "paused", "failed"]]
      ] as const) {
        const { server, stream } = yield* A.open(single, A.silent, A.silent)
        const seen: Array<string> = []
        yield* A.started(
          Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.closing(60_000)
        yield* A.settle
        if (end === "orderly") server.last.end()
        else server.last.fail(code.NOT_FOUND)
        yield* A.settle
        assert.deepStrictEqual(seen, [...expected])
      }
    })
  )
})

describe("sending again", () => {
  it.effect("is over with the last record sent before, and only then the stream is open", () =>
    Effect.gen(function* () {
      const stuck: Script = {
        onMessage: () => {},
        onCreate: (connection) => (connection.pause(), connection.accept())
      }
      const { server, stream } = yield* A.open(single, A.silent, stuck)
      const seen: Array<string> = []
      yield* A.started(
        Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
      )
      for (const text of A.recordsFrom(0, 50)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.cut()
      yield* A.advance(10)
      assert.strictEqual(seen.at(-1), "replaying")
      server.last.resume()
      yield* A.settle
      assert.strictEqual(seen.at(-1), "open")
      assert.strictEqual(seen.filter((state) => state === "open").length, 2)
      // The state is reported once, not for each further record.
      yield* stream.ingestRecord(A.record(50))
      yield* A.settle
      assert.strictEqual(seen.filter((state) => state === "open").length, 2)
      server.last.ack(50)
      yield* stream.flush
    })
  )

  it.effect(
    "waits while the transport takes nothing, and holds the acknowledgement of what has not left",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(single, A.silent)
        server.last.pause()
        const acks = yield* Effect.forEach(A.recordsFrom(0, 3), stream.ingestRecord)
        yield* A.settle
        const waiting = yield* A.started(acks[0]!.await)
        server.last.ack(0)
        yield* A.settle
        assert.isFalse(waiting.done())
        server.last.resume()
        yield* A.settle
        assert.strictEqual(waiting.value(), 0)
        assert.deepStrictEqual(server.records, A.recordsFrom(0, 3))
        server.last.ack(2)
        yield* stream.flush
      })
  )
})

describe("defects below the engine", () => {
  const throwing = Layer.succeed(Transport, {
    open: () =>
      Effect.gen(function* () {
        const responses = yield* Queue.unbounded<Uint8Array, Cause.Done>()
        let sent = 0
        return {
          sendUnsafe: () => {
            if (sent++ > 0) throw new Error("a bug of the transport")
            Queue.offerUnsafe(responses, createdResponse("session"))
            return true
          },
          writable: Effect.void,
          sentUnsafe: () => sent,
          onSentUnsafe: () => {},
          halfClose: Effect.void,
          responses: Queue.asDequeue(responses)
        }
      })
  })

  it.live(
    "end the stream: no caller keeps waiting, close fails, and the records stay readable",
    () =>
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const stream = yield* zerobus.createStream(A.table)
        const ack = yield* stream.ingestRecord({ n: 1 })
        const waited = yield* Effect.exit(ack.await)
        assert.isTrue(Exit.isFailure(waited) && Cause.hasDies(waited.cause))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.close)))
        assert.deepStrictEqual(yield* stream.getUnackedRecords, [`{"n":1}`])
      }).pipe(
        Effect.scoped,
        Effect.provide(Zerobus.layerNoDeps.pipe(Layer.provide([throwing, provider]))),
        Effect.timeout("5 seconds")
      )
  )
})
