/** Valid and invalid acknowledgements. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schedule } from "effect"
import * as A from "../support/acceptance.ts"
import { code, type Connection, response, type Script } from "../support/scriptedServer.ts"

const soon = Schedule.spaced(10)
const single = { batching: "off", recoverySchedule: soon } as const

/** Answers the first record with these bytes. */
const answering = (...parts: ReadonlyArray<ReadonlyArray<number>>): Script => ({
  onMessage: (connection) => {
    if (connection.messages.length === 1) connection.send(...parts)
  }
})

/**
 * Answering a record with these bytes ends the stream with a protocol violation and leaves the
 * record unacknowledged.
 */
const violates = (...parts: ReadonlyArray<ReadonlyArray<number>>) =>
  Effect.gen(function* () {
    const { server, stream } = yield* A.open(single, answering(...parts), {})
    const ack = yield* stream.ingestRecord(A.record(0))
    yield* A.advance(1000)
    const error = A.tagged(yield* Effect.flip(ack.await), "ProtocolViolation")
    assert.strictEqual(server.connections.length, 1)
    assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    return error
  })

describe("acknowledgements", () => {
  it.effect("AK-01 resolves everything up to the acknowledged offset", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 4), stream.ingestRecord)
      const waiting = yield* Effect.forEach(acks, (ack) => A.started(ack.await))
      server.last.ack(2)
      yield* A.settle
      assert.deepStrictEqual(
        waiting.map((one) => one.done()),
        [true, true, true, false]
      )
    })
  )

  // Decision: final, with a typed error and the records returned; one of the official SDKs
  // reconnects.
  it.effect(
    "AK-02 H-02 takes an acknowledgement without its field as a violation, never as offset 0",
    () => Effect.asVoid(violates(response.ackWithoutOffset()))
  )

  it.effect(
    "AK-03 H-04 treats an acknowledgement beyond the sent records as a violation that names both " +
      "numbers",
    () =>
      Effect.gen(function* () {
        const error = yield* violates(response.ack(101))
        assert.include(error.message, "101")
        assert.include(error.message, "1 message")
        // An offset one too high would acknowledge the next record before it exists.
        yield* violates(response.ack(1))
        yield* violates(response.ack(2n ** 63n - 1n))
      })
  )

  it.effect("AK-04 H-03 takes a negative acknowledgement as a violation", () =>
    Effect.andThen(violates(response.ack(-1)), violates(response.ack(-(2n ** 63n))))
  )

  it.effect("AK-05 AK-06 H-06 ignores repeated and lower acknowledgements", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 4), stream.ingestRecord)
      yield* A.settle
      for (const upTo of [1, 1, 2, 1, 0]) server.last.ack(upTo)
      yield* A.settle
      assert.isTrue(Option.isSome(yield* acks[2]!.poll))
      assert.isTrue(Option.isNone(yield* acks[3]!.poll))
      server.last.ack(3)
      yield* acks[3]!.await
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AK-07 H-18 does not feed the silence timer with repeated acknowledgements", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, serverLackOfAckTimeout: 150, recovery: false },
        answering(response.ack(0))
      )
      const acks = yield* Effect.forEach(A.recordsFrom(0, 3), stream.ingestRecord)
      yield* A.settle
      for (let at = 0; at < 140; at += 20) {
        server.last.ack(0)
        yield* A.advance(20)
      }
      assert.isTrue(Option.isNone(yield* acks[1]!.poll))
      yield* A.advance(10)
      const error = A.tagged(yield* Effect.flip(acks[1]!.await), "Retryable")
      assert.strictEqual(error.reason._tag, "AckTimeout")
      assert.strictEqual(yield* acks[0]!.await, 0)
    })
  )

  it.effect("AK-08 H-17 starts the silence timer with the first record in flight", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...single, serverLackOfAckTimeout: 200 }, A.silent)
      yield* A.advance(175)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(50)
      server.last.ack(0)
      yield* ack.await
      yield* A.advance(1000)
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AK-09 ends with an acknowledgement timeout when the server stays silent", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(
        { ...single, serverLackOfAckTimeout: 200, recovery: false },
        A.silent
      )
      const ack = yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(ack.await)
      yield* A.advance(199)
      assert.isFalse(waiting.done())
      yield* A.advance(1)
      assert.strictEqual(A.tagged(waiting.error(), "Retryable").reason._tag, "AckTimeout")
    })
  )

  it.effect("AK-10 sends exactly the unacknowledged records again after a silent connection", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, serverLackOfAckTimeout: 100 },
        A.silent,
        {}
      )
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      const flush = yield* A.started(stream.flush)
      yield* A.advance(110)
      flush.value()
      assert.deepStrictEqual(
        server.connections.map((connection) => connection.records),
        [A.recordsFrom(0, 3), A.recordsFrom(0, 3)]
      )
      assert.strictEqual(server.connection(0).resets, 1)
    })
  )

  it.effect(
    "AK-11 H-07 takes an empty response, one of an unknown kind and one that is not a message as " +
      "violations",
    () =>
      Effect.gen(function* () {
        yield* violates(response.empty())
        yield* violates(response.unknown())
        yield* violates(response.garbage())
        yield* violates(response.created("again"))
        yield* violates(response.created("again"), response.closing(0))
      })
  )

  it.effect("AK-12 H-08 does not apply an acknowledgement before its request was sent", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      server.last.pause()
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.ack(0)
      yield* A.settle
      assert.isTrue(Option.isNone(yield* ack.poll))
      server.last.resume()
      yield* A.settle
      assert.isTrue(Option.isSome(yield* ack.poll))
    })
  )

  it.effect("AK-13 H-09 drops an acknowledgement for a request that was never sent", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...single, recovery: false }, A.silent)
      server.last.pause()
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.ack(0)
      yield* A.settle
      server.last.cut()
      yield* A.settle
      A.tagged(yield* Effect.flip(ack.await), "Retryable")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect(
    "AK-14 AK-21 H-01 H-05 maps the wire offsets of a new connection to the right records",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(single, answering(response.ack(0)), {
          ...A.silent,
          onCreate: (connection) => (connection.pause(), connection.accept())
        })
        const acks = yield* Effect.forEach(A.recordsFrom(0, 3), stream.ingestRecord)
        yield* acks[0]!.await
        server.last.cut()
        yield* A.advance(10)
        const second = server.connection(1)
        second.ack(0)
        yield* A.settle
        assert.isTrue(Option.isNone(yield* acks[1]!.poll), "the replay has not left yet")
        second.resume()
        yield* A.settle
        assert.isTrue(Option.isSome(yield* acks[1]!.poll))
        assert.isTrue(Option.isNone(yield* acks[2]!.poll))
        second.ack(1)
        assert.strictEqual(yield* acks[2]!.await, 2)
        assert.deepStrictEqual(second.records, A.recordsFrom(1, 2))
      })
  )

  it.effect("AK-15 counts an acknowledgement that the end of the stream follows at once", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, {
        onMessage: (connection) => (connection.ack(0), connection.end())
      })
      const ack = yield* stream.ingestRecord(A.record(0))
      assert.strictEqual(yield* ack.await, 0)
      assert.deepStrictEqual(server.connection(0).records, [A.record(0)])
      yield* A.advance(10)
      assert.deepStrictEqual(server.connection(1).records, [])
    })
  )

  it.effect("AK-16 continues reading while woken waiters are still busy", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 2), stream.ingestRecord)
      // The first waiter never finishes its work after the acknowledgement.
      yield* A.started(Effect.andThen(acks[0]!.await, Effect.never))
      server.last.ack(0)
      yield* A.settle
      server.last.ack(1)
      assert.strictEqual(yield* acks[1]!.await, 1)
    })
  )

  it.effect(
    "AK-17 AK-18 H-31 reports the server's status while the sender is blocked, and invalidates " +
      "credentials once",
    () =>
      Effect.gen(function* () {
        const blocked = (end: (connection: Connection) => void) =>
          Effect.gen(function* () {
            const { provider, server, stream } = yield* A.open(
              { ...single, recovery: false },
              A.silent
            )
            server.last.pause()
            const acks = yield* Effect.forEach(A.recordsFrom(0, 100), stream.ingestRecord)
            yield* A.settle
            end(server.last)
            yield* A.settle
            assert.strictEqual(server.connections.length, 1)
            return { error: yield* Effect.flip(acks[99]!.await), provider }
          })
        const rejected = yield* blocked((connection) =>
          connection.fail(code.UNAUTHENTICATED, "token expired")
        )
        assert.include(A.tagged(rejected.error, "InvalidToken").message, "token expired")
        assert.strictEqual(rejected.provider.invalidated, 1)
        A.tagged(
          (yield* blocked((connection) => connection.send(response.garbage()))).error,
          "ProtocolViolation"
        )
        A.tagged(
          (yield* blocked((connection) => connection.fail(code.NOT_FOUND))).error,
          "InvalidTable"
        )
      })
  )

  it.effect("AK-19 H-22 takes a clean end with records pending as a disconnect", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        single,
        { onMessage: (connection) => connection.end() },
        {}
      )
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(20)
      assert.strictEqual(yield* ack.await, 0)
      assert.strictEqual(server.connections.length, 2)

      const off = yield* A.open(
        { ...single, recovery: false },
        { onMessage: (connection) => connection.end() }
      )
      const lost = yield* off.stream.ingestRecord(A.record(0))
      yield* A.settle
      assert.strictEqual(
        A.tagged(yield* Effect.flip(lost.await), "Retryable").reason._tag,
        "ConnectionLost"
      )
    })
  )

  it.effect(
    "AK-20 applies the acknowledgement of a message that is a close signal too, then rotates",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          single,
          {
            onMessage: (connection) => {
              if (connection.messages.length === 2)
                connection.send(response.ack(1), response.closing(1000))
            }
          },
          {}
        )
        const acks = yield* Effect.forEach(A.recordsFrom(0, 2), stream.ingestRecord)
        yield* acks[1]!.await
        yield* A.settle
        assert.strictEqual(server.connection(0).halfCloses, 1)
        assert.strictEqual(server.connections.length, 2)
        assert.deepStrictEqual(server.connection(1).records, [])
      })
  )

  it.effect(
    "H-27 lets a request that is under way finish during a pause, and counts its acknowledgement",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          single,
          { onMessage: (c, message) => c.ack(message.wireOffset) },
          {}
        )
        server.last.pause()
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.closing(1000)
        yield* A.settle
        assert.isTrue(Option.isNone(yield* ack.poll))
        server.last.resume()
        yield* A.settle
        assert.isTrue(Option.isSome(yield* ack.poll))
        assert.deepStrictEqual(
          server.connections.map((connection) => connection.records),
          [[A.record(0)], []]
        )
      })
  )

  it.effect("AK-22 counts the time of a replay in the acknowledgement limit", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, serverLackOfAckTimeout: 100 },
        A.silent,
        {
          ...A.silent,
          onCreate: (connection) => (connection.pause(), connection.accept())
        }
      )
      for (const text of A.recordsFrom(0, 40)) yield* stream.ingestRecord(text)
      yield* A.settle
      yield* A.advance(20)
      server.last.cut()
      // No connection is open for 10 ms; this time does not count.
      yield* A.advance(10)
      const second = server.connection(1)
      // More than the transport's window has to be sent again, and the server reads nothing for a
      // while.
      yield* A.advance(60)
      second.resume()
      yield* A.settle
      assert.strictEqual(second.records.length, 40)
      yield* A.advance(19)
      assert.strictEqual(server.connections.length, 2)
      yield* A.advance(1 + 10)
      assert.strictEqual(server.connections.length, 3)
      server.last.resume()
      yield* A.settle
      server.last.ack(39)
      yield* stream.flush
    })
  )
})
