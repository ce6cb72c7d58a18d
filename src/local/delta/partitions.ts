/**
 * Splits the rows of a flush by the values of the partition columns, which are stored in the Delta
 * log and not in the data files.
 *
 * Values have the text forms of the Delta protocol. The protocol has one form for NULL and the
 * empty string, so an empty STRING in a partition column reads as NULL. Readers of Delta tables
 * take the values from the log. Programs that read Parquet files without the log take them from the
 * folder names, so a folder is named `column=value` only with the exact value.
 */
import { createHash } from "node:crypto"
import type { ColumnDefinition, ColumnType, SimpleType } from "../../internal/columns/columnType.ts"
import {
  daysOfText,
  microsOfText,
  textOfDays,
  textOfMicros
} from "../../internal/columns/timeText.ts"
import { columnTree } from "../parquet/columnTree.ts"
import type { LeafChunk, LeafShape } from "../parquet/columnBuffer.ts"
import { decimal } from "../parquet/parquetRows.ts"

/** The rows of a flush by column, partition columns included. */
export interface PartitionedRows {
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly partitionColumns: ReadonlyArray<string>
  readonly rows: number
  readonly chunks: ReadonlyArray<LeafChunk>
}

/** Rows with the same partition values. */
export interface PartitionPart {
  readonly values: Record<string, string | null>
  readonly rows: number
  readonly chunks: ReadonlyArray<LeafChunk>
}

/** The parts of a flush. A table without partition columns has one part without values. */
export const splitByPartition = (job: PartitionedRows): ReadonlyArray<PartitionPart> => {
  if (job.partitionColumns.length === 0) return [{ values: {}, rows: job.rows, chunks: job.chunks }]
  const tree = columnTree(job.columns)
  const texts = job.partitionColumns.map((name) => {
    const leaf = tree.columns[tree.names.indexOf(name)]!.firstLeaf
    return partitionTexts(tree.leaves[leaf]!, tree.leafTypes[leaf]!, job.chunks[leaf]!)
  })
  const partOfRow = new Uint32Array(job.rows)
  const parts = new Map<
    string,
    { readonly index: number; readonly values: ReadonlyArray<string | null>; rows: number }
  >()
  for (let row = 0; row < job.rows; row++) {
    const values = texts.map((column) => column[row]!)
    const key = JSON.stringify(values)
    let part = parts.get(key)
    if (part === undefined) {
      part = { index: parts.size, values, rows: 0 }
      parts.set(key, part)
    }
    part.rows++
    partOfRow[row] = part.index
  }
  const chunks: Array<Array<LeafChunk>> = Array.from(parts, () => [])
  tree.columns.forEach((column, index) => {
    if (job.partitionColumns.includes(tree.names[index]!)) return
    for (let leaf = column.firstLeaf; leaf < column.endLeaf; leaf++) {
      splitLeaf(tree.leaves[leaf]!, job.chunks[leaf]!, partOfRow, parts.size).forEach(
        (chunk, part) => chunks[part]!.push(chunk)
      )
    }
  })
  return Array.from(parts.values(), (part) => ({
    values: Object.fromEntries(
      part.values.map((value, index) => [job.partitionColumns[index]!, value])
    ),
    rows: part.rows,
    chunks: chunks[part.index]!
  }))
}

/**
 * Copies the entries of each row to the chunk of its part: a first pass measures, a second one
 * copies.
 */
const splitLeaf = (
  shape: LeafShape,
  chunk: LeafChunk,
  partOfRow: Uint32Array,
  count: number
): ReadonlyArray<LeafChunk> => {
  const entries = new Float64Array(count)
  const sizes = new Float64Array(count)
  walk(shape, chunk, partOfRow, (part, _entry, bytes) => {
    entries[part]!++
    sizes[part]! += bytes
  })
  const made = Array.from({ length: count }, (_, part): LeafChunk => ({
    entries: entries[part]!,
    size: sizes[part]!,
    definitions: new Uint8Array(shape.maxDefinition > 0 ? entries[part]! : 0),
    repetitions: new Uint8Array(shape.maxRepetition > 0 ? entries[part]! : 0),
    values: new Uint8Array((sizes[part]! + 7) & ~7)
  }))
  entries.fill(0)
  sizes.fill(0)
  walk(shape, chunk, partOfRow, (part, entry, bytes, at) => {
    const to = made[part]!
    if (shape.maxDefinition > 0) to.definitions[entries[part]!] = chunk.definitions[entry]!
    if (shape.maxRepetition > 0) to.repetitions[entries[part]!] = chunk.repetitions[entry]!
    if (bytes > 0) to.values.set(chunk.values.subarray(at, at + bytes), sizes[part])
    entries[part]!++
    sizes[part]! += bytes
  })
  return made
}

const walk = (
  shape: LeafShape,
  chunk: LeafChunk,
  partOfRow: Uint32Array,
  visit: (part: number, entry: number, bytes: number, at: number) => void
): void => {
  const view = new DataView(chunk.values.buffer, chunk.values.byteOffset)
  let row = -1
  let at = 0
  for (let entry = 0; entry < chunk.entries; entry++) {
    if (shape.maxRepetition === 0 || chunk.repetitions[entry] === 0) row++
    const present = shape.maxDefinition === 0 || chunk.definitions[entry] === shape.maxDefinition
    const bytes = !present ? 0 : shape.width === 0 ? 4 + view.getUint32(at, true) : shape.width
    visit(partOfRow[row]!, entry, bytes, at)
    at += bytes
  }
}

/** The partition text of each row of a top-level simple column, null for NULL. */
const partitionTexts = (
  shape: LeafShape,
  type: SimpleType,
  chunk: LeafChunk
): ReadonlyArray<string | null> => {
  const bytes = Buffer.from(chunk.values.buffer, chunk.values.byteOffset, chunk.size)
  const texts: Array<string | null> = []
  let at = 0
  for (let entry = 0; entry < chunk.entries; entry++) {
    if (shape.maxDefinition > 0 && chunk.definitions[entry] !== shape.maxDefinition) {
      texts.push(null)
      continue
    }
    const length = shape.width === 0 ? 4 + bytes.readUInt32LE(at) : shape.width
    const text = valueText(type, shape, bytes.subarray(at, at + length))
    texts.push(text === "" ? null : text)
    at += length
  }
  return texts
}

const valueText = (type: SimpleType, shape: LeafShape, value: Buffer): string => {
  switch (type._tag) {
    case "Boolean":
      return value[0] === 0 ? "false" : "true"
    case "Float":
      return numberText(value.readFloatLE(0))
    case "Double":
      return numberText(value.readDoubleLE(0))
    case "Date":
      return textOfDays(value.readInt32LE(0))
    case "Timestamp":
      // With a time zone: without one, readers would assume their own.
      return `${textOfMicros(value.readBigInt64LE(0))}Z`
    case "TimestampNtz":
      return textOfMicros(value.readBigInt64LE(0)).replace("T", " ")
    case "Decimal":
      return decimal(unscaledOf(shape, value), type.scale)
    case "BigInt":
      return String(value.readBigInt64LE(0))
    case "TinyInt":
    case "SmallInt":
    case "Int":
      return String(value.readInt32LE(0))
    case "String":
    case "Binary":
    case "Variant":
      return value.toString("utf8", 4)
  }
}

const numberText = (value: number): string => (Object.is(value, -0) ? "-0.0" : String(value))

const unscaledOf = (shape: LeafShape, value: Buffer): bigint => {
  if (shape.physical === "INT32") return BigInt(value.readInt32LE(0))
  if (shape.physical === "INT64") return value.readBigInt64LE(0)
  return BigInt.asIntN(value.length * 8, BigInt(`0x${value.toString("hex")}`))
}

/**
 * Parses a partition text into the value form of `TableStore.rows`. A date or time that cannot be
 * parsed stays text.
 */
export const partitionValue = (type: ColumnType, text: string | null): unknown => {
  if (text === null || text === "") return null
  switch (type._tag) {
    case "Boolean":
      return text === "true"
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "Float":
    case "Double":
      return Number(text)
    case "BigInt":
      return BigInt(text)
    case "Date":
      return daysOfText(text) ?? text
    case "Timestamp":
    case "TimestampNtz":
      return microsOfText(text, type._tag === "Timestamp") ?? text
    case "String":
    case "Decimal":
    case "Binary":
    case "Variant":
    case "Array":
    case "Map":
    case "Struct":
      return text
  }
}

/**
 * The most bytes of all folder names of a partition together; file systems allow 255 for one name.
 */
const maxFolderBytes = 240
/** The folder name for NULL in the `column=value` form. */
const nullFolder = "__HIVE_DEFAULT_PARTITION__"

/**
 * The folders of a partition, outermost first: `column=value` for each column. Values that do not
 * fit, and a value equal to the name for NULL, get one folder without values in its name.
 */
export const partitionFolders = (
  columns: ReadonlyArray<string>,
  values: ReadonlyArray<string | null>
): ReadonlyArray<string> => {
  const names = columns.map((column, index) => `${column}=${folderValue(values[index] ?? null)}`)
  if (!values.includes(nullFolder) && Buffer.byteLength(names.join("/")) <= maxFolderBytes)
    return names
  return [opaqueFolder(columns, values)]
}

/** The folder of a partition without values in its name, 42 bytes long. */
export const opaqueFolder = (
  columns: ReadonlyArray<string>,
  values: ReadonlyArray<string | null>
): string => {
  const digest = createHash("sha256").update(JSON.stringify([columns, values]))
  return `partition-${digest.digest("hex").slice(0, 32)}`
}

/**
 * A value in a folder name, as Hive and Spark write it: ASCII characters that can cause problems in
 * file systems or shells become `%` and two hexadecimal digits. Non-ASCII characters stay, because
 * Spark reads each pair of digits as one character.
 */
const folderValue = (value: string | null): string =>
  value === null
    ? nullFolder
    : value.replace(
        /[^\w\u0080-\uffff-]/g,
        (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
      )
