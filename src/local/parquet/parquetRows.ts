/**
 * Reads Parquet files of our tables back into rows, for `TableStore.rows` and for checkpoints.
 *
 * The library's conversions lose digits (decimals become floating point, timestamps milliseconds).
 * The annotations are therefore removed from the schema, and the raw values are converted here by
 * column type: BIGINT and timestamps as bigint (microseconds), DATE as days, DECIMAL as a string,
 * BINARY as bytes, MAP as a `Map`.
 */
import { type FileMetaData, parquetMetadata, parquetReadObjects } from "./parquetLibrary.ts"
import { decompressZstd } from "./codecs.ts"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { decodeVariant, type VariantBytes } from "./variant.ts"

const decoder = new TextDecoder()

/**
 * All rows of one file, or the last `limit`, with the columns of the table. A column that the file
 * lacks is NULL.
 */
export const readParquet = async (
  bytes: Uint8Array,
  columns: ReadonlyArray<ColumnDefinition>,
  limit = Infinity
): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const file = bytes.buffer.slice(
    bytes.byteOffset,
    bytes.byteOffset + bytes.byteLength
  ) as ArrayBuffer
  const metadata = withoutAnnotations(parquetMetadata(file))
  const rows = await parquetReadObjects({
    file,
    metadata,
    rowStart: Math.max(0, Number(metadata.num_rows) - limit),
    utf8: false,
    parsers: microseconds,
    ...(decompressZstd === undefined ? {} : { compressors: { ZSTD: decompressZstd } })
  })
  return rows.map((row) => struct(columns, row as Record<string, unknown>))
}

/**
 * The paths of the columns and groups of a file, such as `add` and `add.path`, up to a depth of
 * two.
 */
export const columnPaths = (bytes: Uint8Array): ReadonlyArray<string> => {
  const file = bytes.buffer.slice(
    bytes.byteOffset,
    bytes.byteOffset + bytes.byteLength
  ) as ArrayBuffer
  const { schema } = parquetMetadata(file)
  const paths: Array<string> = []
  let at = 1
  const visit = (above: ReadonlyArray<string>): void => {
    const { name, num_children: children = 0 } = schema[at++]!
    const path = [...above, name]
    if (path.length <= 2) paths.push(path.join("."))
    for (let child = 0; child < children; child++) visit(path)
  }
  while (at < schema.length) visit([])
  return paths
}

/** Other writers use other units for timestamps: Spark writes INT96 by default. */
const microseconds = {
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromNanoseconds: (nanos: bigint) => (nanos - (((nanos % 1000n) + 1000n) % 1000n)) / 1000n
}

const isOfOtherUnit = ({
  converted_type: converted,
  logical_type: logical
}: FileMetaData["schema"][number]): boolean =>
  converted === "TIMESTAMP_MILLIS" || (logical?.type === "TIMESTAMP" && logical.unit !== "MICROS")

const withoutAnnotations = (metadata: FileMetaData): FileMetaData => ({
  ...metadata,
  schema: metadata.schema.map((element) => {
    // A list keeps its annotation. A map loses it, because the library would convert its keys to
    // text.
    if (element.converted_type === "LIST" || element.logical_type?.type === "LIST") return element
    if (isOfOtherUnit(element)) return element
    const {
      converted_type: _converted,
      logical_type: _logical,
      scale: _scale,
      precision: _precision,
      ...physical
    } = element
    return physical
  })
})

const struct = (
  columns: ReadonlyArray<ColumnDefinition>,
  value: Record<string, unknown>
): Record<string, unknown> => {
  const row: Record<string, unknown> = {}
  for (const column of columns) row[column.name] = convert(column.type, fieldOf(value, column.name))
  return row
}

/** A field by its case-insensitive name: files of other writers may use another case. */
const fieldOf = (value: Record<string, unknown>, name: string): unknown => {
  if (name in value) return value[name]
  const lower = name.toLowerCase()
  for (const key in value) if (key.toLowerCase() === lower) return value[key]
  return undefined
}

const convert = (type: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (type._tag) {
    case "Struct":
      return struct(type.fields, value as Record<string, unknown>)
    case "Array":
      return (value as ReadonlyArray<unknown>).map((item) => convert(type.element, item))
    case "Map": {
      // Other writers use other names for the repeated group, so it is found by position.
      const entries = (Object.values(value as object)[0] ?? []) as ReadonlyArray<{
        key: unknown
        value: unknown
      }>
      return new Map(
        entries.map((entry) => [convert(type.key, entry.key), convert(type.value, entry.value)])
      )
    }
    case "Decimal":
      return decimal(unscaled(value), type.scale)
    case "Variant":
      return decodeVariant(value as VariantBytes)
    case "String":
      return value instanceof Uint8Array ? decoder.decode(value) : value
    case "Boolean":
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Float":
    case "Double":
    case "Binary":
    case "Date":
    case "Timestamp":
    case "TimestampNtz":
      return value
  }
}

const unscaled = (value: unknown): bigint => {
  if (!(value instanceof Uint8Array)) return BigInt(value as number | bigint)
  let number = 0n
  for (const byte of value) number = (number << 8n) | BigInt(byte)
  return BigInt.asIntN(value.length * 8, number)
}

/** A decimal as text with all digits of its scale, such as `12.50`. */
export const decimal = (unscaledValue: bigint, scale: number): string => {
  const negative = unscaledValue < 0n
  const digits = (negative ? -unscaledValue : unscaledValue).toString().padStart(scale + 1, "0")
  const whole = digits.slice(0, digits.length - scale)
  return `${negative ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(-scale)}`}`
}
