/**
 * The texts of VARIANT scalars that JSON lacks. This server's encoder writes none of them, but
 * clients that encode VARIANTs may.
 */
import { base64OfBytes } from "../../internal/columns/base64Text.ts"
import { textOfDays, textOfMicros } from "../../internal/columns/timeText.ts"

const microsPerDay = 86_400_000_000n
/** The range of dates and times that have a text form: about that of JavaScript's `Date`. */
const mostDays = 100_000_000

const timestamp = (micros: bigint, zone: string, digits = ""): string => {
  const days = micros / microsPerDay
  if (days <= -mostDays || days >= mostDays) return String(micros)
  return `${textOfMicros(micros)}${digits}${zone}`
}

const nanoseconds = (nanos: bigint, zone: string): string => {
  const rest = ((nanos % 1000n) + 1000n) % 1000n
  return timestamp((nanos - rest) / 1000n, zone, String(rest).padStart(3, "0"))
}

const uuid = (bytes: Buffer): string => {
  const hex = bytes.toString("hex", 1, 17)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20)
  ].join("-")
}

/**
 * The text of a scalar of this primitive type; undefined for types that JSON has, and for unknown
 * types.
 */
export const scalarText = (type: number, bytes: Buffer): string | undefined => {
  switch (type) {
    case 11: {
      const days = bytes.readInt32LE(1)
      return Math.abs(days) < mostDays ? textOfDays(days) : String(days)
    }
    case 12:
      return timestamp(bytes.readBigInt64LE(1), "Z")
    case 13:
      return timestamp(bytes.readBigInt64LE(1), "")
    case 15:
      return base64OfBytes(bytes.subarray(5, 5 + bytes.readUInt32LE(1)))
    case 17: {
      const micros = bytes.readBigInt64LE(1)
      return micros >= 0n && micros < microsPerDay ? textOfMicros(micros).slice(11) : String(micros)
    }
    case 18:
      return nanoseconds(bytes.readBigInt64LE(1), "Z")
    case 19:
      return nanoseconds(bytes.readBigInt64LE(1), "")
    case 20:
      return uuid(bytes)
    default:
      return undefined
  }
}
