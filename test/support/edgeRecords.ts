/**
 * Records with the edge values of every type: the first and the last values, special numbers, NULL
 * and empty collections.
 */
import type { ColumnDefinition, ColumnType } from "../../src/internal/columns/columnType.ts"
import { variants } from "./randomRecords.ts"

/** A value as JSON, and as the row that must be read. */
interface Edge {
  readonly json: unknown
  readonly row: unknown
}

const same = (...values: ReadonlyArray<unknown>): ReadonlyArray<Edge> =>
  values.map((value) => ({ json: value, row: value }))
const wide = (...values: ReadonlyArray<bigint>): ReadonlyArray<Edge> =>
  values.map((value) => ({ json: String(value), row: value }))
const special: ReadonlyArray<Edge> = [NaN, Infinity, -Infinity].map((row) => ({
  json: String(row),
  row
}))

/** Replaces -0 until {@link edgeJson}, because `JSON.stringify` writes it as 0. */
const minusZero = "<-0>"
const zeros: ReadonlyArray<Edge> = [
  { json: 0, row: 0 },
  { json: minusZero, row: -0 }
]

/** A record as JSON text. */
export const edgeJson = (record: unknown): Uint8Array =>
  Buffer.from(JSON.stringify(record).replaceAll(JSON.stringify(minusZero), "-0.0"))

const decimals = (precision: number, scale: number): ReadonlyArray<Edge> => {
  const text = (digits: string) => {
    const padded = digits.padStart(scale + 1, "0")
    return scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`
  }
  const most = "9".repeat(precision)
  return same(text("0"), text("1"), `-${text("1")}`, text(most), `-${text(most)}`)
}

const null_: Edge = { json: null, row: null }

/** The edge values of a type, without NULL. */
const edges = (type: ColumnType): ReadonlyArray<Edge> => {
  switch (type._tag) {
    case "Boolean":
      return same(true, false)
    case "TinyInt":
      return same(-128, -1, 0, 127)
    case "SmallInt":
      return same(-32_768, -129, 0, 32_767)
    case "Int":
      return same(-2_147_483_648, -32_769, 0, 2_147_483_647)
    case "BigInt":
      return wide(-(2n ** 63n), -(2n ** 53n) - 1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n)
    case "Float":
      return [
        ...zeros,
        ...special,
        ...same(3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45)
      ]
    case "Double":
      return [
        ...zeros,
        ...special,
        ...same(Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 0.1)
      ]
    case "String":
      return same("", " ", "\0", "null", "\u{10FFFF}", "e\u0301", "\r\n\t\"'\\", "ž".repeat(4_000))
    case "Binary":
      return ["", "AA==", "/////w==", Buffer.alloc(4_000, 7).toString("base64")].map((json) => ({
        json,
        row: new Uint8Array(Buffer.from(json, "base64"))
      }))
    case "Date":
      // The first and the last day, and both sides of the change to the Gregorian calendar.
      return same(-719_162, -141_428, -141_427, -1, 0, 2_932_896)
    case "Timestamp":
    case "TimestampNtz":
      return wide(
        -62_135_596_800_000_000n,
        -12_219_292_800_000_001n,
        -1n,
        0n,
        1n,
        253_402_300_799_999_999n
      )
    case "Decimal":
      return decimals(type.precision, type.scale)
    case "Variant":
      return same(...variants)
    case "Array": {
      const items = [...edges(type.element), ...nullOf(type.element)]
      return [[], items].map((list) => ({
        json: list.map(({ json }) => json),
        row: list.map(({ row }) => row)
      }))
    }
    case "Map": {
      const items = [...edges(type.value), ...nullOf(type.value)]
      const entries = edges(type.key).map((key, n) => [key, items[n % items.length]!] as const)
      return [[], entries].map((list) => ({
        json: Object.fromEntries(list.map(([key, item]) => [String(key.json), item.json])),
        row: new Map(list.map(([key, item]) => [key.row, item.row]))
      }))
    }
    case "Struct": {
      const fields = type.fields.map((field) => [field.name, valuesOf(field)] as const)
      const most = Math.max(...fields.map(([, values]) => values.length))
      const pick = (n: number, form: "json" | "row") =>
        Object.fromEntries(fields.map(([name, values]) => [name, values[n % values.length]![form]]))
      return Array.from({ length: most }, (_, n) => ({
        json: pick(n, "json"),
        row: pick(n, "row")
      }))
    }
  }
}

/**
 * NULL for nullable types inside a collection. Nested collections are never NULL, because some
 * readers cannot show that.
 */
const nullOf = (type: ColumnType): ReadonlyArray<Edge> =>
  type._tag === "Array" || type._tag === "Map" || type._tag === "Struct" ? [] : [null_]

const valuesOf = ({ nullable, type }: ColumnDefinition): ReadonlyArray<Edge> =>
  nullable ? [...edges(type), null_] : edges(type)

/**
 * Records for these columns with ids from `first` on, enough to contain each edge value of each
 * column.
 */
export const edgeRecords = (columns: ReadonlyArray<ColumnDefinition>, first: number) => {
  const values = columns
    .filter(({ name }) => name !== "id")
    .map((column) => [column.name, valuesOf(column)] as const)
  const most = Math.max(...values.map(([, edge]) => edge.length))
  return Array.from({ length: most }, (_, n) => {
    const record = (form: "json" | "row"): Record<string, unknown> => ({
      ...Object.fromEntries(values.map(([name, edge]) => [name, edge[n % edge.length]![form]])),
      id: first + n
    })
    return { json: record("json"), row: record("row") }
  })
}
