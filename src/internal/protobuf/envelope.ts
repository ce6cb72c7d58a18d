/**
 * The hot-path codec of the Zerobus messages: pure functions over bytes, no sockets, no fibers.
 *
 * Requests are written by hand, because the sender only puts a short header in front of record bytes that already lie in place.
 * Responses are read by hand, because the presence of a field matters: an acknowledgement without its offset is malformed and must
 * never be read as offset 0. Field numbers are those of `proto/zerobus_service.proto`; property tests hold both directions against
 * the code generated from it.
 */
import { forEachField, MalformedMessage } from "./reader.ts"
import { bytesField, concat, textField, varintField, varintSize, writeVarint } from "./writer.ts"

/** Bytes that must be free in front of a message's content, so that its header can be stamped in place. */
export const HEAD_ROOM = 32

/** Bytes of the head room that a stamped header, 19 bytes at most, leaves free in front of itself. */
export const FREE_ROOM = 13

/** The tag in front of each record of a batch: field 1, length-delimited. */
export const RECORD_TAG = 0x0a

const OFFSET_TAG = 0x08
const SINGLE_TAG = 0x12
const BATCH_TAG = 0x1a

/** The tag of the record or batch inside an ingest message, by record type. */
export const payloadTag = (recordType: "json" | "proto"): number => (recordType === "proto" ? 0x12 : 0x1a)

const LARGEST_OFFSET_SIZE = varintSize(Number.MAX_SAFE_INTEGER)

/**
 * The encoded size of a request with `content` payload bytes, counted with the largest possible offset, so that stamping the real
 * one cannot push it over a limit.
 */
export const requestSize = (content: number): number => {
  const inner = 1 + LARGEST_OFFSET_SIZE + 1 + varintSize(content) + content
  return 1 + varintSize(inner) + inner
}

/**
 * Writes the header of an ingest message backwards in front of `contentStart` and returns where the whole request starts. The
 * content is one record's payload (`batch` false) or a sequence of tagged records (`batch` true).
 */
export const stampHeader = (
  buffer: Uint8Array,
  contentStart: number,
  contentEnd: number,
  wireOffset: number,
  tag: number,
  batch: boolean
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
  buffer[--position] = batch ? BATCH_TAG : SINGLE_TAG
  return position
}

/** Reads the length at `position` of tagged content that this module's caller wrote; returns length and next position. */
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

/** Encodes the create request, the first message of every session. */
export const encodeCreate = (options: {
  readonly tableName: string
  readonly recordType: "json" | "proto"
  readonly descriptor: Uint8Array | undefined
}): Uint8Array => {
  const { descriptor, recordType, tableName } = options
  const fields = [textField(1, tableName)]
  if (descriptor !== undefined) fields.push(bytesField(3, descriptor))
  fields.push(varintField(4, recordType === "proto" ? 1 : 2))
  return bytesField(1, concat(fields))
}

/** What one response says. Several parts in one message are all reported; none of them means an unknown kind. */
export interface ServerMessage {
  readonly created?: { readonly streamId: string | undefined } | undefined
  /** `upTo` is undefined when the field is missing, -1 when it is negative, and capped at 2^53 - 1. */
  readonly acknowledged?: { readonly upTo: number | undefined } | undefined
  /** `afterMillis` is undefined when the server gave no duration. */
  readonly closing?: { readonly afterMillis: number | undefined } | undefined
}

/** Decodes one response; `undefined` when the bytes are not a protobuf message. Unknown fields are skipped, never stored. */
export const decodeResponse = (bytes: Uint8Array): ServerMessage | undefined => {
  const message: { -readonly [K in keyof ServerMessage]: ServerMessage[K] } = {}
  try {
    forEachField(bytes, 0, bytes.length, (field, _, start, end) => {
      if (start < 0) return
      if (field === 1) {
        let streamId: string | undefined
        forEachField(bytes, start, end, (inner, _, from, to) => {
          if (inner === 1 && from >= 0)
            streamId = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8")
        })
        message.created = { streamId }
      } else if (field === 2) {
        let upTo: number | undefined
        forEachField(bytes, start, end, (inner, offset, from) => {
          if (inner === 1 && from < 0) upTo = offset
        })
        message.acknowledged = { upTo }
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

const readDuration = (bytes: Uint8Array, start: number, end: number): number => {
  let millis = 0
  forEachField(bytes, start, end, (field, value, from) => {
    if (from >= 0) return
    if (field === 1) millis += value * 1000
    else if (field === 2) millis += value / 1_000_000
  })
  return Math.max(0, millis)
}
