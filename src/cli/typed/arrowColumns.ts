/**
 * The columns of an Arrow schema: which column type holds the values of each, and how a value is
 * read out of the buffers of a batch.
 */
import { type Data, DataType, type Field, TimeUnit, Vector } from "apache-arrow"
import { base64OfBytes } from "../../internal/columns/base64Text.ts"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { decodeVariant, type VariantBytes } from "../../local/parquet/variant.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import type { FileColumn } from "../records/typedRow.ts"
import { KeyTwice } from "../records/valueCheck.ts"
import {
  decimalValue,
  floatValue,
  halfValue,
  integerValue,
  microsOf,
  textOfTime,
  textValue,
  type Unit,
  uuidValue
} from "./fileValues.ts"

/** The value of a row of a batch, null where it has none. */
type Column = (row: number) => unknown

/** Prepares the reading of a column of one batch. */
type Bind = (data: Data) => Column

interface Reading {
  readonly type: ColumnType
  readonly bind: Bind
}

/** A column of an Arrow file. */
export interface ArrowColumn extends FileColumn {
  readonly bind: Bind
}

/** Thrown for a type that no column has; the message is the name of the type. */
class NoColumnType extends Error {}

/** The columns of a schema. */
export const arrowColumns = (fields: ReadonlyArray<Field>): ReadonlyArray<ArrowColumn> =>
  fields.map((field) => {
    const { name, nullable } = field
    try {
      const { bind, type } = readingOf(field)
      return { name, type, typeText: String(field.type), nullable, bind }
    } catch (error) {
      if (!(error instanceof NoColumnType)) throw error
      const bind = () => () => null
      return { name, type: undefined, typeText: error.message, nullable, bind }
    }
  })

const hasBit = (bits: Uint8Array, index: number): boolean =>
  ((bits[index >> 3]! >> (index & 7)) & 1) === 1

/** Reads NULL where the bit of a row says so. */
const nullable =
  (bind: Bind): Bind =>
  (data) => {
    const read = bind(data)
    const bits = data.nullBitmap
    if (data.nullCount === 0 || bits === undefined || bits.length === 0) return read
    return (row) => (hasBit(bits, row + data.offset) ? read(row) : null)
  }

const readingOf = (field: Field): Reading => {
  const { bind, type } = typeOf(field.type, field.metadata.get("ARROW:extension:name"))
  return { type, bind: nullable(bind) }
}

/** Values of fixed width, by their place in an array of numbers. */
const numbers = (type: ColumnType, convert: (value: any) => unknown): Reading => ({
  type,
  bind: ({ values }) => {
    const array = values as unknown as ArrayLike<number | bigint>
    return (row) => convert(array[row]!)
  }
})

const same = (value: unknown) => value

const typeOf = (type: DataType, extension?: string): Reading => {
  if (DataType.isDictionary(type)) return dictionary(type.dictionary)
  if (DataType.isNull(type)) return { type: { _tag: "String" }, bind: () => () => null }
  if (DataType.isBool(type)) {
    const bind: Bind = ({ offset, values }) => {
      const bits = values as Uint8Array
      return (row) => hasBit(bits, row + offset)
    }
    return { type: { _tag: "Boolean" }, bind }
  }
  if (DataType.isInt(type)) return integer(type.bitWidth, type.isSigned)
  if (DataType.isFloat(type)) {
    if (type.precision === 0) return numbers({ _tag: "Float" }, halfValue)
    return numbers({ _tag: type.precision === 1 ? "Float" : "Double" }, floatValue)
  }
  if (DataType.isDecimal(type)) return decimal(type.precision, type.scale, type.bitWidth)
  if (DataType.isDate(type)) {
    const isDays = type.unit === 0
    const days = (millis: bigint) => Number((millis - (((millis % day) + day) % day)) / day)
    return numbers({ _tag: "Date" }, isDays ? same : days)
  }
  if (DataType.isTimestamp(type)) {
    const unit = unitOf(type.unit)
    const tag = type.timezone === null || type.timezone === undefined ? "TimestampNtz" : "Timestamp"
    return numbers({ _tag: tag }, (value: bigint) => microsOf(value, unit))
  }
  if (DataType.isTime(type)) {
    const unit = unitOf(type.unit)
    return numbers({ _tag: "String" }, (value) => textOfTime(BigInt(value), unit))
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type))
    return bytes({ _tag: "String" }, textValue)
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) {
    return bytes({ _tag: "Binary" }, base64OfBytes)
  }
  if (DataType.isUtf8View(type)) return views({ _tag: "String" }, same)
  if (DataType.isBinaryView(type)) return views({ _tag: "Binary" }, base64OfBytes)
  if (DataType.isFixedSizeBinary(type)) return fixedBytes(type.byteWidth, extension)
  if (DataType.isFixedSizeList(type)) {
    const { listSize } = type
    return list(type.children[0]!, () => (row) => [row * listSize, (row + 1) * listSize])
  }
  if (DataType.isList(type) || DataType.isLargeList(type)) return list(type.children[0]!, bounds)
  if (DataType.isMap(type)) return map(type.children[0]!)
  if (DataType.isStruct(type)) {
    return extension === "arrow.parquet.variant" ? variant(type.children) : struct(type.children)
  }
  throw new NoColumnType(String(type))
}

const day = 86_400_000n

const unitOf = (unit: TimeUnit): Unit => {
  switch (unit) {
    case TimeUnit.SECOND:
      return "s"
    case TimeUnit.MILLISECOND:
      return "ms"
    case TimeUnit.MICROSECOND:
      return "us"
    case TimeUnit.NANOSECOND:
      return "ns"
  }
}

/** Integers without a sign need a wider type. */
const integer = (bits: number, isSigned: boolean): Reading => {
  switch (bits) {
    case 8:
      return numbers({ _tag: isSigned ? "TinyInt" : "SmallInt" }, same)
    case 16:
      return numbers({ _tag: isSigned ? "SmallInt" : "Int" }, same)
    case 32:
      return numbers({ _tag: isSigned ? "Int" : "BigInt" }, same)
    default:
      return numbers(
        isSigned ? { _tag: "BigInt" } : { _tag: "Decimal", precision: 20, scale: 0 },
        integerValue
      )
  }
}

const decimal = (precision: number, scale: number, bits: number): Reading => {
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    throw new NoColumnType(`Decimal(${precision}, ${scale})`)
  }
  const width = bits / 8
  const bind: Bind = ({ values }) => {
    const array = values as unknown as Uint32Array
    const all = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    // The format has the lowest byte first.
    return (row) => decimalValue(all.slice(row * width, (row + 1) * width).reverse(), scale)
  }
  return { type: { _tag: "Decimal", precision, scale }, bind }
}

/** Where the values of a row begin and end. */
const bounds = ({ valueOffsets }: Data): ((row: number) => readonly [number, number]) => {
  const offsets = valueOffsets as unknown as ArrayLike<number | bigint>
  return (row) => [Number(offsets[row]!), Number(offsets[row + 1]!)]
}

const bytes = (type: ColumnType, convert: (bytes: Uint8Array) => unknown): Reading => ({
  type,
  bind: (data) => {
    const all = data.values as Uint8Array
    const boundsOf = bounds(data)
    return (row) => {
      const [start, end] = boundsOf(row)
      return convert(all.subarray(start, end))
    }
  }
})

const views = (type: ColumnType, convert: (value: any) => unknown): Reading => ({
  type,
  bind: (data) => {
    const vector = new Vector([data])
    return (row) => convert(vector.get(row))
  }
})

const fixedBytes = (width: number, extension: string | undefined): Reading => {
  const isUuid = extension === "arrow.uuid" && width === 16
  const convert = isUuid ? uuidValue : base64OfBytes
  const bind: Bind = ({ values }) => {
    const all = values as Uint8Array
    return (row) => convert(all.subarray(row * width, (row + 1) * width))
  }
  return { type: { _tag: isUuid ? "String" : "Binary" }, bind }
}

/** Single values of a dictionary are read once; it may be the same for many batches. */
const dictionary = (values: DataType): Reading => {
  const { bind, type } = typeOf(values)
  const read = nullable(bind)
  const known = new WeakMap<object, ReadonlyArray<() => unknown>>()
  const valuesOf = (vector: Vector): ReadonlyArray<() => unknown> => {
    const found = known.get(vector)
    if (found !== undefined) return found
    const all = vector.data.flatMap((data) => {
      const column = read(data)
      return Array.from({ length: data.length }, (_, row) => {
        // Converting a nested value changes it, so each row gets one of its own.
        if (!isSimple(type)) return () => column(row)
        const value = column(row)
        return () => value
      })
    })
    known.set(vector, all)
    return all
  }
  return {
    type,
    bind: (data) => {
      const indexes = data.values as unknown as ArrayLike<number | bigint>
      const all = valuesOf(data.dictionary!)
      return (row) => all[Number(indexes[row]!)]!() ?? null
    }
  }
}

const list = (
  item: Field,
  boundsOf: (data: Data) => (row: number) => readonly [number, number]
): Reading => {
  const { bind, type } = readingOf(item)
  return {
    type: { _tag: "Array", element: type, containsNull: item.nullable },
    bind: (data) => {
      const read = bind(data.children[0]!)
      const of = boundsOf(data)
      return (row) => {
        const [start, end] = of(row)
        return Array.from({ length: end - start }, (_, index) => read(start + index))
      }
    }
  }
}

const map = (entries: Field): Reading => {
  const [keys, values] = entries.type.children as ReadonlyArray<Field>
  const key = readingOf(keys!)
  const value = readingOf(values!)
  return {
    type: { _tag: "Map", key: key.type, value: value.type, valueContainsNull: values!.nullable },
    bind: (data) => {
      const [keyData, valueData] = data.children[0]!.children
      const [keyOf, valueOf] = [key.bind(keyData!), value.bind(valueData!)]
      const of = bounds(data)
      return (row) => {
        const [start, end] = of(row)
        const found: Record<string, unknown> = Object.create(null)
        for (let at = start; at < end; at++) {
          const name = String(keyOf(at))
          if (Object.hasOwn(found, name)) return new KeyTwice(name)
          found[name] = valueOf(at)
        }
        return found
      }
    }
  }
}

const struct = (fields: ReadonlyArray<Field>): Reading => {
  if (fields.length === 0) throw new NoColumnType("Struct without fields")
  const parts = fields.map((field) => ({ field, ...readingOf(field) }))
  const definitions = parts.map(({ field, type }): ColumnDefinition => ({
    name: field.name,
    type,
    nullable: field.nullable
  }))
  return {
    type: { _tag: "Struct", fields: definitions },
    bind: (data) => {
      const reads = parts.map(
        ({ bind, field }, index) => [field.name, bind(data.children[index]!)] as const
      )
      return (row) => {
        const record: Record<string, unknown> = Object.create(null)
        for (const [name, read] of reads) record[name] = read(row)
        return record
      }
    }
  }
}

const variant = (fields: ReadonlyArray<Field>): Reading => {
  if (fields.some(({ name }) => name === "typed_value")) {
    throw new NoColumnType("VARIANT with parts in columns of their own (shredded)")
  }
  const places = ["metadata", "value"].map((part) => fields.findIndex(({ name }) => name === part))
  return {
    type: { _tag: "Variant" },
    bind: (data) => {
      const vectors = places.map((place) => new Vector([data.children[place]!]))
      return (row) => {
        const [metadata, value] = vectors.map((vector) => vector.get(row))
        return decodeVariant({ metadata, value } as VariantBytes)
      }
    }
  }
}
