/**
 * Streams of Arrow batches over lost and rotated connections: which rows are sent again, and which
 * are left unacknowledged.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { StreamConfigurationOptions } from "../../src/StreamConfigurationOptions.ts"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import type { FlightScript } from "../support/scriptedFlight.ts"
import { schemaError } from "../support/schemaError.ts"
import { code } from "../support/scriptedServer.ts"

const { silent } = F

/** A stream with batches of 4 rows in flight, of which some rows are acknowledged. */
const inFlight = (
  options: StreamConfigurationOptions<never>,
  batches: number,
  acknowledged: number,
  ...scripts: ReadonlyArray<FlightScript>
) =>
  Effect.gen(function* () {
    const parts = yield* F.open(options as object, silent, ...scripts)
    const acks = yield* Effect.forEach(F.numbers(0, batches), (n) =>
      parts.stream.ingestRecord(F.batch(n * 4, 4))
    )
    yield* A.settle
    if (acknowledged > 0) parts.server.last.ack(acknowledged)
    yield* A.settle
    return { ...parts, acks, old: parts.server.last }
  })

describe("a lost connection", () => {
  it.effect("H-15 AR-16 AR-27 CB-12 sends the remaining rows again, without the durable ones", () =>
    Effect.gen(function* () {
      const { acks, old, server, stream } = yield* inFlight({}, 4, 10, {})
      assert.strictEqual(yield* acks[1]!.await, 1)
      const third = yield* A.started(acks[2]!.await)
      assert.isFalse(third.done())
      old.cut()
      yield* A.advance(20)
      yield* stream.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(10, 6))
      assert.deepStrictEqual(
        server.last.frames.map(({ offset, rows }) => [offset, rows]),
        [
          [0, 2],
          [1, 4]
        ]
      )
      assert.strictEqual(yield* third.join, 2)
      yield* stream.close
    })
  )

  it.effect("AR-19 keeps the part that is durable over several sessions", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* inFlight({}, 1, 1, silent, silent, {})
      old.cut()
      yield* A.advance(20)
      assert.deepStrictEqual(F.numbersOf(server.last.table), [1, 2, 3])
      server.last.ack(2)
      yield* A.settle
      server.last.cut()
      yield* A.advance(20)
      assert.deepStrictEqual(F.numbersOf(server.last.table), [3])
      server.last.ack(1)
      yield* stream.flush
      yield* stream.close
      assert.strictEqual(server.connections.length, 3)
    })
  )

  it.effect("UN-07 leaves the rows that are not durable, in order", () =>
    Effect.gen(function* () {
      const { old, stream } = yield* inFlight({ recovery: false }, 3, 6)
      old.fail(code.NOT_FOUND)
      yield* A.settle
      const left = yield* stream.getUnackedRecords
      assert.deepStrictEqual(left.map(F.numbersOf), [
        [6, 7],
        [8, 9, 10, 11]
      ])
      assert.deepStrictEqual(
        (yield* stream.getUnackedPayloads).map((payload) => F.numbersOf(F.readIpc(payload))),
        [
          [6, 7],
          [8, 9, 10, 11]
        ]
      )
      assert.strictEqual(
        left[0] instanceof Uint8Array ? 0 : left[0]!.getChild("text")!.get(1),
        "row 7"
      )
    })
  )

  it.effect("UN-10 AR-17 can be followed by a stream that sends the rest once", () =>
    Effect.gen(function* () {
      const { old, server, stream, zerobus } = yield* inFlight({ recovery: false }, 2, 3, {})
      old.fail(code.NOT_FOUND)
      yield* A.settle
      const next = yield* zerobus.recreateStream(stream)
      yield* next.flush
      yield* next.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(3, 5))
    })
  )

  it.effect("AR-28 keeps its place in the landing zone while no connection opens", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* inFlight(
        { maxInflightRecords: 2, recoveryRetries: 9 },
        2,
        2,
        { onSchema: (connection) => connection.fail(code.UNAVAILABLE) },
        { onSchema: (connection) => connection.cut() },
        {}
      )
      old.cut()
      const third = yield* A.started(stream.ingestRecord(F.batch(8, 1)))
      yield* A.advance(15)
      assert.isFalse(third.done())
      yield* A.advance(100)
      yield* third.join
      yield* stream.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), [2, 3, 4, 5, 6, 7, 8])
      yield* stream.close
    })
  )

  it.effect("AR-32 ends the stream when the setup of the next session fails permanently", () =>
    Effect.gen(function* () {
      const { old, stream } = yield* inFlight({}, 1, 1, {
        onSchema: (connection) =>
          connection.fail(code.INVALID_ARGUMENT, "other columns", schemaError)
      })
      old.cut()
      yield* A.advance(20)
      const error = A.tagged(yield* Effect.flip(stream.flush), "SchemaMismatch")
      assert.deepStrictEqual(error.causes, ["FIELD_NOT_IN_TABLE", "SOMETHING_NEW"])
      assert.strictEqual(error.errorCode, "8001")
      assert.deepStrictEqual((yield* stream.getUnackedRecords).map(F.numbersOf), [[1, 2, 3]])
    })
  )

  it.effect("AR-33 waits for a server that is ready late, and tries again when it is not", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* inFlight(
        { recoveryTimeout: 1_000 },
        1,
        0,
        { onSchema: () => {} },
        { onSchema: () => {} },
        {}
      )
      old.cut()
      yield* A.advance(1_000)
      yield* A.advance(50)
      assert.strictEqual(server.connections.length, 3)
      server.last.ready()
      yield* A.settle
      assert.deepStrictEqual(F.numbersOf(server.last.table), [0, 1, 2, 3])
      server.last.ack(4)
      yield* stream.flush
      yield* stream.close
    })
  )

  it.effect("AR-42 invalidates credentials that are refused, each time within the budget", () =>
    Effect.gen(function* () {
      const refusing: FlightScript = {
        onConnect: (connection) => connection.fail(code.UNAUTHENTICATED)
      }
      const { old, provider, server, stream } = yield* inFlight(
        {},
        1,
        2,
        refusing,
        refusing,
        refusing,
        {}
      )
      old.cut()
      yield* A.advance(200)
      yield* stream.flush
      assert.strictEqual(provider.invalidated, 3)
      assert.strictEqual(server.last.headers["authorization"], "Bearer token-3")
      assert.deepStrictEqual(F.numbersOf(server.last.table), [2, 3])
      yield* stream.close
    })
  )

  it.effect("AR-48 gives a refused batch to onRefused without the rows that are durable", () =>
    Effect.gen(function* () {
      const refused: Array<ReadonlyArray<number>> = []
      const refusing: FlightScript = {
        onFrame: (connection, frame) => {
          if (F.numbersOf(connection.table).includes(6))
            connection.fail(code.INVALID_ARGUMENT, "no 6")
          else if (frame.rows > 0) connection.ack(connection.rows)
        }
      }
      const { acks, old, server, stream } = yield* inFlight(
        {
          onRefused: ({ records }) =>
            Effect.sync(() => void refused.push(...records.map(F.numbersOf)))
        },
        3,
        6,
        refusing
      )
      old.fail(code.INVALID_ARGUMENT, "no 6")
      yield* A.advance(1_000)
      yield* stream.flush
      assert.deepStrictEqual(refused, [[6, 7]])
      const error = A.tagged(yield* Effect.flip(acks[1]!.await), "InvalidArgument")
      assert.strictEqual(error.offset, 1)
      assert.strictEqual(yield* acks[2]!.await, 2)
      assert.deepStrictEqual(F.numbersOf(server.last.table), [8, 9, 10, 11])
      yield* stream.close
    })
  )
})

describe("opening", () => {
  it.effect("AR-10 fails with the causes of a schema that does not fit", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client({
        onSchema: (connection) =>
          connection.fail(code.INVALID_ARGUMENT, "other columns", schemaError)
      })
      const error = A.tagged(
        yield* Effect.flip(zerobus.createStream(F.table, F.testOptions)),
        "SchemaMismatch"
      )
      assert.strictEqual(error.errorCode, "8001")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AR-40 tries again after a first answer that is not ready, or none", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client(
        {
          onSchema: (connection) => connection.send({ ack_up_to_offset: 0, ack_up_to_records: 0 })
        },
        { onSchema: (connection) => connection.send("unreadable") },
        { onSchema: (connection) => connection.end() },
        {}
      )
      const opening = yield* A.started(zerobus.createStream(F.table, F.testOptions))
      yield* A.advance(100)
      yield* opening.join
      assert.strictEqual(server.connections.length, 4)
    })
  )
})

/** The server announces the end of the connection in some milliseconds. */
const rotating = (
  options: StreamConfigurationOptions<never>,
  batches: number,
  acknowledged: number,
  millis: number,
  ...scripts: ReadonlyArray<FlightScript>
) =>
  Effect.gen(function* () {
    const parts = yield* inFlight(options, batches, acknowledged, ...scripts)
    parts.old.closing(millis)
    yield* A.settle
    return parts
  })

describe("an announced end", () => {
  it.effect("AR-26 AR-44 is waited for less 500 ms, with new batches for the next connection", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* rotating({}, 1, 1, 2_000, {})
      yield* stream.ingestRecord(F.batch(4, 2))
      old.closing(60_000)
      yield* A.advance(1_499)
      assert.deepStrictEqual([old.halfCloses, old.frames.length], [0, 1])
      yield* A.advance(1)
      assert.strictEqual(old.halfCloses, 1)
      yield* stream.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(1, 5))
      assert.strictEqual(server.connections.length, 2)
      yield* stream.close
    })
  )

  it.effect("AR-21 comes with an acknowledgement, and others end the wait for it", () =>
    Effect.gen(function* () {
      const { old, server, stream } = yield* inFlight({}, 2, 0, {})
      old.ack(4, 5_000)
      yield* A.advance(100)
      assert.strictEqual(old.halfCloses, 0)
      old.ack(8)
      yield* A.settle
      assert.deepStrictEqual([old.halfCloses, server.connections.length], [1, 2])
      yield* stream.flush
      assert.strictEqual(server.last.frames.length, 0)
      yield* stream.close
    })
  )

  it.effect("is waited for no longer than streamPausedMaxWaitTime", () =>
    Effect.gen(function* () {
      const { old, stream } = yield* rotating({ streamPausedMaxWaitTime: 300 }, 1, 0, 60_000, {})
      yield* A.advance(299)
      assert.strictEqual(old.halfCloses, 0)
      yield* A.advance(1)
      assert.strictEqual(old.halfCloses, 1)
      yield* stream.close
    })
  )

  it.effect("may come with the answer that the server is ready", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open(
        { streamPausedMaxWaitTime: 0 },
        { onSchema: (connection) => connection.closing(60_000), onFrame: () => {} },
        {}
      )
      yield* A.settle
      assert.deepStrictEqual([server.connection(0).halfCloses, server.connections.length], [1, 2])
      yield* stream.ingestRecord(F.batch(0, 2))
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), [0, 1])
    })
  )

  it.effect("AR-29 AR-31 drains for 500 ms after the half-close, and late rows count", () =>
    Effect.gen(function* () {
      const parts = yield* F.open({}, { onFrame: () => {}, onHalfClose: () => {} }, {})
      const { server, stream } = parts
      yield* stream.ingestRecord(F.batch(0, 8))
      yield* A.settle
      const old = server.last
      old.closing(0)
      yield* A.settle
      assert.strictEqual(old.halfCloses, 1)
      yield* A.advance(400)
      old.ack(5)
      yield* A.advance(99)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(1)
      yield* stream.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), [5, 6, 7])
      assert.strictEqual(old.resets, 1)
      yield* stream.close
    })
  )

  it.effect("AR-30 does not hide a final status that follows the half-close", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open(
        {},
        { onFrame: () => {}, onHalfClose: (connection) => connection.fail(code.NOT_FOUND) },
        {}
      )
      yield* stream.ingestRecord(F.batch(0, 8))
      yield* A.settle
      server.last.closing(0)
      yield* A.settle
      A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AR-25 yields to a close, which reports the rows that are not durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* rotating({ flushTimeout: 200 }, 1, 2, 60_000, {})
      const close = yield* A.started(stream.close)
      yield* A.advance(200)
      A.tagged(close.error(), "FlushTimeout")
      assert.deepStrictEqual((yield* stream.getUnackedRecords).map(F.numbersOf), [[2, 3]])
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AR-45 ends a stream without recovery after the same drain", () =>
    Effect.gen(function* () {
      const { old, stream } = yield* rotating({ recovery: false }, 1, 2, 2_000)
      yield* A.settle
      assert.strictEqual(old.halfCloses, 1)
      A.tagged(yield* Effect.flip(stream.flush), "Retryable")
      assert.deepStrictEqual((yield* stream.getUnackedRecords).map(F.numbersOf), [[2, 3]])
    })
  )
})
