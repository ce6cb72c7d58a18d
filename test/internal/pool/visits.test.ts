/**
 * Which table has a slot, and for how long.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as A from "../../support/acceptance.ts"
import { poolOf, tableOf } from "../../support/tablesServer.ts"

describe("the slots of a pool", () => {
  it.effect("go to the tables in the order in which their records came, one after another", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 2 }, () => A.silent)
      const names = ["a", "b", "c", "d", "e"]
      for (const name of names) yield* pool.ingest(tableOf(name), A.record(1))
      yield* A.settle
      assert.deepStrictEqual(server.order, ["a", "b"])
      for (const [n, name] of names.entries()) {
        // It had a record when it was admitted, and got no other: it leaves once that is
        // acknowledged.
        server.of(tableOf(name).tableName)[0]!.ack(0)
        yield* A.settle
        assert.deepStrictEqual(server.order, names.slice(0, n + 3))
      }
      assert.strictEqual(server.mostOpen, 2)
      for (const name of names)
        assert.deepStrictEqual(server.recordsOf(tableOf(name).tableName), [A.record(1)])
    })
  )

  it.effect("are kept for a second by a table that gets records, which it sends at once", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 1 })
      yield* pool.ingest(tableOf("a"), A.record(1))
      yield* A.settle
      yield* pool.ingest(tableOf("b"), A.record(1))
      for (let n = 2; n <= 23; n++) {
        yield* pool.ingest(tableOf("a"), A.record(n))
        yield* A.advance(45)
      }
      assert.deepStrictEqual(server.order, ["a"])
      assert.deepStrictEqual(server.recordsOf("main.default.a"), A.recordsFrom(1, 23))
      yield* A.advance(20)
      assert.deepStrictEqual(server.order, ["a", "b"])
    })
  )

  it.effect("are given back before by a table that has fallen silent", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 1 })
      yield* pool.ingest(tableOf("a"), A.record(1))
      yield* A.settle
      yield* pool.ingest(tableOf("b"), A.record(1))
      yield* pool.ingest(tableOf("a"), A.record(2))
      yield* A.advance(45)
      assert.deepStrictEqual(server.order, ["a"])
      yield* A.advance(10)
      assert.deepStrictEqual(server.order, ["a", "b"])
    })
  )

  it.effect("are not taken in turns without an end by many tables with a record now and then", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 1 })
      for (let n = 0; n < 60; n++) yield* pool.ingest(tableOf(`t${n}`), A.record(1))
      yield* A.until("the saved credits are spent", () => server.connections.length >= 17)
      yield* A.settle
      assert.strictEqual(server.connections.length, 17)
      // A visit of a second, and one that uses the credit of that second.
      yield* A.advance(1_000, 100)
      assert.isAtMost(server.connections.length, 19)
      yield* A.advance(9_000, 100)
      assert.isAtMost(server.connections.length, 17 + 20)
      assert.isAtLeast(server.connections.length, 17 + 15)
      yield* A.advance(30_000, 100)
      for (let n = 0; n < 60; n++) assert.strictEqual(server.of(`main.default.t${n}`).length, 1)
    })
  )

  it.effect("are kept for ten seconds by a table that is never done", () =>
    Effect.gen(function* () {
      // Acknowledges a message when the next one has arrived, so that one is always in flight.
      const { pool, server } = yield* poolOf({ maxOpen: 1 }, (tableName, nth) =>
        tableName === "main.default.busy" && nth === 0
          ? {
              onMessage: (connection, { wireOffset }) => {
                if (wireOffset > 0) connection.ack(wireOffset - 1)
              }
            }
          : {}
      )
      const busy = tableOf("busy")
      yield* pool.ingest(busy, A.record(0))
      yield* A.settle
      yield* pool.ingest(tableOf("other"), A.record(1))
      for (let n = 1; n < 100; n++) {
        yield* pool.ingest(busy, A.record(n))
        yield* A.advance(100, 100)
      }
      assert.deepStrictEqual(server.order, ["busy"])
      yield* pool.ingest(busy, A.record(100))
      yield* A.advance(200)
      // It sends no more, and waits for the acknowledgement of sent records.
      assert.deepStrictEqual(server.order, ["busy"])
      const [sent] = server.of(busy.tableName)
      yield* pool.ingest(busy, A.record(101))
      yield* A.settle
      const before = sent!.messages.length
      sent!.ack(before - 1)
      yield* A.advance(10)
      assert.deepStrictEqual(server.order, ["busy", "other", "busy"])
      assert.deepStrictEqual(server.recordsOf(busy.tableName), A.recordsFrom(0, 102))
    })
  )

  it.effect(
    "are given back by an idle table, also while another one waits for its last acknowledgement",
    () =>
      Effect.gen(function* () {
        const { pool, server } = yield* poolOf(
          { maxOpen: 2, stream: { scopeCloseTimeout: 0, onUnacked: () => Effect.void } },
          (tableName) => (tableName === "main.default.silent" ? A.silent : {})
        )
        for (const name of ["silent", "idle"]) yield* pool.ingest(tableOf(name), A.record(1))
        yield* A.settle
        // Both get another record, so each visit lasts.
        for (const name of ["silent", "idle"]) yield* pool.ingest(tableOf(name), A.record(2))
        yield* A.advance(20_000, 1_000)
        yield* pool.ingest(tableOf("idle"), A.record(3))
        yield* pool.ingest(tableOf("a"), A.record(1))
        yield* pool.ingest(tableOf("b"), A.record(1))
        yield* A.advance(3_000, 100)
        assert.deepStrictEqual(server.order, ["silent", "idle", "a", "b"])
        assert.strictEqual(server.open, 2)
      })
  )

  it.effect(
    "are given back after idleTimeToLive without a record, and taken again with the next",
    () =>
      Effect.gen(function* () {
        const { pool, server } = yield* poolOf({ idleTimeToLive: "30 seconds" })
        yield* pool.ingest(tableOf("a"), A.record(1))
        yield* A.advance(20_000)
        yield* pool.ingest(tableOf("a"), A.record(2))
        yield* A.advance(29_900)
        assert.strictEqual(server.open, 1)
        yield* A.advance(200)
        assert.strictEqual(server.open, 0)
        yield* A.advance(60_000)
        const ack = yield* pool.ingest(tableOf("a"), A.record(3))
        yield* A.settle
        assert.strictEqual(yield* ack.await, 2)
        assert.deepStrictEqual(server.order, ["a", "a"])
        assert.deepStrictEqual(server.recordsOf("main.default.a"), A.recordsFrom(1, 3))
      })
  )

  it.effect("are not held by a table whose server does not answer, beyond one attempt", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf(
        { maxOpen: 1, stream: { recoveryTimeout: "15 seconds", onUnacked: () => Effect.void } },
        (tableName) => (tableName === "main.default.dead" ? { onCreate: () => {} } : {})
      )
      const dead = yield* pool.ingest(tableOf("dead"), A.record(1))
      yield* A.settle
      for (const name of ["a", "b", "c"]) yield* pool.ingest(tableOf(name), A.record(1))
      yield* A.advance(14_900)
      assert.deepStrictEqual(server.order, ["dead"])
      // It pauses for two seconds without a slot.
      yield* A.advance(200)
      assert.deepStrictEqual(server.order, ["dead", "a", "b", "c"])
      const waiting = yield* A.started(dead.await)
      yield* A.advance(120_000, 1_000)
      const error = A.tagged(waiting.error(), "Retryable")
      assert.deepStrictEqual([error.reason._tag, error.attempts], ["ConnectTimeout", 5])
      assert.strictEqual(server.mostOpen, 1)
    })
  )
})
