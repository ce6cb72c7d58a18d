/**
 * Reads Parquet files through hyparquet: the footer, then one row group after another, or parts
 * of it where it is large.
 */
import type * as Fs from "node:fs/promises"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { lz4Decompress } from "../../internal/arrow/lz4Frame.ts"
import { decompressZstdTo } from "../../local/parquet/codecs.ts"
import {
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  type RowGroup
} from "../../local/parquet/parquetLibrary.ts"
import { enoughBytes, packingOf } from "../input/contentKind.ts"
import { TypedRow } from "../records/typedRow.ts"
import { badFile } from "./badFile.ts"
import { textValue } from "./fileValues.ts"
import { type ParquetColumn, parquetColumns, withoutAnnotations } from "./parquetColumns.ts"
import { checkFooter, type ParquetLeaf } from "./parquetFooter.ts"
import { checkPages, type PagePlace } from "./parquetPages.ts"
import type { BytesRead, OpenTypedFile } from "./typedFile.ts"

/** Bytes, values and rows of a row group, decompressed, that are in memory at a time. */
const bytesAtOnce = 32 * 1024 * 1024
const valuesAtOnce = 4_000_000
const rowsAtOnce = 131_072

/** Values of one page: it is decoded as a whole. Those of lists take several times the memory. */
const valuesOfPage = 32_000_000
const itemsOfPage = 8_000_000

/** Rows that are given at a time, and about how many bytes they may have before that. */
const rowsGiven = 1024
const bytesGiven = 4 * 1024 * 1024

/** Bytes of a single row. */
const bytesOfRow = 256 * 1024 * 1024

const limited = (size: number) => ({ maxOutputLength: Math.max(size, 1) })

/** LZ4 without the frame that the format has elsewhere. */
const lz4Block = (block: Uint8Array, size: number): Uint8Array => {
  const frame = new Uint8Array(15 + block.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, 0x184d_2204, true)
  frame.set([0x40, 0x70], 4)
  view.setUint32(7, block.length, true)
  frame.set(block, 11)
  return lz4Decompress(frame, size)
}

/** How pages are decompressed that the library cannot. */
const compressors = {
  ZSTD: decompressZstdTo,
  GZIP: (bytes: Uint8Array, size: number) => gunzipSync(bytes, limited(size)),
  BROTLI: (bytes: Uint8Array, size: number) => brotliDecompressSync(bytes, limited(size)),
  LZ4_RAW: lz4Block
}

const codecs = new Set(["UNCOMPRESSED", "SNAPPY", ...Object.keys(compressors)])

/** Times in INT96 come as nanoseconds. */
const parsers = {
  timestampFromNanoseconds: (nanos: bigint) => nanos,
  stringFromBytes: textValue
}

/** Opens a file. Throws `BadFile`. */
export const openParquet = async (
  handle: Fs.FileHandle,
  read: BytesRead
): Promise<OpenTypedFile> => {
  const stat = await handle.stat()
  if (!stat.isFile()) badFile("is no plain file, which Parquet needs: it is read from its end.")
  const { size } = stat
  const file = {
    byteLength: size,
    slice: (start: number, end = size) => readPart(handle, start, end)
  }
  const head = new Uint8Array(await file.slice(0, Math.min(enoughBytes, size)))
  const shown = packingOf(head, "parquet")
  if (typeof shown !== "string") badFile(`is ${shown.problem}.`)
  if (shown === "gzip" || shown === "zstd") {
    badFile(
      `is compressed as a whole (${shown}). Parquet is compressed inside: decompress it first.`
    )
  }
  const metadata = await readFooter(file, head)
  const leaves = checkFooter(metadata, size)
  const columns = parquetColumns(metadata.schema)
  const physical = { ...metadata, schema: withoutAnnotations(metadata.schema) }
  const rows = readRows(file, physical, leaves, columns, read)
  return { columns, rows }
}

type File = {
  readonly byteLength: number
  slice(start: number, end?: number): Promise<ArrayBuffer>
}

const readPart = async (
  handle: Fs.FileHandle,
  start: number,
  end: number
): Promise<ArrayBuffer> => {
  const bytes = new Uint8Array(Math.max(0, end - start))
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at)
    if (bytesRead === 0) return badFile("became shorter while it was read.")
    at += bytesRead
  }
  return bytes.buffer
}

const readFooter = async (file: File, head: Uint8Array): Promise<FileMetaData> => {
  if (file.byteLength < 12 || Buffer.from(head).toString("latin1", 0, 4) !== "PAR1") {
    return badFile("is not a Parquet file: its first bytes are not those of one.")
  }
  try {
    return await parquetMetadataAsync(file, { geoparquet: false })
  } catch {
    return badFile("is a Parquet file whose end is damaged or cut off.")
  }
}

const readRows = async function* (
  file: File,
  metadata: FileMetaData,
  leaves: ReadonlyArray<ReadonlyArray<ParquetLeaf>>,
  columns: ReadonlyArray<ParquetColumn>,
  read: BytesRead
): AsyncGenerator<ReadonlyArray<TypedRow>> {
  let row = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows)
    checkCodecs(group)
    const pages = await readPages(file, leaves[index]!, index, row)
    const all = [...pages.values()].flat()
    const stored = all.reduce((sum, { size }) => sum + size, 0)
    const bytes = all.reduce((sum, page) => sum + page.bytes, 0)
    const first = row
    while (row < first + rows) {
      const count = rowsOfSlice(pages, row - first, rows)
      const found = await readSlice(file, metadata, pages, row, row + count, index)
      read.stored += (stored * count) / rows
      read.bytes += (bytes * count) / rows
      for (let at = 0; at < found.length;) {
        const some: Array<TypedRow> = []
        for (let size = 0; at < found.length && some.length < rowsGiven && size < bytesGiven;) {
          const values = found[at++]!
          size += sizeOfRow(++row, values)
          some.push(typedRow(row, columns, values))
        }
        yield some
      }
    }
  }
  // The footer as well, and what stands between the pages.
  read.stored = file.byteLength
  read.bytes = Math.round(read.bytes)
}

type Pages = ReadonlyMap<ParquetLeaf, ReadonlyArray<PagePlace>>

/** Checks the columns of a row group, and returns where their pages are. */
const readPages = async (
  file: File,
  leaves: ReadonlyArray<ParquetLeaf>,
  group: number,
  row: number
): Promise<Pages> => {
  const pages = new Map<ParquetLeaf, ReadonlyArray<PagePlace>>()
  for (const leaf of leaves) {
    const chunk = new Uint8Array(await file.slice(leaf.start, leaf.end))
    try {
      pages.set(leaf, checkPages(chunk, leaf, compressors))
    } catch {
      badGroup(group, row, ` in column ${leaf.name}`)
    }
    const most = leaf.maxRepetition === 0 ? valuesOfPage : itemsOfPage
    const large = pages.get(leaf)!.find(({ values }) => values > most)
    if (large !== undefined) {
      badFile(
        `has a page of ${large.values} values in column ${leaf.name}; at most ${most} are read ` +
          "at a time. Write it with smaller pages."
      )
    }
  }
  return pages
}

/** How many rows from `at` on are in memory at a time, by the pages in which they begin. */
const rowsOfSlice = (pages: Pages, at: number, rows: number): number => {
  let bytes = 0
  let values = 0
  for (const places of pages.values()) {
    const place = places.findLast(({ firstRow }) => firstRow <= at)
    if (place === undefined || place.rows === 0) continue
    bytes += place.bytes / place.rows
    values += place.values / place.rows
  }
  const fitting = Math.min(bytesAtOnce / bytes, valuesAtOnce / values, rowsAtOnce)
  return Math.min(rows - at, Math.max(1, Math.floor(fitting)))
}

/** About how many bytes a value takes. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  let size = 8
  for (const part of Array.isArray(value) ? value : Object.values(value)) size += sizeOf(part)
  return size
}

const sizeOfRow = (row: number, values: Values): number => {
  const size = sizeOf(values)
  if (size <= bytesOfRow) return size
  return badFile(`has more than ${bytesOfRow / 1024 / 1024} MB in row ${row}.`)
}

const badGroup = (group: number, row: number, where: string): never =>
  badFile(`cannot be read: its row group ${group + 1} (from row ${row + 1}) is damaged${where}.`)

const checkCodecs = ({ columns }: RowGroup): void => {
  for (const { meta_data } of columns) {
    const codec = meta_data?.codec
    if (codec !== undefined && !codecs.has(codec)) {
      badFile(`is compressed with ${codec}, which is not read here. Write it with zstd or snappy.`)
    }
  }
}

type Values = Readonly<Record<string, unknown>>

/** As hyparquet takes the places of pages, by the path of the column. */
const locationsOf = (pages: Pages) =>
  Object.fromEntries(
    Array.from(pages, ([{ chunk }, places]) => [
      chunk.path_in_schema.join("."),
      places.map(({ firstRow, offset, size }) => ({
        offset: BigInt(offset),
        compressed_page_size: size,
        first_row_index: BigInt(firstRow)
      }))
    ])
  )

const readSlice = async (
  file: File,
  metadata: FileMetaData,
  pages: Pages,
  rowStart: number,
  rowEnd: number,
  group: number
): Promise<ReadonlyArray<Values>> => {
  const pageLocationsByGroup = { [group]: locationsOf(pages) }
  try {
    const where = { file, metadata, rowStart, rowEnd, pageLocationsByGroup }
    const how = { compressors, parsers, utf8: false, geoparquet: false }
    return await parquetReadObjects({ ...where, ...how })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EIO") throw error
  }
  return badGroup(group, rowStart, "")
}

const typedRow = (row: number, columns: ReadonlyArray<ParquetColumn>, values: Values): TypedRow => {
  const converted = columns.map(({ convert, name }) => {
    const value = values[name]
    try {
      return value === null || value === undefined ? null : convert(value)
    } catch {
      return badFile(`is damaged in row ${row}, column ${name}.`)
    }
  })
  return new TypedRow(row, columns, converted)
}
