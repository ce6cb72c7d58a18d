/**
 * The frames of a table's log: the formats of writers, and the records of messages.
 */
import { peekRows } from "../../internal/arrow/ipcMessage.ts"
import { readFlightData } from "../../internal/flight/flightData.ts"
import { forEachField } from "../../internal/protobuf/reader.ts"
import { bytesField, concat, textField, varintField } from "../../internal/protobuf/writer.ts"
import type { FrameBuffer, SegmentHeader } from "../../internal/log/frames.ts"
import { StorageFailure } from "./storageErrors.ts"

/**
 * How the records of a writer are encoded, with everything needed to decode them after a restart.
 * An Arrow record is a complete message with many rows, and its `schema` is the header of an IPC
 * message. The `schema` of Avro is JSON text.
 */
export type LogFormat =
  | { readonly _tag: "Json" }
  | { readonly _tag: "Proto"; readonly descriptor: Uint8Array }
  | { readonly _tag: "Arrow"; readonly schema: Uint8Array }
  | { readonly _tag: "Avro"; readonly schema: Uint8Array }

/** The place of a message in a persistent stream. */
export interface StreamPosition {
  readonly streamId: string
  readonly offset: number
}

/** The header of a segment. */
export interface TableLogHeader extends SegmentHeader {
  readonly version: 1
  readonly table: string
  readonly tableId: string
}

/** The records of one message, read back from the log. */
export interface RecordsFrame {
  readonly sequence: number
  readonly format: LogFormat
  readonly records: ReadonlyArray<Uint8Array>
  /** Set for a message of a persistent stream. */
  readonly position?: StreamPosition | undefined
}

const formatKind = 1
const recordsKind = 2
/**
 * Records with their position: the offset (8 bytes), the length of the stream's id (1 byte) and the
 * id follow the count. The kinds 0 and 3 belong to every log, 4 and 5 to `sharedFrames.ts`.
 */
const placedKind = 6
const fixedBytes = 17

/**
 * The prefix of an Arrow or Avro schema: a descriptor with one field that no table has. A version
 * without support for the format reads it as a protobuf descriptor, refuses the table because of
 * that field, and keeps the records.
 */
const markOf = (name: "Arrow" | "Avro"): Uint8Array =>
  concat([
    textField(1, name),
    bytesField(
      2,
      concat([
        textField(1, `records_of_${name.toLowerCase()}_from_a_later_version`),
        varintField(3, 1),
        varintField(4, 1),
        varintField(5, 12)
      ])
    )
  ])
const marks = { Arrow: markOf("Arrow"), Avro: markOf("Avro") }
/** The field after the prefix that holds the schema. Descriptors have no field with this number. */
const schemaField = 1000

/** The code of a format in the log. */
export const formatCode = ({ _tag }: LogFormat): number => (_tag === "Json" ? 0 : 1)

/** The bytes that follow the code of a format. */
export const formatBytes = (format: LogFormat): Uint8Array => {
  switch (format._tag) {
    case "Json":
      return new Uint8Array(0)
    case "Proto":
      return format.descriptor
    case "Arrow":
    case "Avro":
      return concat([marks[format._tag], bytesField(schemaField, format.schema)])
  }
}

/**
 * The format with this code and a copy of these bytes. Throws a `StorageFailure` for a format of a
 * later version.
 */
export const formatOf = (code: number, bytes: Uint8Array): LogFormat => {
  if (code === 0) return { _tag: "Json" }
  if (code === 1) {
    for (const _tag of ["Arrow", "Avro"] as const) {
      const schema = schemaBehind(marks[_tag], bytes)
      if (schema !== undefined) return { _tag, schema: Uint8Array.from(schema) }
    }
    return { _tag: "Proto", descriptor: Uint8Array.from(bytes) }
  }
  throw new StorageFailure({
    reason: "CorruptLog",
    message:
      "The log holds records in a format of a later version. Start that version on this data " +
      "folder."
  })
}

const schemaBehind = (mark: Uint8Array, bytes: Uint8Array): Uint8Array | undefined => {
  if (!mark.every((byte, index) => bytes[index] === byte)) return undefined
  let schema: Uint8Array | undefined
  forEachField(bytes, mark.length, bytes.length, (field, _, start, end) => {
    if (field === schemaField && start >= 0) schema = bytes.subarray(start, end)
  })
  return schema
}

/** Appends the format of a writer. It precedes the writer's first records in each file. */
export const writeFormat = (frames: FrameBuffer, writer: number, format: LogFormat): void => {
  const tail = formatBytes(format)
  const body = frames.begin(6 + tail.length)
  frames.bytes[body] = formatKind
  frames.bytes.writeUInt32LE(writer, body + 1)
  frames.bytes[body + 5] = formatCode(format)
  frames.bytes.set(tail, body + 6)
  frames.end()
}

/** Appends the records of one message. */
export const writeRecords = (
  frames: FrameBuffer,
  writer: number,
  sequence: number,
  records: ReadonlyArray<Uint8Array>,
  position?: StreamPosition
): void => {
  let size = position === undefined ? fixedBytes : fixedBytes + 9 + position.streamId.length
  for (let i = 0; i < records.length; i++) size += 4 + records[i]!.length
  const body = frames.begin(size)
  const bytes = frames.bytes
  bytes[body] = position === undefined ? recordsKind : placedKind
  bytes.writeUInt32LE(writer, body + 1)
  bytes.writeDoubleLE(sequence, body + 5)
  bytes.writeUInt32LE(records.length, body + 13)
  let at = body + fixedBytes
  if (position !== undefined) at = writePosition(bytes, at, position)
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!
    const length = record.length
    bytes[at] = length
    bytes[at + 1] = length >>> 8
    bytes[at + 2] = length >>> 16
    bytes[at + 3] = length >>> 24
    at += 4
    if (length < 48) for (let j = 0; j < length; j++) bytes[at + j] = record[j]!
    else bytes.set(record, at)
    at += length
  }
  frames.end()
}

/** Ids are ASCII and at most 255 characters long. */
const writePosition = (bytes: Buffer, at: number, { offset, streamId }: StreamPosition): number => {
  bytes.writeDoubleLE(offset, at)
  bytes[at + 8] = streamId.length
  return at + 9 + bytes.write(streamId, at + 9, "latin1")
}

/** Reads the frames of one file in order. The records are views into the file. */
export class FramesReader {
  readonly frames: Array<RecordsFrame> = []
  private readonly formats = new Map<number, LogFormat>()

  /** Reads the frame whose body is between `start` and `end`. */
  read(file: Buffer, start: number, end: number): void {
    const body = file.subarray(start, end)
    if (body[0] === formatKind) {
      this.formats.set(body.readUInt32LE(1), formatOf(body[5]!, body.subarray(6)))
    } else {
      const found = peekRecords(body)
      if (found === undefined) return
      const { position, sequence, writer } = found
      this.frames.push({
        sequence,
        format: this.formats.get(writer)!,
        records: recordsOf(body),
        position
      })
    }
  }
}

/** What the start of a frame states about its records. */
export interface PeekedRecords {
  readonly writer: number
  readonly sequence: number
  readonly position: StreamPosition | undefined
}

/** The writer and the position of a frame's records; undefined for other frames. */
export const peekRecords = (body: Buffer): PeekedRecords | undefined =>
  body[0] === recordsKind || body[0] === placedKind
    ? {
        writer: body.readUInt32LE(1),
        sequence: body.readDoubleLE(5),
        position: body[0] === placedKind ? readPosition(body) : undefined
      }
    : undefined

const readPosition = (body: Buffer): StreamPosition => {
  const start = fixedBytes + 9
  return {
    offset: body.readDoubleLE(fixedBytes),
    streamId: body.toString("latin1", start, start + body[start - 1]!)
  }
}

/** The records of a frame, as views into it. */
export const recordsOf = (body: Buffer): ReadonlyArray<Uint8Array> => {
  const records: Array<Uint8Array> = []
  let at = body[0] === placedKind ? fixedBytes + 9 + body[fixedBytes + 8]! : fixedBytes
  for (let left = body.readUInt32LE(13); left > 0; left--) {
    const length = body.readUInt32LE(at)
    records.push(body.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return records
}

/** The number of rows in a frame. */
export const rowsIn = (body: Buffer, { _tag }: LogFormat): number => {
  if (_tag !== "Arrow") return body.readUInt32LE(13)
  let rows = 0
  for (const record of recordsOf(body)) rows += peekRows(readFlightData(record)!.header) ?? 0
  return rows
}
