/**
 * The messages of Arrow Flight, compared with protobufjs.
 */
import { assert, describe, it } from "@effect/vitest"
import protobuf from "protobufjs"
import {
  offsetText,
  readFlightData,
  readOffsetMetadata,
  readPutResult,
  writeFlightData,
  writePutResult
} from "../../../src/internal/flight/flightData.ts"

const root = protobuf.parse(`
  syntax = "proto3";
  message FlightDescriptor { int32 type = 1; bytes cmd = 2; }
  message FlightData {
    FlightDescriptor flight_descriptor = 1;
    bytes data_header = 2;
    bytes app_metadata = 3;
    bytes data_body = 1000;
  }
  message PutResult { bytes app_metadata = 1; }
`).root
const FlightData = root.lookupType("FlightData")
const PutResult = root.lookupType("PutResult")

const bytes = (length: number, from = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => from + index)
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe("FlightData", () => {
  it.each([0, 1, 127, 128, 70_000])("is read by protobufjs with a body of %i bytes", (length) => {
    const message = { header: bytes(200), metadata: text(offsetText(1_234)), body: bytes(length) }
    const written = writeFlightData(message)
    const read = FlightData.decode(written) as unknown as Record<string, Uint8Array>
    assert.deepStrictEqual(new Uint8Array(read["dataHeader"]!), message.header)
    assert.deepStrictEqual(new Uint8Array(read["dataBody"] ?? []), message.body)
    assert.strictEqual(new TextDecoder().decode(read["appMetadata"]), `{"offset_id":1234}`)
  })

  it("leaves empty parts out", () => {
    const written = writeFlightData({ header: bytes(3), body: bytes(0) })
    assert.deepStrictEqual([...written], [0x12, 3, 1, 2, 3])
    assert.isUndefined(readFlightData(written)?.metadata)
  })

  it("is read in any order of fields, with others passed over", () => {
    const read = readFlightData(
      FlightData.encode({
        flightDescriptor: { cmd: bytes(4) },
        dataBody: bytes(9),
        dataHeader: bytes(5)
      }).finish()
    )
    assert.deepStrictEqual([...read!.header], [...bytes(5)])
    assert.deepStrictEqual([...read!.body], [...bytes(9)])
  })

  it("is undefined for bytes that are no message", () => {
    assert.isUndefined(readFlightData(Uint8Array.of(0x12, 200, 1)))
  })

  it("has the number of its frame as JSON", () => {
    assert.strictEqual(readOffsetMetadata(text(offsetText(7))), 7)
    for (const wrong of [
      "",
      "7",
      "null",
      "{}",
      `{"offset_id":-1}`,
      `{"offset_id":"1"}`,
      `{"offset_id":1.5}`
    ]) {
      assert.isUndefined(readOffsetMetadata(text(wrong)), wrong)
    }
  })
})

describe("PutResult", () => {
  const answerOf = (json: string) =>
    readPutResult(PutResult.encode({ appMetadata: text(json) }).finish())

  it("is written as the service's JSON", () => {
    const written = PutResult.decode(
      writePutResult({ ackUpToOffset: 3, ackUpToRecords: 40, closeStreamDurationMs: 5_000 })
    ) as unknown as { readonly appMetadata: Uint8Array }
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(written.appMetadata)), {
      ack_up_to_offset: 3,
      ack_up_to_records: 40,
      close_stream_duration_ms: 5_000
    })
  })

  it("is read with and without an announced end", () => {
    assert.deepStrictEqual(answerOf(`{"ack_up_to_offset":-1,"ack_up_to_records":0}`), {
      ackUpToOffset: -1,
      ackUpToRecords: 0,
      closeStreamDurationMs: undefined
    })
    assert.strictEqual(
      answerOf(`{"ack_up_to_offset":1,"ack_up_to_records":9,"close_stream_duration_ms":0,"x":{}}`)
        ?.closeStreamDurationMs,
      0
    )
  })

  it("is undefined for anything else", () => {
    for (const json of [
      "",
      "[]",
      "nothing",
      `{"ack_up_to_offset":1}`,
      `{"ack_up_to_records":1}`,
      `{"ack_up_to_offset":1,"ack_up_to_records":-1}`,
      `{"ack_up_to_offset":1,"ack_up_to_records":"1"}`,
      `{"ack_up_to_offset":1,"ack_up_to_records":1,"close_stream_duration_ms":-1}`
    ]) {
      assert.isUndefined(answerOf(json), json)
    }
    assert.isUndefined(readPutResult(Uint8Array.of(0x0a, 9)))
  })
})
