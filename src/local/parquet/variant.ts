/**
 * VARIANT values: JSON text to Parquet's binary Variant encoding (version 1) and back to JSON text.
 *
 * Numbers keep their digits: integers take the smallest integer form that holds them, other numbers without an exponent become decimals
 * of up to 38 digits, the rest doubles. Object fields are ordered by name; of equal names the last one counts.
 */

/** A value in the two parts that Parquet stores. */
export interface VariantBytes {
  readonly metadata: Uint8Array
  readonly value: Uint8Array
}

/** A JSON number whose digits a double would lose. */
class ExactNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const maxDepth = 500
const maxBytes = 16 * 1024 * 1024
const plainNumber = /^-?\d+(?:\.\d+)?$/

type Reviver = (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) => unknown

const reviver: Reviver = (_key, value, context) => {
  if (typeof value !== "number") return value
  const source = context?.source ?? String(value)
  return Number.isSafeInteger(value) && !/[.eE]/.test(source) ? value : new ExactNumber(source)
}

/** Encodes JSON text. Answers undefined when it is no JSON, nested deeper than 500 levels, or larger than 16 MiB encoded. */
export const encodeVariant = (json: string): VariantBytes | undefined => {
  let parsed: unknown
  try {
    parsed = JSON.parse(json, reviver)
  } catch {
    return undefined
  }
  const names = new Set<string>()
  if (!collectNames(parsed, names, 0)) return undefined
  const sorted = [...names]
    .map((name) => ({ name, bytes: Buffer.from(name, "utf8") }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const ids = new Map(sorted.map(({ name }, id) => [name, id]))
  const value = valueBytes(parsed, ids)
  return value.length > maxBytes ? undefined : { metadata: metadataBytes(sorted.map(({ bytes }) => bytes)), value }
}

const collectNames = (value: unknown, names: Set<string>, depth: number): boolean => {
  if (depth > maxDepth) return false
  if (typeof value === "string") return value.isWellFormed()
  if (typeof value !== "object" || value === null || value instanceof ExactNumber) return true
  if (Array.isArray(value)) return value.every((item) => collectNames(item, names, depth + 1))
  for (const [name, item] of Object.entries(value)) {
    if (!name.isWellFormed() || !collectNames(item, names, depth + 1)) return false
    names.add(name)
  }
  return true
}

const widthOf = (largest: number): number => (largest < 0x100 ? 1 : largest < 0x10000 ? 2 : largest < 0x1000000 ? 3 : 4)

const metadataBytes = (names: ReadonlyArray<Buffer>): Uint8Array => {
  const total = names.reduce((sum, name) => sum + name.length, 0)
  const width = widthOf(Math.max(total, names.length))
  const out = Buffer.alloc(1 + width * (names.length + 2) + total)
  out[0] = 1 | 0x10 | ((width - 1) << 6)
  out.writeUIntLE(names.length, 1, width)
  let offset = 0
  names.forEach((name, index) => {
    out.writeUIntLE(offset, 1 + width * (index + 1), width)
    name.copy(out, 1 + width * (names.length + 2) + offset)
    offset += name.length
  })
  out.writeUIntLE(offset, 1 + width * (names.length + 1), width)
  return out
}

const primitive = (type: number, size: number, write: (out: Buffer) => void): Buffer => {
  const out = Buffer.alloc(1 + size)
  out[0] = type << 2
  write(out)
  return out
}

const valueBytes = (value: unknown, ids: ReadonlyMap<string, number>): Buffer => {
  if (value === null) return Buffer.from([0])
  if (value === true) return Buffer.from([1 << 2])
  if (value === false) return Buffer.from([2 << 2])
  if (typeof value === "string") return textBytes(value)
  if (typeof value === "number") return integerBytes(BigInt(value))!
  if (value instanceof ExactNumber) return numberBytes(value.text)
  if (Array.isArray(value)) {
    const items = value.map((item) => valueBytes(item, ids))
    const large = items.length > 255
    const total = items.reduce((sum, item) => sum + item.length, 0)
    const width = widthOf(total)
    const head = Buffer.alloc(1 + (large ? 4 : 1) + width * (items.length + 1))
    head[0] = 3 | ((width - 1) << 2) | (large ? 0x10 : 0)
    const at = countAndOffsets(head, items, large, width, 0)
    return Buffer.concat([head.subarray(0, at), ...items])
  }
  const fields = Object.entries(value as Record<string, unknown>)
    .map(([name, item]) => ({ id: ids.get(name)!, bytes: valueBytes(item, ids) }))
    .sort((a, b) => a.id - b.id)
  const large = fields.length > 255
  const idWidth = widthOf(fields.length === 0 ? 0 : fields[fields.length - 1]!.id)
  const width = widthOf(fields.reduce((sum, field) => sum + field.bytes.length, 0))
  const head = Buffer.alloc(1 + (large ? 4 : 1) + idWidth * fields.length + width * (fields.length + 1))
  head[0] = 2 | ((width - 1) << 2) | ((idWidth - 1) << 4) | (large ? 0x40 : 0)
  fields.forEach((field, index) => head.writeUIntLE(field.id, 1 + (large ? 4 : 1) + idWidth * index, idWidth))
  countAndOffsets(
    head,
    fields.map((field) => field.bytes),
    large,
    width,
    idWidth * fields.length
  )
  return Buffer.concat([head, ...fields.map((field) => field.bytes)])
}

/** Writes the number of items and their offsets behind a header, `gap` bytes apart; answers where they end. */
const countAndOffsets = (
  head: Buffer,
  items: ReadonlyArray<Buffer>,
  large: boolean,
  width: number,
  gap: number
): number => {
  head.writeUIntLE(items.length, 1, large ? 4 : 1)
  let at = 1 + (large ? 4 : 1) + gap
  let offset = 0
  for (const item of items) {
    head.writeUIntLE(offset, at, width)
    offset += item.length
    at += width
  }
  head.writeUIntLE(offset, at, width)
  return at + width
}

const textBytes = (text: string): Buffer => {
  const bytes = Buffer.from(text, "utf8")
  if (bytes.length < 64) return Buffer.concat([Buffer.from([1 | (bytes.length << 2)]), bytes])
  return Buffer.concat([primitive(16, 4, (out) => out.writeUInt32LE(bytes.length, 1)), bytes])
}

const integerBytes = (number: bigint): Buffer | undefined => {
  if (number === BigInt.asIntN(8, number)) return primitive(3, 1, (out) => out.writeInt8(Number(number), 1))
  if (number === BigInt.asIntN(16, number)) return primitive(4, 2, (out) => out.writeInt16LE(Number(number), 1))
  if (number === BigInt.asIntN(32, number)) return primitive(5, 4, (out) => out.writeInt32LE(Number(number), 1))
  if (number === BigInt.asIntN(64, number)) return primitive(6, 8, (out) => out.writeBigInt64LE(number, 1))
  return undefined
}

const numberBytes = (text: string): Buffer => {
  if (plainNumber.test(text)) {
    const [whole = "", fraction = ""] = text.split(".")
    const unscaled = BigInt(whole + fraction)
    if (fraction === "") {
      const integer = integerBytes(unscaled)
      if (integer !== undefined) return integer
    }
    const digits = unscaled.toString().replace("-", "").length
    // A negative zero has no decimal form.
    if (Math.max(digits, fraction.length) <= 38 && !(unscaled === 0n && text.startsWith("-"))) {
      return decimalBytes(unscaled, fraction.length, Math.max(digits, fraction.length))
    }
  }
  return primitive(7, 8, (out) => out.writeDoubleLE(Number(text), 1))
}

const decimalBytes = (unscaled: bigint, scale: number, precision: number): Buffer => {
  const [type, width] = precision <= 9 ? [8, 4] : precision <= 18 ? [9, 8] : [10, 16]
  return primitive(type, 1 + width, (out) => {
    out[1] = scale
    let rest = unscaled
    for (let at = 2; at < 2 + width; at++) {
      out[at] = Number(rest & 255n)
      rest >>= 8n
    }
  })
}

/** Decodes a value into JSON text. Throws on bytes that this encoder does not write (dates, timestamps, binary). */
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
        return `${JSON.stringify(name)}:${textOf(bytes.subarray(values + bytes.readUIntLE(offsets + width * index, width)), names)}`
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
    default:
      throw new Error(`The VARIANT value has the primitive type ${type}, which JSON cannot show.`)
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
