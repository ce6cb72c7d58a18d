/**
 * The messages of Arrow Flight for ingestion, as bytes.
 *
 *   client --> FlightData { data_header 2, app_metadata 3, data_body 1000 }
 *   server --> PutResult { app_metadata 1 }
 *
 * A client's first message has the schema's header and no metadata. Each further one is a record
 * batch with `{"offset_id": n}`, where n counts the frames of the connection from 0. A server also
 * responds with JSON, see `PutAnswer`. The descriptor of FlightData, field 1, is never set.
 */
import { forEachField, MalformedMessage } from "../protobuf/reader.ts"
import { bytesField, concat, varintSize, writeVarint } from "../protobuf/writer.ts"

/** The gRPC path of the call. */
export const DO_PUT_PATH = "/arrow.flight.protocol.FlightService/DoPut"

const HEADER_TAG = 0x12
const METADATA_TAG = 0x1a
/** The key of field 1000, length-delimited, as a varint. */
const BODY_FIELD = 1000
const BODY_KEY = BODY_FIELD * 8 + 2

const NOTHING: Uint8Array = new Uint8Array(0)

/** One message of a client; the parts are views of its bytes. */
export interface FlightData {
  /** The flatbuffer `Message` of Arrow's IPC format, without the prefix of its stream format. */
  readonly header: Uint8Array
  readonly body: Uint8Array
  /** Undefined when the message has none. */
  readonly metadata: Uint8Array | undefined
}

/** Reads one message of a client; undefined for bytes that are not a protobuf message. */
export const readFlightData = (bytes: Uint8Array): FlightData | undefined => {
  let header: Uint8Array = NOTHING
  let body: Uint8Array = NOTHING
  let metadata: Uint8Array | undefined
  try {
    forEachField(bytes, 0, bytes.length, (field, _, start, end) => {
      if (start < 0) return
      if (field === 2) header = bytes.subarray(start, end)
      else if (field === 3) metadata = bytes.subarray(start, end)
      else if (field === BODY_FIELD) body = bytes.subarray(start, end)
    })
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  return { header, body, metadata }
}

const sized = (key: number, length: number): number => varintSize(key) + varintSize(length) + length

/**
 * Writes one message of a client. `room` bytes before it stay free in the same buffer. A field
 * without bytes is left out.
 */
export const writeFlightData = (
  { body, header, metadata = NOTHING }: Partial<FlightData> & Pick<FlightData, "header" | "body">,
  room = 0
): Uint8Array => {
  const parts: ReadonlyArray<readonly [key: number, bytes: Uint8Array]> = [
    [HEADER_TAG, header],
    [METADATA_TAG, metadata],
    [BODY_KEY, body]
  ]
  const size = parts.reduce(
    (sum, [key, { length }]) => (length === 0 ? sum : sum + sized(key, length)),
    0
  )
  const out = Buffer.allocUnsafe(room + size)
  let position = room
  for (const [key, bytes] of parts) {
    if (bytes.length === 0) continue
    position = writeVarint(out, bytes.length, writeVarint(out, key, position))
    out.set(bytes, position)
    position += bytes.length
  }
  return out.subarray(room)
}

/** The metadata of the n-th frame of a connection. */
export const offsetMetadata = (frame: number): Uint8Array =>
  Buffer.from(`{"offset_id":${frame}}`, "latin1")

/** The number of a frame; undefined for metadata that has none, or is not JSON. */
export const readOffsetMetadata = (metadata: Uint8Array): number | undefined => {
  const offset = jsonObject(metadata)?.["offset_id"]
  return Number.isSafeInteger(offset) && (offset as number) >= 0 ? (offset as number) : undefined
}

/** One response of a server. */
export interface PutAnswer {
  /** The last durable frame; -1 when the server is ready and none is durable. */
  readonly ackUpToOffset: number
  /** How many rows of the connection are durable. */
  readonly ackUpToRecords: number
  /** Set when the server announces the end of the connection, in milliseconds. */
  readonly closeStreamDurationMs?: number | undefined
}

/** Writes one response of a server. */
export const writePutResult = (answer: PutAnswer): Uint8Array => {
  const { ackUpToOffset, ackUpToRecords, closeStreamDurationMs } = answer
  const json = {
    ack_up_to_offset: ackUpToOffset,
    ack_up_to_records: ackUpToRecords,
    ...(closeStreamDurationMs === undefined
      ? {}
      : { close_stream_duration_ms: closeStreamDurationMs })
  }
  return concat([bytesField(1, Buffer.from(JSON.stringify(json)))])
}

/** Reads one response; undefined for bytes that are not one. Unknown fields are ignored. */
export const readPutResult = (bytes: Uint8Array): PutAnswer | undefined => {
  let metadata: Uint8Array = NOTHING
  try {
    forEachField(bytes, 0, bytes.length, (field, _, start, end) => {
      if (field === 1 && start >= 0) metadata = bytes.subarray(start, end)
    })
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  const json = jsonObject(metadata)
  if (json === undefined) return undefined
  const {
    ack_up_to_offset: ackUpToOffset,
    ack_up_to_records: ackUpToRecords,
    close_stream_duration_ms: closing
  } = json
  if (!isCount(ackUpToRecords) || !isInteger(ackUpToOffset)) return undefined
  if (closing !== undefined && closing !== null && !isCount(closing)) return undefined
  return { ackUpToOffset, ackUpToRecords, closeStreamDurationMs: closing ?? undefined }
}

/** A server may send any 64-bit number. Rounding above 2^53 does no harm here. */
const isInteger = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value)

const isCount = (value: unknown): value is number => isInteger(value) && value >= 0

const jsonObject = (bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8")
    )
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
