/**
 * Writes tags, scalars and length-delimited values into a byte sink. This is the inner loop of
 * typed ingestion: no allocation per value, inline room checks, and separate writers for the common
 * types.
 *
 * The sink may move its content when it grows, so the position of an open message's length is
 * relative to the sink's mark.
 */
import type { BadValue } from "./badValue.ts"
import { badLeaf } from "./badValue.ts"
import { isBytes } from "../protobuf/bytes.ts"
import type { Leaf, WireValue } from "./scalars.ts"
import { leaves } from "./scalars.ts"
import type { WireScalar } from "../columns/scalarTypes.ts"
import type { ByteSink } from "../recordCodec.ts"

/** Appends a value, or returns why it is refused. */
export type WriteValue = (value: unknown, sink: ByteSink) => BadValue | undefined

/** The tag of a field with the wire type of a scalar. Messages have the wire type of bytes. */
export const fieldTag = (number: number, scalar: WireScalar): number =>
  number * 8 + wireType(scalar)

const wireType = (scalar: WireScalar): number =>
  scalar === "double"
    ? 1
    : scalar === "string" || scalar === "bytes"
      ? 2
      : scalar === "float"
        ? 5
        : 0

const room = (sink: ByteSink, bytes: number): void => {
  if (sink.buffer.length - sink.position < bytes) sink.ensure(bytes)
}

// Enough for a tag of 5 bytes and a number of 10.
const scalarRoom = 16

/** Writes a tag; the caller has ensured room. */
export const writeTag = (sink: ByteSink, tag: number): void => {
  const buffer = sink.buffer
  while (tag > 127) {
    buffer[sink.position++] = (tag & 127) | 128
    tag = Math.floor(tag / 128)
  }
  buffer[sink.position++] = tag
}

const writeVarint = (sink: ByteSink, value: number): void => {
  const buffer = sink.buffer
  let position = sink.position
  while (value > 127) {
    buffer[position++] = (value & 127) | 128
    value >>>= 7
  }
  buffer[position++] = value
  sink.position = position
}

const writeVarint64 = (sink: ByteSink, low: number, high: number): void => {
  const buffer = sink.buffer
  let position = sink.position
  while (high !== 0) {
    buffer[position++] = (low & 127) | 128
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  while (low > 127) {
    buffer[position++] = (low & 127) | 128
    low >>>= 7
  }
  buffer[position++] = low
  sink.position = position
}

const writeInteger = (sink: ByteSink, value: number): void => {
  // Safe integers split exactly: the low half by conversion to 32 bits, the high half by rounding
  // down, for negative ones too.
  if (value >= 0 && value <= 0x7fffffff) writeVarint(sink, value)
  else writeVarint64(sink, value >>> 0, Math.floor(value / 4_294_967_296) >>> 0)
}

const bigIntSlot = new BigInt64Array(1)
const bigIntHalves = new Uint32Array(bigIntSlot.buffer)
const doubleSlot = new Float64Array(1)
const doubleBytes = new Uint8Array(doubleSlot.buffer)
const floatSlot = new Float32Array(1)
const floatBytes = new Uint8Array(floatSlot.buffer)
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

const writeBigInt = (sink: ByteSink, value: bigint): void => {
  bigIntSlot[0] = value
  writeVarint64(sink, bigIntHalves[littleEndian ? 0 : 1]!, bigIntHalves[littleEndian ? 1 : 0]!)
}

const writeDouble = (sink: ByteSink, value: number): void => {
  if (!littleEndian) {
    sink.buffer.writeDoubleLE(value, sink.position)
    sink.position += 8
    return
  }
  doubleSlot[0] = value
  const buffer = sink.buffer
  const position = sink.position
  buffer[position] = doubleBytes[0]!
  buffer[position + 1] = doubleBytes[1]!
  buffer[position + 2] = doubleBytes[2]!
  buffer[position + 3] = doubleBytes[3]!
  buffer[position + 4] = doubleBytes[4]!
  buffer[position + 5] = doubleBytes[5]!
  buffer[position + 6] = doubleBytes[6]!
  buffer[position + 7] = doubleBytes[7]!
  sink.position = position + 8
}

const writeFloat = (sink: ByteSink, value: number): void => {
  if (!littleEndian) {
    sink.buffer.writeFloatLE(value, sink.position)
    sink.position += 4
    return
  }
  floatSlot[0] = value
  const buffer = sink.buffer
  const position = sink.position
  buffer[position] = floatBytes[0]!
  buffer[position + 1] = floatBytes[1]!
  buffer[position + 2] = floatBytes[2]!
  buffer[position + 3] = floatBytes[3]!
  sink.position = position + 4
}

// For shorter text, a loop over the characters is faster than a call into native code.
const shortText = 24

const varintSize = (value: number): number =>
  value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : value < 268_435_456 ? 4 : 5

/**
 * Writes the length of the content after `start + reserved`, relative to the mark. Moves the
 * content when the length needs more than the reserved bytes.
 */
const closeLength = (sink: ByteSink, start: number, reserved: number): void => {
  const length = sink.position - sink.mark - start - reserved
  const extra = varintSize(length) - reserved
  if (extra > 0) {
    room(sink, extra)
    const content = sink.mark + start + reserved
    sink.buffer.copyWithin(content + extra, content, sink.position)
  }
  const end = sink.position + extra
  sink.position = sink.mark + start
  writeVarint(sink, length)
  sink.position = end
}

/** Writes text with its length. Returns false for text that UTF-8 cannot represent. */
const writeText = (sink: ByteSink, tag: number, text: string): boolean => {
  const length = text.length
  const worst = length * 3 + scalarRoom
  if (sink.buffer.length - sink.position < worst) {
    sink.ensure(length < 1024 ? worst : Buffer.byteLength(text) + scalarRoom)
  }
  writeTag(sink, tag)
  const start = sink.position
  const buffer = sink.buffer
  if (length <= shortText) {
    let position = start + 1
    let index = 0
    for (; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 127) break
      buffer[position++] = code
    }
    if (index === length) {
      buffer[start] = length
      sink.position = position
      return true
    }
  }
  if (!text.isWellFormed()) return false
  const reserved = varintSize(length)
  sink.position = start + reserved
  sink.position += buffer.write(text, sink.position)
  closeLength(sink, start - sink.mark, reserved)
  return true
}

const writeBytes = (sink: ByteSink, tag: number, bytes: Uint8Array): void => {
  room(sink, bytes.length + scalarRoom)
  writeTag(sink, tag)
  writeVarint(sink, bytes.length)
  sink.buffer.set(bytes, sink.position)
  sink.position += bytes.length
}

/** Writes a length-delimited message. */
export const delimited = (
  tag: number,
  write: WriteValue,
  value: unknown,
  sink: ByteSink
): BadValue | undefined => {
  room(sink, scalarRoom)
  writeTag(sink, tag)
  const start = sink.position++ - sink.mark
  const bad = write(value, sink)
  if (bad !== undefined) return bad
  const length = sink.position - sink.mark - start - 1
  if (length < 128) sink.buffer[sink.mark + start] = length
  else closeLength(sink, start, 1)
  return undefined
}

const writeWire = (leaf: Leaf, tag: number, wire: WireValue, sink: ByteSink): boolean => {
  if (typeof wire === "string") return writeText(sink, tag, wire)
  if (isBytes(wire)) {
    writeBytes(sink, tag, wire)
    return true
  }
  room(sink, scalarRoom)
  writeTag(sink, tag)
  if (typeof wire === "bigint") writeBigInt(sink, wire)
  else if (typeof wire === "boolean") sink.buffer[sink.position++] = wire ? 1 : 0
  else if (leaf.scalar === "double") writeDouble(sink, wire)
  else if (leaf.scalar === "float") writeFloat(sink, wire)
  else writeInteger(sink, wire)
  return true
}

// Leaves whose wire value is nearly always a safe integer.
const numberWriter = (leaf: Leaf, tag: number): WriteValue => {
  const toWire = leaf.toWire
  return (value, sink) => {
    const wire = toWire(value)
    if (typeof wire !== "number")
      return wire !== undefined && writeWire(leaf, tag, wire, sink)
        ? undefined
        : badLeaf(leaf, value)
    room(sink, scalarRoom)
    writeTag(sink, tag)
    writeInteger(sink, wire)
    return undefined
  }
}

/** The writer of a leaf as a field with this tag. */
export const leafWriter = (leaf: Leaf, tag: number): WriteValue => {
  switch (leaf) {
    case leaves.String:
      return (value, sink) =>
        typeof value === "string" && writeText(sink, tag, value) ? undefined : badLeaf(leaf, value)
    case leaves.Int:
      return (value, sink) => {
        if (typeof value !== "number" || (value | 0) !== value) return badLeaf(leaf, value)
        room(sink, scalarRoom)
        writeTag(sink, tag)
        writeInteger(sink, value)
        return undefined
      }
    case leaves.Double:
      return (value, sink) => {
        if (typeof value !== "number") return badLeaf(leaf, value)
        room(sink, scalarRoom)
        writeTag(sink, tag)
        writeDouble(sink, value)
        return undefined
      }
    case leaves.Boolean:
      return (value, sink) => {
        if (typeof value !== "boolean") return badLeaf(leaf, value)
        room(sink, scalarRoom)
        writeTag(sink, tag)
        sink.buffer[sink.position++] = value ? 1 : 0
        return undefined
      }
    case leaves.Timestamp:
    case leaves.TimestampNtz:
    case leaves.TimestampAsDate:
    case leaves.TimestampNtzAsDate:
    case leaves.BigIntAsNumber:
      return numberWriter(leaf, tag)
    case leaves.BigInt:
      return (value, sink) => {
        if (typeof value !== "bigint") return badLeaf(leaf, value)
        bigIntSlot[0] = value
        // The slot keeps the low 64 bits: a different value means that it did not fit.
        if (bigIntSlot[0] !== value) return badLeaf(leaf, value)
        room(sink, scalarRoom)
        writeTag(sink, tag)
        writeVarint64(
          sink,
          bigIntHalves[littleEndian ? 0 : 1]!,
          bigIntHalves[littleEndian ? 1 : 0]!
        )
        return undefined
      }
    default: {
      const toWire = leaf.toWire
      return (value, sink) => {
        const wire = toWire(value)
        return wire !== undefined && writeWire(leaf, tag, wire, sink)
          ? undefined
          : badLeaf(leaf, value)
      }
    }
  }
}
