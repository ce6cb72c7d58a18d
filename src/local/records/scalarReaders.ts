/**
 * Reads one protobuf scalar directly into a leaf, with the range checks of the column's type.
 */
import { isUtf8 } from "node:buffer"
import type { ColumnType, SimpleType } from "../../internal/columns/columnType.ts"
import type { MessageShape } from "../../internal/protobuf/descriptor.ts"
import {
  high,
  low,
  readFixed32,
  readFixed64,
  readLength,
  readVarint
} from "../../internal/protobuf/wire.ts"
import { addDecimal } from "./decimalText.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import { RecordProblem } from "./recordProblem.ts"
import { expectation } from "../../internal/columns/expectation.ts"
import {
  integerRange,
  isSimple,
  numberRange,
  type WireScalar,
  wireScalar
} from "../../internal/columns/scalarTypes.ts"
import { fittedText } from "../../internal/columns/textLength.ts"
import { encodeVariant } from "../parquet/variantEncoder.ts"

/** The name of a protobuf field type. */
export type FieldType = MessageShape["fields"][number]["type"]

/** Reads a value at `at` (after its tag) and returns the position after it. */
export type ReadScalar = (bytes: Uint8Array, at: number, end: number, repetition: number) => number

/** The wire type of a field type: 0 varint, 1 64 bits, 2 length-delimited, 5 32 bits. */
export const wireTypeOf = (type: FieldType): number => {
  switch (type) {
    case "double":
    case "fixed64":
    case "sfixed64":
      return 1
    case "string":
    case "bytes":
    case "message":
      return 2
    case "float":
    case "fixed32":
    case "sfixed32":
      return 5
    default:
      return 0
  }
}

const narrow: ReadonlyArray<FieldType> = ["int32", "sint32", "sfixed32"]
const wide: ReadonlyArray<FieldType> = [
  "int64",
  "sint64",
  "sfixed64",
  "int32",
  "sint32",
  "sfixed32",
  "uint32",
  "fixed32"
]

const accepted: Readonly<Record<WireScalar, ReadonlyArray<FieldType>>> = {
  bool: ["bool"],
  int32: narrow,
  int64: wide,
  float: ["float"],
  double: ["double"],
  string: ["string"],
  bytes: ["bytes"]
}

/**
 * The protobuf types that a column accepts. Descriptors derived from the table use the first one.
 */
export const acceptedTypes = (type: ColumnType): ReadonlyArray<FieldType> =>
  isSimple(type) ? accepted[wireScalar(type)] : ["message"]

/**
 * Creates a reader of integers in any protobuf encoding. It passes the sign-extended low and high
 * halves to `use`.
 */
const integerReader = (
  field: FieldType,
  use: (low: number, high: number, repetition: number) => void
): ReadScalar => {
  switch (field) {
    case "sfixed32":
      return (bytes, at, end, repetition) => {
        const next = readFixed32(bytes, at, end)
        use(low, low >> 31, repetition)
        return next
      }
    case "fixed32":
      return (bytes, at, end, repetition) => {
        const next = readFixed32(bytes, at, end)
        use(low, 0, repetition)
        return next
      }
    case "sfixed64":
      return (bytes, at, end, repetition) => {
        const next = readFixed64(bytes, at, end)
        use(low, high, repetition)
        return next
      }
    case "sint32":
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        const value = (low >>> 1) ^ -(low & 1)
        use(value, value >> 31, repetition)
        return next
      }
    case "sint64":
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        const sign = -(low & 1)
        use(((low >>> 1) | (high << 31)) ^ sign, (high >>> 1) ^ sign, repetition)
        return next
      }
    case "uint32":
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        use(low, 0, repetition)
        return next
      }
    case "int32":
      // The upper half of an int32 on the wire is ignored, as in every protobuf reader.
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        use(low, low >> 31, repetition)
        return next
      }
    default:
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        use(low, high, repetition)
        return next
      }
  }
}

/**
 * Creates the reader of a scalar field for a column type. `second` is the leaf of a VARIANT's
 * value.
 */
export const scalarReader = (
  type: SimpleType,
  field: FieldType,
  path: ReadonlyArray<string>,
  leaf: Leaf,
  second?: Leaf
): ReadScalar => {
  const refuse = (): never => {
    throw new RecordProblem(path, expectation(type))
  }
  switch (type._tag) {
    case "Boolean":
      return (bytes, at, end, repetition) => {
        const next = readVarint(bytes, at, end)
        leaf.addBoolean(repetition, (low | high) !== 0)
        return next
      }
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "Date": {
      const [min, max] = numberRange(type._tag)
      return integerReader(field, (value, _, repetition) => {
        if (value < min || value > max) refuse()
        leaf.addWord(repetition, value)
      })
    }
    case "BigInt":
      return integerReader(field, (lower, upper, repetition) =>
        leaf.addWords(repetition, lower, upper)
      )
    case "Timestamp":
    case "TimestampNtz": {
      const [min, max] = integerRange(type._tag)
      const [lowest, highest] = [Number(min >> 32n), Number(max >> 32n)]
      return integerReader(field, (lower, upper, repetition) => {
        if (upper <= lowest || upper >= highest) {
          const value = (BigInt(upper) << 32n) | BigInt(lower >>> 0)
          if (value < min || value > max) refuse()
        }
        leaf.addWords(repetition, lower, upper)
      })
    }
    case "Float":
      return (bytes, at, end, repetition) => {
        const next = readFixed32(bytes, at, end)
        leaf.addWord(repetition, low)
        return next
      }
    case "Double":
      return (bytes, at, end, repetition) => {
        const next = readFixed64(bytes, at, end)
        leaf.addWords(repetition, low, high)
        return next
      }
    case "Decimal":
      return (bytes, at, end, repetition) => {
        const start = readLength(bytes, at, end)
        const stop = start + low
        if (stop - start > 100) refuse()
        if (!addDecimal(leaf, repetition, type.precision, type.scale, bytes, start, stop)) refuse()
        return stop
      }
    case "Variant":
      return (bytes, at, end, repetition) => {
        const start = readLength(bytes, at, end)
        const stop = start + low
        if (!isUtf8(bytes.subarray(start, stop))) refuse()
        const variant = encodeVariant(
          Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("utf8")
        )
        if (typeof variant === "string") throw new RecordProblem(path, variant)
        leaf.addBytes(repetition, variant.metadata, 0, variant.metadata.length)
        second!.addBytes(repetition, variant.value, 0, variant.value.length)
        return stop
      }
    case "Binary":
      return (bytes, at, end, repetition) => {
        const start = readLength(bytes, at, end)
        const stop = start + low
        leaf.addBytes(repetition, bytes, start, stop)
        return stop
      }
    case "String": {
      const { textLength } = type
      if (textLength !== undefined) {
        return (bytes, at, end, repetition) => {
          const start = readLength(bytes, at, end)
          const stop = start + low
          if (!isUtf8(bytes.subarray(start, stop))) refuse()
          const text = fittedText(
            Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString("utf8"),
            textLength
          )
          if (text === undefined) return refuse()
          const fitted = Buffer.from(text, "utf8")
          leaf.addBytes(repetition, fitted, 0, fitted.length)
          return stop
        }
      }
      return (bytes, at, end, repetition) => {
        const start = readLength(bytes, at, end)
        const stop = start + low
        if (!leaf.addBytes(repetition, bytes, start, stop) && !isUtf8(bytes.subarray(start, stop)))
          refuse()
        return stop
      }
    }
  }
}
