/**
 * How many bytes an LZ4 frame holds: what it states, or what its blocks add up to. Bytes that are
 * not a frame give any number; reading them to that size fails.
 */

const PLAIN_BLOCK = 0x8000_0000

/** The size of a frame's content. */
export const lz4Size = (frame: Uint8Array): number => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const flags = frame[4] ?? 0
  if ((flags & 0x08) !== 0 && frame.length >= 14) return Number(view.getBigUint64(6, true))
  const checksum = (flags & 0x10) !== 0 ? 4 : 0
  let size = 0
  for (let at = 7; at + 4 <= frame.length;) {
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) break
    const length = word % PLAIN_BLOCK
    size += word >= PLAIN_BLOCK ? length : blockSize(frame.subarray(at, at + length))
    at += length + checksum
  }
  return size
}

/** The literals and matches of a block. */
const blockSize = (block: Uint8Array): number => {
  let at = 0
  let size = 0
  const longer = (length: number): number => {
    if (length < 15) return length
    let sum = length
    for (let byte = 255; byte === 255; sum += byte) byte = block[at++] ?? 0
    return sum
  }
  while (at < block.length) {
    const token = block[at++]!
    const literals = longer(token >> 4)
    size += literals
    at += literals
    if (at >= block.length) break
    at += 2
    size += longer(token & 15) + 4
  }
  return size
}
