/**
 * Decompresses LZ4 frames: the container of the LZ4 specification, with linked and independent
 * blocks. Checksums are skipped: the connection below has its own, and every length is checked.
 */
import { refuseArrow } from "./arrowProblem.ts"

const magic = 0x184d_2204
const blockMagic = 0x8000_0000

const invalid = (): never => refuseArrow("A buffer of the batch is not valid LZ4_FRAME.")

/** Decompresses one frame to exactly `size` bytes. Throws `ArrowProblem` for anything else. */
export const lz4Decompress = (frame: Uint8Array, size: number): Uint8Array => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const wordAt = (at: number): number =>
    at + 4 > frame.length ? invalid() : view.getUint32(at, true)
  if (wordAt(0) !== magic || frame.length < 7) invalid()
  const flags = frame[4]!
  // Version 1, and no dictionary.
  if (flags >> 6 !== 1 || (flags & 1) !== 0) invalid()
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasSize = (flags & 0x08) !== 0
  let at = 6 + (hasSize ? 8 : 0) + 1
  const out = new Uint8Array(size)
  let end = 0
  for (;;) {
    const word = wordAt(at)
    at += 4
    if (word === 0) break
    const isPlain = word >= blockMagic
    const length = isPlain ? word - blockMagic : word
    if (at + length > frame.length) invalid()
    if (isPlain) {
      if (end + length > size) invalid()
      out.set(frame.subarray(at, at + length), end)
      end += length
    } else end = readBlock(frame, at, at + length, out, end)
    at += length + (hasBlockChecksum ? 4 : 0)
  }
  return end === size ? out : invalid()
}

/** Decompresses a block after the bytes that are there, which it may repeat. Returns its end. */
const readBlock = (
  source: Uint8Array,
  start: number,
  stop: number,
  out: Uint8Array,
  from: number
): number => {
  const size = out.length
  let at = start
  let end = from
  /** A length of 15 continues in further bytes, up to the first below 255. */
  const longer = (length: number): number => {
    if (length < 15) return length
    let sum = length
    for (;;) {
      if (at >= stop) return invalid()
      const byte = source[at++]!
      sum += byte
      if (byte !== 255) return sum
    }
  }
  while (at < stop) {
    const token = source[at++]!
    const literals = longer(token >> 4)
    if (at + literals > stop || end + literals > size) invalid()
    for (const last = at + literals; at < last;) out[end++] = source[at++]!
    // The last sequence of a block has only literals.
    if (at === stop) return end
    if (at + 2 > stop) invalid()
    const distance = source[at]! | (source[at + 1]! << 8)
    at += 2
    const length = longer(token & 15) + 4
    if (distance === 0 || distance > end || end + length > size) invalid()
    // Byte by byte, because source and target may overlap.
    for (const last = end + length; end < last; end++) out[end] = out[end - distance]!
  }
  return end
}
