/**
 * Checks that the two parts of a client-encoded VARIANT are valid, so that every reader of the
 * table can read them. The cost is linear in the number of bytes.
 */
import { isUtf8 } from "node:buffer"
import type { VariantBytes } from "./variant.ts"

/** The same depth as for values of JSON text. */
const maxDepth = 500

/** The number of bytes after the header for each primitive type; -1 for variable lengths. */
const primitiveBytes: ReadonlyArray<number> = [
  0, 0, 0, 1, 2, 4, 8, 8, 5, 9, 17, 4, 8, 8, 4, -1, -1, 8, 8, 8, 16
]
/** The primitive types with a four-byte length. */
const binaryType = 15
const textType = 16

/** Thrown for an invalid value; always caught in this module. */
const broken = new Error("The VARIANT does not hold.")
broken.stack = ""

const fail = (): never => {
  throw broken
}

const uintAt = (bytes: Uint8Array, at: number, width: number): number => {
  let value = 0
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}

/** Whether the parts are a VARIANT in encoding version 1. */
export const isVariant = ({ metadata, value }: VariantBytes): boolean => {
  const names = countNames(metadata)
  if (names < 0 || value.length === 0) return false
  try {
    return new Walk(value, names).end(0, value.length, 0) <= value.length
  } catch (error) {
    if (error === broken) return false
    throw error
  }
}

/** The number of names in the metadata; -1 if it is invalid. */
const countNames = (metadata: Uint8Array): number => {
  const { length } = metadata
  if (length === 0 || (metadata[0]! & 15) !== 1) return -1
  const width = (metadata[0]! >> 6) + 1
  if (1 + width > length) return -1
  const count = uintAt(metadata, 1, width)
  const texts = 1 + width * (count + 2)
  if (texts > length) return -1
  let last = 0
  for (let index = 0; index <= count; index++) {
    const offset = uintAt(metadata, 1 + width * (index + 1), width)
    if (offset < last || texts + offset > length || (index === 0 && offset !== 0)) return -1
    if (!isUtf8(metadata.subarray(texts + last, texts + offset))) return -1
    last = offset
  }
  return count
}

/** Walks through the values of one VARIANT. */
class Walk {
  private readonly bytes: Uint8Array
  private readonly names: number
  /** The values that may still be read. Each value has at least one byte, unless values overlap. */
  private left: number

  constructor(bytes: Uint8Array, names: number) {
    this.bytes = bytes
    this.names = names
    this.left = bytes.length
  }

  /** The end of the value that begins at `at`. It must not exceed `limit`. */
  end(at: number, limit: number, depth: number): number {
    if (at >= limit || depth > maxDepth || --this.left < 0) return fail()
    const header = this.bytes[at]!
    switch (header & 3) {
      case 0:
        return this.primitive(header >> 2, at + 1, limit)
      case 1:
        return this.text(at + 1, header >> 2, limit)
      case 2: {
        const countBytes = (header & 0x40) !== 0 ? 4 : 1
        const idBytes = ((header >> 4) & 3) + 1
        return this.members(at + 1, limit, depth, countBytes, idBytes, ((header >> 2) & 3) + 1)
      }
      default:
        return this.members(
          at + 1,
          limit,
          depth,
          (header & 0x10) !== 0 ? 4 : 1,
          0,
          ((header >> 2) & 3) + 1
        )
    }
  }

  private primitive(type: number, at: number, limit: number): number {
    const fixed = primitiveBytes[type] ?? fail()
    if (fixed >= 0) return at + fixed <= limit ? at + fixed : fail()
    if (at + 4 > limit) return fail()
    const length = uintAt(this.bytes, at, 4)
    if (type === textType) return this.text(at + 4, length, limit)
    return type === binaryType && at + 4 + length <= limit ? at + 4 + length : fail()
  }

  private text(at: number, length: number, limit: number): number {
    if (at + length > limit || !isUtf8(this.bytes.subarray(at, at + length))) return fail()
    return at + length
  }

  /** The members of an array or an object. An object has the ids of names before the offsets. */
  private members(
    at: number,
    limit: number,
    depth: number,
    countBytes: number,
    idBytes: number,
    offsetBytes: number
  ): number {
    const { bytes, names } = this
    if (at + countBytes > limit) return fail()
    const count = uintAt(bytes, at, countBytes)
    const ids = at + countBytes
    const offsets = ids + count * idBytes
    const values = offsets + (count + 1) * offsetBytes
    if (values > limit) return fail()
    const stop = values + uintAt(bytes, offsets + count * offsetBytes, offsetBytes)
    if (stop > limit) return fail()
    for (let index = 0; index < count; index++) {
      if (idBytes > 0 && uintAt(bytes, ids + index * idBytes, idBytes) >= names) return fail()
      const start = values + uintAt(bytes, offsets + index * offsetBytes, offsetBytes)
      this.end(start, stop, depth + 1)
    }
    return stop
  }
}
