/**
 * The messages of a stream on the server's side: reads requests from untrusted bytes and writes
 * responses. Persistent streams also have a resume request and its response, so the field numbers
 * after them are larger.
 *
 * Records are views of their message, not copies. `serverStream.ts` handles the meaning and the
 * order of messages.
 */
import { forEachField, MalformedMessage } from "../../internal/protobuf/reader.ts"
import { low, readLength } from "../../internal/protobuf/wire.ts"
import { bytesField, concat, textField, varintField } from "../../internal/protobuf/writer.ts"

/** The kind of a record, or of all records of a batch. `None` is a violation of the protocol. */
export type RecordKind = "Proto" | "Json" | "Avro" | "Arrow" | "None"

/** The first request of a stream. */
export interface CreateRequest {
  readonly _tag: "Create"
  readonly tableName: string | undefined
  /**
   * The schema of the records: a descriptor, an Arrow schema, or the JSON text of an Avro schema.
   */
  readonly descriptor: Uint8Array | undefined
  /** The number of the record type: 1 (protobuf) when the client omitted it, or `ARROW_RECORDS`. */
  readonly recordType: number
}

/** The record type of a stream of Avro records. */
export const AVRO_RECORDS = 4

/**
 * The record type of a stream of Arrow batches. They have a separate RPC, and therefore no number
 * on the wire.
 */
export const ARROW_RECORDS = -1

/** The first request of a later connection of a persistent stream. */
export interface ResumeRequest extends Omit<CreateRequest, "_tag" | "tableName"> {
  readonly _tag: "Resume"
  readonly streamId: string | undefined
}

/** A message with one record or a batch. */
export interface IngestRequest {
  readonly _tag: "Ingest"
  readonly batch: boolean
  /** Undefined when missing, -1 when negative. */
  readonly offset: number | undefined
  readonly kind: RecordKind
  /** The bytes of each record; for Arrow, the complete message with all records. */
  readonly records: ReadonlyArray<Uint8Array>
  /** The number of records. */
  readonly count: number
  /** Sum of the lengths of `records`. */
  readonly recordBytes: number
}

/** One request. `problem` is a message for the author of the client. */
export type StreamRequest =
  | CreateRequest
  | ResumeRequest
  | IngestRequest
  | { readonly _tag: "Malformed"; readonly problem: string }

/** The most records of one batch, so that tiny records cannot fill the memory with views. */
export const maxBatchRecords = 200_000

const malformed = (problem: string): StreamRequest => ({ _tag: "Malformed", problem })

const kinds: ReadonlyArray<RecordKind> = ["None", "None", "Proto", "Json", "Avro"]

class TooManyRecords extends Error {}

/**
 * Reads one request. Of several payloads in one message, the last one counts, as protobuf defines.
 * Never throws.
 */
export const readRequest = (bytes: Uint8Array, persistent = false): StreamRequest => {
  const last = persistent ? 4 : 3
  let field = 0
  let start = 0
  let end = 0
  try {
    forEachField(bytes, 0, bytes.length, (number, _, from, to) => {
      if (number > last || from < 0) return
      field = number
      start = from
      end = to
    })
    if (persistent && field === 2) return readResume(bytes, start, end)
    switch (persistent && field > 2 ? field - 1 : field) {
      case 1:
        return persistent ? readCreatePersistent(bytes, start, end) : readCreate(bytes, start, end)
      case 2:
        return readRecord(bytes, start, end)
      case 3:
        return readBatch(bytes, start, end)
      default:
        return malformed("The request has no payload that this server supports")
    }
  } catch (error) {
    if (error instanceof MalformedMessage)
      return malformed("The request is not a valid protobuf message")
    if (error instanceof TooManyRecords)
      return malformed(`The batch holds more than ${maxBatchRecords} records`)
    throw error
  }
}

const readCreatePersistent = (bytes: Uint8Array, start: number, end: number): StreamRequest => {
  let inside: readonly [number, number] = [start, start]
  forEachField(bytes, start, end, (number, _, from, to) => {
    if (number === 1 && from >= 0) inside = [from, to]
  })
  return readCreate(bytes, ...inside)
}

const readText = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()

const readResume = (bytes: Uint8Array, start: number, end: number): StreamRequest => {
  let streamId: string | undefined
  let descriptor: Uint8Array | undefined
  let recordType = 1
  forEachField(bytes, start, end, (number, value, from, to) => {
    if (number === 1 && from >= 0) streamId = readText(bytes, from, to)
    else if (number === 2 && from >= 0) descriptor = bytes.subarray(from, to)
    else if (number === 3 && from < 0) recordType = value
  })
  return { _tag: "Resume", streamId, descriptor, recordType }
}

const readCreate = (bytes: Uint8Array, start: number, end: number): StreamRequest => {
  let tableName: string | undefined
  let descriptor: Uint8Array | undefined
  let avroSchema: Uint8Array | undefined
  let recordType = 1
  forEachField(bytes, start, end, (number, value, from, to) => {
    if (number === 1 && from >= 0) tableName = readText(bytes, from, to)
    else if (number === 3 && from >= 0) descriptor = bytes.subarray(from, to)
    else if (number === 4 && from < 0) recordType = value
    else if (number === 5 && from >= 0) avroSchema = bytes.subarray(from, to)
  })
  if (recordType === AVRO_RECORDS) descriptor = avroSchema
  return { _tag: "Create", tableName, descriptor, recordType }
}

const readRecord = (bytes: Uint8Array, start: number, end: number): StreamRequest => {
  let offset: number | undefined
  let kind: RecordKind = "None"
  let record: Uint8Array | undefined
  forEachField(bytes, start, end, (number, value, from, to) => {
    if (number === 1 && from < 0) offset = value
    else if (number >= 2 && number <= 4 && from >= 0) {
      kind = kinds[number]!
      record = bytes.subarray(from, to)
    }
  })
  const records = record === undefined ? [] : [record]
  const [count, recordBytes] = [records.length, records[0]?.length ?? 0]
  return { _tag: "Ingest", batch: false, offset, kind, records, count, recordBytes }
}

/** The key of a record within a batch: field 1 with a length. */
const recordKey = 0x0a

/**
 * Adds the records of a batch, and returns the sum of their lengths. Batches usually hold nothing
 * else, so the generic field reader is used only from the first other field on.
 */
const readRecords = (
  bytes: Uint8Array,
  from: number,
  to: number,
  records: Array<Uint8Array>
): number => {
  const { buffer, byteOffset } = bytes
  let total = 0
  const add = (start: number, end: number): void => {
    if (records.length >= maxBatchRecords) throw new TooManyRecords()
    // Creating a `Uint8Array` takes half the time of a `Buffer`.
    records.push(new Uint8Array(buffer, byteOffset + start, end - start))
    total += end - start
  }
  let at = from
  while (at < to && bytes[at] === recordKey) {
    const start = readLength(bytes, at + 1, to)
    at = start + low
    add(start, at)
  }
  forEachField(bytes, at, to, (inner, _, first, last) => {
    if (inner === 1 && first >= 0) add(first, last)
  })
  return total
}

const readBatch = (bytes: Uint8Array, start: number, end: number): StreamRequest => {
  let offset: number | undefined
  let kind: RecordKind = "None"
  let records: Array<Uint8Array> = []
  let recordBytes = 0
  forEachField(bytes, start, end, (number, value, from, to) => {
    if (number === 1 && from < 0) offset = value
    else if (number >= 2 && number <= 4 && from >= 0) {
      if (kind !== kinds[number]) {
        kind = kinds[number]!
        records = []
        recordBytes = 0
      }
      recordBytes += readRecords(bytes, from, to, records)
    }
  })
  return { _tag: "Ingest", batch: true, offset, kind, records, count: records.length, recordBytes }
}

/** The response to a create request. */
export const createdResponse = (streamId: string): Uint8Array =>
  bytesField(1, textField(1, streamId))

/**
 * The response to a resume request: the offset up to which everything is durable, -1 for nothing.
 */
export const resumedResponse = (committed: number): Uint8Array =>
  bytesField(2, committed < 0 ? new Uint8Array(0) : varintField(1, committed))

/** Reads the request that retires a persistent stream; undefined for invalid bytes. */
export const readRetirement = (
  bytes: Uint8Array
):
  | { readonly tableName: string | undefined; readonly streamId: string | undefined }
  | undefined => {
  let tableName: string | undefined
  let streamId: string | undefined
  try {
    forEachField(bytes, 0, bytes.length, (number, _, from, to) => {
      if (number === 1 && from >= 0) tableName = readText(bytes, from, to)
      else if (number === 2 && from >= 0) streamId = readText(bytes, from, to)
    })
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  return { tableName, streamId }
}

/**
 * A cumulative acknowledgement. A scripted fault may leave the offset out (`undefined`) or make it
 * negative.
 */
export const ackResponse = (upTo: number | undefined, persistent = false): Uint8Array =>
  bytesField(persistent ? 3 : 2, upTo === undefined ? new Uint8Array(0) : varintField(1, upTo))

/** The announcement that the server will end the stream after this many milliseconds. */
export const closeSignalResponse = (afterMillis: number, persistent = false): Uint8Array => {
  const seconds = Math.floor(afterMillis / 1000)
  const nanos = Math.round((afterMillis - seconds * 1000) * 1_000_000)
  const parts = [varintField(1, seconds), ...(nanos > 0 ? [varintField(2, nanos)] : [])]
  return bytesField(persistent ? 4 : 3, bytesField(1, concat(parts)))
}
