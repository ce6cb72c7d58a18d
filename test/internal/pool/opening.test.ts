/**
 * The first record of a table opens its stream once, for all callers that wait for it, in the
 * context of the pool.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Latch, References, Scope } from "effect"
import { Column, SchemaMismatch, StreamPool, Table, type Unacked } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"
import { clientOf, poolOf, tableOf } from "../../support/tablesServer.ts"

const good = tableOf("good")

describe("the first record of a table", () => {
  it.effect(
    "opens it once for all who call meanwhile, and a call that gives up hands in nothing",
    () =>
      Effect.gen(function* () {
        const gate = Latch.makeUnsafe()
        let opened = 0
        const beforeOpen = Effect.andThen(
          Effect.sync(() => opened++),
          gate.await
        )
        const { pool, server } = yield* poolOf({ stream: { beforeOpen } })
        const first = yield* A.started(pool.ingest(good, A.record(1)))
        const second = yield* A.started(pool.ingest(good, A.record(2)))
        const third = yield* A.started(pool.ingest(good, A.record(3)))
        yield* first.interrupt
        assert.deepStrictEqual([second.done(), third.done()], [false, false])
        gate.openUnsafe()
        yield* A.settle
        assert.deepStrictEqual([second.value().offset, third.value().offset], [0, 1])
        yield* pool.flush
        assert.strictEqual(opened, 1)
        assert.deepStrictEqual(server.recordsOf(good.tableName), [A.record(2), A.record(3)])
      })
  )

  it.effect("fails with what keeps the table from opening, and the next one tries again", () =>
    Effect.gen(function* () {
      const mismatch = new SchemaMismatch({ message: "The table has other columns.", causes: [] })
      let problem: Effect.Effect<void, SchemaMismatch> = Effect.fail(mismatch)
      const { pool, server } = yield* poolOf({
        stream: { beforeOpen: Effect.suspend(() => problem) }
      })
      A.tagged(yield* Effect.flip(pool.ingest(good, A.record(1))), "SchemaMismatch")
      assert.strictEqual(server.connections.length, 0)
      problem = Effect.void
      yield* pool.ingest(good, A.record(2))
      yield* pool.flush
      assert.deepStrictEqual(server.recordsOf(good.tableName), [A.record(2)])
    })
  )

  it.effect("is refused when the pool's scope closes in the meantime", () =>
    Effect.gen(function* () {
      const { context } = yield* clientOf(() => ({}))
      const scope = yield* Scope.make()
      const pool = yield* StreamPool.make({
        maxOpen: 1,
        idleTimeToLive: "1 minute",
        stream: { beforeOpen: Effect.never }
      }).pipe(Effect.provideContext(context), Effect.provideService(Scope.Scope, scope))
      const waiting = yield* A.started(pool.ingest(good, A.record(1)))
      yield* Scope.close(scope, Exit.void)
      yield* A.settle
      A.tagged(waiting.error(), "InvalidState")
    })
  )

  it.effect("opens it with the services and the log of the pool, not of the call", () =>
    Effect.gen(function* () {
      class Kept extends Context.Service<Kept, Array<string>>()("test/Kept") {}
      const kept: Array<string> = []
      const annotations: Array<unknown> = []
      const { context, server } = yield* clientOf(() => A.refusing(code.NOT_FOUND))
      const onUnacked = ({ records }: Unacked<unknown>) =>
        Effect.gen(function* () {
          const store = yield* Kept
          store.push(...(records as ReadonlyArray<string>))
          annotations.push(yield* References.CurrentLogAnnotations)
        })
      const pool = yield* StreamPool.make({
        maxOpen: 1,
        idleTimeToLive: "1 minute",
        stream: { onUnacked }
      }).pipe(Effect.provideContext(context), Effect.provideService(Kept, kept))
      const ingest = Effect.annotateLogs(pool.ingest(good, A.record(1)), { request: "r1" })
      yield* ingest
      yield* A.settle
      assert.deepStrictEqual(kept, [A.record(1)])
      assert.notProperty(annotations[0], "request")
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("may be of a typed table, whose records come back as they were", () =>
    Effect.gen(function* () {
      const left: Array<unknown> = []
      const readings = Table.make("main.default.readings", {
        device: Column.String,
        temp: Column.Int
      })
      const onUnacked = ({ records }: Unacked<unknown>) => Effect.sync(() => left.push(...records))
      const { pool } = yield* poolOf({ stream: { onUnacked } }, () => A.refusing(code.NOT_FOUND))
      yield* pool.ingest(readings, { device: "a", temp: 1 })
      yield* pool.ingest(readings, { device: "b", temp: 2 })
      yield* A.settle
      assert.deepStrictEqual(left, [
        { device: "a", temp: 1 },
        { device: "b", temp: 2 }
      ])
    })
  )
})
