/**
 * Arrow batches into the local server, with columns from its catalog: every type arrives, and
 * recovery does not send acknowledged rows again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { Effect, Layer } from "effect"
import { Column, Table, UnityCatalog, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { ArrowTable } from "../../src/arrow/index.ts"

const catalog = Layer.unwrap(
  Effect.map(ZerobusLocal, ({ clientId, clientSecret, workspaceUrl }) =>
    UnityCatalog.layer({ workspaceUrl, clientId, clientSecret })
  )
)

const client = catalog.pipe(Layer.provideMerge(ZerobusLocal.layerMemory))

const columns = {
  n: Column.required(Column.BigInt),
  flag: Column.nullable(Column.Boolean),
  text: Column.nullable(Column.String),
  bytes: Column.nullable(Column.Binary),
  amount: Column.nullable(Column.Decimal(12, 3)),
  day: Column.nullable(Column.Date),
  instant: Column.nullable(Column.Timestamp),
  local: Column.nullable(Column.TimestampNtz),
  ratio: Column.nullable(Column.Double),
  tags: Column.Array(Column.String),
  place: Column.nullable(Column.Struct({ lat: Column.Double, name: Column.String }))
}

/** Rows in the form of a program: dictionaries, narrow integers, milliseconds. */
const rowsOf = (first: number, count: number): Arrow.Table => {
  const each = <A>(make: (n: number) => A) =>
    Array.from({ length: count }, (_, row) => make(first + row))
  const from = (type: Arrow.DataType, values: ReadonlyArray<unknown>): Arrow.Vector =>
    Arrow.vectorFromArray(values as Array<never>, type as never)
  return new Arrow.Table({
    text: Arrow.vectorFromArray(each((n) => `text ${n % 3}`)),
    n: from(
      new Arrow.Int32(),
      each((n) => n)
    ),
    flag: from(
      new Arrow.Bool(),
      each((n) => (n % 3 === 0 ? null : n % 2 === 0))
    ),
    bytes: from(
      new Arrow.Binary(),
      each((n) => Uint8Array.of(n & 255))
    ),
    amount: from(
      new Arrow.Utf8(),
      each((n) => `${n}.125`)
    ),
    day: from(
      new Arrow.DateDay(),
      each((n) => new Date(n * 86_400_000))
    ),
    instant: from(
      new Arrow.TimestampMillisecond("UTC"),
      each((n) => n)
    ),
    local: from(
      new Arrow.TimestampMicrosecond(),
      each((n) => n)
    ),
    ratio: from(
      new Arrow.Float32(),
      each((n) => n / 2)
    ),
    tags: from(
      new Arrow.List(new Arrow.Field("element", new Arrow.Utf8(), true)),
      each((n) => [`t${n}`, "x"])
    ),
    place: from(
      new Arrow.Struct([
        new Arrow.Field("name", new Arrow.Utf8(), true),
        new Arrow.Field("lat", new Arrow.Float64(), true)
      ]),
      each((n) => (n % 4 === 0 ? null : { name: `p${n}`, lat: n / 8 }))
    )
  })
}

describe("Arrow batches into the local server", () => {
  it.live("arrive unchanged, whichever types the same values had", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const typed = Table.make("main.default.everything", columns)
      yield* local.createTable(typed)
      const table = yield* ArrowTable.fromCatalog(typed.tableName)
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(table, (stream) =>
        Effect.forEach([0, 1, 2, 3], (part) => stream.ingestRecord(rowsOf(part * 25, 25)))
      )
      const rows = yield* local.records(typed)
      assert.strictEqual(rows.length, 100)
      const { bytes, ...row } = rows[97]!
      assert.deepStrictEqual([...(bytes as Uint8Array)], [97])
      assert.deepStrictEqual(
        JSON.parse(
          JSON.stringify(row, (_, value: unknown) =>
            typeof value === "bigint" ? `${value}n` : value
          )
        ),
        {
          n: "97n",
          flag: false,
          text: "text 1",
          amount: "97.125",
          day: 97,
          instant: "97000n",
          local: "97000n",
          ratio: 48.5,
          tags: ["t97", "x"],
          place: { lat: 12.125, name: "p97" }
        }
      )
      const sum = rows.reduce((total, { n }) => total + Number(n), 0)
      assert.strictEqual(sum, 4_950)
    }).pipe(Effect.provide(client))
  )

  it.live("are sent again after the acknowledged rows", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const typed = Table.make("main.default.numbers", { n: Column.BigInt, text: Column.String })
      yield* local.createTable(typed)
      yield* local.inject(typed, Faults.disconnect({ afterRecords: 12_000 }))
      const table = yield* ArrowTable.fromCatalog(typed.tableName)
      const zerobus = yield* Zerobus
      yield* zerobus.withStream(table, { recoveryBackoff: 10 }, (stream) =>
        Effect.forEach([0, 1, 2, 3, 4], (part) =>
          stream.ingestRecord(
            Arrow.tableFromArrays({
              n: BigInt64Array.from({ length: 5_000 }, (_, row) => BigInt(part * 5_000 + row)),
              text: Array.from({ length: 5_000 }, (_, row) => `row ${row}`)
            })
          )
        )
      )
      const numbers = new Set((yield* local.records(typed)).map(({ n }) => Number(n)))
      assert.strictEqual(numbers.size, 25_000)
      const audit = yield* local.audit(typed)
      assert.strictEqual(audit.ackedButMissing, 0)
      assert.strictEqual(audit.connections, 2)
    }).pipe(Effect.provide(client))
  )

  it.live("that do not fit the table any more end the opening with causes", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const typed = Table.make("main.default.other", { n: Column.BigInt })
      yield* local.createTable(typed)
      const wrong = ArrowTable.make(
        typed.tableName,
        new Arrow.Schema([new Arrow.Field("m", new Arrow.Int64(), true)])
      )
      const zerobus = yield* Zerobus
      const error = yield* Effect.flip(Effect.scoped(zerobus.createStream(wrong)))
      assert.strictEqual(error._tag, "SchemaMismatch")
    }).pipe(Effect.provide(client))
  )
})
