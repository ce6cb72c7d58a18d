/**
 * Runs of small integers in Parquet pages: levels, indices of dictionaries, booleans. They are
 * counted run by run, so a run of millions of values costs as much as a run of one.
 */

/** A page of a file contradicts itself or its headers. */
export class DamagedPage extends Error {}

/** Bytes of a page with the place of the next one to read. */
export interface PageBytes {
  readonly view: DataView
  offset: number
}

/** Receives a value and how often it stands in succession. */
type Visit = (value: number, count: number) => void

const damaged = (): never => {
  throw new DamagedPage("runs")
}

/** An unsigned integer of up to 32 bits. */
export const varInt = (bytes: PageBytes): number => {
  let value = 0
  for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
    const byte = bytes.view.getUint8(bytes.offset++)
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
  }
  return damaged()
}

const packed = (bytes: PageBytes, width: number, count: number, stored: number, visit: Visit) => {
  const { view } = bytes
  const mask = 2 ** width - 1
  let bits = 0
  let held = 0
  let at = bytes.offset
  for (let index = 0; index < count; index++) {
    // Products instead of shifts: up to 39 bits are held.
    for (; held < width; held += 8) bits += view.getUint8(at++) * 2 ** held
    const rest = Math.floor(bits / (mask + 1))
    visit(bits - rest * (mask + 1), 1)
    bits = rest
    held -= width
  }
  bytes.offset += (stored * width) / 8
}

/**
 * Visits exactly `count` values of `width` bits that end at `end`. Throws where the bytes hold
 * fewer or more of them.
 */
export const visitRuns = (
  bytes: PageBytes,
  end: number,
  width: number,
  count: number,
  visit: Visit
): void => {
  if (width > 32 || end > bytes.view.byteLength) damaged()
  let left = count
  while (left > 0) {
    if (bytes.offset >= end) damaged()
    const header = varInt(bytes)
    if (header % 2 === 1) {
      const stored = Math.floor(header / 2) * 8
      // The last values are filled up: to a multiple of eight, and by DuckDB to 256.
      if (stored === 0 || stored - left >= 256) damaged()
      const taken = Math.min(stored, left)
      if (bytes.offset + (taken * width) / 8 > end) damaged()
      packed(bytes, width, taken, stored, visit)
      left -= taken
      continue
    }
    const length = header / 2
    if (length > left) damaged()
    let value = 0
    for (let byte = 0; byte < (width + 7) >> 3; byte++) {
      value += bytes.view.getUint8(bytes.offset++) * 2 ** (8 * byte)
    }
    if (length > 0) visit(value, length)
    left -= length
  }
  // DuckDB ends levels with a run of no values.
  while (bytes.offset < end) {
    if (varInt(bytes) > 1) damaged()
    bytes.offset += (width + 7) >> 3
  }
}
