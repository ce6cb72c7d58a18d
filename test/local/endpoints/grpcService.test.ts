/**
 * The gRPC endpoint with raw calls: what it accepts, and what it refuses, with which status and
 * text.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { classify } from "../../../src/internal/grpc/grpcStatus.ts"
import { TransportFailure } from "../../../src/Transport.ts"
import { headersFor, openCreated, openRaw, postToken, tokenForm } from "../../support/rawStream.ts"

const table = "main.default.orders"
const definition = `${table}(id BIGINT NOT NULL, item STRING)`
const json = (n: number) => JSON.stringify({ id: n, item: "a" })

/**
 * `message T { optional int64 id = 1; optional string item = 2; }`, and one whose id is a string.
 */
const field = (name: string, number: number, type: number) => {
  const body = [0x0a, name.length, ...Buffer.from(name), 0x18, number, 0x20, 1, 0x28, type]
  return [0x12, body.length, ...body]
}
const goodDescriptor = Uint8Array.from([
  0x0a,
  1,
  0x54,
  ...field("id", 1, 3),
  ...field("item", 2, 9)
])
const badDescriptor = Uint8Array.from([
  0x0a,
  1,
  0x54,
  ...field("id", 1, 9),
  ...field("extra", 2, 9)
])

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("a stream", (it) => {
  it.effect("is created, acknowledges cumulatively, and ends with OK after the half-close", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(definition)
      const { stream, streamId } = yield* openCreated(local, table)
      assert.match(streamId ?? "", /^[0-9a-f-]{36}$/)
      yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord: json(0) } })
      yield* stream.send({
        ingestRecordBatch: { offsetId: 1, jsonBatch: { records: [json(1), json(2)] } }
      })
      yield* stream.halfClose
      const end = yield* stream.end
      assert.strictEqual(end.code, 0)
      let last = -1
      const audit = yield* local.audit(table)
      while (last < 1) {
        const ack = (yield* stream.next).ingestRecordResponse!
        assert.isAbove(ack.durabilityAckUpToOffset!, last)
        last = ack.durabilityAckUpToOffset!
      }
      assert.strictEqual(last, 1)
      assert.strictEqual(audit.ackedRecords, 3)
      assert.deepStrictEqual(
        audit.perConnection
          .at(-1)!
          .received.map((records) => records.map((record) => Buffer.from(record).toString())),
        [[json(0)], [json(1), json(2)]]
      )
      assert.deepStrictEqual(
        (yield* local.records(table)).map((row) => row["id"]),
        [0n, 1n, 2n]
      )
    })
  )

  it.effect("takes protobuf records", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable("main.default.protos(id BIGINT, item STRING)")
      const { stream } = yield* openCreated(local, "main.default.protos", {
        descriptorProto: goodDescriptor
      })
      yield* stream.send({
        ingestRecord: { offsetId: 0, protoEncodedRecord: Uint8Array.of(0x08, 7, 0x12, 1, 0x62) }
      })
      yield* stream.next
      assert.deepStrictEqual(yield* local.records("main.default.protos"), [{ id: 7n, item: "b" }])
    })
  )

  const refusals: ReadonlyArray<
    readonly [
      title: string,
      requests: ReadonlyArray<object | Uint8Array>,
      code: number,
      text: RegExp
    ]
  > = [
    [
      "a record before the create request",
      [{ ingestRecord: { offsetId: 0, jsonRecord: json(0) } }],
      3,
      /before the stream was created/
    ],
    [
      "a second create request",
      ["create", "create"].map(() => ({ createStream: { tableName: table, recordType: 2 } })),
      3,
      /created already/
    ],
    [
      "another table than the header's",
      [{ createStream: { tableName: "main.default.other", recordType: 2 } }],
      3,
      /the header/
    ],
    ["no table", [{ createStream: { recordType: 2 } }], 3, /names no table/],
    [
      "an unknown record type",
      [{ createStream: { tableName: table, recordType: 0 } }],
      3,
      /record type/
    ],
    [
      "Avro without a schema",
      [{ createStream: { tableName: table, recordType: 4 } }],
      3,
      /avro_schema_json/
    ],
    [
      "protobuf without a descriptor",
      [{ createStream: { tableName: table } }],
      3,
      /descriptor_proto/
    ],
    ["bytes that are no message", [Uint8Array.of(0x0a, 0xff)], 3, /not a valid protobuf message/],
    ["an unknown payload", [Uint8Array.of(0x7a, 0)], 3, /no payload/]
  ]
  for (const [title, requests, code, text] of refusals) {
    it.effect(`refuses ${title}`, () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
        for (const request of requests) {
          if (request instanceof Uint8Array) yield* stream.sendBytes(request)
          else yield* stream.send(request)
        }
        const end = yield* stream.end
        assert.strictEqual(end.code, code)
        assert.match(end.message, text)
        assert.match(end.message, /Error Code: \d+, Error State: \d+\.$/)
      })
    )
  }

  const badRecords: ReadonlyArray<readonly [title: string, request: object, text: RegExp]> = [
    [
      "a gap in the offsets",
      { ingestRecord: { offsetId: 2, jsonRecord: json(1) } },
      /expected 1, got 2.*Error Code: 4002/
    ],
    [
      "a repeated offset",
      { ingestRecord: { offsetId: 0, jsonRecord: json(1) } },
      /expected 1, got 0.*Error Code: 4002/
    ],
    [
      "a negative offset",
      { ingestRecord: { offsetId: -5, jsonRecord: json(1) } },
      /negative.*Error Code: 4002/
    ],
    ["a missing offset", { ingestRecord: { jsonRecord: json(1) } }, /got none.*Error Code: 4002/],
    [
      "a record of the wrong kind",
      { ingestRecord: { offsetId: 1, protoEncodedRecord: Uint8Array.of(8, 1) } },
      /takes Json/
    ],
    ["an ingest request without a record", { ingestRecord: { offsetId: 1 } }, /no record/],
    ["an empty batch", { ingestRecordBatch: { offsetId: 1, jsonBatch: {} } }, /empty/],
    ["text that is no JSON", { ingestRecord: { offsetId: 1, jsonRecord: "{" } }, /Record 0/],
    [
      "a column of the wrong type",
      { ingestRecord: { offsetId: 1, jsonRecord: '{"id":"x"}' } },
      /column id/
    ],
    ["a missing column", { ingestRecord: { offsetId: 1, jsonRecord: "{}" } }, /column id/]
  ]
  for (const [title, request, text] of badRecords) {
    it.effect(`refuses ${title}, and acknowledges what came before`, () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const { stream } = yield* openCreated(local, table)
        yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord: json(0) } })
        yield* stream.send(request)
        const end = yield* stream.end
        assert.strictEqual(end.code, 3)
        assert.match(end.message, text)
        assert.notInclude(end.message, '"x"')
        assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
      })
    )
  }

  it.effect("refuses more than 10 MiB of records in one message", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const { stream } = yield* openCreated(local, table)
      const item = "x".repeat(11 * 1024 * 1024)
      yield* stream.send({
        ingestRecord: { offsetId: 0, jsonRecord: JSON.stringify({ id: 1, item }) }
      })
      const end = yield* stream.end
      assert.strictEqual(end.code, 3)
      assert.match(end.message, /above the limit of 10485760/)
    })
  )

  it.effect("refuses an unknown table with NOT_FOUND", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const name = "main.default.nowhere"
      const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, name))
      yield* stream.send({ createStream: { tableName: name, recordType: 2 } })
      const end = yield* stream.end
      assert.strictEqual(end.code, 5)
      assert.match(end.message, /main\.default\.nowhere does not exist/)
    })
  )

  it.effect("refuses a descriptor that does not fit with causes the client understands", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table))
      yield* stream.send({ createStream: { tableName: table, descriptorProto: badDescriptor } })
      const end = yield* stream.end
      assert.strictEqual(end.code, 3)
      assert.match(end.message, /Error Code: 8001/)
      const error = classify(TransportFailure.Status(end), table)
      if (error._tag !== "SchemaMismatch") return assert.fail(`classified as ${error._tag}`)
      assert.sameMembers([...error.causes], ["TYPE_INCOMPATIBLE", "FIELD_NOT_IN_TABLE"])
      assert.strictEqual(error.errorCode, "8001")
    })
  )
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("headers", (it) => {
  const endWith = (headers: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const stream = yield* openRaw(local.serverEndpoint, headers)
      return yield* stream.end
    })

  it.effect("without a table are refused", () =>
    Effect.gen(function* () {
      const { code, message } = yield* endWith({ authorization: "Bearer x" })
      assert.strictEqual(code, 3)
      assert.match(message, /x-databricks-zerobus-table-name is missing/)
    })
  )

  it.effect("with a path instead of a table are refused", () =>
    Effect.gen(function* () {
      for (const name of [
        "../../etc/passwd",
        "a.b",
        "a.b.c.d",
        "main.default.",
        "a/b.c.d",
        "..",
        "a.b.c\\d"
      ]) {
        const { code, message } = yield* endWith({ "x-databricks-zerobus-table-name": name })
        assert.strictEqual(code, 3, name)
        assert.match(message, /table name/)
      }
    })
  )

  it.effect("without a token, with a made-up one, or with one for another table are refused", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const name = { "x-databricks-zerobus-table-name": table }
      assert.match((yield* endWith(name)).message, /authorization is missing/)
      assert.match(
        (yield* endWith({ ...name, authorization: "Basic abc" })).message,
        /not a bearer token/
      )
      const foreign = yield* headersFor(local, "main.default.other")
      const catalog = yield* postToken(local, {
        grant_type: "client_credentials",
        scope: "all-apis"
      })
      const tokens: ReadonlyArray<readonly [string, RegExp]> = [
        ["Bearer made.up", /not issued by this server/],
        [`Bearer ${"x".repeat(5000)}`, /not issued by this server/],
        [foreign.authorization, /bound to another table/],
        [`Bearer ${catalog.body["access_token"]}`, /for the catalog/],
        [`${foreign.authorization}x`, /not issued by this server/]
      ]
      for (const [authorization, text] of tokens) {
        const { code, message } = yield* endWith({ ...name, authorization })
        assert.strictEqual(code, 16)
        assert.match(message, text)
      }
    })
  )

  it.effect("of another server's token are refused", () =>
    Effect.gen(function* () {
      const headers = yield* Effect.flatMap(ZerobusLocal, (other) => headersFor(other, table)).pipe(
        Effect.provide(ZerobusLocal.layerServerMemory())
      )
      assert.strictEqual((yield* endWith(headers)).code, 16)
    })
  )
})

describe("tokens", () => {
  it.live("expire", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(definition)
      const { body } = yield* postToken(local, tokenForm(table))
      assert.strictEqual(body["expires_in"], 0)
      const stream = yield* openRaw(local.serverEndpoint, {
        "authorization": `Bearer ${body["access_token"]}`,
        "x-databricks-zerobus-table-name": table
      })
      const end = yield* stream.end
      assert.strictEqual(end.code, 16)
      assert.match(end.message, /expired/)
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory({ tokenLife: 0 })))
  )

  it.live("are not required without auth", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(definition)
      const stream = yield* openRaw(local.serverEndpoint, {
        "x-databricks-zerobus-table-name": table
      })
      yield* stream.send({ createStream: { tableName: table, recordType: 2 } })
      assert.isString((yield* stream.next).createStreamResponse?.streamId)
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory({ auth: false })))
  )
})

describe("the life of a stream", () => {
  it.live(
    "ends with a close signal, then UNAVAILABLE with code 6002, with everything acknowledged",
    () =>
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(definition)
        const { stream } = yield* openCreated(local, table)
        const signal = yield* stream.next
        assert.strictEqual(signal.closeStreamSignal?.duration?.nanos, 250_000_000)
        yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord: json(0) } })
        assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
        const end = yield* stream.end
        assert.strictEqual(end.code, 14)
        assert.match(end.message, /Error Code: 6002/)
      }).pipe(
        Effect.provide(
          ZerobusLocal.layerServerMemory({ streamLife: "10 millis", closeGrace: "250 millis" })
        )
      )
  )
})
