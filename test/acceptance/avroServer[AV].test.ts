/** Avro streams on the local server: rows, refusals, and the rows after a kill. */
import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs/promises"
import { AvroTable } from "../../src/avro/index.ts"
import type { LogFormat } from "../../src/local/log/logFrames.ts"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { encode } from "../support/byteSink.ts"
import { headersFor, openRaw } from "../support/rawStream.ts"
import { append, byHand, table as tableOf, temporaryFolder } from "../support/storedTables.ts"

let tables = 0
/** A separate table for each test. */
const freshTable = (columns: string) =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    const name = `main.avro.t${tables++}`
    yield* local.createTable(`${name}(${columns})`)
    return { local, name }
  })

const field = (name: string, type: unknown) => ({ name, type })
const record = (...fields: ReadonlyArray<object>) => ({ type: "record", name: "r", fields })
const logical = (type: string, logicalType: string, more: object = {}) => ({
  type,
  logicalType,
  ...more
})

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })(
  "Avro streams on the server",
  (it) => {
    it.effect("AV-08 become the rows that JSON records become", () =>
      Effect.gen(function* () {
        const { local, name } = yield* freshTable(
          "id BIGINT NOT NULL, name STRING, amount DECIMAL(8, 2), blob BINARY, at TIMESTAMP, " +
            "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, label: STRING>, counts MAP<STRING, " +
            "INT>, v VARIANT"
        )
        const place = {
          type: "record",
          name: "p",
          fields: [field("lat", "double"), field("label", ["null", "string"])]
        }
        const avro = AvroTable.make(
          name,
          record(
            field("v", ["null", "string"]),
            field("ID", "long"),
            field("name", ["null", "string"]),
            field("amount", ["null", logical("bytes", "decimal", { precision: 8, scale: 2 })]),
            field("blob", ["null", "bytes"]),
            field("at", ["null", logical("long", "timestamp-micros")]),
            field("tags", ["null", { type: "array", items: ["null", "string"] }]),
            field("place", ["null", place]),
            field("counts", ["null", { type: "map", values: "int" }])
          )
        )
        const json = TableProperties.json(name)
        const zerobus = yield* Zerobus
        const rest = {
          name: "\u017eluť",
          amount: "-12.50",
          tags: ["a", null],
          place: { lat: 1.5, label: null },
          counts: { a: 1, b: -2 },
          v: '{"a":[1,2]}'
        }
        const blob = Uint8Array.of(0, 255)
        yield* zerobus.withStream(json, (stream) =>
          stream.ingestRecords([{ id: 1, ...rest, blob: "AP8=", at: 1_500_001 }, { id: 2 }])
        )
        yield* zerobus.withStream(avro, (stream) =>
          stream.ingestRecords([{ ID: 1, ...rest, blob, at: 1_500_001 }, { ID: 2 }])
        )
        const rows = yield* local.records(name)
        assert.strictEqual(rows.length, 4)
        assert.deepStrictEqual(rows.slice(2), rows.slice(0, 2))
        assert.deepInclude(rows[2], { id: 1n, amount: "-12.50", at: 1_500_001n, v: '{"a":[1,2]}' })
        const audit = yield* local.audit(name)
        assert.deepInclude(audit, { durableRecords: 4, ackedRecords: 4, ackedButMissing: 0 })
        assert.strictEqual(audit.perConnection[1]!.created?.kind, "Avro")
      })
    )

    it.effect("take the values of a union by the names of their branches", () =>
      Effect.gen(function* () {
        const { local, name } = yield* freshTable("text STRING, n BIGINT")
        const color = { type: "enum", name: "com.example.Color", symbols: ["RED", "BLUE"] }
        const table = AvroTable.make(
          name,
          record(field("text", ["null", "string", color]), field("n", ["int", "long"]))
        )
        const zerobus = yield* Zerobus
        yield* zerobus.withStream(table, (stream) =>
          Effect.gen(function* () {
            yield* stream.ingestRecord({ text: { "com.example.Color": "BLUE" }, n: 1 })
            const refused = yield* Effect.flip(stream.ingestRecord({ text: "RED", n: 2 }))
            assert.strictEqual(refused._tag, "InvalidArgument")
            assert.match(refused.message, /Column text .*"com\.example\.Color": value/)
            yield* stream.ingestRecord({ text: { string: "RED" }, n: { long: 3n } })
            yield* stream.ingestRecord({ text: "other", n: 2 ** 40 })
          })
        )
        assert.deepStrictEqual(yield* local.records(name), [
          { text: "BLUE", n: 1n },
          { text: "RED", n: 3n },
          { text: "other", n: 2n ** 40n }
        ])
      })
    )

    it.effect("AV-16 take the logical types in the units of the columns", () =>
      Effect.gen(function* () {
        const { local, name } = yield* freshTable(
          "d DATE, t1 INT, t2 BIGINT, a TIMESTAMP, b TIMESTAMP, c TIMESTAMP, e TIMESTAMP_NTZ, u " +
            "STRING, w STRING, " +
            "du BINARY, x DECIMAL(10, 3), en STRING, f DOUBLE"
        )
        const table = AvroTable.make(
          name,
          record(
            field("d", logical("int", "date")),
            field("t1", logical("int", "time-millis")),
            field("t2", logical("long", "time-micros")),
            field("a", logical("long", "timestamp-millis")),
            field("b", logical("long", "timestamp-micros")),
            field("c", logical("long", "timestamp-nanos")),
            field("e", logical("long", "local-timestamp-millis")),
            field("u", logical("string", "uuid")),
            field("w", logical("fixed", "uuid", { name: "w", size: 16 })),
            field("du", logical("fixed", "duration", { name: "du", size: 12 })),
            field("x", logical("fixed", "decimal", { name: "x", size: 6, precision: 9, scale: 1 })),
            field("en", { type: "enum", name: "en", symbols: ["A", "B"] }),
            field("f", "float")
          )
        )
        const uuid = "00112233-4455-6677-8899-aabbccddeeff"
        const duration = Uint8Array.from({ length: 12 }, (_, n) => n)
        const zerobus = yield* Zerobus
        yield* zerobus.withStream(table, (stream) =>
          stream.ingestRecord({
            d: new Date("2026-02-03"),
            t1: 7,
            t2: 8,
            a: -1,
            b: new Date(1),
            c: 5_000,
            e: 2,
            u: uuid,
            w: uuid,
            du: duration,
            x: "-0.5",
            en: "B",
            f: NaN
          })
        )
        assert.deepStrictEqual(yield* local.records(name), [
          {
            d: Date.UTC(2026, 1, 3) / 86_400_000,
            t1: 7,
            t2: 8n,
            a: -1000n,
            b: 1000n,
            c: 5n,
            e: 2000n,
            u: uuid,
            w: uuid,
            du: duration,
            x: "-0.500",
            en: "B",
            f: NaN
          }
        ])
      })
    )

    it.effect("AV-06 are refused with the causes where the schema does not fit the table", () =>
      Effect.gen(function* () {
        const { name } = yield* freshTable("id BIGINT NOT NULL, name STRING")
        const zerobus = yield* Zerobus
        const table = AvroTable.make(name, record(field("name", "int"), field("other", "int")))
        const error = yield* Effect.flip(Effect.scoped(zerobus.createStream(table)))
        if (error._tag !== "SchemaMismatch") return assert.fail(error._tag)
        assert.sameMembers(
          [...error.causes],
          ["FIELD_NOT_IN_TABLE", "MISSING_REQUIRED_COLUMN", "TYPE_INCOMPATIBLE"]
        )
      })
    )

    it.effect("AV-07 are refused without a schema, or with one that cannot be read", () =>
      Effect.gen(function* () {
        const { local, name } = yield* freshTable("id BIGINT")
        for (const [avroSchemaJson, words] of [
          [undefined, "needs avro_schema_json"],
          ["", "needs avro_schema_json"],
          ["{", "not valid JSON"],
          ['"long"', "must be that of a record"]
        ] as const) {
          const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, name))
          yield* stream.send({
            createStream: {
              tableName: name,
              recordType: 4,
              ...(avroSchemaJson === undefined ? {} : { avroSchemaJson })
            }
          })
          const end = yield* stream.end
          assert.strictEqual(end.code, 3, end.message)
          assert.include(end.message, words)
        }
      })
    )

    it.effect(
      "AV-13 AV-14 end at a record that is not a value of the schema, or has another format",
      () =>
        Effect.gen(function* () {
          const { local, name } = yield* freshTable("id BIGINT, name STRING")
          const avroSchemaJson = JSON.stringify(
            record(field("id", "long"), field("name", "string"))
          )
          const good = Uint8Array.of(2, 2, 97)
          for (const [ingestRecord, words] of [
            [{ avroEncodedRecord: Uint8Array.of(2, 20, 97) }, "name"],
            [{ jsonRecord: "{}" }, "takes Avro records, the request holds Json"],
            [{ protoEncodedRecord: good }, "takes Avro records, the request holds Proto"]
          ] as const) {
            const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, name))
            yield* stream.send({ createStream: { tableName: name, recordType: 4, avroSchemaJson } })
            yield* stream.next
            yield* stream.send({ ingestRecord: { offsetId: 0, avroEncodedRecord: good } })
            yield* stream.send({ ingestRecord: { offsetId: 1, ...ingestRecord } })
            const end = yield* stream.end
            assert.strictEqual(end.code, 3, end.message)
            assert.include(end.message, words)
          }
          const rows = yield* local.records(name)
          assert.deepStrictEqual(
            rows,
            [1, 2, 3].map(() => ({ id: 1n, name: "a" }))
          )
        })
    )
  }
)

it.live("AV-15 acknowledged records are in the table after a kill, each once", () =>
  Effect.gen(function* () {
    const definition = tableOf("main.default.avro(id BIGINT NOT NULL, name STRING)")
    const table = AvroTable.make(
      definition.name,
      record(field("id", "long"), field("name", ["null", "string"]))
    )
    const format: LogFormat = { _tag: "Avro", schema: table.descriptor! }
    const rows = Array.from({ length: 200 }, (_, n) => ({
      id: BigInt(n),
      name: n % 3 === 0 ? null : `row ${n}`
    }))
    const folder = yield* temporaryFolder
    const copy = yield* temporaryFolder
    yield* Effect.gen(function* () {
      const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
      yield* store.create(definition)
      const writer = yield* store.openWriter(definition.name, format)
      yield* append(
        writer,
        rows.map((row) => encode(table.codec, row) as Uint8Array)
      )
      // The folder now is what a kill would leave on disk.
      yield* Effect.promise(() => Fs.cp(folder, copy, { recursive: true }))
    }).pipe(Effect.scoped)
    yield* Effect.promise(() => Fs.rm(`${copy}/.lock`, { force: true }))
    for (let start = 0; start < 2; start++) {
      const found = yield* Effect.gen(function* () {
        const store = yield* makeDurableTableStore({ ...byHand, folder: copy, worker: false })
        yield* store.flush()
        return yield* store.rows(definition.name)
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(found, rows)
    }
  })
)
