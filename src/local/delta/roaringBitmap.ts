/**
 * Reads the row numbers of a Delta deletion vector: an array of 32-bit Roaring bitmaps in the
 * portable format of the Roaring specification.
 *
 * The result has one bit for each row of the data file, so its size does not depend on the content
 * of the bytes. Bytes that are not such an array, or that name a row outside the file, throw
 * `DamagedBitmap`.
 */

/** The bytes are not a bitmap of the rows of the file. `message` ends a sentence. */
export class DamagedBitmap extends Error {}

/**
 * Some rows of a data file. Row `n` is bit `n % 8` of byte `n / 8`, counted from the lowest bit.
 */
export interface RowSet {
  readonly bits: Uint8Array
  readonly count: number
}

/** First bytes of an array of bitmaps in the portable format. */
const arrayMagic = 1681511377
/** First bytes of a bitmap without run containers. */
const plainCookie = 12346
/** First two bytes of a bitmap that may have run containers. */
const runCookie = 12347
/** A bitmap with run containers lists their offsets from this number of containers on. */
const fewestWithOffsets = 4
/** The most values in an array container; a container with more values is a bitmap. */
const maxArrayValues = 4096
const containerValues = 65_536
const bitmapBytes = containerValues / 8

const damaged = (why: string): never => {
  throw new DamagedBitmap(why)
}

/**
 * The largest size in bytes of a bitmap array of this many rows: one container of 32,768 runs for
 * each 65,536 rows.
 */
export const largestBitmap = (rows: number): number =>
  64 + (Math.ceil(rows / containerValues) + 1) * (131_072 + 32)

class BitmapReader {
  private readonly view: DataView
  private at = 0
  private readonly rows: number
  readonly bits: Uint8Array
  count = 0

  constructor(bytes: Uint8Array, rows: number) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.rows = rows
    this.bits = new Uint8Array(Math.ceil(rows / 8))
  }

  private take(bytes: number): number {
    const start = this.at
    if (start + bytes > this.view.byteLength) damaged("it ends within a value")
    this.at = start + bytes
    return start
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true)
  }

  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true))
  }

  atEnd(): boolean {
    return this.at === this.view.byteLength
  }

  private add(row: number): void {
    if (row >= this.rows) damaged(`it names row ${row}, and the file has ${this.rows} rows`)
    const bit = 1 << (row & 7)
    const byte = Math.floor(row / 8)
    if ((this.bits[byte]! & bit) !== 0) damaged(`it names row ${row} twice`)
    this.bits[byte]! |= bit
    this.count++
  }

  /** The bitmap of rows from `first` on. */
  bitmap(first: number): void {
    const cookie = this.u32()
    const withRuns = (cookie & 0xffff) === runCookie
    if (!withRuns && cookie !== plainCookie) damaged("it has a bitmap of an unknown form")
    const count = withRuns ? (cookie >>> 16) + 1 : this.u32()
    if (count > containerValues) damaged("it has more containers than there can be")
    const flags = withRuns ? this.take((count + 7) >> 3) : 0
    const headers = this.take(count * 4)
    if (!withRuns || count >= fewestWithOffsets) this.take(count * 4)
    let before = -1
    for (let index = 0; index < count; index++) {
      const key = this.view.getUint16(headers + index * 4, true)
      if (key <= before) damaged("its containers are not in order")
      before = key
      const values = this.view.getUint16(headers + index * 4 + 2, true) + 1
      const isRun =
        withRuns && (this.view.getUint8(flags + (index >> 3)) & (1 << (index & 7))) !== 0
      const counted = this.count
      const start = first + key * containerValues
      if (isRun) this.runs(start)
      else if (values <= maxArrayValues)
        for (let n = 0; n < values; n++) this.add(start + this.u16())
      else this.bitset(start)
      if (this.count - counted !== values)
        damaged("the number of rows in a container differs from its header")
    }
  }

  private runs(start: number): void {
    for (let left = this.u16(); left > 0; left--) {
      const from = this.u16()
      const length = this.u16() + 1
      if (from + length > containerValues) damaged("a run leaves its container")
      for (let n = 0; n < length; n++) this.add(start + from + n)
    }
  }

  private bitset(start: number): void {
    const at = this.take(bitmapBytes)
    for (let byte = 0; byte < bitmapBytes; byte++) {
      const bits = this.view.getUint8(at + byte)
      for (let bit = 0; bits >> bit !== 0; bit++) {
        if ((bits & (1 << bit)) !== 0) this.add(start + byte * 8 + bit)
      }
    }
  }
}

/** Reads an array of bitmaps over a data file with `rows` rows. */
export const readRoaringArray = (bytes: Uint8Array, rows: number): RowSet => {
  const reader = new BitmapReader(bytes, rows)
  if (reader.u32() !== arrayMagic) damaged("it is not an array of Roaring bitmaps")
  const count = reader.u64()
  let before = -1
  for (let index = 0; index < count; index++) {
    const key = reader.u32()
    if (key <= before) damaged("its bitmaps are not in order")
    before = key
    reader.bitmap(key * 2 ** 32)
  }
  if (!reader.atEnd()) damaged("bytes follow its last bitmap")
  return { bits: reader.bits, count: reader.count }
}

/** Whether a row is in the set. */
export const hasRow = ({ bits }: RowSet, row: number): boolean =>
  (bits[Math.floor(row / 8)]! & (1 << (row & 7))) !== 0
