/**
 * Scalars of the Variant encoding: texts and numbers, appended to a growing buffer.
 */

/** A growing buffer. */
export class GrowingBytes {
  size = 0
  private bytes: Buffer = Buffer.allocUnsafe(256)

  /** Makes room for more bytes, and returns the buffer to write into from `size` on. */
  private room(count: number): Buffer {
    if (this.size + count > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.size + count))
      this.bytes.copy(larger, 0, 0, this.size)
      this.bytes = larger
    }
    return this.bytes
  }

  byte(value: number): void {
    this.room(1)[this.size++] = value
  }

  /**
   * Appends the header of a primitive type and the bytes that `put` writes at the given position.
   */
  primitive(type: number, count: number, put: (bytes: Buffer, at: number) => void): void {
    const bytes = this.room(1 + count)
    bytes[this.size] = type << 2
    put(bytes, this.size + 1)
    this.size += 1 + count
  }

  /** Appends text of `count` UTF-8 bytes. */
  text(text: string, count: number): void {
    this.room(count).write(text, this.size)
    this.size += count
  }

  /** Copies a range to another buffer, and returns its end there. */
  copyTo(out: Buffer, at: number, start: number, end: number): number {
    const { bytes } = this
    if (end - start < 32) for (let n = start; n < end; n++) out[at++] = bytes[n]!
    else at += bytes.copy(out, at, start, end)
    return at
  }
}

/** Appends a text. */
export const textInto = (out: GrowingBytes, text: string): void => {
  const count = Buffer.byteLength(text)
  if (count < 64) out.byte(1 | (count << 2))
  else out.primitive(16, 4, (bytes, at) => bytes.writeUInt32LE(count, at))
  out.text(text, count)
}

/** Appends a safe integer in the smallest integer type. */
export const integerInto = (out: GrowingBytes, value: number): void => {
  if (value === (value << 24) >> 24) out.primitive(3, 1, (bytes, at) => bytes.writeInt8(value, at))
  else if (value === (value << 16) >> 16)
    out.primitive(4, 2, (bytes, at) => bytes.writeInt16LE(value, at))
  else if (value === (value | 0)) out.primitive(5, 4, (bytes, at) => bytes.writeInt32LE(value, at))
  else longInto(out, BigInt(value))
}

const longInto = (out: GrowingBytes, value: bigint): void =>
  out.primitive(6, 8, (bytes, at) => bytes.writeBigInt64LE(value, at))

/**
 * The digits of the largest decimal. A longer text than these plus a sign, a zero and a point is
 * not a decimal.
 */
const maxDigits = 38
const maxDecimalText = maxDigits + 3

/**
 * Appends the number of a JSON text; `plain` when it has no exponent. Returns false when it is
 * beyond DOUBLE.
 */
export const numberInto = (out: GrowingBytes, text: string, plain: boolean): boolean => {
  if (plain && text.length <= maxDecimalText && exactInto(out, text)) return true
  const value = Number(text)
  if (!Number.isFinite(value)) return false
  out.primitive(7, 8, (bytes, at) => bytes.writeDoubleLE(value, at))
  return true
}

/** Appends a number without an exponent as an integer or a decimal; false when it is neither. */
const exactInto = (out: GrowingBytes, text: string): boolean => {
  const point = text.indexOf(".")
  const scale = point < 0 ? 0 : text.length - point - 1
  const digitText = point < 0 ? text : text.slice(0, point) + text.slice(point + 1)
  // Few digits: a double holds them exactly.
  if (point > 0 && digitText.length < 10) {
    const unscaled = Number(digitText)
    if (Object.is(unscaled, -0)) return false
    out.primitive(8, 5, (bytes, at) => {
      bytes[at] = scale
      bytes.writeInt32LE(unscaled, at + 1)
    })
    return true
  }
  const unscaled = BigInt(digitText)
  if (point < 0 && unscaled === BigInt.asIntN(64, unscaled)) {
    if (Number.isSafeInteger(Number(unscaled))) integerInto(out, Number(unscaled))
    else longInto(out, unscaled)
    return true
  }
  const digits = unscaled.toString().replace("-", "").length
  const precision = Math.max(digits, scale)
  // A negative zero has no decimal form.
  if (precision > maxDigits || (unscaled === 0n && text.startsWith("-"))) return false
  const [type, width] = precision <= 9 ? [8, 4] : precision <= 18 ? [9, 8] : [10, 16]
  out.primitive(type, 1 + width, (bytes, at) => {
    bytes[at] = scale
    if (width === 4) bytes.writeInt32LE(Number(unscaled), at + 1)
    else bytes.writeBigInt64LE(BigInt.asIntN(64, unscaled), at + 1)
    if (width === 16) bytes.writeBigInt64LE(BigInt.asIntN(64, unscaled >> 64n), at + 9)
  })
  return true
}
