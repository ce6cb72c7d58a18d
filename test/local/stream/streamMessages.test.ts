/** Compares the server's own codec with the code generated from the protocol file. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { databricks } from "../../generated/zerobus_service.js"
import {
  ackResponse,
  closeSignalResponse,
  createdResponse,
  maxBatchRecords,
  readRequest
} from "../../../src/local/stream/streamMessages.ts"

const { EphemeralStreamRequest, EphemeralStreamResponse } = databricks.zerobus
const Offset = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Bytes = Schema.Uint8Array
/** Protobuf strings are UTF-8, which cannot encode lone surrogates. */
const Text = Schema.String.check(Schema.makeFilter((text) => text.isWellFormed()))
const texts = (records: ReadonlyArray<Uint8Array>) =>
  records.map((record) => Buffer.from(record).toString())
const bytes = (records: ReadonlyArray<Uint8Array>) => records.map((record) => [...record])

describe("requests", () => {
  it.effect.prop(
    "are read as the generated code writes them",
    {
      offset: Offset,
      text: Text,
      payload: Bytes,
      records: Schema.Array(Bytes),
      lines: Schema.Array(Text)
    },
    ({ lines, offset, payload, records, text }) =>
      Effect.sync(() => {
        const write = (request: Parameters<typeof EphemeralStreamRequest.encode>[0]) =>
          readRequest(EphemeralStreamRequest.encode(request).finish())

        const create = write({
          createStream: { tableName: text, descriptorProto: payload, recordType: 2 }
        })
        assert.deepStrictEqual(
          create._tag === "Create" && [
            create.tableName,
            [...(create.descriptor ?? [])],
            create.recordType
          ],
          [text, [...payload], 2]
        )
        const json = write({ ingestRecord: { offsetId: offset, jsonRecord: text } })
        if (json._tag !== "Ingest") return assert.fail(json._tag)
        assert.deepInclude(json, {
          offset,
          kind: "Json",
          batch: false,
          recordBytes: Buffer.byteLength(text)
        })
        assert.deepStrictEqual(texts(json.records), [text])

        const proto = write({ ingestRecord: { offsetId: offset, protoEncodedRecord: payload } })
        if (proto._tag !== "Ingest") return assert.fail(proto._tag)
        assert.deepStrictEqual(
          [proto.offset, proto.kind, bytes(proto.records)],
          [offset, "Proto", [[...payload]]]
        )

        const batch = write({
          ingestRecordBatch: { offsetId: offset, protoEncodedBatch: { records: [...records] } }
        })
        if (batch._tag !== "Ingest") return assert.fail(batch._tag)
        assert.deepStrictEqual(
          [batch.offset, batch.kind, bytes(batch.records)],
          [offset, "Proto", bytes(records)]
        )
        assert.strictEqual(
          batch.recordBytes,
          records.reduce((sum, record) => sum + record.length, 0)
        )

        const lineBatch = write({
          ingestRecordBatch: { offsetId: offset, jsonBatch: { records: [...lines] } }
        })
        if (lineBatch._tag !== "Ingest") return assert.fail(lineBatch._tag)
        assert.deepStrictEqual([lineBatch.kind, texts(lineBatch.records)], ["Json", lines])
      }),
    { arbitrary: { runs: 300 } }
  )

  it("hold the records of a batch also where other fields come between and behind them", () => {
    const record = (text: string) =>
      Buffer.concat([Buffer.from([0x0a, text.length]), Buffer.from(text)])
    const others = [
      Buffer.from([0x10, 5]),
      Buffer.from([0x1a, 1, 0x0a]),
      Buffer.from([0x0d, 1, 2, 3, 4])
    ]
    for (const other of others) {
      const batch = Buffer.concat([record("ab"), other, record(""), record("cde"), other])
      const inner = Buffer.concat([Buffer.from([0x12, batch.length]), batch])
      const read = readRequest(Buffer.concat([Buffer.from([0x1a, inner.length]), inner]))
      if (read._tag !== "Ingest") return assert.fail(JSON.stringify(read))
      assert.deepStrictEqual(texts(read.records), ["ab", "", "cde"])
      assert.strictEqual(read.recordBytes, 5)
      const cut = Buffer.from([0x1a, 4, 0x12, 2, 0x0a, 9])
      assert.strictEqual(readRequest(cut)._tag, "Malformed")
    }
  })

  it("tell a missing offset from 0, and a negative one from both", () => {
    const offsetOf = (request: Parameters<typeof EphemeralStreamRequest.encode>[0]) => {
      const read = readRequest(EphemeralStreamRequest.encode(request).finish())
      return read._tag === "Ingest" ? read.offset : read._tag
    }
    assert.isUndefined(offsetOf({ ingestRecord: { jsonRecord: "{}" } }))
    assert.strictEqual(offsetOf({ ingestRecord: { offsetId: 0, jsonRecord: "{}" } }), 0)
    assert.strictEqual(offsetOf({ ingestRecord: { offsetId: -1, jsonRecord: "{}" } }), -1)
    assert.strictEqual(offsetOf({ ingestRecordBatch: { offsetId: -3, jsonBatch: {} } }), -1)
  })

  it("default to protobuf when the create request names no record type", () => {
    const read = readRequest(
      EphemeralStreamRequest.encode({ createStream: { tableName: "a.b.c" } }).finish()
    )
    assert.deepInclude(read, { _tag: "Create", recordType: 1, descriptor: undefined })
  })

  it("take the last of several payloads, as protobuf has it", () => {
    const one = EphemeralStreamRequest.encode({ createStream: { tableName: "a.b.c" } }).finish()
    const two = EphemeralStreamRequest.encode({
      ingestRecord: { offsetId: 4, jsonRecord: "{}" }
    }).finish()
    const read = readRequest(Buffer.concat([one, two]))
    assert.deepInclude(read, { _tag: "Ingest", offset: 4 })
  })

  it("are refused when they hold too many records", () => {
    const records = Array.from({ length: maxBatchRecords + 1 }, () => "")
    const read = readRequest(
      EphemeralStreamRequest.encode({ ingestRecordBatch: { jsonBatch: { records } } }).finish()
    )
    assert.strictEqual(read._tag, "Malformed")
    const most = readRequest(
      EphemeralStreamRequest.encode({
        ingestRecordBatch: { jsonBatch: { records: records.slice(1) } }
      }).finish()
    )
    assert.strictEqual(most._tag, "Ingest")
  })

  it.effect.prop(
    "of arbitrary bytes are never read beyond their end, and never throw",
    { message: Bytes },
    ({ message }) =>
      Effect.sync(() => {
        const padded = Buffer.concat([message, Buffer.alloc(64, 0xff)])
        const read = readRequest(padded.subarray(0, message.length))
        if (read._tag === "Ingest")
          for (const record of read.records) assert.isAtMost(record.length, message.length)
      }),
    { arbitrary: { runs: 2000 } }
  )

  it("cut short at any byte are refused, or are shorter messages", () => {
    const whole = EphemeralStreamRequest.encode({
      ingestRecordBatch: {
        offsetId: 300,
        jsonBatch: { records: ["{}", '{"a":1}', "x".repeat(200)] }
      }
    }).finish()
    for (let end = 1; end < whole.length; end++)
      assert.strictEqual(readRequest(whole.subarray(0, end))._tag, "Malformed")
  })
})

describe("responses", () => {
  it.effect.prop(
    "are what the generated code reads",
    {
      offset: Offset,
      id: Text,
      millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 ** 9 }))
    },
    ({ id, millis, offset }) =>
      Effect.sync(() => {
        assert.strictEqual(
          EphemeralStreamResponse.decode(createdResponse(id)).createStreamResponse?.streamId,
          id
        )
        const ack = EphemeralStreamResponse.decode(ackResponse(offset)).ingestRecordResponse
        assert.strictEqual(ack?.durabilityAckUpToOffset, offset)
        const { nanos, seconds } = EphemeralStreamResponse.decode(closeSignalResponse(millis))
          .closeStreamSignal!.duration!
        assert.strictEqual(Number(seconds) * 1000 + Number(nanos) / 1e6, millis)
      }),
    { arbitrary: { runs: 300 } }
  )

  it("can carry false offsets", () => {
    const missing = EphemeralStreamResponse.decode(ackResponse(undefined)).ingestRecordResponse!
    assert.isFalse(Object.hasOwn(missing, "durabilityAckUpToOffset"))
    assert.strictEqual(
      EphemeralStreamResponse.decode(ackResponse(-1)).ingestRecordResponse!.durabilityAckUpToOffset,
      -1
    )
  })
})
