import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import protobuf from "protobufjs"
import "protobufjs/ext/descriptor.js"
import type { ColumnDefinition, ColumnType } from "../src/internal/columns/columnType.ts"
import { planToDescriptorSet } from "../src/internal/protobuf/descriptor.ts"
import { planTable } from "../src/internal/protobuf/messagePlan.ts"
import * as Column from "../src/Column.ts"
import * as Table from "../src/Table.ts"
import { encode } from "./support/byteSink.ts"
import { sampleRecord } from "./support/sampleRecords.ts"
import { randomTable, seeded } from "./support/randomTables.ts"

/**
 * Converts the output of protobufjs to the form of the samples: empty collections absent, map keys
 * as strings.
 */
const comparable = (
  columns: ReadonlyArray<ColumnDefinition>,
  object: Record<string, unknown>
): Record<string, unknown> => {
  const out: Record<string, unknown> = {}
  for (const { name, type } of columns) {
    const value = object[name]
    if (value === undefined) continue
    if (type._tag === "Struct")
      out[name] = comparable(type.fields, value as Record<string, unknown>)
    else if (type._tag === "Array") {
      const element = type.element
      const items = value as Array<unknown>
      if (items.length === 0) continue
      out[name] =
        element._tag === "Struct"
          ? items.map((item) => comparable(element.fields, item as Record<string, unknown>))
          : items
    } else if (type._tag === "Map") {
      const inner = type.value
      const long = type.key._tag === "BigInt" || type.key._tag.startsWith("Timestamp")
      const entries = Object.entries(value as Record<string, unknown>)
      if (entries.length === 0) continue
      out[name] = Object.fromEntries(
        entries.map(([key, item]) => [
          long && key.length === 8 && !/^-?\d+$/.test(key)
            ? protobuf.util.longFromHash(key, false).toString()
            : key,
          inner._tag === "Struct" ? comparable(inner.fields, item as Record<string, unknown>) : item
        ])
      )
    } else out[name] = value
  }
  return out
}

const reader = (
  definition: Table.TableDefinition
): ((bytes: Uint8Array) => Record<string, unknown>) => {
  const plan = Result.getOrThrow(planTable(definition))
  const type = protobuf.Root.fromDescriptor(planToDescriptorSet(plan, "t.proto", "t")).lookupType(
    `t.${plan.name}`
  )
  return (bytes) =>
    comparable(
      definition.columns,
      type.toObject(type.decode(bytes), { longs: String, bytes: String })
    )
}

/** The schema of a column type, built by the public constructors. */
const schemaOf = (type: ColumnType): Schema.Codec<any> => {
  const constructors = Column as unknown as Record<string, any>
  switch (type._tag) {
    case "Decimal":
      return Column.Decimal(type.precision, type.scale)
    case "Array":
      return constructors["Array"](schemaOf(type.element))
    case "Map":
      return constructors["Map"](schemaOf(type.key), schemaOf(type.value))
    case "Struct":
      return Schema.Struct(fieldsOf(type.fields)) as unknown as Schema.Codec<any>
    default:
      return constructors[type._tag]
  }
}

/** The columns of a definition. Nullable ones may be null or absent, the others are required. */
const fieldsOf = (columns: ReadonlyArray<ColumnDefinition>): Record<string, any> =>
  Object.fromEntries(
    columns.map(({ name, nullable, type }) => {
      const schema = schemaOf(type)
      const collection = type._tag === "Array" || type._tag === "Map"
      if (!nullable) return [name, Column.required(schema)]
      return [name, Schema.optionalKey(collection ? schema : Schema.NullOr(schema))]
    })
  )

const cases = 10_000
const perTable = 20

describe("typed tables over arbitrary schemas", () => {
  it(
    `an independent decoder reads what the encoder wrote, ${cases} records of ` +
      `${cases / perTable} tables`,
    () => {
      let bytesSeen = 0
      for (let seed = 0; seed < cases / perTable; seed++) {
        const definition = randomTable(seed)
        const table = Table.fromDefinition(definition)
        const read = reader(definition)
        const random = seeded(seed + 1_000_000)
        for (let n = 0; n < perTable; n++) {
          const sample = sampleRecord(random, definition.columns)
          const bytes = encode(table.codec, sample.value as Table.DynamicRecord)
          if (!(bytes instanceof Uint8Array)) return assert.fail(`seed ${seed}: ${bytes.message}`)
          bytesSeen += bytes.length
          assert.deepStrictEqual(
            read(bytes),
            comparable(definition.columns, sample.wire as Record<string, unknown>),
            `seed ${seed}`
          )
        }
      }
      assert.isAbove(bytesSeen, cases)
    },
    120_000
  )

  it("tables made of columns write what tables made of definitions write", () => {
    for (let seed = 0; seed < 300; seed++) {
      const definition = randomTable(seed)
      const dynamic = Table.fromDefinition(definition)
      const typed = Table.make(definition.name, fieldsOf(definition.columns))
      assert.deepStrictEqual(typed.descriptor, dynamic.descriptor)
      const random = seeded(seed + 5_000_000)
      for (let n = 0; n < 10; n++) {
        const record = sampleRecord(random, definition.columns).value as Record<string, unknown>
        const bytes = encode(dynamic.codec, record)
        assert.deepStrictEqual(encode(typed.codec, record), bytes, `seed ${seed}`)
        // The order of the keys must not matter.
        const reversed = Object.fromEntries(Object.entries(record).toReversed())
        assert.deepStrictEqual(encode(typed.codec, reversed), bytes, `seed ${seed}`)
      }
    }
  }, 120_000)

  for (const recordType of ["proto", "json"] as const) {
    it(`reads back its own records as ${recordType}`, () => {
      for (let seed = 0; seed < 300; seed++) {
        const definition = randomTable(seed)
        const table = Table.fromDefinition(definition, { recordType })
        const random = seeded(seed + 2_000_000)
        for (let n = 0; n < 10; n++) {
          const { value } = sampleRecord(random, definition.columns)
          const bytes = encode(table.codec, value as Table.DynamicRecord)
          if (!(bytes instanceof Uint8Array)) {
            // JSON has no infinities; everything else must be accepted.
            assert.isTrue(recordType === "json" && /finite/.test(bytes.message), bytes.message)
            continue
          }
          const back = Result.getOrThrow(table.decode(bytes))
          // Encoding the decoded record again gives the same bytes, so nothing was lost.
          assert.deepStrictEqual(encode(table.codec, back), bytes, `seed ${seed}`)
        }
      }
    }, 120_000)
  }

  it("decodes corrupted records to a record or an error, and never crashes", () => {
    let refused = 0
    for (let seed = 0; seed < 200; seed++) {
      const definition = randomTable(seed)
      const table = Table.fromDefinition(definition)
      const random = seeded(seed + 3_000_000)
      const good = encode(
        table.codec,
        sampleRecord(random, definition.columns).value as Table.DynamicRecord
      ) as Uint8Array
      for (let n = 0; n < 50; n++) {
        const bytes = good.slice(0, Math.floor(random() * (good.length + 1)))
        if (bytes.length > 0)
          bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
        const result = table.decode(bytes)
        if (Result.isFailure(result)) refused++
      }
    }
    assert.isAbove(refused, 500)
  })
})
