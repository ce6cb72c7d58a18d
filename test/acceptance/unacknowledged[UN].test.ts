/**
 * Unacknowledged records, and recreating a stream with them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Schema, Scope } from "effect"
import { Column, Table, TableProperties } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

/**
 * A stream that failed after the server acknowledged `acked` messages of those that `ingest` sent.
 */
const failedStream = (
  ingest: (
    stream: Effect.Success<ReturnType<typeof A.open>>["stream"]
  ) => Effect.Effect<unknown, unknown>,
  acked = 0
) =>
  Effect.gen(function* () {
    const parts = yield* A.open(single, A.silent, {})
    yield* Effect.orDie(ingest(parts.stream))
    yield* A.settle
    if (acked > 0) parts.server.last.ack(acked - 1)
    parts.server.last.fail(code.FAILED_PRECONDITION, "the table is read-only")
    yield* A.settle
    return parts
  })

describe("unacknowledged records", () => {
  it.effect("UN-01 UN-04 gives the exact records that were not acknowledged, in order", () =>
    Effect.gen(function* () {
      const { stream } = yield* failedStream(
        (stream) => Effect.forEach(A.recordsFrom(0, 10), stream.ingestRecord),
        5
      )
      assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(5, 5))
      const all = yield* A.open({})
      yield* all.stream.ingestRecord(A.record(0))
      yield* all.stream.close
      assert.deepStrictEqual(yield* all.stream.getUnackedRecords, [])
      assert.deepStrictEqual(yield* all.stream.getUnackedBatches, [])
    })
  )

  it.effect(
    "UN-02 UN-03 H-46 flattens singles and batches, or groups them as they were ingested",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* failedStream((stream) =>
          Effect.gen(function* () {
            yield* stream.ingestRecord(A.record(0))
            yield* stream.ingestRecords(A.recordsFrom(1, 3))
            yield* stream.ingestRecords(A.recordsFrom(4, 2))
          })
        )
        assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 6))
        assert.deepStrictEqual(yield* stream.getUnackedBatches, [
          [A.record(0)],
          A.recordsFrom(1, 3),
          A.recordsFrom(4, 2)
        ])
      })
  )

  it.effect("UN-03 groups single records one by one, also when they were sent together", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ recovery: false }, A.silent)
      for (const text of A.recordsFrom(0, 3)) stream.offerUnsafe(text)
      yield* A.settle
      assert.strictEqual(server.writes, 1)
      server.last.cut()
      yield* A.settle
      assert.deepStrictEqual(
        yield* stream.getUnackedBatches,
        A.recordsFrom(0, 3).map((text) => [text])
      )
    })
  )

  it.effect("UN-05 UN-13 refuses to give them, or to recreate, while the stream is active", () =>
    Effect.gen(function* () {
      const { stream, zerobus } = yield* A.open({})
      A.tagged(yield* Effect.flip(stream.getUnackedRecords), "InvalidState")
      A.tagged(yield* Effect.flip(stream.getUnackedBatches), "InvalidState")
      assert.include(
        A.tagged(yield* Effect.flip(zerobus.recreateStream(stream)), "InvalidState").message,
        "active"
      )
    })
  )

  it.effect("UN-06 H-38 H-45 gives copies, again and again", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const stream = yield* zerobus.createStream(A.protoTable, { flushTimeout: 1 })
      const bytes = Uint8Array.of(0x0a, 1, 65)
      yield* stream.ingestRecord(bytes)
      bytes.fill(0)
      const closing = yield* A.started(stream.close)
      yield* A.advance(10)
      A.tagged(closing.error(), "FlushTimeout")
      const [first] = yield* stream.getUnackedRecords
      assert.deepStrictEqual([...first!], [0x0a, 1, 65])
      first!.fill(0)
      const [again] = yield* stream.getUnackedRecords
      assert.deepStrictEqual([...again!], [0x0a, 1, 65])
    })
  )

  it.effect("UN-08 still has the records when every receipt has failed", () =>
    Effect.gen(function* () {
      const failures: Array<string> = []
      const { stream } = yield* failedStream((stream) =>
        Effect.gen(function* () {
          for (const text of A.recordsFrom(0, 3)) {
            const ack = yield* stream.ingestRecord(text)
            yield* Effect.forkDetach(
              Effect.catch(ack.await, (error) => Effect.sync(() => failures.push(error._tag)))
            )
          }
        })
      )
      assert.deepStrictEqual(failures, ["InvalidArgument", "InvalidArgument", "InvalidArgument"])
      assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 3))
    })
  )

  it.effect(
    "UN-09 sends single records and batches again on the recreated stream, and makes them durable",
    () =>
      Effect.gen(function* () {
        const { server, stream, zerobus } = yield* failedStream((stream) =>
          Effect.andThen(
            stream.ingestRecord(A.record(0)),
            stream.ingestRecords(A.recordsFrom(1, 3))
          )
        )
        const next = yield* zerobus.recreateStream(stream)
        const more = yield* next.ingestRecord(A.record(4))
        assert.strictEqual(more.offset, 2)
        yield* next.flush
        assert.deepStrictEqual(
          server.connection(1).messages.map(({ kind, records }) => [kind, records.length]),
          [
            ["single", 1],
            ["batch", 3],
            ["single", 1]
          ]
        )
        assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 5))
        A.tagged(yield* Effect.flip(zerobus.recreateStream(stream)), "InvalidState")
      })
  )

  it.effect("UN-11 recreates a stream that closed in order as a new, empty one", () =>
    Effect.gen(function* () {
      const { server, stream, zerobus } = yield* A.open({})
      yield* stream.ingestRecord(A.record(0))
      yield* stream.close
      const next = yield* zerobus.recreateStream(stream)
      assert.strictEqual((yield* next.ingestRecord(A.record(1))).offset, 0)
      yield* next.close
      assert.deepStrictEqual(server.connection(1).records, [A.record(1)])
    })
  )

  it.effect("UN-12 can be tried again when the server is down, and sends everything once", () =>
    Effect.gen(function* () {
      const { server, stream, zerobus } = yield* A.open(
        { recovery: false },
        A.silent,
        A.refusing(code.UNAVAILABLE),
        {}
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.settle
      const error = A.tagged(yield* Effect.flip(zerobus.recreateStream(stream)), "Retryable")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
      const next = yield* zerobus.recreateStream(stream)
      yield* next.flush
      assert.deepStrictEqual(server.connection(2).records, [A.record(0)])
    })
  )

  it.effect("UN-15 has the records after a close that failed", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(
        { flushTimeout: 50, maxInflightRecords: 2, batching: "off" },
        A.silent
      )
      for (const text of A.recordsFrom(0, 2)) yield* stream.ingestRecord(text)
      const closing = yield* A.started(stream.close)
      yield* A.advance(50)
      A.tagged(closing.error(), "FlushTimeout")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 2))
    })
  )

  it.effect("UN-15 are not handed to onUnacked once they were read or sent again", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const outcomes: Array<string> = []
      for (const handBack of ["nothing", "read", "recreated"] as const) {
        const scope = yield* Scope.make()
        const options = {
          flushTimeout: 50,
          scopeCloseTimeout: 0,
          onUnacked: () => Effect.sync(() => outcomes.push(handBack))
        }
        const stream = yield* Scope.provide(zerobus.createStream(A.table, options), scope)
        yield* stream.ingestRecord(A.record(0))
        const closing = yield* A.started(stream.close)
        yield* A.advance(50)
        A.tagged(closing.error(), "FlushTimeout")
        if (handBack === "read") yield* stream.getUnackedRecords
        if (handBack === "recreated") yield* zerobus.recreateStream(stream)
        yield* Scope.close(scope, Exit.void)
      }
      assert.deepStrictEqual(outcomes, ["nothing"])
    })
  )

  it.effect(
    "UN-16 gives records of the stream's own type: text, decoded by schema, typed, bytes",
    () =>
      Effect.gen(function* () {
        const left = <R>(table: TableProperties.TableProperties<R>, record: R) =>
          Effect.gen(function* () {
            const { server, zerobus } = yield* A.client(A.silent)
            const stream = yield* zerobus.createStream(table, {
              recovery: false,
              onUnacked: () => Effect.void
            })
            yield* stream.ingestRecord(record)
            yield* A.settle
            server.last.cut()
            yield* A.settle
            assert.deepStrictEqual(yield* stream.getUnackedRecords, [record])
          })
        yield* left(A.table, A.record(0))
        const at = new Date("2026-01-31T00:00:00Z")
        yield* left(TableProperties.json("a.b.c", Schema.Struct({ at: Schema.DateFromString })), {
          at
        })
        yield* left(Table.make("a.b.c", { n: Column.BigInt, tags: Column.Array(Column.String) }), {
          n: 5n,
          tags: ["x"]
        })
        yield* left(A.protoTable, Uint8Array.of(0x0a, 1, 65))
      })
  )

  it.effect(
    "H-43 has ended before onUnacked is called: it can read the records and sees the end",
    () =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        const seen: Array<unknown> = []
        let look: Effect.Effect<void> = Effect.void
        const stream = yield* zerobus
          .createStream(A.table, { scopeCloseTimeout: 0, onUnacked: () => look })
          .pipe(Scope.provide(scope))
        const ack = yield* stream.ingestRecord(A.record(0))
        look = Effect.gen(function* () {
          seen.push(yield* stream.getUnackedRecords, (yield* Effect.flip(ack.await))._tag)
        }).pipe(Effect.orDie)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(seen, [[A.record(0)], "StreamClosed"])
      })
  )
})
