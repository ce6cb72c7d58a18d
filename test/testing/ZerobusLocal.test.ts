import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"

const table = TableProperties.json("main.default.orders")
const definition = "main.default.orders(id BIGINT, item STRING)"
const records = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: n, item: `item-${n}` }))

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("in memory", (it) => {
  it.effect("keeps what a client sends, and nothing is lost when the connection drops", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(definition)
      yield* local.inject(table, Faults.disconnect({ afterRecords: 300 }))
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(table, { recoveryBackoff: "10 millis" }, (stream) =>
        Effect.forEach(records(1000), stream.ingestRecord, { discard: true })
      )
      const audit = yield* local.audit(table)
      assert.strictEqual(audit.distinctRecords, 1000)
      assert.strictEqual(audit.ackedButMissing, 0)
      // Acknowledgements lost in the disconnect belong to records that were sent again.
      assert.isAtLeast(audit.ackedRecords, 1000)
      assert.isAtMost(audit.ackedRecords, 1000 + audit.duplicates)
      assert.isAtLeast(audit.connections, 2)
      const rows = yield* local.records(table)
      assert.deepStrictEqual(rows[0], { id: 0n, item: "item-0" })
      assert.strictEqual(rows.length, 1000 + audit.duplicates)
    })
  )
})
