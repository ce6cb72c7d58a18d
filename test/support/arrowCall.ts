/** A manual Flight call over grpc-js, for tests of the server's answers. */
import { Effect } from "effect"
import type { ZerobusLocalShape } from "effect-zerobus/testing"
import { DO_PUT_PATH } from "../../src/internal/flight/flightData.ts"
import { forEachField } from "../../src/internal/protobuf/reader.ts"
import { headersFor, openCall, type RawCall } from "./rawStream.ts"

/** One answer of the server, parsed from its JSON. */
export interface Answer {
  readonly ack_up_to_offset?: number
  readonly ack_up_to_records?: number
  readonly close_stream_duration_ms?: number
}

/** A running call. */
export type ArrowCall = Omit<RawCall<Answer>, "sendBytes"> & {
  readonly send: RawCall<Answer>["sendBytes"]
}

const readAnswer = (bytes: Uint8Array): Answer => {
  let json = "{}"
  forEachField(bytes, 0, bytes.length, (field, _, start, end) => {
    if (field === 1 && start >= 0) json = Buffer.from(bytes.subarray(start, end)).toString()
  })
  return JSON.parse(json) as Answer
}

/** Starts a call with these headers; the scope ends it. */
export const openDoPut = (serverEndpoint: string, headers: Readonly<Record<string, string>>) =>
  Effect.map(
    openCall(serverEndpoint, headers, DO_PUT_PATH, readAnswer),
    ({ sendBytes, ...call }): ArrowCall => ({
      ...call,
      send: sendBytes
    })
  )

/** The headers of a call to a table, with a fresh token. */
export const putHeaders = (local: ZerobusLocalShape, tableName: string) =>
  headersFor(local, tableName)
