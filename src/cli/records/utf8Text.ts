/**
 * Decodes chunks of bytes to text and keeps track of invalid bytes.
 *
 * A character split between two chunks is reassembled, and a byte order mark at the start is
 * dropped. A byte that is not UTF-8 becomes a lone surrogate, which valid UTF-8 never decodes to. A
 * record with one is thus recognized and rejected with a reason, instead of being sent with
 * replacement characters.
 */
import { isUtf8 } from "node:buffer"

/** The text of bytes. Each byte that is not UTF-8 becomes a lone surrogate. */
export const textOf = (bytes: Buffer): string =>
  isUtf8(bytes) ? bytes.toString("utf8") : escaped(bytes)

/** Decoder for chunks of bytes. */
export interface Utf8Text {
  /** The text of the chunk, without a character that ends in the next one. */
  readonly push: (bytes: Uint8Array) => string
  /** The rest at the end: empty, unless the input ends within a character. */
  readonly end: () => string
}

/** Creates a decoder for one input. */
export const make = (): Utf8Text => {
  let rest: Buffer = Buffer.alloc(0)
  let first = true
  const decode = (bytes: Buffer): string => {
    const text = textOf(bytes)
    if (!first || text === "") return text
    first = false
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }
  return {
    push: (bytes) => {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const cut = whole.length - openTail(whole)
      rest = Buffer.from(whole.subarray(cut))
      return decode(whole.subarray(0, cut))
    },
    end: () => {
      const text = decode(rest)
      rest = Buffer.alloc(0)
      return text
    }
  }
}

/** Length in bytes of the character that a lead byte starts; 0 for any other byte. */
const width = (byte: number): number =>
  byte < 0x80
    ? 1
    : byte >= 0xc2 && byte < 0xe0
      ? 2
      : byte >= 0xe0 && byte < 0xf0
        ? 3
        : byte >= 0xf0 && byte < 0xf5
          ? 4
          : 0

/** Number of bytes at the end that belong to an incomplete character. */
const openTail = (bytes: Buffer): number => {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0xc0) !== 0x80) return width(byte) > back ? back : 0
  }
  return 0
}

const escaped = (bytes: Buffer): string => {
  const parts: Array<string> = []
  let start = 0
  let at = 0
  while (at < bytes.length) {
    const size = width(bytes[at]!)
    if (
      size === 1 ||
      (size > 1 && at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)))
    ) {
      at += size
      continue
    }
    if (at > start) parts.push(bytes.toString("utf8", start, at))
    parts.push(String.fromCharCode(0xdc00 + bytes[at]!))
    start = ++at
  }
  parts.push(bytes.toString("utf8", start))
  return parts.join("")
}
