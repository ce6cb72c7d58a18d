/**
 * Reads binary Avro data into values in the form of JSON records: dates as days, times as
 * microseconds, bytes as base64, decimals as text, integers beyond 2^53 as text.
 *
 * The bytes are untrusted. Nothing is read or created beyond what they hold: each item of an array
 * or map takes at least one byte, and nesting is limited. Closures are composed once per schema.
 */
import { base64OfBytes } from "../columns/base64Text.ts"
import type { ColumnType } from "../columns/columnType.ts"
import { shortFloat } from "../columns/shortFloat.ts"
import { AvroProblem, refuseAvro } from "./avroProblem.ts"
import {
  type AvroRecord,
  type AvroTime,
  type AvroType,
  type AvroUnion,
  shownName
} from "./avroSchema.ts"
import { Cursor, itemsOf } from "./datumCursor.ts"
import { decimalTextOf } from "./decimalBytes.ts"

/** Reads one value at the cursor. */
type Read = (cursor: Cursor) => unknown

/** Reads one record: all of the bytes, or those from `start` to `end`. Throws an `AvroProblem`. */
export type ReadDatum = (bytes: Uint8Array, start?: number, end?: number) => AvroValues

/**
 * The reader for records of a schema. With a column type, fields get the names of its columns,
 * matched case-insensitively.
 */
export const datumReader = (schema: AvroRecord, columns?: ColumnType): ReadDatum => {
  const read = new Readers({}).of(schema, columns)
  return (bytes, start = 0, end = bytes.length) => {
    const cursor = new Cursor(bytes, start, end)
    const value = read(cursor)
    if (cursor.at !== end) refuseAvro("Bytes follow the value.")
    return value as AvroValues
  }
}

/** How the records of a file are read. */
export interface BlockOptions {
  /** Whether parts of a microsecond are cut off, towards the past. Default: they are refused. */
  readonly cutNanos?: boolean | undefined
  /**
   * Whether the values of a union are given as JSON text, in which numbers have all their digits.
   * NULL stays null. Default: no union is.
   */
  readonly asJson?: ((union: AvroUnion) => boolean) | undefined
}

/** A record by the names of its fields. */
export type AvroValues = { readonly [field: string]: unknown }

/** Most records that are given at a time, and most bytes of them but for the last record. */
const recordsAtOnce = 1024
const bytesAtOnce = 1024 * 1024

/**
 * Reads `count` records that stand one after another, and gives them in pieces, so that few of them
 * are in memory. Throws an `AvroProblem` at the first one that cannot be read, with the records in
 * front of it given before, and where bytes are left.
 */
export const blockReader = (
  schema: AvroRecord,
  options: BlockOptions = {}
): ((bytes: Uint8Array, count: number) => Generator<ReadonlyArray<AvroValues>>) => {
  const read = new Readers(options).of(schema, undefined)
  const empty = mayBeEmpty(schema)
  return function* (bytes, count) {
    if (!empty && count > bytes.length) refuseAvro("The block has more records than bytes.")
    const cursor = new Cursor(bytes, 0, bytes.length)
    let left = count
    while (left > 0) {
      const records: Array<AvroValues> = []
      const start = cursor.at
      let problem: unknown
      try {
        while (left > 0 && records.length < recordsAtOnce && cursor.at - start < bytesAtOnce) {
          cursor.begin()
          records.push(read(cursor) as AvroValues)
          left--
        }
      } catch (error) {
        problem = error
      }
      yield records
      if (problem !== undefined) throw problem
    }
    if (cursor.at !== bytes.length) refuseAvro("Bytes are left behind the records.")
  }
}

/** The JSON text of a record that was read. A negative zero keeps its sign. */
export const datumText = (record: AvroValues): string => jsonText(record)

const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_, value: unknown) => (Object.is(value, -0) ? negativeZero : value))

const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

const negativeZero = rawJSON("-0.0")

/** A long in its JSON form. */
const integer = (value: number | bigint): number | string =>
  typeof value === "bigint" ? String(value) : value

/** A long as the JSON of a number. */
const exactInteger = (value: number | bigint): unknown =>
  typeof value === "bigint" ? rawJSON(String(value)) : value

/** Microseconds of a time. */
const micros = (value: number | bigint, time: AvroTime, cutNanos: boolean): number | string => {
  if (time.endsWith("micros")) return integer(value)
  if (time.endsWith("millis")) {
    const product = Number(value) * 1000
    return Number.isSafeInteger(product) ? product : String(BigInt(value) * 1000n)
  }
  const nanos = BigInt(value)
  const rest = ((nanos % 1000n) + 1000n) % 1000n
  if (rest !== 0n && !cutNanos) return refuseAvro("A time is more precise than a microsecond.")
  return integer(asNumber((nanos - rest) / 1000n))
}

const asNumber = (value: bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value

const float = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

const uuidText = (bytes: Uint8Array): string => {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  const parts = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32]
  ] as const
  return parts.map(([from, to]) => hex.slice(from, to)).join("-")
}

/** Adds the field to the path of a problem found below it. */
const within =
  (read: Read, name: string): Read =>
  (cursor) => {
    try {
      return read(cursor)
    } catch (error) {
      if (error instanceof AvroProblem) error.path = [name, ...error.path]
      throw error
    }
  }

/**
 * Whether a value may take no bytes at all. For recursive types, `known` holds the result so far.
 */
const mayBeEmpty = (type: AvroType, known = new Map<AvroType, boolean>()): boolean => {
  switch (type.type) {
    case "null":
      return true
    case "fixed":
      return type.size === 0
    case "record": {
      const found = known.get(type)
      if (found !== undefined) return found
      known.set(type, true)
      const empty = type.fields.every((field) => mayBeEmpty(field.type, known))
      known.set(type, empty)
      return empty
    }
    default:
      return false
  }
}

class Readers {
  /** Readers of records without columns, for recursive types. */
  private readonly known = new Map<AvroType, Read>()
  private readonly cutNanos: boolean
  private readonly asJson: (union: AvroUnion) => boolean
  /** Whether numbers are written as JSON with all their digits. */
  private readonly exact: boolean

  constructor({ asJson, cutNanos }: BlockOptions, exact = false) {
    this.cutNanos = cutNanos === true
    this.asJson = asJson ?? (() => false)
    this.exact = exact
  }

  of(type: AvroType, column: ColumnType | undefined): Read {
    switch (type.type) {
      case "null":
        return () => null
      case "boolean":
        return (cursor) => {
          const byte = cursor.bytes[cursor.take(1)]!
          return byte > 1 ? refuseAvro("A boolean is neither 0 nor 1.") : byte === 1
        }
      case "int":
        return (cursor) => {
          const value = cursor.long()
          return typeof value === "number" && Math.abs(value + 0.5) < 2 ** 31
            ? value
            : refuseAvro("An int has more than 32 bits.")
        }
      case "long": {
        const { time } = type
        if (time?.includes("timestamp") !== true) {
          const form = this.exact ? exactInteger : integer
          return (cursor) => form(cursor.long())
        }
        return (cursor) => micros(cursor.long(), time, this.cutNanos)
      }
      case "float":
        if (this.exact) {
          return (cursor) => float(shortFloat(cursor.view.getFloat32(cursor.take(4), true)))
        }
        return (cursor) => float(cursor.view.getFloat32(cursor.take(4), true))
      case "double":
        return (cursor) => float(cursor.view.getFloat64(cursor.take(8), true))
      case "string":
        return (cursor) => cursor.text()
      case "bytes": {
        const { decimal } = type
        if (decimal === undefined) return (cursor) => base64OfBytes(cursor.content(cursor.size()))
        return (cursor) => decimalTextOf(cursor.content(cursor.size()), decimal)
      }
      case "fixed": {
        const { decimal, size, uuid } = type
        if (decimal !== undefined) return (cursor) => decimalTextOf(cursor.content(size), decimal)
        if (uuid === true) return (cursor) => uuidText(cursor.content(size))
        return (cursor) => base64OfBytes(cursor.content(size))
      }
      case "enum": {
        const { name, symbols } = type
        return (cursor) =>
          symbols[Number(cursor.long())] ??
          refuseAvro(`The enum ${shownName(name)} has no such symbol.`)
      }
      case "union": {
        if (!this.exact && this.asJson(type)) {
          const read = new Readers({ cutNanos: this.cutNanos }, true).of(type, undefined)
          return (cursor) => {
            const value = read(cursor)
            return value === null ? null : jsonText(value)
          }
        }
        const reads = type.branches.map((branch) => this.of(branch, column))
        return (cursor) => {
          const read = reads[Number(cursor.long())]
          return read === undefined ? refuseAvro("A union has no such branch.") : read(cursor)
        }
      }
      case "array":
        return this.array(type.items, column?._tag === "Array" ? column.element : undefined)
      case "map":
        return this.map(type.values, column?._tag === "Map" ? column.value : undefined)
      case "record":
        return this.record(type, column)
    }
  }

  private array(items: AvroType, column: ColumnType | undefined): Read {
    const read = this.of(items, column)
    const empty = mayBeEmpty(items)
    return (cursor) => {
      const values: Array<unknown> = []
      for (let left = itemsOf(cursor, empty); left > 0; left = itemsOf(cursor, empty)) {
        for (; left > 0; left--) values.push(read(cursor))
      }
      return values
    }
  }

  private map(type: AvroType, column: ColumnType | undefined): Read {
    const read = this.of(type, column)
    return (cursor) => {
      const values: Record<string, unknown> = Object.create(null)
      for (let left = itemsOf(cursor, false); left > 0; left = itemsOf(cursor, false)) {
        for (; left > 0; left--) {
          const key = cursor.text()
          values[key] = read(cursor)
        }
      }
      return values
    }
  }

  private record(type: AvroRecord, column: ColumnType | undefined): Read {
    const known = column === undefined ? this.known.get(type) : undefined
    if (known !== undefined) return known
    const fields: Array<{ readonly name: string; readonly read: Read }> = []
    const read: Read = (cursor) => {
      cursor.enter()
      const values: Record<string, unknown> = Object.create(null)
      for (const field of fields) values[field.name] = field.read(cursor)
      cursor.depth--
      return values
    }
    if (column === undefined) this.known.set(type, read)
    const columns = column?._tag === "Struct" ? column.fields : []
    for (const { name, type: inner } of type.fields) {
      const found = columns.find((each) => each.name.toLowerCase() === name.toLowerCase())
      fields.push({ name: found?.name ?? name, read: within(this.of(inner, found?.type), name) })
    }
    return read
  }
}
