/**
 * A bounds-checked reader of the protobuf wire format over untrusted bytes. Every problem leaves it as a `Refusal`; it never reads
 * past its end and never allocates by a length it has not checked.
 */
import { refuse } from "../columns/columnRules.ts"

/** Reads one message; `sub` gives a reader of a nested one over the same bytes. */
export class WireReader {
  readonly bytes: Uint8Array
  position: number
  readonly end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  /** Whether anything is left. */
  more(): boolean {
    return this.position < this.end
  }

  /** A reader at the same place that moves on its own. */
  clone(): WireReader {
    return new WireReader(this.bytes, this.position, this.end)
  }

  /** An unsigned varint. Values of 2^53 and above are refused; use `int64` for those. */
  varint(): number {
    let result = 0
    let factor = 1
    for (let n = 0; n < 8; n++) {
      const byte = this.byte()
      result += (byte & 127) * factor
      if (byte < 128)
        return result <= Number.MAX_SAFE_INTEGER ? result : refuse("A number in the message is too large.")
      factor *= 128
    }
    return refuse("A number in the message is too large.")
  }

  /** A varint as a signed 64-bit number. */
  int64(): bigint {
    let low = 0
    let high = 0
    for (let n = 0; n < 10; n++) {
      const byte = this.byte()
      const bits = byte & 127
      if (n < 4) low |= bits << (n * 7)
      else if (n === 4) {
        low |= bits << 28
        high = bits >>> 4
      } else if (n < 9) high |= bits << (n * 7 - 32)
      else high |= (bits & 1) << 31
      if (byte < 128) return BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
    }
    return refuse("A number in the message is longer than 10 bytes.")
  }

  /** A varint cut to a signed 32-bit number, as protobuf does for `int32`. */
  int32(): number {
    let low = 0
    for (let n = 0; n < 10; n++) {
      const byte = this.byte()
      if (n < 5) low |= (byte & 127) << (n * 7)
      if (byte < 128) return low | 0
    }
    return refuse("A number in the message is longer than 10 bytes.")
  }

  /** Field number and wire type. */
  tag(): { readonly number: number; readonly wire: number } {
    const value = this.varint()
    const number = Math.floor(value / 8)
    if (number < 1 || number > 536_870_911) return refuse("The message has an illegal field number.")
    return { number, wire: value % 8 }
  }

  /** A view of a length-delimited value. */
  view(): Uint8Array {
    const length = this.varint()
    if (length > this.end - this.position) return refuse("The message ends inside a value.")
    const start = this.position
    this.position += length
    return this.bytes.subarray(start, this.position)
  }

  /** A length-delimited value as a message of its own. */
  sub(): WireReader {
    const view = this.view()
    return new WireReader(this.bytes, this.position - view.length, this.position)
  }

  /** A length-delimited value as text; bytes that are not UTF-8 are refused. */
  string(): string {
    try {
      return decoder.decode(this.view())
    } catch (error) {
      if (error instanceof TypeError) return refuse("A text in the message is not valid UTF-8.")
      throw error
    }
  }

  /** Takes `length` bytes, such as a fixed 4- or 8-byte number, and gives where they start. */
  fixed(length: number): number {
    if (length > this.end - this.position) return refuse("The message ends inside a value.")
    const start = this.position
    this.position += length
    return start
  }

  /** Passes over a value of a wire type. Groups are refused. */
  skip(wire: number): void {
    switch (wire) {
      case 0: {
        for (let n = 0; n < 10; n++) if (this.byte() < 128) return
        return refuse("A number in the message is longer than 10 bytes.")
      }
      case 1:
        this.fixed(8)
        return
      case 2:
        this.view()
        return
      case 5:
        this.fixed(4)
        return
      default:
        return refuse("The message uses an unknown wire type.")
    }
  }

  private byte(): number {
    if (this.position >= this.end) return refuse("The message ends inside a value.")
    return this.bytes[this.position++] ?? 0
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
