/**
 * The server's close signal: pause, late acknowledgements, rotation.
 *
 * Decision: a connection with nothing in flight rotates at once, because waiting has no benefit.
 * Tests of how long the pause lasts keep a record in flight.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schedule } from "effect"
import * as A from "../support/acceptance.ts"
import { code, type Connection, response, type Script } from "../support/scriptedServer.ts"

const single = {
  batching: "off",
  recoverySchedule: Schedule.spaced(10),
  recoveryBackoff: 10
} as const
type Options = Parameters<typeof A.open>[0]

/**
 * A stream with `count` records in flight, after which the server announces the end of the
 * connection.
 */
const signalled = (
  options: Options,
  graceMillis: number | undefined,
  count = 2,
  first: Script = A.silent
) =>
  Effect.gen(function* () {
    const parts = yield* A.open({ ...single, ...options }, first, {})
    const acks = yield* Effect.forEach(A.recordsFrom(0, count), parts.stream.ingestRecord)
    yield* A.settle
    parts.server.last.closing(graceMillis)
    yield* A.settle
    return { ...parts, acks, old: parts.server.connection(0) }
  })

/** The pause of a stream with records in flight lasts exactly this long. */
const lasts = (millis: number, options: Options, graceMillis: number | undefined) =>
  Effect.gen(function* () {
    const { old, server, stream } = yield* signalled(options, graceMillis)
    if (millis > 0) {
      yield* A.advance(millis - 1)
      assert.deepStrictEqual([old.halfCloses, server.connections.length], [0, 1])
      yield* A.advance(1)
    }
    assert.deepStrictEqual([old.halfCloses, server.connections.length], [1, 2])
    yield* stream.flush
    assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 2))
  })

describe("the close signal", () => {
  it.effect("PS-01 pauses for the server's whole time if no bound is set", () =>
    lasts(1000, {}, 1000)
  )

  it.effect("PS-02 pauses for the server's time when the bound is above it", () =>
    lasts(1000, { streamPausedMaxWaitTime: 5000 }, 1000)
  )

  it.effect("PS-03 pauses for the bound when the server gives more", () =>
    lasts(1000, { streamPausedMaxWaitTime: 1000 }, 5000)
  )

  it.effect("PS-04 PS-05 reconnects at once with a bound of zero, unlike without a bound", () =>
    Effect.andThen(lasts(0, { streamPausedMaxWaitTime: 0 }, 5000), lasts(5000, {}, 5000))
  )

  it.effect("PS-06 reconnects at once when the server gives no time, whatever the bound", () =>
    Effect.andThen(
      lasts(0, { streamPausedMaxWaitTime: "1 hour" }, undefined),
      lasts(0, { streamPausedMaxWaitTime: "1 hour" }, 0)
    )
  )

  it.effect("PS-07 keeps the options that it was created with", () =>
    Effect.gen(function* () {
      const options: { -readonly [K in keyof Options]: Options[K] } = {
        ...single,
        streamPausedMaxWaitTime: 0
      }
      const { server, zerobus } = yield* A.client(A.silent, {})
      const stream = yield* zerobus.createStream(A.table, options)
      options.streamPausedMaxWaitTime = 10_000
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(5000)
      yield* A.settle
      assert.strictEqual(server.connections.length, 2)
      yield* stream.flush
    })
  )

  it.effect("PS-08 leaves as soon as everything is acknowledged", () =>
    Effect.gen(function* () {
      const { acks, old, server } = yield* signalled({}, 10_000)
      yield* A.advance(200)
      assert.strictEqual(server.connections.length, 1)
      old.ack(1)
      yield* A.settle
      assert.strictEqual(yield* acks[1]!.await, 1)
      assert.strictEqual(server.connections.length, 2)
      assert.deepStrictEqual(server.connection(1).records, [])
    })
  )

  // Differs from the official SDKs, which wait for the whole pause: nothing is in flight.
  it.effect("PS-09 rotates at once when nothing is in flight", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* signalled({}, 10_000, 0)
      assert.deepStrictEqual([server.connection(0).halfCloses, server.connections.length], [1, 2])
      yield* stream.ingestRecord(A.record(0))
      yield* stream.flush
      assert.deepStrictEqual(server.connection(1).records, [A.record(0)])
    })
  )

  it.effect(
    "PS-10 PS-13 H-23 accepts records during the pause and sends them on the new connection only",
    () =>
      Effect.gen(function* () {
        const { old, server, stream } = yield* signalled({}, 1000)
        const during = yield* stream.ingestRecord(A.record(2))
        yield* A.advance(999)
        assert.strictEqual(during.offset, 2)
        assert.deepStrictEqual(old.records, A.recordsFrom(0, 2))
        yield* A.advance(1)
        yield* stream.flush
        assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 3))
      })
  )

  it.effect("PS-11 keeps the limit in flight during the pause", () =>
    Effect.gen(function* () {
      const { stream } = yield* signalled({ maxInflightRecords: 3 }, 1000)
      yield* stream.ingestRecord(A.record(2))
      const fourth = yield* A.started(stream.ingestRecord(A.record(3)))
      yield* A.advance(999)
      assert.isFalse(fourth.done())
      yield* A.advance(1)
      assert.strictEqual(fourth.value().offset, 3)
    })
  )

  it.effect("PS-12 delivers everything when the connection fails during the pause", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* signalled({}, 1000)
      old.fail(code.UNAVAILABLE)
      yield* A.advance(20)
      yield* stream.flush
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 2))
    })
  )

  it.effect(
    "PS-14 applies an acknowledgement during the pause and does not send that record again",
    () =>
      Effect.gen(function* () {
        const { acks, old, server, stream } = yield* signalled({}, 1000)
        old.ack(0)
        yield* A.settle
        assert.isTrue(Option.isSome(yield* acks[0]!.poll))
        yield* A.advance(1000)
        yield* stream.flush
        assert.deepStrictEqual(server.connection(1).records, [A.record(1)])
      })
  )

  it.effect(
    "PS-15 PS-28 PS-32 H-26 applies an acknowledgement after the half-close, also when the " +
      "server gave no time",
    () =>
      Effect.gen(function* () {
        const atOnce: Script = {
          onMessage: () => {},
          onHalfClose: (connection) => (connection.ack(1), connection.end())
        }
        for (const grace of [0, 1000]) {
          const { acks, server } = yield* signalled({}, grace, 2, atOnce)
          yield* A.advance(grace)
          assert.strictEqual(yield* acks[1]!.await, 1)
          assert.strictEqual(server.connections.length, 2)
          assert.deepStrictEqual(server.connection(1).records, [])
        }
        const late: Script = { onMessage: () => {}, onHalfClose: () => {} }
        const { acks, old, server } = yield* signalled({}, 0, 2, late)
        yield* A.advance(200)
        old.ack(1)
        old.end()
        yield* A.settle
        assert.strictEqual(yield* acks[1]!.await, 1)
        assert.deepStrictEqual(server.connection(1).records, [])
      })
  )

  it.effect("PS-16 PS-30 sends again when the drain reaches its limit", () =>
    Effect.gen(function* () {
      const holding: Script = { onMessage: () => {}, onHalfClose: () => {} }
      const { old, server, stream } = yield* signalled({ drainTimeout: 450 }, 0, 2, holding)
      yield* A.advance(449)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(1)
      yield* stream.flush
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 2))
      assert.strictEqual(old.resets, 1)
    })
  )

  it.effect("PS-17 half-closes once and resets nothing before it connects anew", () =>
    Effect.gen(function* () {
      let oldWasOver = false
      const { server, stream } = yield* A.open(single, A.silent, {
        onConnect: () => {
          oldWasOver = server.connection(0).over && server.connection(0).halfCloses === 1
        }
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(0)
      yield* A.settle
      assert.isTrue(oldWasOver)
      assert.deepStrictEqual([server.connection(0).halfCloses, server.connection(0).resets], [1, 0])
      yield* stream.flush
    })
  )

  it.effect(
    "PS-18 PS-19 PS-20 sends again what a message with acknowledgement and signal left " +
      "unacknowledged: some, nothing, all",
    () =>
      Effect.gen(function* () {
        const rotate = (upTo: number | undefined) =>
          Effect.gen(function* () {
            const { server, stream } = yield* A.open(single, A.silent, {})
            for (const text of A.recordsFrom(0, 5)) yield* stream.ingestRecord(text)
            yield* A.settle
            server.last.send(
              ...(upTo === undefined ? [] : [response.ack(upTo)]),
              response.closing(0)
            )
            yield* A.settle
            yield* stream.flush
            return server.connection(1).records
          })
        assert.deepStrictEqual(yield* rotate(1), A.recordsFrom(2, 3))
        assert.deepStrictEqual(yield* rotate(4), [])
        assert.deepStrictEqual(yield* rotate(undefined), A.recordsFrom(0, 5))
      })
  )

  it.effect("PS-20 sends an unacknowledged batch again as one batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent, {})
      yield* stream.ingestRecords(A.recordsFrom(0, 3))
      yield* A.settle
      server.last.closing(0)
      yield* A.settle
      yield* stream.flush
      assert.deepStrictEqual(
        server.connection(1).messages.map(({ kind, records }) => [kind, records.length]),
        [["batch", 3]]
      )
    })
  )

  it.effect("PS-21 resolves the right receipts over a rotation, in order", () =>
    Effect.gen(function* () {
      const { acks, old, server, stream } = yield* signalled({}, 1000, 3)
      const resolved: Array<number> = []
      for (const ack of acks)
        yield* A.started(Effect.map(ack.await, (offset) => resolved.push(offset)))
      old.ack(0)
      yield* A.advance(1000)
      yield* stream.flush
      yield* A.settle
      assert.deepStrictEqual(resolved, [0, 1, 2])
      assert.deepStrictEqual(
        server.connection(1).messages.map((message) => message.wireOffset),
        [0, 1]
      )
    })
  )

  it.effect(
    "PS-22 PS-23 H-25 ends with the rotation as its reason when recovery is off, also when the " +
      "server ends at once",
    () =>
      Effect.gen(function* () {
        const ending = (end: (connection: Connection) => void) =>
          Effect.gen(function* () {
            const { server, stream } = yield* A.open({ ...single, recovery: false }, A.silent)
            const ack = yield* stream.ingestRecord(A.record(0))
            yield* A.settle
            server.last.closing(1000)
            end(server.last)
            yield* A.settle
            const error = A.tagged(yield* Effect.flip(ack.await), "Retryable")
            assert.include(error.message, "rotation")
            assert.strictEqual(server.connections.length, 1)
            assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
            return server.last
          })
        assert.strictEqual((yield* ending(() => {})).halfCloses, 1)
        yield* ending((connection) => connection.end())
      })
  )

  it.effect("PS-24 PS-31 H-24 lets a real failure during the pause decide", () =>
    Effect.gen(function* () {
      const violations = [response.ack(99), response.ackWithoutOffset(), response.garbage()]
      for (const bytes of violations) {
        const { acks, old, server } = yield* signalled({}, 1000)
        old.send(bytes)
        yield* A.settle
        A.tagged(yield* Effect.flip(acks[0]!.await), "ProtocolViolation")
        assert.strictEqual(server.connections.length, 1)
      }
      const { server, stream } = yield* A.open(single, A.silent, {})
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.send(response.ack(99), response.closing(1000))
      yield* A.settle
      A.tagged(yield* Effect.flip(ack.await), "ProtocolViolation")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("PS-24 spends a retry on a connection lost during the pause", () =>
    Effect.gen(function* () {
      const { acks, old, server } = yield* signalled(
        { recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 0 })) },
        1000
      )
      old.cut()
      yield* A.settle
      assert.strictEqual(
        A.tagged(yield* Effect.flip(acks[0]!.await), "Retryable").reason._tag,
        "ConnectionLost"
      )
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("PS-25 invalidates credentials once when they are refused during the pause", () =>
    Effect.gen(function* () {
      const { old, provider, server, stream } = yield* signalled({}, 1000)
      old.fail(code.UNAUTHENTICATED)
      yield* A.settle
      yield* stream.flush
      assert.deepStrictEqual(
        [provider.invalidated, provider.asked, server.connections.length],
        [1, 2, 2]
      )
    })
  )

  // One refusal leads to fresh credentials; the official SDKs treat it as final here.
  it.effect(
    "PS-26 tries fresh credentials once when they are refused after a rotation, and ends at the " +
      "second refusal",
    () =>
      Effect.gen(function* () {
        const once = yield* A.open(single, A.silent, A.refusing(code.UNAUTHENTICATED), {})
        once.server.last.closing(0)
        yield* A.settle
        assert.deepStrictEqual([once.provider.invalidated, once.server.connections.length], [1, 3])
        yield* once.stream.ingestRecord(A.record(0))
        yield* once.stream.flush

        const twice = yield* A.open(single, A.silent, A.refusing(code.UNAUTHENTICATED))
        twice.server.last.closing(0)
        yield* A.settle
        A.tagged(yield* Effect.flip(twice.stream.flush), "InvalidToken")
        assert.deepStrictEqual(
          [twice.provider.invalidated, twice.server.connections.length],
          [2, 3]
        )
      })
  )

  it.effect("PS-29 ends with a final status that answers the half-close", () =>
    Effect.gen(function* () {
      const refusing: Script = {
        onMessage: () => {},
        onHalfClose: (connection) => connection.fail(code.FAILED_PRECONDITION, "last word")
      }
      const { acks, server } = yield* signalled({}, 0, 2, refusing)
      assert.include(
        A.tagged(yield* Effect.flip(acks[0]!.await), "InvalidArgument").message,
        "last word"
      )
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("PS-13 spends no retry on rotations, however many", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 0 })) },
        {
          onMessage: (connection, message) =>
            connection.send(response.ack(message.wireOffset), response.closing(0))
        }
      )
      for (let n = 0; n < 20; n++) {
        yield* stream.ingestRecord(A.record(n))
        yield* A.settle
      }
      yield* stream.flush
      assert.strictEqual(server.connections.length, 21)
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 20))
    })
  )

  it.effect(
    "PS-13 H-21 does not loop without a pause on a server that rotates every connection at once",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          { ...single, recoveryBackoff: 100 },
          { onCreate: (connection) => (connection.accept(), connection.closing(0)) }
        )
        yield* A.settle
        // The first rotation reconnects at once, the others after the backoff.
        assert.strictEqual(server.connections.length, 2)
        yield* A.advance(1000, 100)
        assert.strictEqual(server.connections.length, 12)
        yield* stream.close
      })
  )
})
