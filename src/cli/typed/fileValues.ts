/**
 * Single values of Parquet and Arrow files in the form of rows: integers beyond 2^53 and decimals
 * are text, times microseconds, numbers that are not finite `"NaN"`, `"Infinity"`, `"-Infinity"`.
 */

/** The unit of a time. */
export type Unit = "s" | "ms" | "us" | "ns"

/** A 64-bit integer. */
export const integerValue = (value: bigint): number | string => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/** A number of floating point. */
export const floatValue = (value: number): number | string =>
  Number.isFinite(value) ? value : String(value)

/** A number of 16 bits. */
export const halfValue = (bits: number): number | string => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction > 0 ? "NaN" : String(sign * Infinity)
  return exponent === 0
    ? sign * 2 ** -24 * fraction
    : sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
}

/** An unscaled number as decimal text; bytes are of two's complement, highest first. */
export const decimalValue = (value: number | bigint | Uint8Array, scale: number): string => {
  const unscaled = value instanceof Uint8Array ? bigEndian(value) : BigInt(value)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0")
  const sign = unscaled < 0n ? "-" : ""
  if (scale === 0) return sign + digits
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const bigEndian = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

/** Microseconds of a time; parts of one are cut off, towards the past. */
export const microsOf = (value: bigint, unit: Unit): number | string => {
  switch (unit) {
    case "s":
      return integerValue(value * 1_000_000n)
    case "ms":
      return integerValue(value * 1000n)
    case "us":
      return integerValue(value)
    case "ns":
      return integerValue((value - (((value % 1000n) + 1000n) % 1000n)) / 1000n)
  }
}

const digitsOf: Readonly<Record<Unit, number>> = { s: 0, ms: 3, us: 6, ns: 9 }

/** The time of a day as text: `08:30:00`, `08:30:00.5`. */
export const textOfTime = (value: bigint, unit: Unit): string => {
  const digits = digitsOf[unit]
  const scale = 10n ** BigInt(digits)
  const seconds = Number(value / scale)
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0")
  const clock = `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`
  const fraction = String(value % scale)
    .padStart(digits, "0")
    .replace(/0+$/, "")
  return digits === 0 || fraction === "" ? clock : `${clock}.${fraction}`
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** No column takes half of a surrogate pair, so the row is refused. */
const noText = "\udfff"

/** Text. Bytes that are no UTF-8 become a text that is refused. */
export const textValue = (value: Uint8Array | string): string => {
  if (typeof value === "string") return value
  try {
    return decoder.decode(value)
  } catch {
    return noText
  }
}

/** The text of a UUID of 16 bytes. */
export const uuidValue = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
