/**
 * Converts dictionary columns and view columns to plain columns.
 */
import { type Data, DataType, type Vector } from "apache-arrow"
import { bitAt, copyBits, setBit } from "./bits.ts"
import { fromZero, WideOffsets } from "./wideOffsets.ts"

/** The parts of a dictionary. */
export const partsOf = (dictionary: Vector | undefined): ReadonlyArray<Data> =>
  dictionary?.data ?? []

/** Whether a row of a column is not null. */
export const isValid = (data: Data, row: number): boolean =>
  data.nullCount <= 0 || bitAt(data.nullBitmap, data.offset + row)

/** Whether a column of values of this type can be gathered. */
export const canGather = (type: DataType): boolean =>
  !DataType.isStruct(type) &&
  !DataType.isList(type) &&
  !DataType.isMap(type) &&
  !DataType.isFixedSizeList(type) &&
  !DataType.isNull(type)

/** The index of each row, -1 for null. */
const indexesOf = (data: Data, dictionary: ReadonlyArray<Data>): Int32Array => {
  const indexes = Int32Array.from(data.values as Int32Array, Number).subarray(0, data.length)
  if (data.nullCount > 0) {
    for (let row = 0; row < data.length; row++) if (!isValid(data, row)) indexes[row] = -1
  }
  let first = 0
  for (const part of dictionary) {
    const end = first + part.length
    if (part.nullCount > 0) {
      for (let row = 0; row < data.length; row++) {
        const index = indexes[row]!
        if (index >= first && index < end && !isValid(part, index - first)) indexes[row] = -1
      }
    }
    first = end
  }
  return indexes
}

/** Replaces the indexes of a column by the dictionary's values, in the given type. */
export const gather = (type: DataType, data: Data, dictionary: ReadonlyArray<Data>): Data => {
  const { length } = data
  const indexes = indexesOf(data, dictionary)
  const valid = new Uint8Array((length + 7) >> 3)
  let nulls = 0
  for (let row = 0; row < length; row++) {
    if (indexes[row]! < 0) nulls++
    else setBit(valid, row)
  }
  const made = (offsets: unknown, values: unknown): Data =>
    dictionary[0]!.clone(type, 0, length, nulls, [offsets, values, valid, undefined] as never, [])
  if (DataType.isBool(type)) return made(undefined, gatherBits(indexes, dictionary))
  if (dictionary[0]!.valueOffsets === undefined) {
    return made(undefined, gatherNumbers(indexes, dictionary))
  }
  const isLarge = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type)
  const { offsets, values } = gatherBytes(indexes, dictionary, isLarge)
  return made(offsets, values)
}

const gatherBits = (indexes: Int32Array, dictionary: ReadonlyArray<Data>): Uint8Array => {
  const flags = dictionary.flatMap(({ length, offset, values }) =>
    Array.from({ length }, (_, row) => bitAt(values as Uint8Array, offset + row))
  )
  const bits = new Uint8Array((indexes.length + 7) >> 3)
  for (let row = 0; row < indexes.length; row++)
    if (flags[indexes[row]!] === true) setBit(bits, row)
  return bits
}

const gatherNumbers = (indexes: Int32Array, dictionary: ReadonlyArray<Data>): ArrayBufferView => {
  const [first] = dictionary
  const { stride } = first!
  const Values = (first!.values as Int32Array).constructor as Int32ArrayConstructor
  const count = dictionary.reduce((sum, { length }) => sum + length, 0)
  const all = new Values(count * stride)
  let at = 0
  for (const { length, values } of dictionary) {
    all.set((values as Int32Array).subarray(0, length * stride), at)
    at += length * stride
  }
  const out = new Values(indexes.length * stride)
  for (let row = 0; row < indexes.length; row++) {
    const from = indexes[row]! * stride
    if (from < 0) continue
    for (let part = 0; part < stride; part++) out[row * stride + part] = all[from + part]!
  }
  return out
}

/** Up to this many bytes, a loop is faster than a copying call. */
const FEW_BYTES = 32

const gatherBytes = (indexes: Int32Array, dictionary: ReadonlyArray<Data>, isLarge: boolean) => {
  const count = dictionary.reduce((sum, { length }) => sum + length, 0)
  const starts = new Float64Array(count + 1)
  const chunks: Array<Uint8Array> = []
  let entry = 0
  for (const { length, valueOffsets, values } of dictionary) {
    const offsets = valueOffsets as unknown as Int32Array | BigInt64Array
    const begin = starts[entry]!
    const relative = fromZero(offsets, length)
    for (let index = 1; index <= length; index++) starts[entry + index] = begin + relative[index]!
    const from = Number(offsets[0] ?? 0)
    chunks.push((values as Uint8Array).subarray(from, from + relative[length]!))
    entry += length
  }
  const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  const wide = new WideOffsets(isLarge ? indexes.length + 1 : 0)
  const narrow = new Int32Array(isLarge ? 0 : indexes.length + 1)
  let size = 0
  for (let row = 0; row < indexes.length; row++) {
    const index = indexes[row]!
    if (index >= 0) size += starts[index + 1]! - starts[index]!
    if (isLarge) wide.set(row + 1, size)
    else narrow[row + 1] = size
  }
  const values = new Uint8Array(size)
  let at = 0
  for (let row = 0; row < indexes.length; row++) {
    const index = indexes[row]!
    if (index < 0) continue
    const start = starts[index]!
    const end = starts[index + 1]!
    if (end - start > FEW_BYTES) {
      values.set(all.subarray(start, end), at)
      at += end - start
    } else for (let from = start; from < end; from++) values[at++] = all[from]!
  }
  return { offsets: isLarge ? wide.offsets : narrow, values }
}

/** Views of up to 12 bytes contain the value itself. */
const INLINE = 12

/** Converts a column of string or byte views to one with 64-bit offsets. */
export const unview = (type: DataType, data: Data): Data => {
  const { length, nullBitmap, nullCount, offset, variadicBuffers } = data
  const views = data.values as Uint8Array
  const words = new DataView(views.buffer, views.byteOffset, views.byteLength)
  const parts: Array<Uint8Array> = []
  const ends = new WideOffsets(length + 1)
  let end = 0
  for (let row = 0; row < length; row++) {
    const at = row * 16
    const size = isValid(data, row) ? words.getInt32(at, true) : 0
    if (size > 0) {
      const from = size <= INLINE ? at + 4 : words.getInt32(at + 12, true)
      const bytes = size <= INLINE ? views : variadicBuffers[words.getInt32(at + 8, true)]!
      parts.push(bytes.subarray(from, from + size))
    }
    end += size
    ends.set(row + 1, end)
  }
  const valid = nullCount > 0 ? copyBits(nullBitmap, offset, length) : undefined
  const buffers = [ends.offsets, Buffer.concat(parts), valid, undefined]
  return data.clone(type, 0, length, nullCount, buffers as never, [], [])
}
