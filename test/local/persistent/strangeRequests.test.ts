/**
 * Requests of faulty clients to the RPCs of persistent streams: they are refused, and take the
 * stream from no other connection.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { databricks } from "../../generated/zerobus_service.js"
import { headersFor, openRaw } from "../../support/rawStream.ts"

const { PersistentStreamRequest, RetireStreamRequest } = databricks.zerobus
const table = TableProperties.json("main.default.strange")
type Content = Parameters<typeof PersistentStreamRequest.create>[0]
const request = (content: Content) =>
  PersistentStreamRequest.encode(PersistentStreamRequest.create(content)).finish()
const record = (offsetId: number) => request({ ingestRecord: { offsetId, jsonRecord: '{"n":1}' } })
const create = request({
  createStream: { createStream: { tableName: table.tableName, recordType: 2 } }
})
const resume = (streamId: string, recordType = 2) =>
  request({ resumeStream: { streamId, recordType } })

/** Sends these bytes on a new call, and returns how the call ended. */
const send = Effect.fnUntraced(function* (rpc: string, ...messages: ReadonlyArray<Uint8Array>) {
  const local = yield* ZerobusLocal
  const call = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table.tableName), rpc)
  for (const message of messages) yield* call.sendBytes(message)
  yield* call.halfClose
  return yield* call.end
})

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("the server", (it) => {
  it.effect(
    "refuses strange requests of persistent streams, and goes on with the stream they name",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const zerobus = yield* Zerobus
        yield* local.createTable("main.default.strange(n INT)")
        const stream = yield* zerobus.createPersistentStream(table)
        for (let n = 0; n < 3; n++) yield* stream.ingestRecord({ n })
        yield* stream.flush
        const { streamId } = stream
        const wide = "x".repeat(1_000_000)
        for (const [messages, code, words] of [
          [[record(0)], 3, "before the stream was created"],
          [[resume("")], 3, "names no stream"],
          [[request({ resumeStream: {} })], 3, "names no stream"],
          [[resume(streamId, 1)], 3, "needs descriptor_proto"],
          [[resume(streamId, 4)], 12, "Avro"],
          [[resume(streamId, 9)], 3, "no known record type"],
          [[resume(wide)], 5, "no persistent stream of this id"],
          [[request({ createStream: {} })], 3, "names no table"],
          [[Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f)], 3, "not a valid protobuf message"],
          [[Uint8Array.of(0x2a, 0)], 3, "no payload that this server supports"],
          [[create, create], 3, "created already"],
          [[create, record(1)], 3, "expected 0, got 1"],
          [[create, resume(streamId)], 3, "open already"]
        ] as const) {
          const end = yield* send("PersistentStream", ...messages)
          assert.strictEqual(end.code, code, end.message)
          assert.include(end.message, words)
        }
        yield* stream.ingestRecord({ n: 3 })
        yield* stream.flush
        // Only this resume takes the stream from the client; its next offset is wrong.
        const taken = yield* send("PersistentStream", resume(streamId), record(0))
        assert.include(taken.message, "expected 4, got 0")
        assert.strictEqual((yield* local.records(table)).length, 4)
      })
  )

  it.effect("refuses strange retirements, and retires nothing", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const retire = (tableName: string | undefined, streamId: string | undefined) =>
        RetireStreamRequest.encode(
          RetireStreamRequest.create({
            ...(tableName && { tableName }),
            ...(streamId && { streamId })
          })
        ).finish()
      for (const [messages, code, words] of [
        [[], 3, "holds no request"],
        [[Uint8Array.of(0x0a, 0xff)], 3, "not a valid protobuf message"],
        [[retire("main.default.other", "a")], 3, "names the table main.default.other"],
        [[retire(undefined, "a")], 3, "names the table"],
        [[retire(table.tableName, undefined)], 3, "names no stream"],
        [[retire(table.tableName, "nothing")], 5, "no persistent stream of this id"]
      ] as const) {
        const end = yield* send("RetireStream", ...messages)
        assert.strictEqual(end.code, code, end.message)
        assert.include(end.message, words)
      }
      assert.isTrue((yield* local.streams(table)).every(({ retiredAt }) => retiredAt === undefined))
    })
  )
})
