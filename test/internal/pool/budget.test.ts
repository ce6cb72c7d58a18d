/**
 * The byte budget that the tables of a pool share, and callers that wait for it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import type { Unacked } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"
import { clientOf, poolOf, tableOf, type TableScripts } from "../../support/tablesServer.ts"
import * as StreamPool from "../../../src/StreamPool.ts"

/** A table whose name begins with "dead" opens, and acknowledges nothing. */
const withDead: TableScripts = (tableName) =>
  tableName.startsWith("main.default.dead") ? A.silent : {}

/** A record of about 1,000 bytes. */
const large = (n: number): string => `{"n":${n},"x":"${"y".repeat(1_000)}"}`

/** Ingests large records of one table as fast as they are accepted. */
const fill = (pool: StreamPool.StreamPool, name: string, note = () => {}) =>
  Effect.gen(function* () {
    for (;;) {
      yield* pool.ingest(tableOf(name), large(0))
      note()
    }
  })

const options = {
  maxOpen: 4,
  maxInflightBytes: 64 * 1024,
  stream: { onUnacked: () => Effect.void }
}

describe("the budget of a pool", () => {
  it.effect("is left half by a table that nothing gets through to", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf(
        { ...options, stream: { ...options.stream, scopeCloseTimeout: 0 } },
        withDead
      )
      let taken = 0
      const filling = yield* A.started(fill(pool, "dead", () => taken++))
      assert.isFalse(filling.done())
      // 32 KiB of records including tags, lengths and messages.
      assert.isAtLeast(taken, 28)
      assert.isAtMost(taken, 32)
      for (let n = 0; n < 200; n++) yield* pool.ingest(tableOf("good"), large(n))
      yield* A.until(
        "the good ones arrive",
        () => server.recordsOf("main.default.good").length === 200
      )
      assert.isFalse(filling.done())
    })
  )

  it.effect(
    "is shared: who finds it full waits, in whichever table, and is let in as it empties",
    () =>
      Effect.gen(function* () {
        const { pool, server } = yield* poolOf(
          { ...options, stream: { ...options.stream, scopeCloseTimeout: 0 } },
          withDead
        )
        yield* A.started(fill(pool, "dead1"))
        yield* A.started(fill(pool, "dead2"))
        const waiting = yield* A.started(pool.ingest(tableOf("good"), large(1)))
        assert.isFalse(waiting.done())
        assert.strictEqual(server.of("main.default.good").length, 0)
        const [first] = server.of("main.default.dead1")
        first!.ack(0)
        yield* A.until(
          "the waiting record arrives",
          () => server.recordsOf("main.default.good").length === 1
        )
        assert.strictEqual(waiting.value().offset, 0)
      })
  )

  it.effect("lets a large record in before small ones of other tables that came later", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf(
        { ...options, stream: { ...options.stream, scopeCloseTimeout: 0, batching: "off" } },
        withDead
      )
      const kept = []
      for (let n = 0; n < 50; n++)
        kept.push(yield* pool.ingest(tableOf(n < 25 ? "dead1" : "dead2"), large(n)))
      const wide = yield* A.started(pool.ingest(tableOf("wide"), `{"x":"${"y".repeat(20_000)}"}`))
      const narrow = yield* A.started(pool.ingest(tableOf("narrow"), A.record(1)))
      assert.deepStrictEqual([wide.done(), narrow.done()], [false, false])
      const [first] = server.of("main.default.dead1")
      first!.ack(3)
      yield* A.settle
      assert.deepStrictEqual([wide.done(), narrow.done()], [false, false])
      first!.ack(12)
      yield* A.settle
      assert.deepStrictEqual([wide.done(), narrow.done()], [true, true])
    })
  )

  it.effect("loses nothing to a caller that gives up, wherever that is", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf(
        { ...options, stream: { ...options.stream, scopeCloseTimeout: 0 } },
        withDead
      )
      for (const name of ["dead1", "dead2"]) yield* A.started(fill(pool, name))
      for (let turns = 0; turns < 20; turns++) {
        const fiber = yield* Effect.forkChild(pool.ingest(tableOf("good"), large(turns)))
        for (let n = 0; n < turns; n++) yield* A.turn
        yield* Fiber.interrupt(fiber)
      }
      const last = yield* A.started(pool.ingest(tableOf("good"), large(99)))
      server.of("main.default.dead1")[0]!.ack(0)
      yield* A.until("the last one arrives", () => server.recordsOf("main.default.good").length > 0)
      assert.deepStrictEqual(server.recordsOf("main.default.good"), [large(99)])
      assert.strictEqual(last.value().offset, 0)
    })
  )

  it.effect("is filled again by one caller that goes from table to table, once it has room", () =>
    Effect.gen(function* () {
      const { pool, server } = yield* poolOf(
        { ...options, stream: { ...options.stream, scopeCloseTimeout: 0, batching: "off" } },
        withDead
      )
      let taken = 0
      const filling = Effect.gen(function* () {
        for (; ; taken++) yield* pool.ingest(tableOf(`dead${taken % 4}`), large(taken))
      })
      yield* A.started(filling)
      const full = taken
      for (const [n, name] of ["dead0", "dead1", "dead2", "dead3"].entries()) {
        const [connection] = server.of(`main.default.${name}`)
        connection!.ack(Math.floor((full - 1 - n) / 4))
        yield* A.settle
      }
      assert.isAtLeast(taken, full + full / 2)
    })
  )

  it.effect("is free again when a table failed", () =>
    Effect.gen(function* () {
      const failing: Array<() => void> = []
      const { pool } = yield* poolOf(options, (tableName) =>
        tableName === "main.default.good"
          ? {}
          : { onCreate: (connection) => void failing.push(() => connection.fail(code.NOT_FOUND)) }
      )
      for (const name of ["one", "two"]) yield* A.started(fill(pool, name))
      const waiting = yield* A.started(pool.ingest(tableOf("good"), large(1)))
      assert.isFalse(waiting.done())
      failing[0]!()
      yield* A.settle
      assert.strictEqual(waiting.value().offset, 0)
      failing[1]!()
      yield* A.settle
      for (let n = 2; n < 100; n++) yield* pool.ingest(tableOf("good"), large(n))
      // It reports failed tables once.
      A.tagged(yield* Effect.flip(pool.flush), "InvalidTable")
      yield* pool.flush
    })
  )
})

describe("the scope of a pool", () => {
  it.effect(
    "sends what is there when it closes, all tables at once, and gives back the rest in time",
    () =>
      Effect.gen(function* () {
        const left: Array<Unacked<unknown>> = []
        const { context, server } = yield* clientOf(withDead)
        const scope = yield* Scope.make()
        const pool = yield* StreamPool.make({
          maxOpen: 2,
          idleTimeToLive: "1 minute",
          maxInflightBytes: 256 * 1024,
          stream: {
            scopeCloseTimeout: "10 seconds",
            onUnacked: (unacked: Unacked<unknown>) => Effect.sync(() => left.push(unacked))
          }
        }).pipe(Effect.provideContext(context), Effect.provideService(Scope.Scope, scope))
        for (let n = 0; n < 10; n++) {
          for (const name of ["a", "b", "c", "d", "dead"])
            yield* pool.ingest(tableOf(name), A.record(n))
        }
        // The zone is full, and a caller waits.
        const filling = yield* A.started(fill(pool, "dead"))
        assert.isFalse(filling.done())
        const closing = yield* A.started(Scope.close(scope, Exit.void))
        yield* A.advance(9_900)
        assert.isFalse(closing.done())
        for (const name of ["a", "b", "c", "d"]) {
          assert.deepStrictEqual(server.recordsOf(`main.default.${name}`), A.recordsFrom(0, 10))
        }
        yield* A.advance(1_000)
        assert.isTrue(closing.done())
        A.tagged(filling.error(), "StreamClosed")
        assert.deepStrictEqual(
          left.map(({ cause, records, tableName }) => [
            tableName,
            records.slice(0, 10),
            cause._tag
          ]),
          [["main.default.dead", A.recordsFrom(0, 10), "FlushTimeout"]]
        )
        assert.isAbove(left[0]!.records.length, 100)
        assert.strictEqual(server.mostOpen, 2)
        assert.strictEqual(server.open, 0)
        A.tagged(yield* Effect.flip(pool.ingest(tableOf("a"), A.record(1))), "InvalidState")
      })
  )
})
