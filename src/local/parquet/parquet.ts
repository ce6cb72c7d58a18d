/**
 * Writes leaves as one Parquet file: PLAIN pages of about a megabyte, levels in Parquet's hybrid run-length form, zstd where
 * the runtime has it, else snappy.
 *
 * Pages are cut from the column buffers directly; the footer and page headers are serialised by hyparquet-writer. Statistics
 * go to the Delta log (`statistics.ts`), the footer carries null counts only.
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
import type { LeafChunk, LeafShape } from "./columnBuffer.ts"
import { bitWidthOf, encodeLevels } from "./levels.ts"

/** A part of the file: pages of all leaves of a run of rows. */
export interface RowGroupInput {
  readonly rows: number
  readonly chunks: ReadonlyArray<LeafChunk>
}

const pageBytes = 1 << 20
const pageEntries = 1 << 16
const magic = 0x31524150

/** Encodes a file. Row groups without rows are left out. */
export const encodeParquet = (tree: ColumnTree, groups: ReadonlyArray<RowGroupInput>): Uint8Array => {
  const writer = new ByteWriter()
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
      total_byte_size: columns.reduce((sum, column) => sum + column.meta_data.total_uncompressed_size, 0n),
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

const physicalName = (shape: LeafShape) => (shape.physical === "FIXED" ? "FIXED_LEN_BYTE_ARRAY" : shape.physical)

const writeChunk = (writer: ByteWriter, shape: LeafShape, chunk: LeafChunk): ColumnMetaData => {
  const start = writer.offset
  let uncompressed = 0
  let nulls = 0
  let entry = 0
  let byte = 0
  const view = new DataView(chunk.values.buffer, chunk.values.byteOffset)
  while (entry < chunk.entries) {
    const firstEntry = entry
    const firstByte = byte
    let present = 0
    // A page ends at the start of a record, once it is big enough.
    while (entry < chunk.entries) {
      const boundary = shape.maxRepetition === 0 || chunk.repetitions[entry] === 0
      if (boundary && (byte - firstByte >= pageBytes || entry - firstEntry >= pageEntries)) break
      if (shape.maxDefinition === 0 || chunk.definitions[entry] === shape.maxDefinition) {
        byte += shape.width === 0 ? 4 + view.getUint32(byte, true) : shape.width
        present++
      }
      entry++
    }
    nulls += entry - firstEntry - present
    const page = pageBody(shape, chunk, firstEntry, entry, firstByte, byte)
    const compressed = codec.compress(page)
    const headerStart = writer.offset
    writePageHeader(writer, {
      type: "DATA_PAGE",
      uncompressed_page_size: page.length,
      compressed_page_size: compressed.length,
      data_page_header: {
        num_values: entry - firstEntry,
        encoding: "PLAIN",
        definition_level_encoding: "RLE",
        repetition_level_encoding: "RLE"
      }
    })
    uncompressed += writer.offset - headerStart + page.length
    writer.appendBytes(compressed)
  }
  return {
    type: physicalName(shape),
    encodings: ["PLAIN", "RLE"],
    path_in_schema: [...shape.path],
    codec: codec.name,
    num_values: BigInt(chunk.entries),
    total_uncompressed_size: BigInt(uncompressed),
    total_compressed_size: BigInt(writer.offset - start),
    data_page_offset: BigInt(start),
    statistics: { null_count: BigInt(nulls) }
  }
}

const pageBody = (
  shape: LeafShape,
  chunk: LeafChunk,
  firstEntry: number,
  endEntry: number,
  firstByte: number,
  endByte: number
): Uint8Array => {
  const parts: Array<Uint8Array> = []
  if (shape.maxRepetition > 0) {
    parts.push(encodeLevels(chunk.repetitions, firstEntry, endEntry, bitWidthOf(shape.maxRepetition)))
  }
  if (shape.maxDefinition > 0) {
    parts.push(encodeLevels(chunk.definitions, firstEntry, endEntry, bitWidthOf(shape.maxDefinition)))
  }
  const values = chunk.values.subarray(firstByte, endByte)
  parts.push(shape.physical === "BOOLEAN" ? packBooleans(values) : values)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

const packBooleans = (values: Uint8Array): Uint8Array => {
  const packed = new Uint8Array((values.length + 7) >> 3)
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) packed[i >> 3]! |= 1 << (i & 7)
  return packed
}
