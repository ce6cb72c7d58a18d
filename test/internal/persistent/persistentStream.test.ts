import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"

const table = TableProperties.json("main.default.sources")
const record = (n: number) => ({ n })
const rows = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  return (yield* local.records(table)).map(({ n }) => n)
})
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Runs a program against a server of its own, with the table. */
const onServer = <A, E>(program: Effect.Effect<A, E, Zerobus | ZerobusLocal>) =>
  ZerobusLocal.use((local) => local.createTable("main.default.sources(n INT)")).pipe(
    Effect.andThen(program),
    Effect.provide(ZerobusLocal.layerMemory)
  )

describe("a persistent stream", () => {
  it.live("goes on where it was, and is over once it is retired", () =>
    onServer(
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const id = yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* zerobus.createPersistentStream(table)
            assert.strictEqual(stream.resumedAt, 0)
            for (const n of upTo(20)) yield* stream.ingestRecord(record(n))
            yield* stream.ingestRecords([record(20), record(21)])
            yield* stream.close
            return stream.streamId
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* zerobus.resumePersistentStream(table, id)
            // A batch has one offset.
            assert.strictEqual(stream.resumedAt, 21)
            assert.strictEqual(stream.streamId, id)
            const ack = yield* stream.ingestRecord(record(22))
            assert.strictEqual(yield* ack.await, 21)
            yield* stream.close
          })
        )
        assert.deepStrictEqual(yield* rows, upTo(23))
        yield* zerobus.retireStream(table.tableName, id)
        yield* zerobus.retireStream(table.tableName, id)
        const refused = yield* Effect.flip(Effect.scoped(zerobus.resumePersistentStream(table, id)))
        assert.strictEqual(refused._tag, "InvalidArgument")
        assert.deepStrictEqual(refused._tag === "InvalidArgument" ? refused.path : [], ["streamId"])
      })
    )
  )
})
