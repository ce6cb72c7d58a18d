/**
 * The table of scalar column types: their names, wire types, ranges and descriptions in messages.
 * Client, local server and command line use it.
 *
 * A new type is a new row. The compiler then lists the switches that need a branch for it.
 */
import type { ColumnType, SimpleType } from "./columnType.ts"

/** The protobuf types that columns have on the wire. */
export type WireScalar = "double" | "float" | "int64" | "int32" | "bool" | "string" | "bytes"

/** The smallest and the largest value. */
type Range = readonly [min: bigint, max: bigint]

/** The properties of one scalar type. */
export interface ScalarType {
  /** The SQL name in lower case, as in Unity Catalog's `type_text`. */
  readonly text: string
  /** Unity Catalog's `type_name`. */
  readonly name: string
  /** The name in the JSON form of types, as in Unity Catalog's `type_json` and the Delta log. */
  readonly json: string
  /** Further SQL names. */
  readonly aliases: ReadonlyArray<string>
  /** The protobuf type of its field. */
  readonly wire: WireScalar
  /**
   * The range of an integer type. Dates and timestamps are integers on the wire: the years 1 to
   * 9999.
   */
  readonly range?: Range
  /** What a record holds for it, in messages. */
  readonly holds: string
  /** What a file of records holds for it, in messages, if people may write it differently there. */
  readonly written?: string
  /** Whether a column of the type can partition a table. */
  readonly partitions: boolean
  /** The table feature that Delta readers and writers need for it. Default: none. */
  readonly feature?: string
}

const integers = (min: bigint, max: bigint) => ({
  range: [min, max] as Range,
  holds: `an integer from ${min} to ${max}`
})

const rows = {
  Boolean: {
    text: "boolean",
    name: "BOOLEAN",
    json: "boolean",
    aliases: ["bool"],
    wire: "bool",
    holds: "true or false",
    partitions: true
  },
  TinyInt: {
    text: "tinyint",
    name: "BYTE",
    json: "byte",
    aliases: ["byte"],
    wire: "int32",
    ...integers(-128n, 127n),
    partitions: true
  },
  SmallInt: {
    text: "smallint",
    name: "SHORT",
    json: "short",
    aliases: ["short"],
    wire: "int32",
    ...integers(-32_768n, 32_767n),
    partitions: true
  },
  Int: {
    text: "int",
    name: "INT",
    json: "integer",
    aliases: ["integer"],
    wire: "int32",
    ...integers(-2_147_483_648n, 2_147_483_647n),
    partitions: true
  },
  BigInt: {
    text: "bigint",
    name: "LONG",
    json: "long",
    aliases: ["long"],
    wire: "int64",
    range: [-(2n ** 63n), 2n ** 63n - 1n],
    holds: "a 64-bit integer (as a string when beyond 2^53)",
    partitions: true
  },
  Float: {
    text: "float",
    name: "FLOAT",
    json: "float",
    aliases: ["real"],
    wire: "float",
    holds: "a number",
    partitions: true
  },
  Double: {
    text: "double",
    name: "DOUBLE",
    json: "double",
    aliases: [],
    wire: "double",
    holds: "a number",
    partitions: true
  },
  String: {
    text: "string",
    name: "STRING",
    json: "string",
    aliases: [],
    wire: "string",
    holds: "valid UTF-8 text",
    partitions: true
  },
  Binary: {
    text: "binary",
    name: "BINARY",
    json: "binary",
    aliases: [],
    wire: "bytes",
    holds: "bytes (base64 text in JSON)",
    partitions: false
  },
  Date: {
    text: "date",
    name: "DATE",
    json: "date",
    aliases: [],
    wire: "int32",
    range: [-719_162n, 2_932_896n],
    holds: "days since 1970-01-01 as an integer, years 1 to 9999",
    written: "as 2026-11-22 or as days since 1970-01-01",
    partitions: true
  },
  Timestamp: {
    text: "timestamp",
    name: "TIMESTAMP",
    json: "timestamp",
    aliases: ["timestamp_ltz"],
    wire: "int64",
    range: [-62_135_596_800_000_000n, 253_402_300_799_999_999n],
    holds: "microseconds since 1970-01-01 UTC as an integer, years 1 to 9999",
    written: "as 2026-11-22T08:30:00Z or as microseconds since 1970-01-01 UTC",
    partitions: true
  },
  TimestampNtz: {
    text: "timestamp_ntz",
    name: "TIMESTAMP_NTZ",
    json: "timestamp_ntz",
    aliases: [],
    wire: "int64",
    range: [-62_135_596_800_000_000n, 253_402_300_799_999_999n],
    holds: "wall-clock microseconds since 1970-01-01 as an integer, years 1 to 9999",
    written: "as 2026-11-22T08:30:00 without a zone or as wall-clock microseconds since 1970-01-01",
    partitions: true,
    feature: "timestampNtz"
  },
  Variant: {
    text: "variant",
    name: "VARIANT",
    json: "variant",
    aliases: [],
    wire: "string",
    holds: "a string that holds JSON",
    partitions: false,
    feature: "variantType"
  }
} as const satisfies Readonly<Record<string, ScalarType>>

/** The tags of the types that have no parameters. */
export type ScalarTag = keyof typeof rows

/** The tags of the types that are integers on the wire. */
export type IntegerTag = {
  [Tag in ScalarTag]: (typeof rows)[Tag] extends { readonly range: Range } ? Tag : never
}[ScalarTag]

/** The tags of the types that are integers of at most 32 bits on the wire. */
export type NarrowTag = {
  [Tag in IntegerTag]: (typeof rows)[Tag]["wire"] extends "int32" ? Tag : never
}[IntegerTag]

/** The row of each scalar type. */
export const scalarTypes: Readonly<Record<ScalarTag, ScalarType>> = rows

const tagsByWord = new Map(
  Object.entries(scalarTypes).flatMap(([tag, { aliases, json, text }]) =>
    [text, json, ...aliases].map((word) => [word, tag as ScalarTag] as const)
  )
)

/**
 * The scalar type that a word names (`bigint`, `long`, `LONG`), or `undefined`. Case does not
 * matter.
 */
export const scalarTag = (word: string): ScalarTag | undefined => tagsByWord.get(word.toLowerCase())

/** The SQL name of a type without its parameters, such as `TIMESTAMP_NTZ` or `ARRAY`. */
export const sqlName = (tag: ColumnType["_tag"]): string =>
  (tag in scalarTypes ? scalarTypes[tag as ScalarTag].text : tag).toUpperCase()

/** Whether a type has a row in the table. */
export const isScalar = (
  type: ColumnType
): type is Extract<SimpleType, { readonly _tag: ScalarTag }> =>
  Object.hasOwn(scalarTypes, type._tag)

/**
 * Whether a value of the type is a single one: a scalar or a DECIMAL, not a collection or struct.
 */
export const isSimple = (type: ColumnType): type is SimpleType =>
  isScalar(type) || type._tag === "Decimal"

/** The protobuf type of the field of a simple type. DECIMAL is text. */
export const wireScalar = (type: SimpleType): WireScalar =>
  isScalar(type) ? scalarTypes[type._tag].wire : "string"

/** Whether a column of the type can partition a table. */
export const canPartition = (type: ColumnType): boolean =>
  isScalar(type) ? scalarTypes[type._tag].partitions : type._tag === "Decimal"

/** The smallest and the largest value of an integer type. */
export const integerRange = (tag: IntegerTag): Range => rows[tag].range

/** The range of an integer type of at most 32 bits, as numbers. */
export const numberRange = (tag: NarrowTag): readonly [min: number, max: number] => {
  const [min, max] = rows[tag].range
  return [Number(min), Number(max)]
}

/** The JSON form of a 64-bit integer: a number if it is safe, otherwise text. */
export const integerJson = (value: bigint): number | string => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}
