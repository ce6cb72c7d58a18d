/**
 * The read functions of the protobuf wire format, shared by all readers, on plain bytes and without
 * allocation.
 *
 * The value of a varint is stored in `low` and `high`, two 32-bit halves, because 64-bit numbers do
 * not fit a JavaScript number. Callers use both before the next read. Every read stays below `end`
 * and throws `MalformedMessage` otherwise. The server's record decoder uses these functions
 * directly, since they run once per value; others use `reader.ts`.
 */
import { Refusal } from "../columns/columnRules.ts"

/**
 * Thrown by readers when the bytes are not a protobuf message. It carries no stack, so that hostile
 * messages stay cheap.
 */
export class MalformedMessage extends Refusal {}

/** Lower half of the last varint or 64-bit value read. */
export let low = 0
/** Upper half of the last varint or 64-bit value read. */
export let high = 0

/** Throws: the bytes end inside a value. */
export const cutOff = (): never => {
  throw new MalformedMessage("The message ends inside a value.")
}

const tooLong = (): never => {
  throw new MalformedMessage("A number in the message is longer than 10 bytes.")
}

/**
 * Reads a varint of up to ten bytes and returns the position after it. Bits beyond 64 are dropped.
 */
export const readVarint = (bytes: Uint8Array, start: number, end: number): number => {
  if (start >= end) cutOff()
  const byte = bytes[start]!
  // Most varints have one byte. This short path is inlined into the callers.
  if (byte >= 0x80) return readLongVarint(bytes, start, end)
  low = byte
  high = 0
  return start + 1
}

const readLongVarint = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  let byte = 0
  let value = 0
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) cutOff()
    byte = bytes[at++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      low = value
      high = 0
      return at
    }
  }
  if (at >= end) cutOff()
  byte = bytes[at++]!
  low = value | ((byte & 0x0f) << 28)
  let upper = (byte & 0x7f) >> 4
  if (byte >= 0x80) {
    for (let shift = 3; ; shift += 7) {
      if (shift > 31) tooLong()
      if (at >= end) cutOff()
      byte = bytes[at++]!
      upper |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
  }
  high = upper
  return at
}

/** Reads 32 little-endian bits into `low`. */
export const readFixed32 = (bytes: Uint8Array, start: number, end: number): number => {
  if (start + 4 > end) cutOff()
  low =
    bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 24)
  return start + 4
}

/** Reads 64 little-endian bits into `low` and `high`. */
export const readFixed64 = (bytes: Uint8Array, start: number, end: number): number => {
  readFixed32(bytes, start + 4, end)
  high = low
  return readFixed32(bytes, start, end) + 4
}

/**
 * Reads the length of a length-delimited field into `low`; checks that the field ends within `end`.
 */
export const readLength = (bytes: Uint8Array, start: number, end: number): number => {
  const at = readVarint(bytes, start, end)
  if (high !== 0 || low < 0 || at + low > end) cutOff()
  return at
}
