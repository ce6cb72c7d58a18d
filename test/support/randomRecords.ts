/**
 * Random records for a table: the same record as an object for protobufjs, as a JSON object, and as
 * the expected row.
 */
import protobuf from "protobufjs"
import type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "../../src/internal/columns/columnType.ts"
import type { MessageShape } from "../../src/internal/protobuf/descriptor.ts"
import { pick } from "./randomTables.ts"

/** One value in its three forms. */
export interface Sample {
  readonly proto: unknown
  readonly json: unknown
  readonly row: unknown
}

const texts = [
  "",
  "a",
  "Žluťoučký kůň",
  "🐎🐎",
  '\u0000tab\t"quote"',
  "x".repeat(100),
  "\u{10FFFF}",
  "0"
]
const int64s = [
  "0",
  "1",
  "-1",
  "9223372036854775807",
  "-9223372036854775808",
  "4294967296",
  "-4294967297",
  "9007199254740993"
]
/** JSON texts in the form of VARIANT values that are read: no spaces, keys in order. */
export const variants = [
  "null",
  "true",
  "0",
  "-129",
  "9223372036854775807",
  "12345678901234567890123",
  "0.10",
  "-99999999999999999999.999999999999999999",
  "1e+300",
  '""',
  `"${"long ".repeat(20)}"`,
  "[]",
  "{}",
  '[1,[2,{"a":null}],"žluť 🐎"]',
  '{"a":1,"b":{"a":[false],"c":1.5},"ž":2}'
]
const timestamps = [
  "0",
  "-1",
  "1767225600000001",
  "-62135596800000000",
  "253402300799999999",
  "4294967295"
]

const integer = (random: () => number, min: number, max: number): number => {
  const roll = random()
  if (roll < 0.15) return min
  if (roll < 0.3) return max
  if (roll < 0.4) return 0
  return min + Math.floor(random() * (max - min + 1))
}
const same = (value: unknown): Sample => ({ proto: value, json: value, row: value })

/** A random value of a type. Collections are never NULL, which protobuf cannot express. */
export const sample = (random: () => number, type: ColumnType): Sample => {
  switch (type._tag) {
    case "Boolean":
      return same(random() < 0.5)
    case "TinyInt":
      return same(integer(random, -128, 127))
    case "SmallInt":
      return same(integer(random, -32768, 32767))
    case "Int":
      return same(integer(random, -2147483648, 2147483647))
    case "Date":
      return same(integer(random, -719162, 2932896))
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz": {
      const text = pick(random, type._tag === "BigInt" ? int64s : timestamps)
      const number = Number(text)
      return {
        proto: text,
        json: Number.isSafeInteger(number) && random() < 0.5 ? number : text,
        row: BigInt(text)
      }
    }
    case "Float": {
      const value = Math.fround(pick(random, [0, 1.5, -2.25, 3.4e38, 1e-45, 12345.678]))
      return same(value)
    }
    case "Double":
      return same(pick(random, [0, 0.1, -1e308, 5e-324, 123456789.123, 1.7976931348623157e308]))
    case "Decimal": {
      const whole = Array.from({ length: type.precision - type.scale }, () =>
        Math.floor(random() * 10)
      ).join("")
      const fraction = Array.from({ length: type.scale }, () => Math.floor(random() * 10)).join("")
      const trimmed = whole.replace(/^0+(?=.)/, "") || "0"
      const zero = /^0*$/.test(trimmed + fraction)
      const sign = random() < 0.5 && !zero ? "-" : ""
      const row = `${sign}${trimmed}${type.scale > 0 ? `.${fraction}` : ""}`
      const short = type.scale > 0 && random() < 0.5 ? row.replace(/\.?0+$/, "") : row
      return { proto: short, json: short, row }
    }
    case "String":
      return same(pick(random, texts))
    case "Variant":
      return same(pick(random, variants))
    case "Binary": {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 70) }, () =>
        Math.floor(random() * 256)
      )
      return { proto: bytes, json: Buffer.from(bytes).toString("base64"), row: bytes }
    }
    case "Array": {
      const items = Array.from({ length: Math.floor(random() * 4) }, () =>
        sample(random, type.element)
      )
      return {
        proto: items.map((item) => item.proto),
        json: items.map((item) => item.json),
        row: items.map((item) => item.row)
      }
    }
    case "Map": {
      const entries = new Map<string, readonly [Sample, Sample]>()
      for (let left = Math.floor(random() * 4); left > 0; left--) {
        const key = sample(random, type.key)
        entries.set(String(key.json), [key, sample(random, type.value)])
      }
      // JSON objects order numeric keys first; the row follows the order of JSON.parse.
      const json = Object.fromEntries([...entries].map(([key, [, value]]) => [key, value.json]))
      const ordered = Object.keys(json).map((key) => entries.get(key)!)
      return {
        proto: ordered.map(([key, value]) => ({ key: key.proto, value: value.proto })),
        json,
        row: new Map(ordered.map(([key, value]) => [key.row, value.row]))
      }
    }
    case "Struct":
      return record(random, type.fields)
  }
}

/** A random record. Nullable scalar columns are sometimes missing. */
export const record = (random: () => number, columns: ReadonlyArray<ColumnDefinition>): Sample => {
  const proto: Record<string, unknown> = {}
  const json: Record<string, unknown> = {}
  const row: Record<string, unknown> = {}
  for (const column of columns) {
    const collection = column.type._tag === "Array" || column.type._tag === "Map"
    if (column.nullable && !collection && random() < 0.3) {
      row[column.name] = null
      if (random() < 0.5) json[column.name] = null
      continue
    }
    const value = sample(random, column.type)
    proto[column.name] = value.proto
    json[column.name] = value.json
    row[column.name] = value.row
  }
  return { proto, json, row }
}

/** The table with VARIANT replaced by STRING at every depth. */
export const withoutVariant = (definition: TableDefinition): TableDefinition => {
  const type = (from: ColumnType): ColumnType => {
    switch (from._tag) {
      case "Variant":
        return { _tag: "String" }
      case "Array":
        return { ...from, element: type(from.element) }
      case "Map":
        return { ...from, value: type(from.value) }
      case "Struct":
        return {
          ...from,
          fields: from.fields.map((field) => ({ ...field, type: type(field.type) }))
        }
      default:
        return from
    }
  }
  return {
    ...definition,
    columns: definition.columns.map((column) => ({ ...column, type: type(column.type) }))
  }
}

/**
 * A protobufjs type for a message shape. Required fields become optional, so that parts of a record
 * can be encoded too.
 */
export const protobufType = (shape: MessageShape, packed: boolean): protobuf.Type => {
  const root = new protobuf.Root()
  let next = 0
  const add = (message: MessageShape): string => {
    const name = `M${next++}`
    const type = new protobuf.Type(name)
    for (const field of message.fields) {
      const typeName = field.message === undefined ? field.type : add(field.message)
      const number = ["string", "bytes", "message"].includes(field.type)
      const options = field.label === "repeated" && !number ? { packed } : {}
      type.add(
        new protobuf.Field(
          field.name,
          field.number,
          typeName,
          field.label === "repeated" ? "repeated" : "optional",
          undefined,
          options
        )
      )
    }
    root.add(type)
    return name
  }
  const top = add(shape)
  return root.resolveAll().lookupType(top)
}
