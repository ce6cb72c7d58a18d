/**
 * Writers of numbers, times, bytes and decimals.
 */
import type { AvroDecimal, AvroFixed, AvroTime } from "../internal/avro/avroSchema.ts"
import { decimalBytesOf } from "../internal/avro/decimalBytes.ts"
import { BadValue } from "../internal/codec/badValue.ts"
import { describeValue } from "../internal/codec/describeValue.ts"
import { isBytes } from "../internal/protobuf/bytes.ts"
import { putBytes, putDouble, putFloat, putInteger, putLong, putSized } from "./avroBytes.ts"
import type { WriteAvro } from "./avroWriter.ts"

const longest = 2n ** 63n
const dayMillis = 86_400_000

/** A `Date` as a number in the unit of a type. Undefined for a type that cannot represent it. */
const ofDate = (date: Date, time: AvroTime | undefined): bigint | undefined => {
  const millis = date.getTime()
  if (time === undefined || time.startsWith("time-") || Number.isNaN(millis)) return undefined
  if (time === "date") return millis % dayMillis === 0 ? BigInt(millis / dayMillis) : undefined
  if (time.endsWith("millis")) return BigInt(millis)
  return BigInt(millis) * (time.endsWith("micros") ? 1000n : 1_000_000n)
}

/** Writes `int` and `long`, including logical date and time types. */
export const integerWriter = (type: "int" | "long", time: AvroTime | undefined): WriteAvro => {
  const bound = type === "int" ? 2n ** 31n : longest
  const most = Number(bound)
  const expected = time ?? type
  return (value, sink) => {
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value) || value < -most || value >= most) {
        return new BadValue(expected, describeValue(value))
      }
      return void putInteger(sink, value)
    }
    const number = value instanceof Date ? ofDate(value, time) : value
    if (typeof number !== "bigint" || number < -bound || number >= bound) {
      return new BadValue(expected, describeValue(value))
    }
    return void putLong(sink, number)
  }
}

/** Writes `float` and `double`. A float is rounded; a number beyond its range is refused. */
export const floatWriter = (type: "float" | "double"): WriteAvro => {
  const put = type === "float" ? putFloat : putDouble
  return (value, sink) => {
    if (typeof value !== "number") return new BadValue(type, describeValue(value))
    if (type === "float" && Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
      return new BadValue(type, "a number beyond its range")
    }
    return void put(sink, value)
  }
}

const decimalName = ({ precision, scale }: AvroDecimal): string =>
  `decimal(${precision}, ${scale}) as text, such as "12.50"`

/** Writes `bytes`. A decimal may be text, or the bytes of its unscaled number. */
export const bytesWriter = (decimal: AvroDecimal | undefined): WriteAvro => {
  const expected = decimal === undefined ? "bytes (Uint8Array)" : decimalName(decimal)
  return (value, sink) => {
    if (isBytes(value)) return void putSized(sink, value)
    const bytes =
      decimal !== undefined && typeof value === "string"
        ? decimalBytesOf(value, decimal)
        : undefined
    if (bytes === undefined) return new BadValue(expected, describeValue(value))
    return void putSized(sink, bytes)
  }
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Writes `fixed`: bytes of its size, or the text of a decimal or uuid. */
export const fixedWriter = ({ decimal, size, uuid }: AvroFixed): WriteAvro => {
  const expected =
    decimal !== undefined
      ? decimalName(decimal)
      : `${uuid === true ? "a uuid as text, or " : ""}${size} bytes (Uint8Array)`
  return (value, sink) => {
    let bytes: Uint8Array | undefined
    if (isBytes(value)) bytes = value.length === size ? value : undefined
    else if (typeof value === "string" && decimal !== undefined)
      bytes = decimalBytesOf(value, decimal, size)
    else if (typeof value === "string" && uuid === true && uuidForm.test(value)) {
      bytes = Buffer.from(value.replaceAll("-", ""), "hex")
    }
    if (bytes === undefined) return new BadValue(expected, describeValue(value))
    return void putBytes(sink, bytes)
  }
}
