/**
 * Reads data files of `parquet.ts` back into column buffers, so that compaction merges files
 * without building rows.
 *
 * It supports only the output of that writer: version 1 data pages with PLAIN values. Files of
 * other writers are read as rows by `parquetRows.ts` and are never compacted.
 */
import {
  type FileMetaData,
  parquetHeader,
  parquetMetadata,
  readRleBitPackedHybrid,
  snappyUncompress
} from "./parquetLibrary.ts"
import { decompressZstd } from "./codecs.ts"
import type { ColumnTree } from "./columnTree.ts"
import type { LeafChunk, LeafShape } from "./columnBuffer.ts"
import { bitWidthOf } from "./levels.ts"
import { encodeParquet } from "./parquet.ts"

/** The content of one leaf, page by page. */
interface LeafParts {
  entries: number
  readonly definitions: Array<Uint8Array>
  readonly repetitions: Array<Uint8Array>
  readonly values: Array<Uint8Array>
}

/** The bytes of a file as a separate buffer, as the Parquet library requires. */
const memoryOf = (file: Uint8Array): ArrayBuffer =>
  file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer

/**
 * The columns of a file as text: names, order, types, and whether NULL is allowed at each level.
 * The VARIANT annotation is ignored: older files with the annotation hold the same two parts.
 */
const columnsOf = ({ schema }: FileMetaData): string =>
  JSON.stringify(
    schema.map(({ logical_type, ...element }) =>
      logical_type === undefined || logical_type.type === "VARIANT"
        ? element
        : { ...element, logical_type }
    )
  )

/**
 * The result of `columnsOf` for files of a tree, found by encoding an empty file and cached for all
 * collectors.
 */
const columnsOfTrees = new WeakMap<ColumnTree, string>()

const columnsOfTree = (tree: ColumnTree): string => {
  let columns = columnsOfTrees.get(tree)
  if (columns === undefined) {
    columns = columnsOf(parquetMetadata(memoryOf(encodeParquet(tree, []))))
    columnsOfTrees.set(tree, columns)
  }
  return columns
}

/** Collects the leaves of several files. */
export class LeafCollector {
  rows = 0
  /** The columns of the tree as text. Only files with exactly these columns are accepted. */
  readonly columns: string
  private readonly tree: ColumnTree
  private readonly parts: ReadonlyArray<LeafParts>

  constructor(tree: ColumnTree) {
    this.tree = tree
    this.columns = columnsOfTree(tree)
    this.parts = tree.leaves.map(() => ({
      entries: 0,
      definitions: [],
      repetitions: [],
      values: []
    }))
  }

  /**
   * Adds the rows of one file. Returns false, without adding any, when another program wrote the
   * file or its columns differ from the tree's. A column that was NOT NULL before differs too: its
   * pages lack the definition level for NULL.
   */
  add(file: Uint8Array): boolean {
    const bytes = memoryOf(file)
    const metadata = parquetMetadata(bytes)
    if (metadata.created_by !== "effect-zerobus") return false
    if (columnsOf(metadata) !== this.columns) return false
    for (const group of metadata.row_groups) {
      group.columns.forEach((column, index) => {
        const meta = column.meta_data!
        readPages(
          new DataView(bytes),
          Number(meta.data_page_offset),
          Number(meta.num_values),
          meta.codec,
          this.tree.leaves[index]!,
          this.parts[index]!
        )
      })
      this.rows += Number(group.num_rows)
    }
    return true
  }

  /** The collected rows, as new chunks. */
  chunks(): ReadonlyArray<LeafChunk> {
    return this.parts.map((part) => {
      const values = joined(part.values, 8)
      return {
        entries: part.entries,
        size: part.values.reduce((sum, each) => sum + each.length, 0),
        definitions: joined(part.definitions, 1),
        repetitions: joined(part.repetitions, 1),
        values
      }
    })
  }
}

/** The parts joined into one new array, with its length rounded up to a multiple of `align`. */
const joined = (parts: ReadonlyArray<Uint8Array>, align: number): Uint8Array<ArrayBuffer> => {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const all = new Uint8Array(Math.ceil(size / align) * align)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const readPages = (
  view: DataView<ArrayBuffer>,
  start: number,
  count: number,
  codec: string,
  shape: LeafShape,
  parts: LeafParts
): void => {
  const reader = { view, offset: start }
  for (let read = 0; read < count;) {
    const header = parquetHeader(reader)
    const entries = header.data_page_header?.num_values
    if (entries === undefined || header.data_page_header?.encoding !== "PLAIN")
      throw new Error("The file has other pages.")
    const compressed = new Uint8Array(view.buffer, reader.offset, header.compressed_page_size)
    reader.offset += header.compressed_page_size
    readPage(decompress(codec, compressed, header.uncompressed_page_size), entries, shape, parts)
    read += entries
  }
}

const decompress = (codec: string, bytes: Uint8Array, size: number): Uint8Array => {
  if (codec === "ZSTD" && decompressZstd !== undefined) return decompressZstd(bytes)
  if (codec === "UNCOMPRESSED") return bytes
  if (codec !== "SNAPPY")
    throw new Error(`The file is compressed with ${codec}, which this runtime lacks.`)
  const out = new Uint8Array(size)
  snappyUncompress(bytes, out)
  return out
}

const readPage = (page: Uint8Array, entries: number, shape: LeafShape, parts: LeafParts): void => {
  const reader = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 }
  const levels = (max: number): Uint8Array => {
    const out = new Uint8Array(entries)
    readRleBitPackedHybrid(reader, bitWidthOf(max), out)
    return out
  }
  if (shape.maxRepetition > 0) parts.repetitions.push(levels(shape.maxRepetition))
  let present = entries
  if (shape.maxDefinition > 0) {
    const definitions = levels(shape.maxDefinition)
    present = 0
    for (let i = 0; i < entries; i++) if (definitions[i] === shape.maxDefinition) present++
    parts.definitions.push(definitions)
  }
  const values = page.subarray(reader.offset)
  parts.values.push(shape.physical === "BOOLEAN" ? unpackBooleans(values, present) : values)
  parts.entries += entries
}

const unpackBooleans = (packed: Uint8Array, count: number): Uint8Array => {
  const values = new Uint8Array(count)
  for (let i = 0; i < count; i++) values[i] = (packed[i >> 3]! >> (i & 7)) & 1
  return values
}
