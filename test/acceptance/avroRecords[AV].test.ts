/** Streams of Avro records: the bytes on the wire, and the values refused before they are sent. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { Spool, type StreamConfigurationOptions } from "effect-zerobus"
import { AvroTable } from "../../src/avro/index.ts"
import * as A from "../support/acceptance.ts"
import { code, type Connection, type Script } from "../support/scriptedServer.ts"
import { temporaryFolder } from "../support/storedTables.ts"

const schema = {
  type: "record",
  name: "Reading",
  fields: [
    { name: "n", type: "int" },
    { name: "text", type: ["null", "string"] }
  ]
}
const table = AvroTable.make("main.default.readings", schema)

/** A reading and its encoding by the specification, as the scripted server shows it. */
const reading = (n: number) => ({ n, text: "a" })
const bytes = (n: number) => Uint8Array.of(2 * n, 2, 2, 97)
const shown = (n: number) => Buffer.from(bytes(n)).toString("latin1")

const open = Effect.fnUntraced(function* (
  options: StreamConfigurationOptions<AvroTable.AvroRecord> = {},
  ...scripts: ReadonlyArray<Script>
) {
  const { server, zerobus } = yield* A.client(...scripts)
  const stream = yield* zerobus.createStream(table, options)
  return { server, stream }
})

const formats = ({ messages }: Connection) =>
  messages.map(({ format, kind }) => `${format} ${kind}`)

describe("a stream of Avro records", () => {
  it.effect("AV-01 sends bytes as they are, and gives the schema as text", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* open()
      const foreign = Uint8Array.of(255, 0, 128)
      yield* stream.ingestRecord(foreign)
      yield* stream.close
      const { create, records } = server.last
      assert.deepStrictEqual(records, ["\u00ff\u0000\u0080"])
      assert.deepStrictEqual(create, {
        tableName: table.tableName,
        recordType: 4,
        descriptor: undefined,
        avroSchema: JSON.stringify(schema)
      })
    })
  )

  it.effect(
    "AV-02 AV-03 CV-14 encodes values, one in the field of a record and several in that of a batch",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* open()
        assert.strictEqual(yield* (yield* stream.ingestRecord(reading(1))).await, 0)
        assert.strictEqual((yield* stream.ingestRecords([reading(2), bytes(3)]))?.offset, 1)
        yield* stream.close
        assert.deepStrictEqual(server.last.records, [shown(1), shown(2), shown(3)])
        assert.deepStrictEqual(formats(server.last), ["avro single", "avro batch"])
      })
  )

  it.effect("AV-04 sends a fixed uuid as its 16 bytes", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const uuid = { type: "fixed", name: "id", size: 16, logicalType: "uuid" }
      const fields = [{ name: "id", type: uuid }]
      const ids = AvroTable.make("main.default.ids", { type: "record", name: "r", fields })
      const stream = yield* zerobus.createStream(ids)
      const hex = "00112233445566778899aabbccddeeff"
      yield* stream.ingestRecord({ id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-") })
      yield* stream.close
      assert.deepStrictEqual(server.last.records, [Buffer.from(hex, "hex").toString("latin1")])
    })
  )

  it.effect("AV-05 refuses a value that does not fit by its field, and goes on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* open()
      const refused = A.tagged(
        yield* Effect.flip(stream.ingestRecord({ n: 1, text: 7 })),
        "InvalidArgument"
      )
      assert.deepStrictEqual(refused.path, ["text"])
      const batch = A.tagged(
        yield* Effect.flip(stream.ingestRecords([reading(1), { text: "a" }])),
        "InvalidArgument"
      )
      assert.strictEqual(batch.path.at(-1), "n")
      assert.strictEqual(yield* (yield* stream.ingestRecord(reading(4))).await, 0)
      yield* stream.close
      assert.deepStrictEqual(server.last.records, [shown(4)])
    })
  )

  it.effect("AV-09 has lanes, each with the schema", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const opening = yield* A.started(zerobus.createStream(table, { lanes: 4 }))
      yield* A.advance(1000)
      const stream = yield* opening.join
      for (let n = 0; n < 40; n++) yield* stream.ingestRecord(reading(n))
      const closing = yield* A.started(stream.close)
      yield* A.advance(1000)
      yield* closing.join
      assert.strictEqual(server.connections.length, 4)
      for (const { create } of server.connections) {
        assert.strictEqual(create?.avroSchema, JSON.stringify(schema))
      }
      const sent = server.connections.flatMap(({ records }) => records)
      assert.deepStrictEqual(
        [...sent].sort(),
        Array.from({ length: 40 }, (_, n) => shown(n)).sort()
      )
    })
  )

  it.effect("AV-10 is not persistent, and does not follow the columns of its table", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const persistent = yield* Effect.flip(zerobus.createPersistentStream(table))
      assert.deepStrictEqual(A.tagged(persistent, "InvalidArgument").path, ["recordType"])
      const following = yield* Effect.flip(
        zerobus.createStream(table, { onSchemaChange: "reopen" })
      )
      assert.deepStrictEqual(A.tagged(following, "InvalidArgument").path, ["onSchemaChange"])
      assert.strictEqual(server.connections.length, 0)
    })
  )

  it.effect("AV-11 sends records again after a lost connection, and returns bytes", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* open(
        {
          batching: "off",
          recoverySchedule: Schedule.spaced(10),
          scopeCloseTimeout: 0,
          onUnacked: () => Effect.void
        },
        { onMessage: (connection) => connection.fail(code.UNAVAILABLE) },
        { onMessage: (connection) => connection.messages.length === 1 && connection.ack(0) }
      )
      const first = yield* stream.ingestRecord(reading(1))
      yield* stream.ingestRecord(reading(2))
      yield* A.advance(1000)
      assert.strictEqual(yield* first.await, 0)
      assert.deepStrictEqual(server.last.records, [shown(1), shown(2)])
      server.last.fail(code.INVALID_ARGUMENT)
      yield* A.settle
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [bytes(2)])
    })
  )

  it.effect("AV-12 keeps records in a spool, from which the next stream sends them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const scope = yield* Scope.make()
      const options = { spool: Spool.directory(folder), scopeCloseTimeout: 0 }
      const first = yield* A.client(A.refusing(code.UNAVAILABLE))
      const stream = yield* Scope.provide(first.zerobus.createStream(table, options), scope)
      yield* (yield* stream.ingestRecord(reading(1))).persisted
      yield* Scope.close(scope, Exit.void)
      const { descriptor, recordType, waitingRecords } = yield* Spool.inspect(folder)
      assert.deepStrictEqual([recordType, waitingRecords], ["avro", 1])
      assert.strictEqual(Buffer.from(descriptor!).toString(), table.schema)
      const other = AvroTable.make(table.tableName, { ...schema, name: "Other" })
      const second = yield* A.client()
      const refused = A.tagged(
        yield* Effect.flip(Effect.scoped(second.zerobus.createStream(other, options))),
        "InvalidState"
      )
      assert.include(refused.message, "another Avro schema")
      const again = yield* second.zerobus.createStream(table, options)
      yield* again.flush
      assert.deepStrictEqual(second.server.last.records, [shown(1)])
      yield* again.close
    })
  )
})

it("CV-13 a schema that is not valid is refused before there is a connection", () => {
  assert.throws(() => AvroTable.make(table.tableName, '{"type":"record"}'), /Avro schema/)
  assert.throws(() => AvroTable.make(table.tableName, '"string"'), /must be that of a record/)
})
