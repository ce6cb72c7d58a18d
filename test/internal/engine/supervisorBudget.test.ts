/**
 * Every wait ends. What uses up the retry budget and what refills it, streams without records that
 * become idle instead of failing, and the time without acknowledgements, which counts over
 * sessions.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { HeadersProvider } from "../../../src/HeadersProvider.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"

const plain = {
  batching: "off",
  recoverySchedule: Schedule.recurs(2).pipe(Schedule.addDelay(() => Effect.succeed(100)))
} as const

/** Announces the end of the connection with the first record, and acknowledges nothing. */
const rotating: Script = { onMessage: (connection) => connection.closing(0) }

/** Accepts the stream and announces its end at once. */
const leaving: Script = { onCreate: (connection) => (connection.accept(), connection.closing(0)) }

/** Accepts the stream and breaks the connection at once. */
const cutting: Script = { onCreate: (connection) => (connection.accept(), connection.cut()) }

const watch = Effect.fnUntraced(function* (stream: {
  readonly stateChanges: Stream.Stream<string>
}) {
  const seen: Array<string> = []
  yield* A.started(
    Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
  )
  return seen
})

describe("while something is unacknowledged, the budget", () => {
  it.effect("is spent by rotations that acknowledge nothing", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...plain, maxInflightRecords: 1 }, rotating)
      const ack = yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(stream.ingestRecord(A.record(1)))
      yield* A.advance(5000)
      assert.strictEqual(server.connections.length, 3)
      const error = A.tagged(yield* Effect.flip(ack.await), "Retryable")
      assert.strictEqual(error.attempts, 3)
      assert.match(error.message, /announced rotation before it acknowledged anything/)
      A.tagged(waiting.error(), "StreamClosed")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect("is not refilled by uptime", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, A.silent)
      const ack = yield* stream.ingestRecord(A.record(0))
      for (let cuts = 0; cuts < 3; cuts++) {
        yield* A.advance(16_000, 1000)
        server.last.cut()
        yield* A.advance(100)
      }
      assert.strictEqual(server.connections.length, 3)
      assert.strictEqual(
        A.tagged(yield* Effect.flip(ack.await), "Retryable").reason._tag,
        "ConnectionLost"
      )
    })
  )

  it.effect("is refilled by uptime before the record came, once", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, A.silent)
      yield* A.advance(16_000, 1000)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.settle
      // Without a pause, and with the whole budget left.
      assert.strictEqual(server.connections.length, 2)
      for (const next of [3, 4]) {
        server.last.cut()
        yield* A.advance(100)
        assert.strictEqual(server.connections.length, next)
      }
      server.last.cut()
      yield* A.advance(1000)
      A.tagged(yield* Effect.flip(ack.await), "Retryable")
    })
  )

  it.effect("is refilled by durable progress, however a session ends", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, A.silent)
      for (const text of A.recordsFrom(0, 10)) yield* stream.ingestRecord(text)
      for (let n = 0; n < 9; n++) {
        yield* A.settle
        server.last.ack(0)
        yield* A.settle
        if (n % 2 === 0) server.last.cut()
        else server.last.closing(0)
        yield* A.settle
        assert.strictEqual(server.connections.length, n + 2)
      }
      server.last.ack(0)
      yield* stream.close
    })
  )
})

describe("a stream with nothing unacknowledged", () => {
  for (const [how, script] of [
    ["lost", cutting],
    ["rotated unused", leaving],
    ["refused for a while", A.refusing(code.UNAVAILABLE)]
  ] as const) {
    it.effect(
      `is idle once its connections were ${how} too often, and its next record has a fresh budget`,
      () =>
        Effect.gen(function* () {
          const { server, stream } = yield* A.open(plain, {}, script, script, script, {})
          const states = yield* watch(stream)
          server.last.cut()
          yield* A.advance(60_000, 1000)
          assert.strictEqual(states.at(-1), "idle")
          assert.strictEqual(states.filter((state) => state === "idle").length, 1)
          const before = server.connections.length
          assert.isBelow(before, 5)
          yield* stream.flush
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* A.advance(1000, 100)
          assert.strictEqual(yield* ack.await, ack.offset)
          assert.isAbove(server.connections.length, before)
          yield* stream.close
          yield* A.settle
          assert.strictEqual(states.at(-1), "closed")
        })
    )
  }

  it.effect("fails with the record whose own attempts fail", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, {}, A.refusing(code.UNAVAILABLE))
      server.last.cut()
      yield* A.advance(10_000, 1000)
      assert.strictEqual(server.connections.length, 3)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(10_000, 1000)
      assert.strictEqual(server.connections.length, 6)
      assert.strictEqual(A.tagged(yield* Effect.flip(ack.await), "Retryable").attempts, 3)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect("spends nothing of the budget of a record that comes during a pause", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, {}, A.refusing(code.UNAVAILABLE))
      server.last.cut()
      yield* A.advance(150)
      assert.strictEqual(server.connections.length, 2)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(10_000, 1000)
      assert.strictEqual(server.connections.length, 5)
      A.tagged(yield* Effect.flip(ack.await), "Retryable")
    })
  )

  it.effect(
    "spends nothing of the budget of a record that comes while refused credentials are invalidated",
    () =>
      Effect.gen(function* () {
        const headersProvider = HeadersProvider.make({
          getHeaders: Effect.succeed({}),
          invalidate: Effect.sleep(500)
        })
        const refused = A.refusing(code.UNAUTHENTICATED)
        const { server, stream } = yield* A.open(
          { ...plain, headersProvider },
          {},
          refused,
          A.refusing(code.UNAVAILABLE)
        )
        server.last.cut()
        yield* A.advance(250)
        assert.strictEqual(server.connections.length, 2)
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.advance(10_000, 1000)
        assert.strictEqual(server.connections.length, 5)
        assert.strictEqual(A.tagged(yield* Effect.flip(ack.await), "Retryable").attempts, 3)
      })
  )

  it.effect("is never idle behind a proxy that ends its connections every 20 seconds", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, {})
      const states = yield* watch(stream)
      for (let n = 1; n < 10; n++) {
        yield* A.advance(20_000, 4000)
        server.last.cut()
        yield* A.settle
        assert.strictEqual(server.connections.length, n + 1)
      }
      assert.notInclude(states, "idle")
    })
  )

  it.effect("closes at once while it is idle", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(plain, {}, cutting)
      server.last.cut()
      yield* A.advance(10_000, 1000)
      const connections = server.connections.length
      const closing = yield* A.started(stream.close)
      assert.isTrue(closing.done())
      assert.strictEqual(server.connections.length, connections)
    })
  )

  for (const [name, status, tag] of [
    ["the table is gone", code.NOT_FOUND, "InvalidTable"],
    ["the credentials are refused", code.UNAUTHENTICATED, "InvalidToken"],
    ["the schema does not fit", code.INVALID_ARGUMENT, "InvalidArgument"]
  ] as const) {
    it.effect(`fails when ${name}`, () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(plain, {}, A.refusing(status))
        server.last.cut()
        yield* A.advance(10_000, 1000)
        A.tagged(yield* Effect.flip(stream.flush), tag)
      })
    )
  }

  it.effect("fails by a lost connection without recovery, as before", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...plain, recovery: false }, {})
      server.last.cut()
      yield* A.settle
      A.tagged(yield* Effect.flip(stream.flush), "Retryable")
    })
  )
})

describe("the time without acknowledgements", () => {
  const patient = {
    batching: "off",
    recoverySchedule: Schedule.spaced(100),
    serverLackOfAckTimeout: 10_000
  } as const

  it.effect("counts over sessions, without the time in which none was open", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        patient,
        A.silent,
        A.refusing(code.UNAVAILABLE),
        A.silent
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      yield* A.advance(6000)
      server.last.cut()
      // One attempt is refused in between, so there is no session for 200 ms.
      yield* A.advance(200, 100)
      assert.strictEqual(server.connections.length, 3)
      yield* A.advance(3999)
      assert.strictEqual(server.last.resets, 0)
      yield* A.advance(1)
      assert.strictEqual(server.last.resets, 1)
      // The next session gets the full time.
      yield* A.advance(100)
      assert.strictEqual(server.connections.length, 4)
      yield* A.advance(9999)
      assert.strictEqual(server.last.resets, 0)
      yield* A.advance(1)
      assert.strictEqual(server.last.resets, 1)
    })
  )

  it.effect("counts to the end of a rotated session, and not the time until the next one", () =>
    Effect.gen(function* () {
      const options = { ...patient, drainTimeout: 500 }
      const staying: Script = { ...A.silent, onHalfClose: () => {} }
      const { server, stream } = yield* A.open(
        options,
        staying,
        A.refusing(code.UNAVAILABLE),
        A.silent
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      yield* A.advance(6000)
      server.last.closing(0)
      yield* A.advance(499)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(1)
      assert.strictEqual(server.connections.length, 2)
      yield* A.advance(100)
      assert.strictEqual(server.connections.length, 3)
      yield* A.advance(3499)
      assert.strictEqual(server.last.resets, 0)
      yield* A.advance(1)
      assert.strictEqual(server.last.resets, 1)
    })
  )

  it.effect("counts from the last progress, not from the loss of a session", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(patient, A.silent)
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      yield* A.advance(9000)
      server.last.ack(0)
      yield* A.advance(4000)
      server.last.cut()
      // There was progress: no pause.
      yield* A.settle
      assert.strictEqual(server.connections.length, 2)
      yield* A.advance(5999)
      assert.strictEqual(server.last.resets, 0)
      yield* A.advance(1)
      assert.strictEqual(server.last.resets, 1)
    })
  )
})
