/**
 * Casts a column to the table's type when the cast is lossless. Types are checked once per schema,
 * values when a batch is written.
 *
 * | given | table |
 * | --- | --- |
 * | dictionary | as its value type |
 * | Utf8, Utf8View | Utf8, LargeUtf8 |
 * | Binary, BinaryView | Binary, LargeBinary |
 * | integers | integer types that can represent all values |
 * | Float16, Float32 | Float32, Float64 |
 * | Decimal | text |
 * | Date64, times of day 0 | Date32 |
 * | Timestamp without zone, with any zone | the same in another unit, if exactly representable |
 * | LargeList, FixedSizeList | List |
 * | Struct, Map | the same with castable parts; struct fields by name |
 * | Null | any nullable type |
 */
import { type Data, DataType, type Field, type Int, type Timestamp, TimeUnit } from "apache-arrow"
import { type Cast, type Path, refuse } from "./columnMisfit.ts"
import { dateOfMillis, decimalText, scaled, widened } from "./castValues.ts"
import { canGather, gather, isValid, partsOf, unview } from "./gather.ts"
import { nullColumn } from "./nullColumn.ts"
import { widen } from "./wideOffsets.ts"

const unchanged: Cast = (data) => data

/** The cast from one field to another. Throws `InvalidArgument` when there is none. */
export const castTo = (path: Path, from: Field, to: Field): Cast => {
  const cast = castType(path, from.type, to.type)
  return to.nullable ? cast : (data) => withoutNulls(path, cast(data))
}

/** Refuses a column with nulls. */
const withoutNulls = (path: Path, data: Data): Data => {
  if (data.nullCount <= 0) return data
  let row = 0
  while (isValid(data, row)) row++
  return refuse(
    path,
    `is null in row ${row}, but the table's column takes no nulls`,
    "Give every row a value."
  )
}

const castType = (path: Path, from: DataType, to: DataType): Cast => {
  if (DataType.isDictionary(from)) return castDictionary(path, from.dictionary, to)
  if (DataType.isUtf8View(from) && isText(to))
    return castOffsets(path, to, (data) => unview(from, data))
  if (DataType.isBinaryView(from) && isBytes(to))
    return castOffsets(path, to, (data) => unview(from, data))
  if ((isText(from) && isText(to)) || (isBytes(from) && isBytes(to))) {
    return from.typeId === to.typeId ? unchanged : castOffsets(path, to, unchanged)
  }
  if (DataType.isInt(from) && DataType.isInt(to) && holds(to, from)) return widened(from, to)
  if (DataType.isFloat(from) && DataType.isFloat(to) && from.precision <= to.precision)
    return widened(from, to)
  if (DataType.isDecimal(from) && isText(to)) return decimalText(from, to)
  if (DataType.isDate(from) && DataType.isDate(to) && from.unit >= to.unit) {
    return from.unit === to.unit ? unchanged : dateOfMillis(path, to)
  }
  if (DataType.isTimestamp(from) && DataType.isTimestamp(to)) return castTimestamp(path, from, to)
  if (DataType.isNull(from)) return (data) => nullColumn(to, data.length)
  if (DataType.isStruct(from) && DataType.isStruct(to)) return castStruct(path, from.children, to)
  if (DataType.isMap(from) && DataType.isMap(to)) return castMap(path, from, to)
  if (isList(from) && DataType.isList(to)) return castList(path, from, to)
  return sameType(from, to) ? unchanged : misfit(path, from, to)
}

const misfit = (path: Path, from: DataType, to: DataType): never =>
  refuse(path, `is ${String(from)}, the table's is ${String(to)}`, adviceFor(from, to))

const adviceFor = (from: DataType, to: DataType): string => {
  if (DataType.isFloat(from) && DataType.isInt(to)) {
    return (
      "Numbers of JavaScript are Float64: create the column from an Int32Array or a " +
      "BigInt64Array."
    )
  }
  if (DataType.isTimestamp(from) && DataType.isTimestamp(to)) {
    return "An instant has a zone, a local time has none: give the column the right type."
  }
  return "Only lossless casts are made: cast the column first."
}

const isText = (type: DataType): boolean => DataType.isUtf8(type) || DataType.isLargeUtf8(type)
const isBytes = (type: DataType): boolean => DataType.isBinary(type) || DataType.isLargeBinary(type)
const isLarge = (type: DataType): boolean =>
  DataType.isLargeUtf8(type) || DataType.isLargeBinary(type)
const isList = (type: DataType): boolean =>
  DataType.isList(type) || DataType.isLargeList(type) || DataType.isFixedSizeList(type)

/** Whether types without children are equal. Children are compared by their casts. */
const sameType = (from: DataType, to: DataType): boolean =>
  from.typeId === to.typeId && String(from) === String(to) && (from.children?.length ?? 0) === 0

/** Whether an integer type can represent every value of another one. */
const holds = (to: Int, from: Int): boolean =>
  to.isSigned === from.isSigned
    ? to.bitWidth >= from.bitWidth
    : to.isSigned && to.bitWidth > from.bitWidth

const castDictionary = (path: Path, values: DataType, to: DataType): Cast => {
  if (!canGather(to)) return misfit(path, values, to)
  const cast = castType(path, values, to)
  return (data) => {
    const parts = partsOf(data.dictionary).map(cast)
    return parts.length === 0 ? nullColumn(to, data.length) : gather(to, data, parts)
  }
}

/** The largest 32-bit offset. */
const LARGEST_INT32 = 2 ** 31 - 1

/** Casts strings and bytes to another offset width. */
const castOffsets =
  (path: Path, to: DataType, before: Cast): Cast =>
  (given) => {
    const data = before(given)
    const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array
    return data.clone(to, data.offset, data.length, data.nullCount, [
      isLarge(to) ? wide(offsets) : narrow(path, offsets),
      data.values,
      data.nullBitmap,
      undefined
    ] as never)
  }

const wide = (offsets: Int32Array | BigInt64Array): BigInt64Array =>
  offsets instanceof BigInt64Array ? offsets : widen(offsets)

const narrow = (path: Path, offsets: Int32Array | BigInt64Array): Int32Array => {
  if (offsets instanceof Int32Array) return offsets
  if ((offsets.at(-1) ?? 0n) > LARGEST_INT32) {
    return refuse(path, "holds more than 2 GiB in one batch", "Split the batch.")
  }
  return Int32Array.from(offsets, Number)
}

/** Number of units in a second. */
const perSecond: Readonly<Record<TimeUnit, bigint>> = {
  [TimeUnit.SECOND]: 1n,
  [TimeUnit.MILLISECOND]: 1_000n,
  [TimeUnit.MICROSECOND]: 1_000_000n,
  [TimeUnit.NANOSECOND]: 1_000_000_000n
}

const castTimestamp = (path: Path, from: Timestamp, to: Timestamp): Cast => {
  const zoned = ({ timezone }: Timestamp): boolean =>
    timezone !== undefined && timezone !== null && timezone !== ""
  if (zoned(from) !== zoned(to)) return misfit(path, from, to)
  const cast = scaled(path, to, perSecond[from.unit], perSecond[to.unit])
  // An instant is counted in UTC, regardless of its zone.
  return from.unit === to.unit ? (data) => data.clone(to) : cast
}

const castStruct = (
  path: Path,
  given: ReadonlyArray<Field>,
  to: DataType & { readonly children: ReadonlyArray<Field> }
): Cast => {
  const parts = castParts(path, given, to.children)
  return (data) => {
    const children = parts(data.children, data.length, (row) => isValid(data, row))
    return data.clone(to, data.offset, data.length, data.nullCount, bitmapOf(data), [...children])
  }
}

/** The buffers of a column that has only a bitmap. */
const bitmapOf = (data: Data) => [undefined, undefined, data.nullBitmap, undefined] as never

/** Casts columns or struct fields by name. */
export const castParts = (
  path: Path,
  given: ReadonlyArray<Field>,
  wanted: ReadonlyArray<Field>
): ((
  columns: ReadonlyArray<Data>,
  length: number,
  valid?: (row: number) => boolean
) => ReadonlyArray<Data>) => {
  const indexes = new Map(given.map(({ name }, index) => [name, index]))
  if (indexes.size < given.length) {
    const twice = given.find(({ name }, index) => indexes.get(name) !== index)!
    refuse([...path, twice.name], "appears twice", "Give each column a unique name.")
  }
  const known = new Set(wanted.map(({ name }) => name))
  const strange = given.find(({ name }) => !known.has(name))
  if (strange !== undefined) {
    refuse(
      [...path, strange.name],
      "is not a column of the table",
      `The table has ${[...known].join(", ")}.`
    )
  }
  const casts = wanted.map((field) => {
    const place = [...path, field.name]
    const index = indexes.get(field.name)
    if (index === undefined) {
      if (!field.nullable)
        refuse(place, "is missing, and the table's column takes no nulls", "Add it to the batch.")
      return (_: ReadonlyArray<Data>, length: number) => nullColumn(field.type, length)
    }
    const cast = castType(place, given[index]!.type, field.type)
    return (
      columns: ReadonlyArray<Data>,
      length: number,
      valid?: (row: number) => boolean
    ): Data => {
      const data = cast(cut(columns[index]!, length))
      return field.nullable ? data : withoutOwnNulls(place, data, valid)
    }
  })
  return (columns, length, valid) => casts.map((cast) => cast(columns, length, valid))
}

const cut = (data: Data, length: number): Data =>
  data.length === length ? data : data.slice(0, length)

/** Refuses nulls in a struct field, except in rows where the struct is null. */
const withoutOwnNulls = (
  path: Path,
  data: Data,
  valid: ((row: number) => boolean) | undefined
): Data => {
  if (data.nullCount <= 0 || valid === undefined) return withoutNulls(path, data)
  for (let row = 0; row < data.length; row++) {
    if (valid(row) && !isValid(data, row)) return withoutNulls(path, data)
  }
  const { length, type, valueOffsets, values } = data
  return data.clone(type, data.offset, length, 0, [
    valueOffsets,
    values,
    undefined,
    undefined
  ] as never)
}

const castList = (
  path: Path,
  from: DataType,
  to: DataType & { readonly children: ReadonlyArray<Field> }
): Cast => {
  const cast = castTo([...path, "item"], from.children[0] as Field, to.children[0]!)
  return (data) => {
    const { length } = data
    const given = data.valueOffsets as unknown as Int32Array | BigInt64Array | undefined
    const size = DataType.isFixedSizeList(from) ? from.listSize : 0
    const offsets =
      given === undefined
        ? Int32Array.from({ length: length + 1 }, (_, row) => row * size)
        : narrow(path, given)
    return withItems(data, to, offsets, cast)
  }
}

/** Casts only the items of these rows: other items may not fit. */
const withItems = (data: Data, to: DataType, offsets: Int32Array, cast: Cast): Data => {
  const { length, nullBitmap, nullCount, offset } = data
  const [first, last] = [offsets[0] ?? 0, offsets[length] ?? 0]
  const items = cast(data.children[0]!.slice(first, last - first))
  const rebased = first === 0 ? offsets : offsets.map((end) => end - first)
  return data.clone(
    to,
    offset,
    length,
    nullCount,
    [rebased, undefined, nullBitmap, undefined] as never,
    [items]
  )
}

const castMap = (
  path: Path,
  from: DataType,
  to: DataType & { readonly children: ReadonlyArray<Field> }
): Cast => {
  const [givenKey, givenValue] = (from.children[0] as Field).type.children as Array<Field>
  const entries = to.children[0]!
  const [key, value] = entries.type.children as Array<Field>
  const castKey = castTo([...path, "keys"], givenKey!, key!)
  const castValue = castTo([...path, "values"], givenValue!, value!)
  const castPairs: Cast = (pairs) => {
    const [keys, values] = pairs.children as [Data, Data]
    return pairs.clone(
      entries.type,
      0,
      pairs.length,
      0,
      [undefined, undefined, undefined, undefined] as never,
      [castKey(cut(keys, pairs.length)), castValue(cut(values, pairs.length))]
    )
  }
  return (data) => withItems(data, to, data.valueOffsets as unknown as Int32Array, castPairs)
}
