/**
 * Writes leaves as one Parquet file: PLAIN pages of about a megabyte, levels in Parquet's hybrid
 * run-length encoding, compressed with zstd if the runtime has it, else snappy. Small columns are
 * not compressed.
 *
 * Pages are taken directly from the column buffers; hyparquet-writer serialises the footer and page
 * headers. Statistics are in the Delta log (`statistics.ts`); the footer has null counts only.
 */
import {
  ByteWriter,
  type ColumnMetaData,
  type RowGroup,
  type SchemaElement,
  writeMetadata,
  writePageHeader
} from "./parquetLibrary.ts"
import { codec } from "./codecs.ts"
import type { ColumnTree } from "./columnTree.ts"
import { bytesOf, type LeafChunk, type LeafShape } from "./columnBuffer.ts"
import { freeMemory } from "./columnMemory.ts"
import { bitWidthOf, encodeLevels, mostLevelBytes } from "./levels.ts"

/** A row group: the pages of all leaves for a number of rows. */
export interface RowGroupInput {
  readonly rows: number
  readonly chunks: ReadonlyArray<LeafChunk>
}

const pageBytes = 1 << 20
const pageEntries = 1 << 16
/**
 * Columns up to this many bytes are not compressed: that would take longer than writing the whole
 * file.
 */
const storedBytes = 1024
const magic = 0x31524150

/** Encodes a file. Row groups without rows are left out. */
export const encodeParquet = (
  tree: ColumnTree,
  groups: ReadonlyArray<RowGroupInput>
): Uint8Array => {
  // Reserves half of the uncompressed size, because the writer grows by copying.
  const writer = new ByteWriter(
    1024 + (groups.reduce((sum, { chunks }) => sum + bytesOf(chunks), 0) >> 1)
  )
  writer.appendUint32(magic)
  const rowGroups: Array<RowGroup> = []
  let total = 0
  for (const group of groups) {
    if (group.rows === 0) continue
    const start = writer.offset
    const columns = tree.leaves.map((shape, index) => ({
      file_offset: 0n,
      meta_data: writeChunk(writer, shape, group.chunks[index]!)
    }))
    rowGroups.push({
      columns,
      total_byte_size: columns.reduce(
        (sum, column) => sum + column.meta_data.total_uncompressed_size,
        0n
      ),
      num_rows: BigInt(group.rows),
      total_compressed_size: BigInt(writer.offset - start)
    })
    total += group.rows
  }
  writeMetadata(writer, {
    version: 2,
    created_by: "effect-zerobus",
    schema: tree.schema as Array<SchemaElement>,
    num_rows: BigInt(total),
    row_groups: rowGroups
  } as Parameters<typeof writeMetadata>[1])
  writer.appendUint32(magic)
  return writer.getBytes()
}

const physicalName = (shape: LeafShape) =>
  shape.physical === "FIXED" ? "FIXED_LEN_BYTE_ARRAY" : shape.physical

const writeChunk = (writer: ByteWriter, shape: LeafShape, chunk: LeafChunk): ColumnMetaData => {
  const start = writer.offset
  let uncompressed = 0
  let nulls = 0
  let entry = 0
  let byte = 0
  const isStored = chunk.size + 2 * chunk.entries <= storedBytes
  const view = new DataView(chunk.values.buffer, chunk.values.byteOffset)
  while (entry < chunk.entries) {
    const firstEntry = entry
    const firstByte = byte
    let present = 0
    // A page ends at the start of a record, once it is large enough.
    if (shape.width > 0 && isPlain(shape, chunk)) {
      entry = Math.min(
        chunk.entries,
        firstEntry + pageEntries,
        firstEntry + Math.ceil(pageBytes / shape.width)
      )
      present = entry - firstEntry
      byte += present * shape.width
    } else {
      while (entry < chunk.entries) {
        const boundary = shape.maxRepetition === 0 || chunk.repetitions[entry] === 0
        if (boundary && (byte - firstByte >= pageBytes || entry - firstEntry >= pageEntries)) break
        if (shape.maxDefinition === 0 || chunk.definitions[entry] === shape.maxDefinition) {
          byte += shape.width === 0 ? 4 + view.getUint32(byte, true) : shape.width
          present++
        }
        entry++
      }
    }
    nulls += entry - firstEntry - present
    const body = pageBody(shape, chunk, firstEntry, entry, firstByte, byte)
    const compressed = isStored ? body : codec.compress(body)
    const headerStart = writer.offset
    writePageHeader(writer, {
      type: "DATA_PAGE",
      uncompressed_page_size: body.length,
      compressed_page_size: compressed.length,
      data_page_header: {
        num_values: entry - firstEntry,
        encoding: "PLAIN",
        definition_level_encoding: "RLE",
        repetition_level_encoding: "RLE"
      }
    })
    uncompressed += writer.offset - headerStart + body.length
    writer.appendBytes(compressed)
    if (!isStored) freeMemory(compressed)
  }
  return {
    type: physicalName(shape),
    encodings: ["PLAIN", "RLE"],
    path_in_schema: [...shape.path],
    codec: isStored ? "UNCOMPRESSED" : codec.name,
    num_values: BigInt(chunk.entries),
    total_uncompressed_size: BigInt(uncompressed),
    total_compressed_size: BigInt(writer.offset - start),
    data_page_offset: BigInt(start),
    statistics: { null_count: BigInt(nulls) }
  }
}

/** Whether a column has one value of a fixed width in each row. */
const isPlain = ({ maxRepetition, width }: LeafShape, { entries, size }: LeafChunk): boolean =>
  maxRepetition === 0 && size === entries * width

/** The buffer of the current page, reused for the next one. */
let page = new Uint8Array(0)

const pageBody = (
  shape: LeafShape,
  chunk: LeafChunk,
  firstEntry: number,
  endEntry: number,
  firstByte: number,
  endByte: number
): Uint8Array => {
  const { maxDefinition, maxRepetition } = shape
  const values = chunk.values.subarray(firstByte, endByte)
  if (maxDefinition === 0 && maxRepetition === 0 && shape.physical !== "BOOLEAN") return values
  const count = endEntry - firstEntry
  const room = 2 * mostLevelBytes(count, 8) + values.length
  if (room > page.length) page = new Uint8Array(2 * room)
  let at = 0
  if (maxRepetition > 0)
    at = encodeLevels(chunk.repetitions, firstEntry, endEntry, bitWidthOf(maxRepetition), page, at)
  if (maxDefinition > 0)
    at = encodeLevels(chunk.definitions, firstEntry, endEntry, bitWidthOf(maxDefinition), page, at)
  if (shape.physical === "BOOLEAN") at = packBooleans(values, page, at)
  else {
    page.set(values, at)
    at += values.length
  }
  return page.subarray(0, at)
}

/** Packs booleans at the position `to` of `out` and returns the position after them. */
const packBooleans = (values: Uint8Array, out: Uint8Array, to: number): number => {
  const end = to + ((values.length + 7) >> 3)
  out.fill(0, to, end)
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) out[to + (i >> 3)]! |= 1 << (i & 7)
  return end
}
