/**
 * Sessions of Arrow Flight: the call `DoPut`, the schema as first request, responses in JSON.
 */
import type { ServerMessage } from "../protobuf/envelope.ts"
import type { StreamRpc, Wire } from "../protobuf/streamRpc.ts"
import { readPutResult, writeFlightData } from "./flightData.ts"
import { FRAME_ROOM } from "./flightFrame.ts"
import { PREFIX } from "./ipcStream.ts"

/** The part of an announced time that is reserved for the last responses, in milliseconds. */
const LAST_ANSWERS = 500

/** The longest time that a server can announce, in milliseconds: a year. */
const LONGEST_ANNOUNCEMENT = 365 * 24 * 60 * 60 * 1000

/** Reads one response of a server. */
export const decodeAnswer = (response: Uint8Array): ServerMessage => {
  const answer = readPutResult(response)
  if (answer === undefined) return { passed: "unreadable" }
  const { ackUpToOffset, ackUpToRecords, closeStreamDurationMs } = answer
  const closing =
    closeStreamDurationMs === undefined
      ? undefined
      : {
          afterMillis: Math.max(
            0,
            Math.min(closeStreamDurationMs, LONGEST_ANNOUNCEMENT) - LAST_ANSWERS
          )
        }
  // Only the rows count; the offset of a frame is informative.
  if (ackUpToRecords > 0) return { acknowledged: { upTo: ackUpToRecords - 1 }, closing }
  return { passed: ackUpToOffset === -1 ? "ready" : "nothing", closing }
}

/**
 * The RPC of a table with this schema, the schema message of an IPC stream, prefix included. Both
 * functions run anew for each session, since a stream may follow the columns of its table.
 */
export const flightRpc = (schema: () => Uint8Array, wire: () => Wire): StreamRpc => ({
  name: "DoPut",
  freeRoom: FRAME_ROOM,
  retriesCredentials: true,
  retriesAnswer: true,
  wire,
  resumes: undefined,
  resume: () => {},
  firstRequest: () => writeFlightData({ header: schema().subarray(PREFIX) }),
  decode: decodeAnswer,
  opened: ({ passed }) =>
    passed === "ready"
      ? { streamId: undefined, committed: undefined }
      : "The server's first response does not state that it is ready for Arrow batches."
})
