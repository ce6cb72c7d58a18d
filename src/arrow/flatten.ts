/**
 * The buffers of columns in wire order: depth first, cut to their rows, offsets from 0.
 */
import { type Data, DataType, type RecordBatch } from "apache-arrow"
import type { FlatBatch } from "../internal/flight/batchMessage.ts"
import { copyBits } from "./bits.ts"

const NOTHING = new Uint8Array(0)

/** A typed array as bytes, without a copy. */
const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

interface Flat {
  readonly nodes: Array<FlatBatch["nodes"][number]>
  readonly buffers: Array<Uint8Array>
}

/** Flattens columns of the same length. */
export const flatten = (columns: ReadonlyArray<Data>, rows: number): FlatBatch => {
  const flat: Flat = { nodes: [], buffers: [] }
  for (const column of columns) add(flat, column)
  return { rows, ...flat }
}

/** Flattens the columns of a batch without casts. */
export const flattenBatch = (batch: RecordBatch): FlatBatch =>
  flatten(batch.data.children, batch.numRows)

/** Total bytes of all buffers, without padding. */
export const sizeOf = ({ buffers }: FlatBatch): number =>
  buffers.reduce((sum, { length }) => sum + length, 0)

const add = (flat: Flat, data: Data): void => {
  const { length, type } = data
  if (DataType.isNull(type)) {
    flat.nodes.push({ length, nullCount: length })
    return
  }
  const { nullCount } = data
  flat.nodes.push({ length, nullCount })
  flat.buffers.push(nullCount > 0 ? copyBits(data.nullBitmap, data.offset, length) : NOTHING)
  if (DataType.isStruct(type)) {
    for (const child of data.children)
      add(flat, child.length === length ? child : child.slice(0, length))
    return
  }
  if (DataType.isFixedSizeList(type))
    return add(flat, data.children[0]!.slice(0, length * type.listSize))
  if (data.valueOffsets !== undefined) return addOffsets(flat, data)
  if (DataType.isBool(type)) {
    flat.buffers.push(
      length === 0 ? NOTHING : copyBits(data.values as Uint8Array, data.offset, length)
    )
    return
  }
  const values = data.values as Int32Array
  flat.buffers.push(bytesOf(values.subarray(0, length * data.stride)))
}

/** Adds strings, bytes, lists and maps: offsets from 0 and their values. */
const addOffsets = (flat: Flat, data: Data): void => {
  const { length } = data
  const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array
  const first = Number(offsets[0] ?? 0)
  const last = Number(offsets[length] ?? 0)
  flat.buffers.push(bytesOf(rebased(offsets, length, first)))
  const [child] = data.children
  if (child !== undefined) add(flat, child.slice(first, last - first))
  else flat.buffers.push((data.values as Uint8Array).subarray(first, last))
}

const rebased = (
  offsets: Int32Array | BigInt64Array,
  length: number,
  first: number
): Int32Array | BigInt64Array => {
  if (first === 0 && offsets.length > length) return offsets.subarray(0, length + 1)
  if (offsets instanceof BigInt64Array) {
    const out = new BigInt64Array(length + 1)
    for (let row = 0; row < out.length; row++) out[row] = (offsets[row] ?? 0n) - BigInt(first)
    return out
  }
  const out = new Int32Array(length + 1)
  for (let row = 0; row < out.length; row++) out[row] = (offsets[row] ?? 0) - first
  return out
}
