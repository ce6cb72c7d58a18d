/**
 * Checks the pages of a column of a row group before its rows are read: their checksums, sizes,
 * levels and counts of values. Nothing is kept of the pages but where they are.
 */
import { crc32 } from "node:zlib"
import { parquetHeader, snappyUncompress } from "../../local/parquet/parquetLibrary.ts"
import type { ParquetLeaf } from "./parquetFooter.ts"
import { DamagedPage, type PageBytes, visitRuns } from "./parquetRuns.ts"
import { checkPlain, checkValues } from "./parquetValues.ts"

/** Pages that begin with a row and hold whole rows. */
export interface PagePlace {
  readonly offset: number
  /** Bytes in the file. */
  size: number
  /** The first row, counted from the start of the row group. */
  readonly firstRow: number
  rows: number
  /** Values with NULLs, and places of empty lists. */
  values: number
  /** Bytes, decompressed. */
  bytes: number
}

type Header = ReturnType<typeof parquetHeader>
type V1 = NonNullable<Header["data_page_header"]>
type V2 = NonNullable<Header["data_page_header_v2"]>

/** Decompresses bytes to a size that is known. */
export type Decompress = (bytes: Uint8Array, size: number) => Uint8Array

/** How each codec decompresses. */
export type Decompressors = Readonly<Record<string, Decompress>>

const check = (holds: boolean): void => {
  if (!holds) throw new DamagedPage("page")
}

const widthOf = (level: number): number => 32 - Math.clz32(level)

const decompressed = (
  bytes: Uint8Array,
  size: number,
  codec: string,
  decompressors: Decompressors
): Uint8Array => {
  if (codec === "UNCOMPRESSED") return bytes
  const own = decompressors[codec]
  if (own !== undefined) return own(bytes, size)
  // A copy of 64 bytes takes two.
  check(size <= 64 * bytes.length + 64)
  const output = new Uint8Array(size)
  snappyUncompress(bytes, output)
  return output
}

/** What the levels of a page say. */
interface Levels {
  readonly rows: number
  readonly nulls: number
  readonly beginsRow: boolean
}

/** Where the levels of a page of version 1 end, whose length stands before them. */
const endOfLevels = (bytes: PageBytes): number => {
  const length = bytes.view.getUint32(bytes.offset, true)
  bytes.offset += 4
  return bytes.offset + length
}

const readLevels = (bytes: PageBytes, count: number, leaf: ParquetLeaf, v2?: V2): Levels => {
  const { maxDefinition, maxRepetition } = leaf
  let rows = maxRepetition === 0 ? count : 0
  let defined = maxDefinition === 0 ? count : 0
  let first = maxRepetition === 0 && count > 0 ? 0 : -1
  const visit = (max: number, length: number | undefined, each: typeof onRepetition): void => {
    const end = length === undefined ? endOfLevels(bytes) : bytes.offset + length
    visitRuns(bytes, end, widthOf(max), count, (level, times) => {
      check(level <= max)
      each(level, times)
    })
    bytes.offset = end
  }
  const onRepetition = (level: number, times: number): void => {
    if (first < 0) first = level
    if (level === 0) rows += times
  }
  if (maxRepetition > 0) visit(maxRepetition, v2?.repetition_levels_byte_length, onRepetition)
  else if (v2) bytes.offset = v2.repetition_levels_byte_length
  if (maxDefinition > 0) {
    visit(maxDefinition, v2?.definition_levels_byte_length, (level, times) => {
      if (level === maxDefinition) defined += times
    })
  }
  return { rows, nulls: count - defined, beginsRow: first === 0 }
}

const pageBytes = (bytes: Uint8Array): PageBytes => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  offset: 0
})

const isCount = (value: number | undefined): boolean => value !== undefined && value >= 0

/** The pages of a column as they are checked one after another. */
class ColumnPages {
  readonly leaf: ParquetLeaf
  readonly decompressors: Decompressors
  readonly places: Array<PagePlace> = []
  dictionary: number | undefined
  rows = 0
  values = 0
  nulls = 0

  constructor(leaf: ParquetLeaf, decompressors: Decompressors) {
    this.leaf = leaf
    this.decompressors = decompressors
  }

  unpack(bytes: Uint8Array, size: number): PageBytes {
    check(size >= 0)
    const page = decompressed(bytes, size, this.leaf.chunk.codec, this.decompressors)
    check(page.length === size)
    return pageBytes(page)
  }

  addDictionary(header: Header, bytes: Uint8Array): void {
    const count = header.dictionary_page_header?.num_values
    check(this.dictionary === undefined && this.places.length === 0 && isCount(count))
    this.dictionary = count
    checkPlain(this.unpack(bytes, header.uncompressed_page_size), this.leaf.physical, count!)
  }

  checkVersion1(header: V1, size: number, bytes: Uint8Array): Levels {
    const { leaf } = this
    const { definition_level_encoding: definition, repetition_level_encoding: repetition } = header
    check(isCount(header.num_values))
    check(leaf.maxRepetition === 0 || repetition === "RLE")
    check(leaf.maxDefinition === 0 || definition === "RLE")
    const page = this.unpack(bytes, size)
    const levels = readLevels(page, header.num_values, leaf)
    const count = header.num_values - levels.nulls
    checkValues(page, header.encoding, leaf.physical, count, this.dictionary)
    return levels
  }

  checkVersion2(header: V2, size: number, bytes: Uint8Array): Levels {
    const { definition_levels_byte_length: definition, num_values: values } = header
    const { repetition_levels_byte_length: repetition } = header
    check([values, definition, repetition].every(isCount))
    const head = repetition + definition
    check(head <= bytes.length)
    const levels = readLevels(pageBytes(bytes), values, this.leaf, header)
    check(header.num_rows === levels.rows && header.num_nulls === levels.nulls)
    const rest = bytes.subarray(head)
    const page = header.is_compressed === false ? pageBytes(rest) : this.unpack(rest, size - head)
    const count = values - levels.nulls
    checkValues(page, header.encoding, this.leaf.physical, count, this.dictionary)
    return levels
  }

  addPage(header: Header, bytes: Uint8Array, offset: number, end: number): void {
    const { data_page_header: v1, data_page_header_v2: v2, type } = header
    const size = header.uncompressed_page_size
    let levels: Levels
    let count: number
    if (type === "DATA_PAGE" && v1 !== undefined) {
      levels = this.checkVersion1(v1, size, bytes)
      count = v1.num_values
    } else if (type === "DATA_PAGE_V2" && v2 !== undefined) {
      levels = this.checkVersion2(v2, size, bytes)
      count = v2.num_values
    } else throw new DamagedPage("type")
    if (levels.beginsRow || this.places.length === 0) {
      check(levels.beginsRow || count === 0)
      const counts = { rows: 0, values: 0, bytes: 0 }
      this.places.push({ offset, size: 0, firstRow: this.rows, ...counts })
    }
    const place = this.places.at(-1)!
    place.size += end - offset
    place.rows += levels.rows
    place.values += count
    place.bytes += size
    this.rows += levels.rows
    this.values += count
    this.nulls += levels.nulls
  }

  checkCounts(): void {
    const { chunk, maxRepetition, rows } = this.leaf
    check(this.values === Number(chunk.num_values) && this.rows === rows)
    // Writers differ in what they count as NULL within lists.
    const nulls = maxRepetition === 0 ? chunk.statistics?.null_count : undefined
    check(nulls === undefined || Number(nulls) === this.nulls)
  }
}

/**
 * Where the pages of a column of a row group are. Throws where its bytes are damaged. Bits that
 * change a value and nothing else are found by a checksum only.
 */
export const checkPages = (
  chunk: Uint8Array,
  leaf: ParquetLeaf,
  decompressors: Decompressors
): ReadonlyArray<PagePlace> => {
  const reader = pageBytes(chunk)
  const pages = new ColumnPages(leaf, decompressors)
  // As hyparquet, which takes a single byte behind the pages for none.
  while (reader.offset < chunk.length - 1) {
    const start = reader.offset
    const header = parquetHeader(reader)
    const { compressed_page_size: stored, uncompressed_page_size: size } = header
    check(isCount(stored) && isCount(size) && reader.offset + stored <= chunk.length)
    const bytes = chunk.subarray(reader.offset, reader.offset + stored)
    reader.offset += stored
    if (header.crc !== undefined) check(crc32(bytes) === header.crc >>> 0)
    if (header.type === "DICTIONARY_PAGE") pages.addDictionary(header, bytes)
    else pages.addPage(header, bytes, leaf.start + start, reader.offset + leaf.start)
  }
  pages.checkCounts()
  return pages.places
}
