/** What typed tables accept and refuse at compile time. Compiled by `tsc -p test`, never run. */
import type { DateTime } from "effect"
import { Effect, Schema } from "effect"
import { Column, Table, Zerobus } from "effect-zerobus"

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const exact = <A, B>(equal: Equal<A, B>): boolean => equal

const Readings = Table.make("main.default.readings", {
  device: Column.String,
  temp: Column.Int,
  humidity: Column.BigInt,
  at: Column.Timestamp,
  tags: Column.Array(Column.String),
  place: Column.Struct({ lat: Column.Double, lon: Column.Double }),
  labels: Column.Map(Column.String, Column.Int),
  props: Column.Record(Column.String),
  note: Column.nullable(Column.String),
  level: Schema.optionalKey(Column.Int),
  raw: Column.required(Column.Binary),
  amount: Column.DecimalAsString(10, 2)
})

exact<
  typeof Readings.Type,
  {
    readonly level?: number
    readonly device: string
    readonly temp: number
    readonly humidity: bigint
    readonly at: DateTime.Utc
    readonly tags: ReadonlyArray<string>
    readonly place: { readonly lat: number; readonly lon: number }
    readonly labels: ReadonlyMap<string, number>
    readonly props: { readonly [x: string]: string }
    readonly note: string | null
    readonly raw: Uint8Array
    readonly amount: string
  }
>(true)

const DeviceId = Column.String.pipe(Schema.brand("DeviceId"))
class Order extends Schema.Class<Order>("Order")({ id: Column.BigInt, item: Column.String }) {}
const Branded = Table.make("main.default.branded", {
  id: DeviceId,
  percent: Column.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
})
const Orders = Table.make("main.default.orders", Order)
exact<typeof Orders.Type, Order>(true)
exact<(typeof Branded.Type)["id"], (typeof DeviceId)["Type"]>(true)

// Nested collections do not compile; put a struct in between.
Column.Array(Column.Struct({ items: Column.Array(Column.Int) }))
Column.Map(Column.String, Column.Struct({ items: Column.Map(Column.Int, Column.Int) }))
Column.Array(Column.Variant)
// @ts-expect-error array of array
Column.Array(Column.Array(Column.Int))
// @ts-expect-error array of map
Column.Array(Column.Map(Column.String, Column.Int))
// @ts-expect-error map of arrays
Column.Map(Column.String, Column.Array(Column.Int))
// @ts-expect-error map of maps
Column.Map(Column.String, Column.Map(Column.String, Column.Int))
// @ts-expect-error record of arrays
Column.Record(Column.Array(Column.Int))
// @ts-expect-error elements cannot be null
Column.Array(Column.nullable(Column.Int))
// @ts-expect-error an array cannot be null
Column.nullable(Column.Array(Column.Int))
// @ts-expect-error a map cannot be null
Column.nullable(Column.Map(Column.String, Column.Int))
Column.nullable(Column.Struct({ items: Column.Array(Column.Int) }))
Column.nullable(Column.Variant)
// @ts-expect-error a double cannot be a map key
Column.Map(Column.Double, Column.Int)
// @ts-expect-error bytes cannot be a map key
Column.Map(Column.Binary, Column.Int)
// @ts-expect-error a struct cannot be a map key
Column.Map(Column.Struct({ a: Column.Int }), Column.Int)
// @ts-expect-error a plain value is not a column
Table.make("main.default.t", { a: "STRING" })

const use = (table: Table.Table<{ readonly id: bigint; readonly item: string }>) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    yield* zerobus.withStream(table, (stream) =>
      Effect.gen(function* () {
        yield* stream.ingestRecord({ id: 1n, item: "a" })
        // @ts-expect-error a number is not a bigint
        yield* stream.ingestRecord({ id: 1, item: "a" })
        // @ts-expect-error a column is missing
        yield* stream.ingestRecord({ id: 1n })
        // @ts-expect-error an unknown column
        yield* stream.ingestRecord({ id: 1n, item: "a", more: true })
        // @ts-expect-error null is not allowed
        yield* stream.ingestRecord({ id: 1n, item: null })
      })
    )
  })
use(Table.make("main.default.orders", { id: Column.BigInt, item: Column.String }))
// @ts-expect-error a table of other records
use(Table.make("main.default.orders", { id: Column.String, item: Column.String }))
