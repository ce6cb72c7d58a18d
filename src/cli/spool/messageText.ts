/**
 * Converts protobuf messages to JSON text by their descriptor, in the forms that `zerobus ingest`
 * reads: integers with all their digits, bytes as base64, maps as objects.
 *
 * A message with content that the descriptor does not describe, such as an unknown field, has no
 * text, because the text would omit a part of the record.
 */
import * as Result from "effect/Result"
import { parseDescriptorProto } from "../../internal/protobuf/descriptorReader.ts"
import type { FieldShape, MessageShape } from "../../internal/protobuf/descriptorShape.ts"
import { MalformedMessage, WireReader } from "../../internal/protobuf/reader.ts"

/**
 * Returns the JSON text of a message, or `undefined` when the descriptor does not fully describe
 * it.
 */
export type MessageText = (payload: Uint8Array) => string | undefined

type ReadValue = (reader: WireReader) => string

/** The reader of a field type, and its wire type. */
interface Reading {
  readonly wire: number
  readonly read: ReadValue
}

/** The content of a message does not match its descriptor. */
class NotDescribed extends Error {}

const notDescribed = (): never => {
  throw new NotDescribed()
}

const view = ({ bytes }: WireReader): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const numberText = (value: number): string => {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? "-0.0" : String(value)
}

const zigzag = (value: bigint): bigint => {
  const bits = BigInt.asUintN(64, value)
  return (bits >> 1n) ^ -(bits & 1n)
}

const varint = (read: ReadValue): Reading => ({ wire: 0, read })
const fixed64 = (read: ReadValue): Reading => ({ wire: 1, read })
const fixed32 = (read: ReadValue): Reading => ({ wire: 5, read })
const delimited = (read: ReadValue): Reading => ({ wire: 2, read })

const scalars: Readonly<Record<Exclude<FieldShape["type"], "message">, Reading>> = {
  double: fixed64((reader) => numberText(view(reader).getFloat64(reader.fixed(8), true))),
  float: fixed32((reader) => numberText(view(reader).getFloat32(reader.fixed(4), true))),
  int64: varint((reader) => String(reader.int64())),
  uint64: varint((reader) => String(BigInt.asUintN(64, reader.int64()))),
  sint64: varint((reader) => String(zigzag(reader.int64()))),
  int32: varint((reader) => String(reader.int32())),
  enum: varint((reader) => String(reader.int32())),
  uint32: varint((reader) => String(reader.int32() >>> 0)),
  sint32: varint((reader) => String(BigInt.asIntN(32, zigzag(BigInt(reader.int32() >>> 0))))),
  bool: varint((reader) => String(reader.int64() !== 0n)),
  fixed64: fixed64((reader) => String(view(reader).getBigUint64(reader.fixed(8), true))),
  sfixed64: fixed64((reader) => String(view(reader).getBigInt64(reader.fixed(8), true))),
  fixed32: fixed32((reader) => String(view(reader).getUint32(reader.fixed(4), true))),
  sfixed32: fixed32((reader) => String(view(reader).getInt32(reader.fixed(4), true))),
  string: delimited((reader) => JSON.stringify(reader.string())),
  bytes: delimited((reader) => `"${Buffer.from(reader.view()).toString("base64")}"`)
}

/** Collects the values of one field. */
interface Found {
  readonly add: (reader: WireReader, wire: number) => void
  /** The text of the collected values. */
  readonly text: () => string
}

const single = ({ read, wire: wanted }: Reading): Found => {
  let text = ""
  return {
    add: (reader, wire) => void (text = wire === wanted ? read(reader) : notDescribed()),
    text: () => text
  }
}

/** A message field. Several occurrences are merged into one message. */
const singleMessage = (write: ReadValue): Found => {
  const pieces: Array<Uint8Array> = []
  return {
    add: (reader, wire) => void pieces.push(wire === 2 ? reader.view() : notDescribed()),
    text: () => write(new WireReader(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)))
  }
}

const list = ({ read, wire: wanted }: Reading): Found => {
  const texts: Array<string> = []
  return {
    add: (reader, wire) => {
      if (wire === wanted) texts.push(read(reader))
      else if (wire === 2) {
        for (const packed = reader.sub(); packed.more();) texts.push(read(packed))
      } else notDescribed()
    },
    text: () => `[${texts.join(",")}]`
  }
}

/** A map field as an object: keys become strings, and the last value of each key is kept. */
const map = (entry: (reader: WireReader) => readonly [key: string, value: string]): Found => {
  const entries = new Map<string, string>()
  return {
    add: (reader, wire) => {
      const [key, value] = wire === 2 ? entry(reader.sub()) : notDescribed()
      entries.set(key.startsWith('"') ? key : `"${key}"`, value)
    },
    text: () => `{${Array.from(entries, ([key, value]) => `${key}:${value}`).join(",")}}`
  }
}

/**
 * The default text of a key or value that the encoder omitted because it is zero, false or empty.
 */
const zeroText = ({ type }: FieldShape): string =>
  type === "message"
    ? "{}"
    : type === "string" || type === "bytes"
      ? '""'
      : type === "bool"
        ? "false"
        : "0"

const readingOf = (field: FieldShape, write: (shape: MessageShape) => ReadValue): Reading =>
  field.type === "message"
    ? delimited((reader) => write(field.message!)(reader.sub()))
    : scalars[field.type]

/** Returns the function that reads a message of this shape as the text of an object. */
const writerOf = (shape: MessageShape, known: Map<MessageShape, ReadValue>): ReadValue => {
  const made = known.get(shape)
  if (made !== undefined) return made
  const write = (inner: MessageShape): ReadValue => writerOf(inner, known)
  const fields = new Map<number, { readonly name: string; readonly begin: () => Found }>()
  for (const field of shape.fields) {
    const { label, mapEntry, message, name, number } = field
    const reading = readingOf(field, write)
    const begin = (): Found => {
      if (mapEntry) return map(entryReader(message!, write))
      if (label === "repeated") return list(reading)
      return field.type === "message" ? singleMessage(write(message!)) : single(reading)
    }
    fields.set(number, { name, begin })
  }
  const read: ReadValue = (reader) => {
    const found = new Map<number, Found>()
    while (reader.more()) {
      const { number, wire } = reader.tag()
      let values = found.get(number)
      if (values === undefined) {
        values = fields.get(number)?.begin() ?? notDescribed()
        found.set(number, values)
      }
      values.add(reader, wire)
    }
    const members = Array.from(found, ([number, values]) => {
      return `"${fields.get(number)!.name}":${values.text()}`
    })
    return `{${members.join(",")}}`
  }
  known.set(shape, read)
  return read
}

const entryReader = (shape: MessageShape, write: (shape: MessageShape) => ReadValue) => {
  const fieldOf = (number: number): FieldShape =>
    shape.fields.find((field) => field.number === number)!
  const [key, value] = [fieldOf(1), fieldOf(2)]
  const [readKey, readValue] = [readingOf(key, write), readingOf(value, write)]
  return (reader: WireReader): readonly [string, string] => {
    let [keyText, valueText] = [zeroText(key), zeroText(value)]
    while (reader.more()) {
      const { number, wire } = reader.tag()
      if (number === 1 && wire === readKey.wire) keyText = readKey.read(reader)
      else if (number === 2 && wire === readValue.wire) valueText = readValue.read(reader)
      else notDescribed()
    }
    return [keyText, valueText]
  }
}

/** Returns the converter for a descriptor, or `undefined` when the descriptor cannot be read. */
export const messageTextOf = (descriptor: Uint8Array): MessageText | undefined => {
  const shape = parseDescriptorProto(descriptor)
  if (Result.isFailure(shape)) return undefined
  const write = writerOf(shape.success, new Map())
  return (payload) => {
    try {
      return write(new WireReader(payload))
    } catch (error) {
      if (error instanceof NotDescribed || error instanceof MalformedMessage) return undefined
      throw error
    }
  }
}
