/**
 * Tables that fail, and the effect on the others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  Column,
  type Refused,
  StreamPool,
  Table,
  TableProperties,
  type Unacked
} from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"
import { clientOf, poolOf, tableOf, type TableScripts } from "../../support/tablesServer.ts"

const missing = tableOf("missing")
const good = tableOf("good")
const withMissing: TableScripts = (tableName) =>
  tableName === missing.tableName ? A.refusing(code.NOT_FOUND, "no such table") : {}

describe("a table of a pool that fails", () => {
  it.effect("gives its records back under its name, and leaves the others alone", () =>
    Effect.gen(function* () {
      const left: Array<Unacked<unknown>> = []
      const onUnacked = (unacked: Unacked<unknown>) => Effect.sync(() => left.push(unacked))
      // The good table waits for the slot of the missing one, and for its flush.
      const { pool, server } = yield* poolOf({ maxOpen: 1, stream: { onUnacked } }, withMissing)
      const acks = []
      for (let n = 0; n < 3; n++) {
        acks.push(yield* pool.ingest(missing, A.record(n)))
        yield* pool.ingest(good, A.record(n))
      }
      const flushed = yield* Effect.flip(pool.flush)
      assert.strictEqual(flushed._tag, "InvalidTable")
      for (const ack of acks) A.tagged(yield* Effect.flip(ack.await), "InvalidTable")
      const polled = yield* acks[0]!.poll
      assert.strictEqual(polled._tag, "Some")
      assert.deepStrictEqual(server.recordsOf(good.tableName), A.recordsFrom(0, 3))
      yield* A.settle
      assert.deepStrictEqual(
        left.map(({ cause, records, tableName }) => [tableName, records, cause._tag]),
        [[missing.tableName, A.recordsFrom(0, 3), "InvalidTable"]]
      )
    })
  )

  it.effect("fails calls with the cause for ten seconds, and is opened again after that", () =>
    Effect.gen(function* () {
      let exists = false
      const onUnacked = () => Effect.void
      const { pool, server } = yield* poolOf({ stream: { onUnacked } }, (tableName, nth) =>
        exists ? {} : withMissing(tableName, nth)
      )
      const lost = yield* pool.ingest(missing, A.record(0))
      yield* A.settle
      A.tagged(yield* Effect.flip(pool.ingest(missing, A.record(1))), "InvalidTable")
      A.tagged(yield* Effect.flip(lost.await), "InvalidTable")
      exists = true
      yield* A.advance(9_900)
      A.tagged(yield* Effect.flip(pool.ingest(missing, A.record(1))), "InvalidTable")
      assert.strictEqual(server.of(missing.tableName).length, 1)
      yield* A.advance(200)
      const ack = yield* pool.ingest(missing, A.record(2))
      // Once, for the record that was lost before.
      A.tagged(yield* Effect.flip(pool.flush), "InvalidTable")
      yield* pool.flush
      assert.strictEqual(yield* ack.await, 0)
      assert.deepStrictEqual(server.recordsOf(missing.tableName), [A.record(2)])
    })
  )

  it.effect("fails the call after a failed receipt with the receipt's cause", () =>
    Effect.gen(function* () {
      const { pool } = yield* poolOf({ stream: { onUnacked: () => Effect.void } }, withMissing)
      const lost = yield* pool.ingest(missing, A.record(0))
      const told = yield* A.started(
        Effect.flip(lost.await).pipe(
          Effect.flatMap((cause) =>
            Effect.map(Effect.flip(pool.ingest(missing, A.record(1))), (next) => [cause, next])
          )
        )
      )
      yield* A.settle
      assert.deepStrictEqual(
        told.value().map(({ _tag }) => _tag),
        ["InvalidTable", "InvalidTable"]
      )
    })
  )

  it.effect("answers a call that waits for room", () =>
    Effect.gen(function* () {
      let refuse = (): void => {}
      const { pool } = yield* poolOf(
        { stream: { onUnacked: () => Effect.void, maxInflightRecords: 1 } },
        (tableName) =>
          tableName === missing.tableName
            ? { onCreate: (connection) => void (refuse = () => connection.fail(code.NOT_FOUND)) }
            : {}
      )
      yield* pool.ingest(missing, A.record(0))
      const waiting = yield* A.started(pool.ingest(missing, A.record(1)))
      assert.isFalse(waiting.done())
      refuse()
      yield* A.settle
      assert.strictEqual(A.tagged(waiting.error(), "StreamClosed").cause?._tag, "InvalidTable")
    })
  )

  it.effect(
    "is none for a record that its server refuses, which goes to onRefused under its name",
    () =>
      Effect.gen(function* () {
        const refused: Array<Refused<unknown>> = []
        const onRefused = (one: Refused<unknown>) => Effect.sync(() => refused.push(one))
        const { pool, server } = yield* poolOf({ stream: { onRefused } }, () => ({
          onMessage: (connection, { records, wireOffset }) => {
            if (records.includes(A.record(7)))
              connection.fail(code.INVALID_ARGUMENT, "a bad record")
            else connection.ack(wireOffset)
          }
        }))
        const acks = []
        for (let n = 0; n < 10; n++) {
          acks.push(yield* pool.ingest(missing, A.record(n)))
          if (n !== 7) yield* pool.ingest(good, A.record(n))
        }
        const flushing = yield* A.started(pool.flush)
        yield* A.advance(5_000)
        flushing.value()
        assert.deepStrictEqual(
          refused.map(({ records, tableName }) => [tableName, records]),
          [[missing.tableName, [A.record(7)]]]
        )
        A.tagged(yield* Effect.flip(acks[7]!.await), "InvalidArgument")
        assert.strictEqual(yield* acks[9]!.await, 9)
        assert.strictEqual(server.of(good.tableName).length, 1)
      })
  )
})

describe("pool.ingest", () => {
  it.effect("refuses a table in a second format, and takes the same one made again", () =>
    Effect.gen(function* () {
      const { pool } = yield* poolOf()
      yield* pool.ingest(tableOf("good"), A.record(1))
      yield* pool.ingest(tableOf("good"), A.record(2))
      const proto = TableProperties.proto(good.tableName, A.descriptor)
      A.tagged(yield* Effect.flip(pool.ingest(proto, Uint8Array.of(1))), "InvalidState")
      const typed = Table.make(good.tableName, { n: Column.Int })
      const error = A.tagged(yield* Effect.flip(pool.ingest(typed, { n: 1 })), "InvalidState")
      assert.match(error.message, /main\.default\.good in another format or schema/)
      const blobs = "main.default.blobs"
      yield* pool.ingest(TableProperties.proto(blobs, A.descriptor), Uint8Array.of())
      yield* pool.ingest(TableProperties.proto(blobs, A.descriptor), Uint8Array.of())
      yield* pool.flush
    })
  )

  it.effect("refuses a record that cannot be sent, at the call", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ stream: { maxPayloadBytes: 100 } })
      const typed = Table.make("main.default.typed", { n: Column.Int })
      const error = yield* Effect.flip(pool.ingest(typed, { n: "x" as unknown as number }))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["n"])
      A.tagged(
        yield* Effect.flip(pool.ingest(good, `{"x":"${"y".repeat(100)}"}`)),
        "PayloadTooLarge"
      )
      A.tagged(yield* Effect.flip(pool.ingest(undefined as never, A.record(1))), "InvalidArgument")
      A.tagged(
        yield* Effect.flip(pool.ingest(TableProperties.json("no name"), A.record(1))),
        "InvalidTable"
      )
      yield* pool.ingest(typed, { n: 1 })
      yield* pool.flush
      assert.strictEqual(server.recordsOf("main.default.typed").length, 1)
    })
  )

  it.effect("does nothing before it runs, and hands in again when it runs again", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf()
      const ingest = pool.ingest(good, A.record(1))
      yield* A.settle
      assert.strictEqual(server.connections.length, 0)
      yield* ingest
      yield* ingest
      yield* pool.flush
      assert.deepStrictEqual(server.recordsOf(good.tableName), [A.record(1), A.record(1)])
    })
  )
})

describe("StreamPool.make", () => {
  it.effect("refuses options out of range by name", () =>
    Effect.gen(function* () {
      const { context } = yield* clientOf(() => ({}))
      const valid = { maxOpen: 1, idleTimeToLive: "1 second" } as const
      for (const [options, path] of [
        [{ ...valid, maxOpen: 0 }, ["maxOpen"]],
        [{ maxOpen: 1 }, ["idleTimeToLive"]],
        [{ ...valid, idleTimeToLive: 0 }, ["idleTimeToLive"]],
        [{ ...valid, maxInflightBytes: 0 }, ["maxInflightBytes"]],
        [{ ...valid, maxStreams: 1 }, ["maxStreams"]],
        [{ ...valid, stream: { maxInflightBytes: 1 } }, ["stream", "maxInflightBytes"]],
        [{ ...valid, stream: { spool: {} } }, ["stream", "spool"]],
        [{ ...valid, stream: { recovery: false } }, ["recovery"]],
        [{ ...valid, stream: { lanes: 2 } }, ["stream", "lanes"]],
        [{ ...valid, stream: { flushTimeout: -1 } }, ["stream", "flushTimeout"]]
      ] as const) {
        const made = StreamPool.make(options as never).pipe(Effect.provideContext(context))
        assert.deepStrictEqual(A.tagged(yield* Effect.flip(made), "InvalidArgument").path, path)
      }
    })
  )
})
