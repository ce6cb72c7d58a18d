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
import type { BytesRead, OpenTypedFile } from "./typedFile.ts"

/** Bytes of a row group, decompressed, whose values are in memory at a time, and their rows. */
const bytesAtOnce = 32 * 1024 * 1024
const rowsAtOnce = 131_072

/** Rows that are given at a time. */
const rowsGiven = 1024

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
  const columns = parquetColumns(metadata.schema)
  const physical = { ...metadata, schema: withoutAnnotations(metadata.schema) }
  const rows = readRows(file, physical, columns, read)
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

const sumOf = (
  { columns }: RowGroup,
  key: "total_compressed_size" | "total_uncompressed_size"
): number => columns.reduce((sum, { meta_data }) => sum + Number(meta_data?.[key] ?? 0n), 0)

const readRows = async function* (
  file: File,
  metadata: FileMetaData,
  columns: ReadonlyArray<ParquetColumn>,
  read: BytesRead
): AsyncGenerator<ReadonlyArray<TypedRow>> {
  let row = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows)
    checkCodecs(group)
    const stored = sumOf(group, "total_compressed_size")
    const bytes = sumOf(group, "total_uncompressed_size")
    const parts = Math.max(1, Math.ceil(bytes / bytesAtOnce), Math.ceil(rows / rowsAtOnce))
    const each = Math.ceil(rows / parts)
    for (const end = row + rows; row < end;) {
      const rowEnd = Math.min(end, row + each)
      const found = await readSlice(file, metadata, row, rowEnd, index)
      read.stored += stored / parts
      read.bytes += bytes / parts
      for (let at = 0; at < found.length; at += rowsGiven) {
        yield found.slice(at, at + rowsGiven).map((values) => typedRow(++row, columns, values))
      }
    }
  }
  // The footer as well, and what stands between the pages.
  read.stored = file.byteLength
  read.bytes = Math.round(read.bytes)
}

const checkCodecs = ({ columns }: RowGroup): void => {
  for (const { meta_data } of columns) {
    const codec = meta_data?.codec
    if (codec !== undefined && !codecs.has(codec)) {
      badFile(`is compressed with ${codec}, which is not read here. Write it with zstd or snappy.`)
    }
  }
}

type Values = Readonly<Record<string, unknown>>

const readSlice = async (
  file: File,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
  group: number
): Promise<ReadonlyArray<Values>> => {
  try {
    const options = { file, metadata, rowStart, rowEnd, compressors, parsers, utf8: false }
    const rows = await parquetReadObjects({ ...options, geoparquet: false })
    if (rows.length === rowEnd - rowStart) return rows
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EIO") throw error
  }
  return badFile(
    `cannot be read: its row group ${group + 1} (from row ${rowStart + 1}) is damaged.`
  )
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
