/**
 * Avro decimals: an unscaled integer as big-endian bytes in two's complement.
 */
import { refuseAvro } from "./avroProblem.ts"
import type { AvroDecimal } from "./avroSchema.ts"

/** Bytes of numbers of 38 digits. */
const mostBytes = 16

/** The decimal in these bytes as text. Throws an `AvroProblem` above 38 digits. */
export const decimalTextOf = (bytes: Uint8Array, { scale }: AvroDecimal): string => {
  const sign = bytes.length > 0 && bytes[0]! >= 0x80 ? 0xff : 0
  let start = 0
  while (start < bytes.length - mostBytes && bytes[start] === sign) start++
  if (bytes.length - start > mostBytes) return refuseAvro("A decimal has more than 38 digits.")
  let value = 0n
  for (let i = start; i < bytes.length; i++) value = (value << 8n) | BigInt(bytes[i]!)
  if (start < bytes.length) value = BigInt.asIntN(8 * (bytes.length - start), value)
  if (start > 0 && value < 0n !== sign > 0) return refuseAvro("A decimal has more than 38 digits.")
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0")
  const whole = digits.slice(0, digits.length - scale)
  return `${value < 0n ? "-" : ""}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ""}`
}

const decimalForm = /^([+-]?)(\d{1,38})(?:\.(\d{1,38}))?$/

/**
 * The bytes of a decimal text: as few as possible, or `size` bytes. Undefined for invalid text, and
 * for more digits than the type has.
 */
export const decimalBytesOf = (
  text: string,
  { precision, scale }: AvroDecimal,
  size?: number
): Uint8Array | undefined => {
  const [, sign, whole, fraction = ""] = decimalForm.exec(text) ?? []
  if (whole === undefined) return undefined
  const kept = fraction.replace(/0+$/, "")
  if (kept.length > scale) return undefined
  const magnitude = BigInt(whole + kept.padEnd(scale, "0"))
  if (String(magnitude).length > precision) return undefined
  const value = sign === "-" ? -magnitude : magnitude
  let length = size ?? 1
  if (size === undefined) while (BigInt.asIntN(8 * length, value) !== value) length++
  else if (BigInt.asIntN(8 * size, value) !== value) return undefined
  const bytes = new Uint8Array(length)
  let left = value
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(left & 0xffn)
    left >>= 8n
  }
  return bytes
}
