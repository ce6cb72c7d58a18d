/**
 * The hand-written codec, compared with the code generated from the proto file in both directions,
 * and fed with hostile bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  decodeResponse,
  encodeCreate,
  HEAD_ROOM,
  type MessageType,
  payloadTag,
  readLength,
  RECORD_TAG,
  requestSize,
  stampHeader
} from "../../../src/internal/protobuf/envelope.ts"
import { databricks } from "../../generated/zerobus_service.js"
import { varintSize, writeVarint } from "../../../src/internal/protobuf/writer.ts"
import { response } from "../../support/scriptedServer.ts"
import { seeded } from "../../support/zones.ts"

const { EphemeralStreamRequest, EphemeralStreamResponse } = databricks.zerobus
const numbers = [
  0,
  1,
  127,
  128,
  16_383,
  16_384,
  2 ** 21,
  2 ** 28,
  2 ** 31,
  2 ** 32,
  2 ** 35,
  2 ** 42,
  2 ** 49,
  Number.MAX_SAFE_INTEGER
]
const bytes = (...parts: ReadonlyArray<ReadonlyArray<number>>) => Uint8Array.from(parts.flat())

/** Puts content behind head room and writes the header in front of it. */
const stamped = (
  content: Uint8Array,
  offset: number,
  type: MessageType,
  batch: boolean
): Uint8Array => {
  const buffer = Buffer.alloc(HEAD_ROOM + content.length, 0xff)
  buffer.set(content, HEAD_ROOM)
  const start = stampHeader(buffer, HEAD_ROOM, buffer.length, offset, payloadTag(type), batch)
  assert.isAtLeast(start, 0)
  return buffer.subarray(start)
}

describe("requests", () => {
  it("are byte for byte what the generated code writes, for single records", () => {
    const random = seeded(1)
    for (const offset of numbers) {
      for (const length of [0, 1, 127, 128, 20_000]) {
        const payload = random.bytes(length)
        const proto = EphemeralStreamRequest.encode({
          ingestRecord: { offsetId: offset, protoEncodedRecord: payload }
        }).finish()
        assert.isTrue(Buffer.compare(stamped(payload, offset, "proto", false), proto) === 0)
        const text = payload.toString()
        const json = EphemeralStreamRequest.encode({
          ingestRecord: { offsetId: offset, jsonRecord: text }
        }).finish()
        assert.isTrue(Buffer.compare(stamped(Buffer.from(text), offset, "json", false), json) === 0)
        assert.isAtMost(proto.length, requestSize(payload.length))
        const avro = EphemeralStreamRequest.encode({
          ingestRecord: { offsetId: offset, avroEncodedRecord: payload }
        }).finish()
        assert.isTrue(Buffer.compare(stamped(payload, offset, "avro", false), avro) === 0)
      }
    }
  })

  it("are byte for byte what the generated code writes, for batches", () => {
    const random = seeded(2)
    for (const offset of numbers) {
      const records = Array.from({ length: 1 + random.below(5) }, () =>
        random.bytes(random.below(300))
      )
      const content = Buffer.concat(
        records.map((record) => {
          const framed = Buffer.alloc(1 + varintSize(record.length) + record.length)
          framed[0] = RECORD_TAG
          framed.set(record, writeVarint(framed, record.length, 1))
          return framed
        })
      )
      const proto = EphemeralStreamRequest.encode({
        ingestRecordBatch: { offsetId: offset, protoEncodedBatch: { records } }
      }).finish()
      assert.isTrue(Buffer.compare(stamped(content, offset, "proto", true), proto) === 0)
      const decoded = EphemeralStreamRequest.decode(stamped(content, offset, "json", true))
      assert.strictEqual(decoded.ingestRecordBatch?.jsonBatch?.records?.length, records.length)
      assert.isAtMost(proto.length, requestSize(content.length))
      const avro = EphemeralStreamRequest.encode({
        ingestRecordBatch: { offsetId: offset, avroBatch: { records } }
      }).finish()
      assert.isTrue(Buffer.compare(stamped(content, offset, "avro", true), avro) === 0)
    }
  })

  it("fit their head room, whatever the offset and the length", () => {
    for (const offset of numbers) {
      // Only the length matters for the header, so the content need not exist.
      const buffer = Buffer.alloc(HEAD_ROOM)
      for (const length of [0, 127, 16_384, 2 ** 21, 2 ** 28, 2 ** 31 - 1]) {
        assert.isAtLeast(stampHeader(buffer, HEAD_ROOM, HEAD_ROOM + length, offset, 0x12, true), 0)
      }
    }
  })

  it("that create a stream are what the generated code reads and writes", () => {
    const descriptor = Uint8Array.of(1, 2, 3)
    const proto = encodeCreate({
      tableName: "main.default.\u00fcber",
      recordType: "proto",
      descriptor
    })
    const expected = EphemeralStreamRequest.encode({
      createStream: {
        tableName: "main.default.\u00fcber",
        descriptorProto: descriptor,
        recordType: 1
      }
    }).finish()
    assert.deepStrictEqual(Buffer.from(proto), Buffer.from(expected))
    const schema = "{}"
    const avro = encodeCreate({
      tableName: "a.b.c",
      recordType: "avro",
      descriptor: Buffer.from(schema)
    })
    const expectedAvro = EphemeralStreamRequest.encode({
      createStream: { tableName: "a.b.c", recordType: 4, avroSchemaJson: schema }
    }).finish()
    assert.deepStrictEqual(Buffer.from(avro), Buffer.from(expectedAvro))
    const json = EphemeralStreamRequest.decode(
      encodeCreate({ tableName: "a.b.c", recordType: "json", descriptor: undefined })
    )
    assert.strictEqual(json.createStream?.recordType, 2)
    assert.isFalse(Object.hasOwn(json.createStream!, "descriptorProto"))
  })
})

describe("responses", () => {
  it("mean what the generated code wrote", () => {
    for (const offset of numbers) {
      const encoded = EphemeralStreamResponse.encode({
        ingestRecordResponse: { durabilityAckUpToOffset: offset }
      }).finish()
      assert.deepStrictEqual(decodeResponse(encoded), { acknowledged: { upTo: offset } })
    }
    const created = EphemeralStreamResponse.encode({
      createStreamResponse: { streamId: "id-\u010d" }
    }).finish()
    assert.deepStrictEqual(decodeResponse(created), { created: { streamId: "id-\u010d" } })
    const closing = EphemeralStreamResponse.encode({
      closeStreamSignal: { duration: { seconds: 3, nanos: 250_000_000 } }
    }).finish()
    assert.deepStrictEqual(decodeResponse(closing), { closing: { afterMillis: 3250 } })
    const atOnce = EphemeralStreamResponse.encode({ closeStreamSignal: {} }).finish()
    assert.deepStrictEqual(decodeResponse(atOnce), { closing: { afterMillis: undefined } })
  })

  it(
    "keep a missing offset apart from 0, a negative one from both, and cap what no number can " +
      "hold",
    () => {
      assert.deepStrictEqual(decodeResponse(bytes(response.ack(0))), { acknowledged: { upTo: 0 } })
      assert.deepStrictEqual(decodeResponse(bytes(response.ackWithoutOffset())), {
        acknowledged: { upTo: undefined }
      })
      for (const negative of [-1, -5, -(2n ** 63n)]) {
        assert.deepStrictEqual(decodeResponse(bytes(response.ack(negative))), {
          acknowledged: { upTo: -1 }
        })
      }
      for (const large of [2n ** 53n, 2n ** 62n, 2n ** 63n - 1n]) {
        assert.deepStrictEqual(decodeResponse(bytes(response.ack(large))), {
          acknowledged: { upTo: Number.MAX_SAFE_INTEGER }
        })
      }
    }
  )

  it("report every part of a message, and nothing for kinds that are unknown", () => {
    assert.deepStrictEqual(decodeResponse(bytes(response.ack(4), response.closing(0))), {
      acknowledged: { upTo: 4 },
      closing: { afterMillis: 0 }
    })
    assert.deepStrictEqual(decodeResponse(bytes(response.unknown())), {})
    assert.deepStrictEqual(decodeResponse(bytes(response.empty())), {})
    // Unknown fields inside a known message are skipped; so is a known field of another wire type.
    const padded = bytes([0x12, 9, 0x10, 9, 0x08, 3, 0x10, 9, 0x1a, 1, 0])
    assert.deepStrictEqual(decodeResponse(padded), { acknowledged: { upTo: 3 } })
    assert.deepStrictEqual(decodeResponse(bytes([0x12, 3, 0x0a, 1, 5])), {
      acknowledged: { upTo: undefined }
    })
    assert.deepStrictEqual(decodeResponse(bytes([0x10, 5])), {})
  })

  it(
    "S-16 never throw and never make up an acknowledgement, on 200,000 random inputs and every " +
      "cut of a good one",
    () => {
      const random = seeded(3)
      const good = bytes(response.ack(1234), response.closing(1500), response.created("stream"))
      for (let cut = 0; cut < good.length; cut++) decodeResponse(good.subarray(0, cut))
      let malformed = 0
      for (let n = 0; n < 200_000; n++) {
        const input = random.below(2) === 0 ? random.bytes(random.below(24)) : good.slice()
        for (let flips = random.below(3); flips > 0 && input.length > 0; flips--)
          input[random.below(input.length)] = random.below(256)
        const message = decodeResponse(input)
        if (message === undefined) malformed++
        else if (message.acknowledged?.upTo !== undefined)
          assert.isTrue(
            Number.isSafeInteger(message.acknowledged.upTo) && message.acknowledged.upTo >= -1
          )
      }
      assert.isAbove(malformed, 1000)
    }
  )
})

describe("readLength", () => {
  it("reads what writeVarint wrote", () => {
    for (const value of numbers) {
      const buffer = Buffer.alloc(12)
      const end = writeVarint(buffer, value, 1)
      assert.deepStrictEqual(readLength(buffer, 1), { length: value, next: end })
    }
  })
})
