/**
 * The messages of persistent streams, compared with the code generated from the proto file.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  decodePersistentResponse,
  encodeRetire,
  HEAD_ROOM,
  payloadTag,
  stampHeader,
  TAG_SHIFT
} from "../../../src/internal/protobuf/envelope.ts"
import { ephemeralRpc, persistentRpc } from "../../../src/internal/protobuf/streamRpc.ts"
import { databricks } from "../../generated/zerobus_service.js"

const { PersistentStreamRequest, PersistentStreamResponse, RetireStreamRequest } =
  databricks.zerobus
const json = { tableName: "main.default.t", recordType: "json", descriptor: undefined } as const
const proto = {
  tableName: "main.default.t",
  recordType: "proto",
  descriptor: new Uint8Array([10, 1, 65])
} as const
const response = (content: object) =>
  PersistentStreamResponse.encode(PersistentStreamResponse.create(content)).finish()
const decoded = (bytes: Uint8Array) => PersistentStreamRequest.decode(bytes)

describe("the messages of a persistent stream", () => {
  it("create and resume it", () => {
    const created = decoded(persistentRpc(proto, undefined).firstRequest()).createStream
      ?.createStream
    assert.deepStrictEqual(
      [created?.tableName, created?.recordType, [...(created?.descriptorProto ?? [])]],
      ["main.default.t", 1, [10, 1, 65]]
    )
    const resumed = decoded(persistentRpc(proto, "id-1").firstRequest()).resumeStream
    assert.deepStrictEqual(
      [resumed?.streamId, resumed?.recordType, [...(resumed?.descriptorProto ?? [])]],
      ["id-1", 1, [10, 1, 65]]
    )
    const untyped = decoded(persistentRpc(json, "id-1").firstRequest()).resumeStream
    assert.deepStrictEqual([untyped?.recordType, untyped?.descriptorProto?.length ?? 0], [2, 0])
    const retire = RetireStreamRequest.decode(encodeRetire("main.default.t", "id-1"))
    assert.deepStrictEqual([retire.tableName, retire.streamId], ["main.default.t", "id-1"])
  })

  it("carry records and batches under larger numbers", () => {
    const content = Buffer.from("{}")
    for (const [batch, offset] of [
      [false, 0],
      [true, 2 ** 40]
    ] as const) {
      const buffer = Buffer.alloc(HEAD_ROOM + 4)
      const framed = batch ? Buffer.concat([Buffer.from([0x0a, 2]), content]) : content
      framed.copy(buffer, HEAD_ROOM)
      const end = HEAD_ROOM + framed.length
      const start = stampHeader(
        buffer,
        HEAD_ROOM,
        end,
        offset,
        payloadTag("json"),
        batch,
        TAG_SHIFT
      )
      const { ingestRecord, ingestRecordBatch } = decoded(buffer.subarray(start, end))
      assert.strictEqual(Number((batch ? ingestRecordBatch : ingestRecord)?.offsetId), offset)
      const texts = batch ? ingestRecordBatch?.jsonBatch?.records : [ingestRecord?.jsonRecord]
      assert.deepStrictEqual(texts, ["{}"])
    }
  })

  it("are read, whatever parts they have", () => {
    const decode = (content: object) => decodePersistentResponse(response(content))
    assert.deepStrictEqual(decode({ createStreamResponse: { streamId: "a" } }), {
      created: { streamId: "a" }
    })
    assert.deepStrictEqual(decode({ resumeStreamResponse: {} }), {
      resumed: { committed: undefined }
    })
    assert.deepStrictEqual(decode({ resumeStreamResponse: { lastCommittedOffset: 0 } }), {
      resumed: { committed: 0 }
    })
    assert.deepStrictEqual(decode({ resumeStreamResponse: { lastCommittedOffset: -5 } }), {
      resumed: { committed: -1 }
    })
    assert.deepStrictEqual(decode({ ingestRecordResponse: { durabilityAckUpToOffset: 7 } }), {
      acknowledged: { upTo: 7 }
    })
    assert.deepStrictEqual(decode({ closeStreamSignal: { duration: { seconds: 2 } } }), {
      closing: { afterMillis: 2000 }
    })
    assert.isUndefined(decodePersistentResponse(new Uint8Array([0x0a, 9])))
  })
})

describe("the answer to the first request", () => {
  const opened = (id: string | undefined, content: object) => {
    const rpc = persistentRpc(json, id)
    return [rpc.opened(rpc.decode(response(content))!), rpc.resumes] as const
  }

  it("gives a new stream its id, which later sessions resume", () => {
    assert.deepStrictEqual(opened(undefined, { createStreamResponse: { streamId: "new" } }), [
      { streamId: "new", committed: -1 },
      "new"
    ])
    assert.deepStrictEqual(opened("old", { resumeStreamResponse: { lastCommittedOffset: 41 } }), [
      { streamId: "old", committed: 41 },
      "old"
    ])
    assert.deepStrictEqual(opened("old", { resumeStreamResponse: {} })[0], {
      streamId: "old",
      committed: -1
    })
  })

  it(
    "breaks the protocol without a usable id, with a negative offset, and as the answer to " +
      "another request",
    () => {
      const created = { createStreamResponse: { streamId: "new" } }
      const resumed = { resumeStreamResponse: { lastCommittedOffset: 1 } }
      for (const [id, content, words] of [
        [undefined, { createStreamResponse: {} }, "without an id"],
        [undefined, { createStreamResponse: { streamId: "" } }, "without an id"],
        [undefined, { createStreamResponse: { streamId: "x".repeat(257) } }, "more than 256"],
        [undefined, resumed, "create request"],
        [undefined, { ingestRecordResponse: { durabilityAckUpToOffset: 0 } }, "create request"],
        ["old", created, "resume request"],
        ["old", { resumeStreamResponse: { lastCommittedOffset: -1 } }, "negative"]
      ] as const) {
        const [answer, resumes] = opened(id, content)
        assert.include(answer, words)
        assert.strictEqual(resumes, id)
      }
      assert.include(ephemeralRpc(json).opened({}), "create request")
    }
  )
})
