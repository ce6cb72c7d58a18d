/**
 * A bounds-checked reader of protobuf messages from untrusted bytes. It throws a `MalformedMessage`
 * for every problem. It never reads past its end and never allocates memory for an unchecked
 * length.
 */
import {
  high,
  low,
  MalformedMessage,
  readFixed32,
  readFixed64,
  readLength,
  readVarint
} from "./wire.ts"

export { MalformedMessage }

/** Largest field number protobuf allows. */
const maxFieldNumber = 536_870_911

const malformed = (why: string): never => {
  throw new MalformedMessage(why)
}

const unknownWire = (): never => malformed("The message uses an unknown wire type.")

/** The varint read from `start` to `next`, as a number: -1 for a negative one, at most 2^53 - 1. */
const valueRead = (bytes: Uint8Array, start: number, next: number): number => {
  // A tenth byte holds only the sign bit of an int64.
  if (next - start === 10 && bytes[next - 1]! > 1)
    malformed("A number in the message is longer than 64 bits.")
  if (high === 0) return low >>> 0
  return high < 0 ? -1 : Math.min(high * 4_294_967_296 + (low >>> 0), Number.MAX_SAFE_INTEGER)
}

/** The field number of a key. */
const fieldOf = (key: number): number => {
  const number = Math.floor(key / 8)
  return number < 1 || number > maxFieldNumber
    ? malformed("The message has an illegal field number.")
    : number
}

/** Reads one message. `sub` returns a reader of a nested message over the same bytes. */
export class WireReader {
  readonly bytes: Uint8Array
  position: number
  readonly end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  /** Whether any bytes remain. */
  more(): boolean {
    return this.position < this.end
  }

  /** A separate reader at the same position. */
  clone(): WireReader {
    return new WireReader(this.bytes, this.position, this.end)
  }

  /** A varint as a number: -1 for any negative one, 2^53 - 1 for larger ones. */
  varint(): number {
    const start = this.position
    this.position = readVarint(this.bytes, start, this.end)
    return valueRead(this.bytes, start, this.position)
  }

  /** A varint as a signed 64-bit number. */
  int64(): bigint {
    this.position = readVarint(this.bytes, this.position, this.end)
    return (BigInt(high) << 32n) | BigInt(low >>> 0)
  }

  /** A varint truncated to a signed 32-bit number, as protobuf does for `int32`. */
  int32(): number {
    this.position = readVarint(this.bytes, this.position, this.end)
    return low
  }

  /** Field number and wire type. */
  tag(): { readonly number: number; readonly wire: number } {
    const key = this.varint()
    return { number: fieldOf(key), wire: key % 8 }
  }

  /**
   * Skips a length-delimited value and returns the start of its content, which ends at `position`.
   */
  content(): number {
    const start = readLength(this.bytes, this.position, this.end)
    this.position = start + low
    return start
  }

  /** A view of a length-delimited value. */
  view(): Uint8Array {
    const start = this.content()
    return this.bytes.subarray(start, this.position)
  }

  /** A length-delimited value as a nested message. */
  sub(): WireReader {
    const start = this.content()
    return new WireReader(this.bytes, start, this.position)
  }

  /** A length-delimited value as text; bytes that are not UTF-8 are refused. */
  string(): string {
    try {
      return decoder.decode(this.view())
    } catch (error) {
      if (error instanceof TypeError) return malformed("A text in the message is not valid UTF-8.")
      throw error
    }
  }

  /** Skips a fixed-width number of 4 or 8 bytes and returns its start. */
  fixed(length: 4 | 8): number {
    const start = this.position
    this.position = (length === 4 ? readFixed32 : readFixed64)(this.bytes, start, this.end)
    return start
  }

  /** Skips a value of a wire type. Groups are refused. */
  skip(wire: number): void {
    switch (wire) {
      case 0:
        this.position = readVarint(this.bytes, this.position, this.end)
        return
      case 1:
        this.fixed(8)
        return
      case 2:
        this.content()
        return
      case 5:
        this.fixed(4)
        return
      default:
        unknownWire()
    }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Calls `visit` for the fields of one message. For varints, `value` is the number (-1 for a
 * negative one) and `start` is -1. For length-delimited fields, `start` and `end` delimit the
 * content. Fixed-width fields are skipped.
 */
export const forEachField = (
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (field: number, value: number, start: number, end: number) => void
): void => {
  // Uses the read functions directly, without a reader, since it runs for every record of a batch
  // that a server receives.
  let at = from
  const varint = (): number => {
    const start = at
    at = readVarint(bytes, start, to)
    return valueRead(bytes, start, at)
  }
  while (at < to) {
    const key = varint()
    const number = fieldOf(key)
    switch (key % 8) {
      case 0:
        visit(number, varint(), -1, -1)
        break
      case 1:
        at = readFixed64(bytes, at, to)
        break
      case 2: {
        const start = readLength(bytes, at, to)
        at = start + low
        visit(number, 0, start, at)
        break
      }
      case 5:
        at = readFixed32(bytes, at, to)
        break
      default:
        unknownWire()
    }
  }
}

/** Whether the bytes can be a protobuf message, judged by the top level. */
export const isMessage = (bytes: Uint8Array): boolean => {
  try {
    forEachField(bytes, 0, bytes.length, () => {})
    return true
  } catch (error) {
    if (error instanceof MalformedMessage) return false
    throw error
  }
}
