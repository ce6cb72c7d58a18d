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
import { bytesField, concat } from "../protobuf/writer.ts"

/** The gRPC path of the call. */
export const DO_PUT_PATH = "/arrow.flight.protocol.FlightService/DoPut"

const HEADER_FIELD = 2
const METADATA_FIELD = 3
const BODY_FIELD = 1000

/** The key of a length-delimited field. */
const keyOf = (field: number): number => field * 8 + 2

/** Keys of the parts of FlightData. That of the body takes two bytes as a varint. */
export const HEADER_KEY = keyOf(HEADER_FIELD)
export const METADATA_KEY = keyOf(METADATA_FIELD)
export const BODY_KEY = keyOf(BODY_FIELD)

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
      if (field === HEADER_FIELD) header = bytes.subarray(start, end)
      else if (field === METADATA_FIELD) metadata = bytes.subarray(start, end)
      else if (field === BODY_FIELD) body = bytes.subarray(start, end)
    })
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  return { header, body, metadata }
}

/** Writes one message of a client. A field without bytes is left out. */
export const writeFlightData = ({
  body = NOTHING,
  header,
  metadata = NOTHING
}: Partial<FlightData> & Pick<FlightData, "header">): Uint8Array =>
  concat(
    (
      [
        [HEADER_FIELD, header],
        [METADATA_FIELD, metadata],
        [BODY_FIELD, body]
      ] as const
    ).flatMap(([field, bytes]) => (bytes.length === 0 ? [] : [bytesField(field, bytes)]))
  )

/** The metadata of the n-th frame of a connection, in ASCII. */
export const offsetText = (frame: number): string => `{"offset_id":${frame}}`

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
