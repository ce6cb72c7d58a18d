/**
 * Casts numbers and times, value by value.
 */
import type { Data, DataType, Decimal } from "apache-arrow"
import { isValid } from "./gather.ts"
import { type Cast, type Path, refuse } from "./columnMisfit.ts"
import { WideOffsets } from "./wideOffsets.ts"

type Numbers = Int32Array | BigInt64Array

/** The same column with other values. */
const withValues = (data: Data, to: DataType, values: ArrayBufferView): Data =>
  data.clone(to, data.offset, data.length, data.nullCount, [
    undefined,
    values,
    data.nullBitmap,
    undefined
  ] as never)

/** Casts numbers to a wider type; the typed array converts them. */
export const widened = (from: DataType, to: DataType): Cast => {
  if (String(from) === String(to)) return (data) => data
  const Values = to.ArrayType as { new (length: number): Numbers }
  return (data) => {
    // Float16 values are stored as 16 bits and have to be decoded.
    const given = data.values as unknown as ArrayLike<number | bigint>
    const values = new Values(data.length)
    const big = values instanceof BigInt64Array
    const half = String(from) === "Float16"
    for (let row = 0; row < data.length; row++) {
      const value = given[row]!
      values[row] = (
        big ? BigInt(value) : half ? halfToNumber(Number(value)) : Number(value)
      ) as never
    }
    return withValues(data, to, values)
  }
}

const halfToNumber = (bits: number): number => {
  const fraction = bits & 0x3ff
  const exponent = (bits >> 10) & 0x1f
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const LARGEST_INT64 = 2n ** 63n

/** Casts times to another unit. */
export const scaled =
  (path: Path, to: DataType, from: bigint, per: bigint): Cast =>
  (data) => {
    const given = data.values as unknown as BigInt64Array
    const values = new BigInt64Array(data.length)
    for (let row = 0; row < data.length; row++) {
      if (!isValid(data, row)) continue
      const product = given[row]! * per
      const value = product / from
      if (value * from !== product || value >= LARGEST_INT64 || value < -LARGEST_INT64) {
        refuse(
          path,
          `has a time in row ${row} that the table's unit cannot represent`,
          "Round it first."
        )
      }
      values[row] = value
    }
    return withValues(data, to, values)
  }

const MILLIS_PER_DAY = 86_400_000n

/** Casts dates in milliseconds to days. */
export const dateOfMillis =
  (path: Path, to: DataType): Cast =>
  (data) => {
    const given = data.values as unknown as BigInt64Array
    const values = new Int32Array(data.length)
    for (let row = 0; row < data.length; row++) {
      if (!isValid(data, row)) continue
      const millis = given[row]!
      if (millis % MILLIS_PER_DAY !== 0n)
        refuse(path, `has a time of day in row ${row}`, "Give whole days.")
      values[row] = Number(millis / MILLIS_PER_DAY)
    }
    return withValues(data, to, values)
  }

/** Casts decimals to text, with as many fractional digits as their scale. */
export const decimalText = (from: Decimal, to: DataType): Cast => {
  const words = from.bitWidth / 32
  return (data) => {
    const given = data.values as unknown as Uint32Array
    const parts: Array<Buffer> = []
    const offsets = new WideOffsets(data.length + 1)
    let end = 0
    for (let row = 0; row < data.length; row++) {
      if (isValid(data, row)) {
        let unscaled = 0n
        for (let word = words - 1; word >= 0; word--)
          unscaled = (unscaled << 32n) | BigInt(given[row * words + word]!)
        const text = Buffer.from(
          plain(BigInt.asIntN(from.bitWidth, unscaled), from.scale),
          "latin1"
        )
        parts.push(text)
        end += text.length
      }
      offsets.set(row + 1, end)
    }
    const { length, nullBitmap, nullCount, offset } = data
    const values = Buffer.concat(parts)
    const wide =
      String(to) === "LargeUtf8" ? offsets.offsets : Int32Array.from(offsets.offsets, Number)
    return data.clone(to, offset, length, nullCount, [wide, values, nullBitmap, undefined] as never)
  }
}

const plain = (unscaled: bigint, scale: number): string => {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale))
  const sign = unscaled < 0n ? "-" : ""
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0")
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
