/**
 * Compresses bytes to LZ4 frames: independent blocks of at most 4 MiB, with the size of the content
 * and without checksums of it.
 *
 *   frame: magic | flags, block size | size of the content | check byte | block* | end mark
 *   block: sequences of literals and matches, as in the LZ4 specification
 */

const MAGIC = 0x184d_2204
/** Version 1, independent blocks, with the size of the content. */
const FLAGS = 0x68
/** Blocks of at most 4 MiB. */
const BLOCK_SIZE_CODE = 0x70
const BLOCK_SIZE = 4 * 1024 * 1024
const PLAIN_BLOCK = 0x8000_0000
/** Bytes around the blocks: 15 in front, and the end mark. */
const FRAME_BYTES = 19

/** The shortest match. */
const LEAST_MATCH = 4
/** A match begins at least so many bytes before the end of a block, and ends before the last 5. */
const LAST_MATCH_START = 12
const LAST_LITERALS = 5
const FARTHEST = 0xffff

const HASH_BITS = 13
/** Where bytes of a hash were seen last, counted over all blocks so that it is never cleared. */
const seen = new Float64Array(1 << HASH_BITS).fill(-1 - FARTHEST)
let seenBefore = 0

const prime1 = 2_654_435_761
const prime2 = 2_246_822_519
const prime3 = 3_266_489_917
const prime4 = 668_265_263
const prime5 = 374_761_393

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

/** The check byte of the ten bytes that describe a frame: a part of their xxHash32. */
const checkByte = (bytes: Buffer): number => {
  let hash = (prime5 + bytes.length) | 0
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) {
    hash = (hash + Math.imul(bytes.readInt32LE(at), prime3)) | 0
    hash = Math.imul(rotated(hash, 17), prime4)
  }
  for (; at < bytes.length; at++) {
    hash = (hash + Math.imul(bytes[at]!, prime5)) | 0
    hash = Math.imul(rotated(hash, 11), prime1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), prime2)
  hash = Math.imul(hash ^ (hash >>> 13), prime3)
  return ((hash ^ (hash >>> 16)) >>> 8) & 0xff
}

/** The most bytes that a block of so many takes. */
const blockBound = (length: number): number => length + Math.floor(length / 255) + 16

/** Compresses bytes to one frame. */
export const lz4Compress = (source: Uint8Array): Uint8Array => {
  const blocks = Math.ceil(source.length / BLOCK_SIZE)
  const out = Buffer.allocUnsafe(blockBound(source.length) + blocks * 20 + FRAME_BYTES)
  out.writeUInt32LE(MAGIC, 0)
  out[4] = FLAGS
  out[5] = BLOCK_SIZE_CODE
  out.writeBigUInt64LE(BigInt(source.length), 6)
  out[14] = checkByte(out.subarray(4, 14))
  let to = 15
  for (let start = 0; start < source.length; start += BLOCK_SIZE) {
    const end = Math.min(start + BLOCK_SIZE, source.length)
    const stop = writeBlock(source, start, end, out, to + 4)
    if (stop - to - 4 < end - start) out.writeUInt32LE(stop - to - 4, to)
    else {
      out.set(source.subarray(start, end), to + 4)
      out.writeUInt32LE(end - start + PLAIN_BLOCK, to)
    }
    to += 4 + (out.readUInt32LE(to) % PLAIN_BLOCK)
  }
  out.writeUInt32LE(0, to)
  return out.subarray(0, to + 4)
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)

/** Writes one block and returns the position behind it. */
const writeBlock = (
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  to: number
): number => {
  const lastStart = end - LAST_MATCH_START
  const lastEnd = end - LAST_LITERALS
  const base = seenBefore - start
  let literals = start
  let misses = 0
  for (let at = start; at <= lastStart;) {
    const word = wordAt(source, at)
    const hash = Math.imul(word, prime1) >>> (32 - HASH_BITS)
    const candidate = seen[hash]! - base
    seen[hash] = at + base
    if (candidate < start || at - candidate > FARTHEST || wordAt(source, candidate) !== word) {
      // The longer nothing repeats, the more is passed over.
      at += 1 + (misses++ >> 6)
      continue
    }
    misses = 0
    let stop = at + LEAST_MATCH
    let from = candidate + LEAST_MATCH
    while (stop < lastEnd && source[stop] === source[from]) {
      stop++
      from++
    }
    to = writeSequence(source, literals, at, out, to, stop - at - LEAST_MATCH)
    out[to++] = at - candidate
    out[to++] = (at - candidate) >> 8
    to = writeLength(out, to, stop - at - LEAST_MATCH)
    literals = at = stop
  }
  // Positions of the next block are never among those of this one.
  seenBefore += end - start + FARTHEST + 1
  return writeSequence(source, literals, end, out, to, 0)
}

/** Writes a token and the literals in `[start, end)`. */
const writeSequence = (
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  match: number
): number => {
  const length = end - start
  out[at] = (Math.min(length, 15) << 4) | Math.min(match, 15)
  let to = writeLength(out, at + 1, length)
  if (length > 32) {
    out.set(source.subarray(start, end), to)
    return to + length
  }
  for (let from = start; from < end;) out[to++] = source[from++]!
  return to
}

/** Writes what a length is above 15, which its token cannot hold. */
const writeLength = (out: Uint8Array, at: number, length: number): number => {
  if (length < 15) return at
  let to = at
  let left = length - 15
  for (; left >= 255; left -= 255) out[to++] = 255
  out[to++] = left
  return to
}
