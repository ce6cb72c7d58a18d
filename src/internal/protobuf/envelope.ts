/**
 * The hot-path codec of the Zerobus messages: pure functions over bytes, no sockets, no fibers.
 *
 * Requests are written by hand, because the sender only adds a short header before record bytes
 * that are already in place. Responses are read by hand, because it matters whether a field is
 * present: an acknowledgement without its offset is malformed and must never be read as offset 0.
 * Field numbers are those of `proto/zerobus_service.proto`. Property tests compare both directions
 * with the code generated from it.
 */
import { forEachField, MalformedMessage } from "./reader.ts"
import { bytesField, concat, textField, varintField, varintSize, writeVarint } from "./writer.ts"

/**
 * Bytes that must be free before a message's content, so that its header can be written in place.
 */
export const HEAD_ROOM = 32

/** Bytes of the head room that stay free before a header, which takes at most 19 bytes. */
export const FREE_ROOM = 13

/** The tag before each record of a batch: field 1, length-delimited. */
export const RECORD_TAG = 0x0a

const OFFSET_TAG = 0x08
const SINGLE_TAG = 0x12
const BATCH_TAG = 0x1a

/**
 * The difference of the tags of ingest messages on a persistent stream: their field numbers are
 * larger by one.
 */
export const TAG_SHIFT = 8

/** The types of records that travel as messages of the Zerobus service. */
export type MessageType = "json" | "proto" | "avro"

/** The tag of the record or batch inside an ingest message, by record type. */
export const payloadTag = (recordType: MessageType): number =>
  recordType === "proto" ? 0x12 : recordType === "json" ? 0x1a : 0x22

const LARGEST_OFFSET_SIZE = varintSize(Number.MAX_SAFE_INTEGER)

/**
 * The encoded size of a request with `content` payload bytes. Counted with the largest possible
 * offset, so that writing the real one cannot exceed a limit.
 */
export const requestSize = (content: number): number => {
  const inner = 1 + LARGEST_OFFSET_SIZE + 1 + varintSize(content) + content
  return 1 + varintSize(inner) + inner
}

/**
 * Writes the header of an ingest message backwards from `contentStart` and returns the start of the
 * whole request. The content is one record's payload (`batch` false) or a sequence of tagged
 * records (`batch` true). `shift` is added to the outer tag: `TAG_SHIFT` for a persistent stream.
 */
export const stampHeader = (
  buffer: Uint8Array,
  contentStart: number,
  contentEnd: number,
  wireOffset: number,
  tag: number,
  batch: boolean,
  shift = 0
): number => {
  const length = contentEnd - contentStart
  let position = contentStart - varintSize(length)
  writeVarint(buffer, length, position)
  buffer[--position] = tag
  position -= varintSize(wireOffset)
  writeVarint(buffer, wireOffset, position)
  buffer[--position] = OFFSET_TAG
  const inner = contentEnd - position
  position -= varintSize(inner)
  writeVarint(buffer, inner, position)
  buffer[--position] = (batch ? BATCH_TAG : SINGLE_TAG) + shift
  return position
}

/**
 * Reads the length at `position` in tagged content of this package. Returns the length and the next
 * position.
 */
export const readLength = (
  buffer: Uint8Array,
  position: number
): { readonly length: number; readonly next: number } => {
  let length = 0
  let scale = 1
  for (;;) {
    const byte = buffer[position++]!
    length += (byte & 0x7f) * scale
    if (byte < 0x80) return { length, next: position }
    scale *= 0x80
  }
}

/** The end of the record that begins at `start` with its tag and length. */
export const recordEnd = (buffer: Uint8Array, start: number): number => {
  const { length, next } = readLength(buffer, start + 1)
  return next + length
}

/** What the first request of a session states about a stream. */
export interface StreamTable {
  readonly tableName: string
  readonly recordType: MessageType | "arrow"
  readonly descriptor: Uint8Array | undefined
}

const recordTypeNumber = ({ recordType }: StreamTable): number =>
  recordType === "proto" ? 1 : recordType === "avro" ? 4 : 2

/** Encodes the create request, the first message of every session of an ephemeral stream. */
export const encodeCreate = (table: StreamTable): Uint8Array => {
  const { descriptor, recordType, tableName } = table
  const fields = [textField(1, tableName)]
  const isAvro = recordType === "avro"
  if (descriptor !== undefined && !isAvro) fields.push(bytesField(3, descriptor))
  fields.push(varintField(4, recordTypeNumber(table)))
  if (descriptor !== undefined && isAvro) fields.push(bytesField(5, descriptor))
  return bytesField(1, concat(fields))
}

/** Encodes the first message of a persistent stream's first session. */
export const encodeCreatePersistent = (table: StreamTable): Uint8Array =>
  bytesField(1, encodeCreate(table))

/**
 * Encodes the first message of every later session of a persistent stream. The table is only in the
 * call's header.
 */
export const encodeResume = (table: StreamTable, streamId: string): Uint8Array => {
  const fields = [textField(1, streamId)]
  if (table.descriptor !== undefined) fields.push(bytesField(2, table.descriptor))
  fields.push(varintField(3, recordTypeNumber(table)))
  return bytesField(2, concat(fields))
}

/** Encodes the request that ends a persistent stream permanently. */
export const encodeRetire = (tableName: string, streamId: string): Uint8Array =>
  concat([textField(1, tableName), textField(2, streamId)])

/**
 * The content of one response. Several parts in one message are all reported. A response without
 * parts is of an unknown kind.
 */
export interface ServerMessage {
  readonly created?: { readonly streamId: string | undefined } | undefined
  /**
   * `committed` is undefined when nothing was committed yet, -1 when it is negative, and capped at
   * 2^53 - 1.
   */
  readonly resumed?: { readonly committed: number | undefined } | undefined
  /**
   * `upTo` is undefined when the field is missing, -1 when it is negative, and capped at 2^53 - 1.
   */
  readonly acknowledged?: { readonly upTo: number | undefined } | undefined
  /** `afterMillis` is undefined when the server sent no duration. */
  readonly closing?: { readonly afterMillis: number | undefined } | undefined
  /**
   * Set when the response is allowed and acknowledges nothing: `ready` for the response to the
   * first request, `unreadable` for a response that is ignored because it could not be decoded.
   */
  readonly passed?: "ready" | "unreadable" | "nothing" | undefined
}

/**
 * Decodes one response; `undefined` when the bytes are not a protobuf message. Unknown fields are
 * skipped, never stored.
 */
export const decodeResponse = (bytes: Uint8Array): ServerMessage | undefined => decode(bytes, false)

/** Decodes one response of a persistent stream. */
export const decodePersistentResponse = (bytes: Uint8Array): ServerMessage | undefined =>
  decode(bytes, true)

const decode = (bytes: Uint8Array, persistent: boolean): ServerMessage | undefined => {
  const message: { -readonly [K in keyof ServerMessage]: ServerMessage[K] } = {}
  try {
    forEachField(bytes, 0, bytes.length, (number, _, start, end) => {
      if (start < 0) return
      if (persistent && number === 2) {
        message.resumed = { committed: readOffset(bytes, start, end) }
        return
      }
      // A persistent stream has the same parts. Their numbers are larger by one after the response
      // to a resume.
      const field = persistent && number > 2 ? number - 1 : number
      if (field === 1) {
        let streamId: string | undefined
        forEachField(bytes, start, end, (inner, _, from, to) => {
          if (inner === 1 && from >= 0)
            streamId = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString(
              "utf8"
            )
        })
        message.created = { streamId }
      } else if (field === 2) {
        message.acknowledged = { upTo: readOffset(bytes, start, end) }
      } else if (field === 3) {
        let afterMillis: number | undefined
        forEachField(bytes, start, end, (inner, _, from, to) => {
          if (inner === 1 && from >= 0) afterMillis = readDuration(bytes, from, to)
        })
        message.closing = { afterMillis }
      }
    })
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  return message
}

const readOffset = (bytes: Uint8Array, start: number, end: number): number | undefined => {
  let offset: number | undefined
  forEachField(bytes, start, end, (field, value, from) => {
    if (field === 1 && from < 0) offset = value
  })
  return offset
}

const readDuration = (bytes: Uint8Array, start: number, end: number): number => {
  let millis = 0
  forEachField(bytes, start, end, (field, value, from) => {
    if (from >= 0) return
    if (field === 1) millis += value * 1000
    else if (field === 2) millis += value / 1_000_000
  })
  return Math.max(0, millis)
}
