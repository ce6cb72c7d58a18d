/**
 * Converts records of the log to JSON text, in the forms that `zerobus ingest` reads. It needs only
 * the format of the stream, because the table may be gone or have other columns now.
 */
import * as Result from "effect/Result"
import { base64OfBytes } from "../../internal/columns/base64Text.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { parseDescriptorProto } from "../../internal/protobuf/descriptor.ts"
import type {
  FieldShape,
  FieldType,
  MessageShape
} from "../../internal/protobuf/descriptorShape.ts"
import { WireReader } from "../../internal/protobuf/reader.ts"
import { avroTexts } from "./avroDecoder.ts"
import { arrowTexts } from "./arrowText.ts"
import { floatText, longText } from "./numberText.ts"

/**
 * Converts a record to one line of JSON per row, without line feeds. Only Arrow records have
 * several rows.
 */
export type RecordTexts = (record: Uint8Array) => ReadonlyArray<string>

/**
 * The converter for records of a format. Throws when its schema cannot be read; the schemas of
 * logged records were checked.
 */
export const recordTexts = (format: LogFormat): RecordTexts => {
  switch (format._tag) {
    case "Json":
      return (record) => [jsonLine(record)]
    case "Proto": {
      const shape = Result.getOrThrowWith(
        parseDescriptorProto(format.descriptor),
        (why) => new Error(why)
      )
      return (record) => [messageText(shape, new WireReader(record))]
    }
    case "Arrow":
      return arrowTexts(format.schema)
    case "Avro":
      return avroTexts(format.schema)
  }
}

/** Replaces line ends, which JSON has only between tokens. */
const jsonLine = (record: Uint8Array): string =>
  Buffer.from(record)
    .toString("utf8")
    .replace(/[\r\n]+/g, " ")
    .trim()

/**
 * One occurrence of a field in a message: its wire type, and a reader at the position of its value.
 */
interface Occurrence {
  readonly wire: number
  readonly reader: WireReader
}

const occurrencesIn = (reader: WireReader): Map<number, Array<Occurrence>> => {
  const found = new Map<number, Array<Occurrence>>()
  while (reader.more()) {
    const { number, wire } = reader.tag()
    const occurrence = { wire, reader: reader.clone() }
    reader.skip(wire)
    const others = found.get(number)
    if (others === undefined) found.set(number, [occurrence])
    else others.push(occurrence)
  }
  return found
}

const messageText = (shape: MessageShape, reader: WireReader): string => {
  const found = occurrencesIn(reader)
  const parts = shape.fields.flatMap((field) => {
    const value = fieldText(field, found.get(field.number) ?? [])
    return value === undefined ? [] : [`${JSON.stringify(field.name)}:${value}`]
  })
  return `{${parts.join(",")}}`
}

/**
 * The value of a field; undefined when the message has none. An absent collection is empty, as in
 * the table.
 */
const fieldText = (field: FieldShape, found: ReadonlyArray<Occurrence>): string | undefined => {
  const { mapEntry, message, type } = field
  if (mapEntry) return `{${found.map(({ reader }) => entryText(message!, reader.sub())).join(",")}}`
  if (field.label === "repeated")
    return `[${found.flatMap((each) => itemTexts(field, each)).join(",")}]`
  if (found.length === 0) return undefined
  if (message === undefined) return scalarText(type, found[found.length - 1]!.reader)
  // Concatenating the bytes of all occurrences merges the messages.
  return messageText(
    message,
    new WireReader(Buffer.concat(found.map(({ reader }) => reader.view())))
  )
}

/** The items of one occurrence of a repeated field: several for packed numbers. */
const itemTexts = (
  { message, type }: FieldShape,
  { reader, wire }: Occurrence
): ReadonlyArray<string> => {
  if (message !== undefined) return [messageText(message, reader.sub())]
  if (wire !== 2 || type === "string" || type === "bytes") return [scalarText(type, reader)]
  const items: Array<string> = []
  for (const packed = reader.sub(); packed.more();) items.push(scalarText(type, packed))
  return items
}

/** The text of a map entry. An absent key or value has the default of its type. */
const entryText = (entry: MessageShape, reader: WireReader): string => {
  const found = occurrencesIn(reader)
  const part = (number: number): string => {
    const field = entry.fields.find((each) => each.number === number)!
    return fieldText(field, found.get(number) ?? []) ?? defaultText(field)
  }
  const key = part(1)
  return `${key.startsWith('"') ? key : JSON.stringify(key)}:${part(2)}`
}

const defaultText = ({ message, type }: FieldShape): string => {
  if (message !== undefined) return messageText(message, new WireReader(new Uint8Array(0)))
  return type === "string" || type === "bytes" ? '""' : type === "bool" ? "false" : "0"
}

const scalarText = (type: FieldType, reader: WireReader): string => {
  const fixed = (length: 4 | 8): Buffer => {
    const { buffer, byteOffset } = reader.bytes
    return Buffer.from(buffer, byteOffset + reader.fixed(length), length)
  }
  switch (type) {
    case "bool":
      return String(reader.int64() !== 0n)
    case "int32":
    case "enum":
      return String(reader.int32())
    case "uint32":
      return String(reader.int32() >>> 0)
    case "sint32": {
      const value = reader.int32()
      return String((value >>> 1) ^ -(value & 1))
    }
    case "int64":
      return longText(reader.int64())
    case "uint64":
      return longText(BigInt.asUintN(64, reader.int64()))
    case "sint64": {
      const value = BigInt.asUintN(64, reader.int64())
      return longText((value >> 1n) ^ -(value & 1n))
    }
    case "fixed32":
      return String(fixed(4).readUInt32LE())
    case "sfixed32":
      return String(fixed(4).readInt32LE())
    case "fixed64":
      return longText(fixed(8).readBigUInt64LE())
    case "sfixed64":
      return longText(fixed(8).readBigInt64LE())
    case "float":
      return floatText(fixed(4).readFloatLE())
    case "double":
      return floatText(fixed(8).readDoubleLE())
    case "string":
      return JSON.stringify(reader.string())
    case "bytes":
      return JSON.stringify(base64OfBytes(reader.view()))
    case "message":
      return messageText({ name: "", fields: [] }, reader.sub())
  }
}
