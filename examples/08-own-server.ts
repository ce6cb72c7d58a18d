/**
 * The local server inside a program, as tests use it: tables in memory, a connected client, and an
 * audit of the received records.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Column, Table, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"

const Orders = Table.make("main.default.orders", { id: Column.BigInt, item: Column.String })

const program = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable(Orders)
  yield* local.inject(Orders, Faults.disconnect({ afterRecords: 300 }))

  const zerobus = yield* Zerobus
  yield* zerobus.withStream(Orders, { recoveryBackoff: "10 millis" }, (stream) =>
    Effect.forEach(
      Array.from({ length: 1000 }, (_, n) => ({ id: BigInt(n), item: `item-${n}` })),
      stream.ingestRecord,
      { discard: true }
    )
  )
  const audit = yield* local.audit(Orders)
  yield* Console.log(
    `${audit.distinctRecords} orders arrived, ${audit.ackedButMissing} acknowledged but missing`
  )
})

program.pipe(Effect.provide(ZerobusLocal.layerMemory), NodeRuntime.runMain)
