/**
 * Checks that the buffers of a column hold the values that it says it has. The library takes the
 * lengths of a damaged batch as they are.
 */
import { type Data, DataType } from "apache-arrow"

/** Most rows of a batch: offsets of 32 bits lead no further. */
const mostRows = 0x7fff_ffff

/** Most values that take no bytes, such as NULLs of a column without a type. */
const mostEmpty = 1_000_000

/** Whether the bytes of a column may hold this number of values: each takes a bit at least. */
export const isHeld = (data: Data, length: number): boolean =>
  length <= mostEmpty || length <= data.byteLength * 8

/** Whether a column has so many values. */
export const columnHolds = (data: Data, length: number): boolean =>
  length <= mostRows && holds(data, length)

const holds = (data: Data, length: number): boolean => {
  const { children, nullBitmap, nullCount, type } = data
  if (length > data.length) return false
  if (DataType.isNull(type) || length === 0) return true
  const bits = nullBitmap?.length ?? 0
  if (nullCount > 0 && bits > 0 && bits * 8 < length + data.offset) return false
  if (DataType.isDictionary(type)) {
    const { dictionary } = data
    return (
      sizeOf(data) >= length &&
      (dictionary?.data ?? []).every((values) => holds(values, values.length))
    )
  }
  if (DataType.isStruct(type)) return children.every((child) => holds(child, length))
  if (DataType.isFixedSizeList(type)) {
    const [items] = children
    return isHeld(items!, items!.length) && holds(items!, length * type.listSize)
  }
  if (data.valueOffsets !== undefined) {
    const end = lastOffset(data.valueOffsets as unknown as ArrayLike<number | bigint>, length)
    const [child] = children
    return end <= (child === undefined ? sizeOf(data) : child.length) && isWhole(child)
  }
  if (DataType.isBool(type)) return sizeOf(data) * 8 >= length + data.offset
  return sizeOf(data) >= length * Math.max(data.stride, 1)
}

const isWhole = (child: Data | undefined): boolean =>
  child === undefined ||
  (child.length <= mostRows && isHeld(child, child.length) && holds(child, child.length))

const sizeOf = ({ values }: Data): number => (values as ArrayLike<unknown> | undefined)?.length ?? 0

/** The last offset; infinite where they do not rise, or are too few. */
const lastOffset = (offsets: ArrayLike<number | bigint>, length: number): number => {
  if (offsets.length <= length) return Infinity
  let last = 0
  for (let index = 0; index <= length; index++) {
    const offset = Number(offsets[index]!)
    if (offset < last) return Infinity
    last = offset
  }
  return last
}
