/**
 * Columns for nullable fields that a batch lacks: null in every row.
 */
import { type Data, DataType, makeData } from "apache-arrow"

/** A column of nulls. */
export const nullColumn = (type: DataType, length: number): Data => {
  const nullBitmap = new Uint8Array((length + 7) >> 3)
  const base = { length, nullCount: length, nullBitmap }
  if (DataType.isNull(type)) return makeData({ type, length })
  if (DataType.isStruct(type)) {
    const children = type.children.map((child) => nullColumn(child.type, length))
    return makeData({ ...base, type, children })
  }
  if (DataType.isLargeUtf8(type) || DataType.isLargeBinary(type)) {
    const valueOffsets = new BigInt64Array(length + 1)
    return makeData({ ...base, type, valueOffsets, data: new Uint8Array(0) } as never)
  }
  const valueOffsets = new Int32Array(length + 1)
  if (DataType.isUtf8(type) || DataType.isBinary(type)) {
    return makeData({ ...base, type, valueOffsets, data: new Uint8Array(0) } as never)
  }
  if (DataType.isList(type) || DataType.isMap(type)) {
    return makeData({
      ...base,
      type,
      valueOffsets,
      child: nullColumn(type.children[0]!.type, 0)
    } as never)
  }
  if (DataType.isFixedSizeList(type)) {
    return makeData({
      ...base,
      type,
      child: nullColumn(type.children[0]!.type, length * type.listSize)
    } as never)
  }
  const empty = makeData({ type, length: 0 } as never) as Data
  const Values = type.ArrayType as { new (length: number): ArrayBufferView }
  const size = DataType.isBool(type) ? (length + 7) >> 3 : length * empty.stride
  return makeData({ ...base, type, data: new Values(size) } as never)
}
