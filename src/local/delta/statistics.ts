/**
 * The statistics of a data file in the Delta log: the row count, and min, max and null count of the
 * columns that the table's properties select. By default these are the first 32. Columns inside
 * lists and maps have none.
 *
 * A column has both bounds or none. A bound may be too wide, never too narrow: long text is
 * truncated safely, maxima of timestamps are rounded up to the millisecond, and a column with NaN
 * or an infinite number has no bounds. Numbers are written as exact digits, so 64-bit integers and
 * decimals lose none.
 */
import type { SimpleType } from "../../internal/columns/columnType.ts"
import { integerRange } from "../../internal/columns/scalarTypes.ts"
import { millisOfMicros, textOfDays, textOfMicros } from "../../internal/columns/timeText.ts"
import type { ColumnTree, ColumnNode } from "../parquet/columnTree.ts"
import type { LeafChunk, LeafShape } from "../parquet/columnBuffer.ts"
import { areSame } from "../parquet/levels.ts"
import { sameName } from "./columnLookup.ts"
import { defaultIndexed, type IndexedColumns } from "./tableProperties.ts"
import { decimal } from "../parquet/parquetRows.ts"

const [, lastMicros] = integerRange("Timestamp")
const textLimit = 32

interface Bounds {
  readonly min?: string | undefined
  readonly max?: string | undefined
  readonly nulls: number
}

/** The first leaves of the columns that get statistics. */
const indexedLeaves = (
  { columns }: ColumnTree,
  { first, only }: IndexedColumns
): ReadonlySet<number> => {
  const leaves = new Set<number>()
  let count = 0
  const visit = (node: ColumnNode): void => {
    if (node.kind === "struct") return node.fields.forEach(visit)
    // Lists and maps count towards the limit, as in Spark, and have no bounds.
    count++
    const wanted =
      only === undefined ? count <= first : only.some((path) => isWithin(node.path, path))
    if (node.kind === "leaf" && wanted) leaves.add(node.firstLeaf)
  }
  columns.forEach(visit)
  return leaves
}

/** Whether a path equals `start` or begins with it. */
const isWithin = (path: ReadonlyArray<string>, start: ReadonlyArray<string>): boolean =>
  start.length <= path.length && start.every((name, index) => sameName(name, path[index]!))

/** The JSON text for the `stats` field of an `add` action. */
export const fileStatistics = (
  tree: ColumnTree,
  chunks: ReadonlyArray<LeafChunk>,
  rows: number,
  columns: IndexedColumns = defaultIndexed
): string => {
  const indexed = indexedLeaves(tree, columns)
  const bounds = new Map<number, Bounds>()
  const object = (
    names: ReadonlyArray<string>,
    nodes: ReadonlyArray<ColumnNode>,
    pick: (bounds: Bounds) => string | undefined
  ): string | undefined => {
    const parts: Array<string> = []
    nodes.forEach((node, index) => {
      let text: string | undefined
      if (node.kind === "struct") text = object(node.names, node.fields, pick)
      else if (node.kind === "leaf" && indexed.has(node.firstLeaf)) {
        let found = bounds.get(node.firstLeaf)
        if (found === undefined) {
          found = leafBounds(tree.leaves[node.firstLeaf]!, node.type, chunks[node.firstLeaf]!)
          bounds.set(node.firstLeaf, found)
        }
        text = pick(found)
      }
      if (text !== undefined) parts.push(`${JSON.stringify(names[index])}:${text}`)
    })
    return parts.length === 0 ? undefined : `{${parts.join(",")}}`
  }
  const min = object(tree.names, tree.columns, (found) => found.min) ?? "{}"
  const max = object(tree.names, tree.columns, (found) => found.max) ?? "{}"
  const nulls = object(tree.names, tree.columns, (found) => String(found.nulls)) ?? "{}"
  return `{"numRecords":${rows},"minValues":${min},"maxValues":${max},"nullCount":${nulls}}`
}

const leafBounds = (shape: LeafShape, type: SimpleType, chunk: LeafChunk): Bounds => {
  let nulls = 0
  const isWhole =
    areSame(chunk.definitions, 0, chunk.entries) && chunk.definitions[0] === shape.maxDefinition
  if (shape.maxDefinition > 0 && !isWhole) {
    for (let i = 0; i < chunk.entries; i++)
      if (chunk.definitions[i] !== shape.maxDefinition) nulls++
  }
  if (chunk.entries === nulls) return { nulls }
  switch (shape.physical) {
    case "BOOLEAN":
      return { nulls, ...booleanBounds(chunk) }
    case "INT32":
      return {
        nulls,
        ...int32Bounds(
          type,
          new Int32Array(chunk.values.buffer, chunk.values.byteOffset, chunk.size >> 2)
        )
      }
    case "INT64":
      return {
        nulls,
        ...int64Bounds(
          type,
          new Int32Array(chunk.values.buffer, chunk.values.byteOffset, (chunk.size >> 3) * 2)
        )
      }
    case "FLOAT":
      return {
        nulls,
        ...floatBounds(
          new Float32Array(chunk.values.buffer, chunk.values.byteOffset, chunk.size >> 2)
        )
      }
    case "DOUBLE":
      return {
        nulls,
        ...floatBounds(
          new Float64Array(chunk.values.buffer, chunk.values.byteOffset, chunk.size >> 3)
        )
      }
    case "FIXED":
      return { nulls, ...fixedBounds(type, shape.width, chunk) }
    case "BYTE_ARRAY":
      return type._tag === "String" ? { nulls, ...textBounds(chunk) } : { nulls }
  }
}

const booleanBounds = (chunk: LeafChunk): Partial<Bounds> => {
  const values = chunk.values.subarray(0, chunk.size)
  return { min: String(!values.includes(0)), max: String(values.includes(1)) }
}

const int32Bounds = (type: SimpleType, values: Int32Array): Partial<Bounds> => {
  let min = values[0]!
  let max = min
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    if (value < min) min = value
    else if (value > max) max = value
  }
  return { min: boundText(type, BigInt(min), false), max: boundText(type, BigInt(max), true) }
}

/**
 * Bounds of 64-bit integers, compared as two 32-bit halves: a BigInt per value takes several times
 * as long.
 */
const int64Bounds = (type: SimpleType, words: Int32Array): Partial<Bounds> => {
  let minHigh = words[1]!
  let minLow = words[0]! >>> 0
  let maxHigh = minHigh
  let maxLow = minLow
  for (let at = 2; at < words.length; at += 2) {
    const high = words[at + 1]!
    const low = words[at]! >>> 0
    if (high < minHigh || (high === minHigh && low < minLow)) {
      minHigh = high
      minLow = low
    } else if (high > maxHigh || (high === maxHigh && low > maxLow)) {
      maxHigh = high
      maxLow = low
    }
  }
  const whole = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low)
  return {
    min: boundText(type, whole(minHigh, minLow), false),
    max: boundText(type, whole(maxHigh, maxLow), true)
  }
}

/** The JSON text of a bound of a type that is stored as an integer. `up` is true for a maximum. */
const boundText = (type: SimpleType, value: bigint, up: boolean): string => {
  switch (type._tag) {
    case "Date":
      return JSON.stringify(textOfDays(Number(value)))
    case "Timestamp":
      return timestampText(value, up, "Z")
    case "TimestampNtz":
      return timestampText(value, up, "")
    case "Decimal":
      return decimal(value, type.scale)
    case "Boolean":
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Float":
    case "Double":
    case "String":
    case "Binary":
    case "Variant":
      return String(value)
  }
}

const floatBounds = (values: Float32Array | Float64Array): Partial<Bounds> => {
  let min = Infinity
  let max = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value !== value) return {}
    if (value < min) min = value
    if (value > max) max = value
  }
  if (!Number.isFinite(min) || !Number.isFinite(max)) return {}
  // Zero has two signs, and engines differ on which is smaller. Use the wider bound.
  return { min: min === 0 ? "-0.0" : String(min), max: max === 0 ? "0.0" : String(max) }
}

const fixedBounds = (type: SimpleType, width: number, chunk: LeafChunk): Partial<Bounds> => {
  let min = 0
  let max = 0
  const compare = (left: number, right: number): number => {
    const sign = (chunk.values[left]! ^ 0x80) - (chunk.values[right]! ^ 0x80)
    if (sign !== 0) return sign
    for (let i = 1; i < width; i++) {
      const order = chunk.values[left + i]! - chunk.values[right + i]!
      if (order !== 0) return order
    }
    return 0
  }
  for (let at = width; at < chunk.size; at += width) {
    if (compare(at, min) < 0) min = at
    else if (compare(at, max) > 0) max = at
  }
  if (type._tag !== "Decimal") return {}
  const text = (at: number): string => {
    let number = 0n
    for (let i = 0; i < width; i++) number = (number << 8n) | BigInt(chunk.values[at + i]!)
    return decimal(BigInt.asIntN(width * 8, number), type.scale)
  }
  return { min: text(min), max: text(max) }
}

/**
 * The smallest and the largest text in byte order. Each value is compared once with the prefix that
 * the smallest and the largest text share; the first byte after the common part decides about both.
 * A new smallest or largest text can only shorten the shared prefix.
 */
const textBounds = (chunk: LeafChunk): Partial<Bounds> => {
  const bytes = chunk.values
  const view = new DataView(bytes.buffer, bytes.byteOffset, chunk.size)
  let min = 4
  let minEnd = 4 + view.getInt32(0, true)
  let max = min
  let maxEnd = minEnd
  /** The length of the common prefix of the smallest and the largest text, in bytes. */
  let shared = minEnd - min
  for (let at = minEnd; at < chunk.size;) {
    const start = at + 4
    const length = view.getInt32(at, true)
    at = start + length
    const most = Math.min(length, shared)
    let same = 0
    for (; same + 4 <= most; same += 4)
      if (view.getInt32(start + same) !== view.getInt32(min + same)) break
    while (same < most && bytes[start + same] === bytes[min + same]) same++
    // The first bytes that differ, as numbers; the end of a text (-1) sorts before every byte.
    const own = same < length ? bytes[start + same]! : -1
    const low = min + same < minEnd ? bytes[min + same]! : -1
    const high = max + same < maxEnd ? bytes[max + same]! : -1
    shared = same
    if (own > low && own < high) continue
    if (own < low || (own === low && isSmaller(view, start + same, at, min + same, minEnd))) {
      min = start
      minEnd = at
    } else if (
      own > high ||
      (own === high && isSmaller(view, max + same, maxEnd, start + same, at))
    ) {
      max = start
      maxEnd = at
    }
  }
  const text = (start: number, end: number): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8")
  const upper = upperBound(text(max, maxEnd))
  // Readers expect both bounds or none.
  if (upper === undefined) return {}
  return { min: JSON.stringify(cutText(text(min, minEnd)).text), max: upper }
}

/** Whether the text at one position sorts before that at another. */
const isSmaller = (
  view: DataView,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number
): boolean => {
  const length = Math.min(end - start, otherEnd - otherStart)
  let at = 0
  for (; at + 4 <= length; at += 4) {
    const own = view.getUint32(start + at)
    const other = view.getUint32(otherStart + at)
    if (own !== other) return own < other
  }
  for (; at < length; at++) {
    const order = view.getUint8(start + at) - view.getUint8(otherStart + at)
    if (order !== 0) return order < 0
  }
  return end - start < otherEnd - otherStart
}

const cutText = (text: string): { readonly text: string; readonly cut: boolean } => {
  if (text.length <= textLimit) return { text, cut: false }
  const points = Array.from(text.slice(0, textLimit * 2 + 2))
  return points.length <= textLimit
    ? { text, cut: false }
    : { text: points.slice(0, textLimit).join(""), cut: true }
}

/**
 * A text that is not smaller than the given one: truncated text gets the highest code point
 * appended. Undefined when the removed part begins with that code point itself.
 */
const upperBound = (text: string): string | undefined => {
  const { text: prefix, cut } = cutText(text)
  if (!cut) return JSON.stringify(text)
  return text.startsWith("\u{10FFFF}", prefix.length)
    ? undefined
    : JSON.stringify(`${prefix}\u{10FFFF}`)
}

/**
 * Milliseconds, rounded down for a minimum and up for a maximum. A maximum in the last millisecond
 * of the year 9999 keeps its microseconds: rounding up would exceed the range of TIMESTAMP.
 */
const timestampText = (micros: bigint, up: boolean, zone: string): string => {
  const rounded = millisOfMicros(up ? micros + 999n : micros) * 1000n
  const text = rounded > lastMicros ? textOfMicros(lastMicros) : textOfMicros(rounded).slice(0, -3)
  return JSON.stringify(`${text}${zone}`)
}
