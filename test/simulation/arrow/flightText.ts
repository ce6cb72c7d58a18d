/**
 * Reads the messages of Arrow Flight for the history. Like `wireText.ts`, it depends on the format
 * only, not on the engine or the server.
 */
import { field, fields, type RequestText, type ResponseText } from "../wireText.ts"

const textOf = (value: number | Uint8Array | undefined): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : ""

const readRequest = (bytes: Uint8Array): RequestText => {
  const metadata = field(fields(bytes), 3)
  if (metadata === undefined) return { kind: "create" }
  const wireOffset = JSON.parse(textOf(metadata)).offset_id
  return { kind: "ingest", wireOffset, payloads: [bytes] }
}

const readResponse = (bytes: Uint8Array): ResponseText => {
  try {
    const json = JSON.parse(textOf(field(fields(bytes), 1)))
    const rows: number = json.ack_up_to_records
    const offset: number = json.ack_up_to_offset
    const closeAfter: number | undefined = json.close_stream_duration_ms
    return {
      ...(rows === 0 && offset === -1 && closeAfter === undefined ? { created: true } : {}),
      ...(offset >= 0 ? { ack: offset } : {}),
      ...(rows > 0 ? { rows } : {}),
      ...(closeAfter === undefined ? {} : { closeAfter })
    }
  } catch {
    return { bad: "malformed" }
  }
}

/** The readers of an Arrow connection. */
export const flightWire = { request: readRequest, response: readResponse }
