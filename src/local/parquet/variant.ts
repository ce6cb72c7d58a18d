/**
 * Decodes VARIANT values in Parquet's binary Variant encoding (version 1) to JSON text.
 * `variantEncoder.ts` encodes them.
 */
import { scalarText } from "./variantTimes.ts"

/** A value in the two parts that Parquet stores. */
export interface VariantBytes {
  readonly metadata: Uint8Array
  readonly value: Uint8Array
}

/**
 * Decodes a value into JSON text. Types that JSON lacks, such as dates, become strings. Throws on
 * unknown types.
 */
export const decodeVariant = (variant: VariantBytes): string => {
  const metadata = Buffer.from(variant.metadata)
  const width = (metadata[0]! >> 6) + 1
  const count = metadata.readUIntLE(1, width)
  const names = Array.from({ length: count }, (_, index) => {
    const from = metadata.readUIntLE(1 + width * (index + 1), width)
    const to = metadata.readUIntLE(1 + width * (index + 2), width)
    const start = 1 + width * (count + 2)
    return metadata.toString("utf8", start + from, start + to)
  })
  return textOf(Buffer.from(variant.value), names)
}

const textOf = (bytes: Buffer, names: ReadonlyArray<string>): string => {
  const header = bytes[0]!
  switch (header & 3) {
    case 0:
      return primitiveText(header >> 2, bytes)
    case 1:
      return JSON.stringify(bytes.toString("utf8", 1, 1 + (header >> 2)))
    case 2: {
      const large = (header & 0x40) !== 0 ? 4 : 1
      const idWidth = ((header >> 4) & 3) + 1
      const width = ((header >> 2) & 3) + 1
      const count = bytes.readUIntLE(1, large)
      const offsets = 1 + large + idWidth * count
      const values = offsets + width * (count + 1)
      const fields = Array.from({ length: count }, (_, index) => {
        const name = names[bytes.readUIntLE(1 + large + idWidth * index, idWidth)]!
        const value = values + bytes.readUIntLE(offsets + width * index, width)
        return `${JSON.stringify(name)}:${textOf(bytes.subarray(value), names)}`
      })
      return `{${fields.join(",")}}`
    }
    default: {
      const large = (header & 0x10) !== 0 ? 4 : 1
      const width = ((header >> 2) & 3) + 1
      const count = bytes.readUIntLE(1, large)
      const values = 1 + large + width * (count + 1)
      const items = Array.from({ length: count }, (_, index) =>
        textOf(bytes.subarray(values + bytes.readUIntLE(1 + large + width * index, width)), names)
      )
      return `[${items.join(",")}]`
    }
  }
}

const primitiveText = (type: number, bytes: Buffer): string => {
  switch (type) {
    case 0:
      return "null"
    case 1:
      return "true"
    case 2:
      return "false"
    case 3:
    case 4:
    case 5:
      return String(bytes.readIntLE(1, 1 << (type - 3)))
    case 6:
      return String(bytes.readBigInt64LE(1))
    case 7: {
      const number = bytes.readDoubleLE(1)
      return Object.is(number, -0) ? "-0.0" : JSON.stringify(number)
    }
    case 8:
    case 9:
    case 10:
      return decimalText(bytes, 4 << (type - 8))
    case 16:
      return JSON.stringify(bytes.toString("utf8", 5, 5 + bytes.readUInt32LE(1)))
    case 14:
      return JSON.stringify(bytes.readFloatLE(1))
    default: {
      const text = scalarText(type, bytes)
      if (text !== undefined) return JSON.stringify(text)
      throw new Error(`The VARIANT value has the primitive type ${type}, which JSON cannot show.`)
    }
  }
}

const decimalText = (bytes: Buffer, width: number): string => {
  let unscaled = 0n
  for (let at = 1 + width; at > 1; at--) unscaled = (unscaled << 8n) | BigInt(bytes[at]!)
  unscaled = BigInt.asIntN(width * 8, unscaled)
  const scale = bytes[1]!
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0")
  const sign = unscaled < 0n ? "-" : ""
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
