/**
 * Which table has a slot, and for how long.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as A from "../../support/acceptance.ts"
import { poolOf, tableOf } from "../../support/tablesServer.ts"

const names = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, n) => `t${n}`)

describe("the slots of a pool", () => {
  it.effect("go to the tables in the order in which their records came", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 2 })
      for (const name of names(5)) yield* pool.ingest(tableOf(name), A.record(1))
      yield* A.settle
      assert.deepStrictEqual(server.order, ["t0", "t1"])
      const flushing = yield* A.started(pool.flush)
      // Three tables wait for two slots, so a visit lasts two thirds of a second.
      yield* A.advance(660)
      assert.deepStrictEqual(server.order, ["t0", "t1"])
      yield* A.advance(20)
      assert.deepStrictEqual(server.order, ["t0", "t1", "t2", "t3"])
      yield* A.advance(1_000)
      assert.deepStrictEqual(server.order, ["t0", "t1", "t2", "t3", "t4"])
      flushing.value()
      assert.strictEqual(server.mostOpen, 2)
      for (const name of names(5)) assert.deepStrictEqual(server.recordsOf(tableOf(name).tableName), [A.record(1)])
    })
  )

  it.effect("are kept for a second by a table that has nothing left, and meanwhile take its records at once", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 1 })
      yield* pool.ingest(tableOf("a"), A.record(1))
      yield* A.settle
      yield* pool.ingest(tableOf("b"), A.record(1))
      yield* A.advance(500)
      yield* pool.ingest(tableOf("a"), A.record(2))
      yield* A.advance(490)
      assert.deepStrictEqual(server.order, ["a"])
      assert.deepStrictEqual(server.recordsOf("main.default.a"), [A.record(1), A.record(2)])
      yield* A.advance(20)
      assert.deepStrictEqual(server.order, ["a", "b"])
    })
  )

  it.effect("are kept for ten seconds by a table that is never done", () =>
    Effect.gen(function* () {
      // Acknowledges a message when the next one has come, so that one is always in flight.
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
      // It sends no more, and waits for what it has sent.
      assert.deepStrictEqual(server.order, ["busy"])
      const sent = server.of(busy.tableName)[0]!
      yield* pool.ingest(busy, A.record(101))
      yield* A.settle
      const before = sent.messages.length
      sent.ack(before - 1)
      yield* A.advance(10)
      assert.deepStrictEqual(server.order, ["busy", "other"])
      assert.strictEqual(sent.messages.length, before)
      yield* A.advance(1_010)
      assert.deepStrictEqual(server.order, ["busy", "other", "busy"])
      assert.deepStrictEqual(server.recordsOf(busy.tableName), A.recordsFrom(0, 102))
    })
  )

  it.effect("are kept for a tenth of a second where many more tables wait", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf({ maxOpen: 1 })
      for (const name of names(40)) yield* pool.ingest(tableOf(name), A.record(1))
      yield* A.settle
      for (let opened = 1; opened <= 20; opened++) {
        assert.strictEqual(server.connections.length, opened)
        yield* A.advance(100, 10)
      }
    })
  )

  it.effect("are given back after idleTimeToLive without a record, and taken again with the next", () =>
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
      for (const name of names(3)) yield* pool.ingest(tableOf(name), A.record(1))
      yield* A.advance(15_100)
      assert.deepStrictEqual(server.order, ["dead", "t0"])
      // It pauses for two seconds and stands in line behind the others.
      yield* A.advance(2_000, 50)
      assert.deepStrictEqual(server.order.slice(0, 4), ["dead", "t0", "t1", "t2"])
      const waiting = yield* A.started(dead.await)
      yield* A.advance(120_000, 1_000)
      const error = A.tagged(waiting.error(), "Retryable")
      assert.deepStrictEqual([error.reason._tag, error.attempts], ["ConnectTimeout", 5])
      assert.strictEqual(server.mostOpen, 1)
    })
  )
})
