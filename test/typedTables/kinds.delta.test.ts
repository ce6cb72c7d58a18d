/**
 * The same rows sent as JSON, protobuf, Avro and Arrow into four tables: delta-rs reads the same
 * cells from each. `npm run test:delta` provides Python.
 */
import { afterAll, assert, layer } from "@effect/vitest"
import { tableFromIPC } from "apache-arrow"
import { Effect, Result } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ArrowTable } from "effect-zerobus/arrow"
import { AvroTable } from "effect-zerobus/avro"
import { ZerobusLocal } from "effect-zerobus/testing"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { parseTableDefinition } from "../../src/internal/columns/columnType.ts"
import { toDescriptorProto } from "../../src/internal/protobuf/descriptor.ts"
import { parseDescriptorProto } from "../../src/internal/protobuf/descriptorReader.ts"
import { ipcOfRows } from "../support/arrowRows.ts"
import { avroSchemaOf, avroValueOf } from "../support/avroRows.ts"
import { edgeJson } from "../support/edgeRecords.ts"
import { compareCells } from "../support/foreignCells.ts"
import { deltaPython } from "../support/pythonProcess.ts"
import { protobufType, record } from "../support/randomRecords.ts"
import { seeded } from "../support/randomTables.ts"

const dataDir = mkdtempSync(join(tmpdir(), "zerobus-kinds-"))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

/** Every type that all kinds of records carry: Avro's maps have texts as keys. */
const types =
  `BOOLEAN | TINYINT | SMALLINT | INT | BIGINT | FLOAT | DOUBLE | STRING | BINARY | DATE |
  TIMESTAMP | TIMESTAMP_NTZ | DECIMAL(5,0) | DECIMAL(18,4) | DECIMAL(38,10) | VARIANT | ARRAY<BOOLEAN> |
  ARRAY<BIGINT> | ARRAY<STRING> | ARRAY<TIMESTAMP> | ARRAY<DECIMAL(20,5)> |
  ARRAY<STRUCT<x: FLOAT, y: ARRAY<BIGINT>>> | MAP<STRING, INT> | MAP<STRING, DATE> |
  MAP<STRING, STRUCT<a: TINYINT, b: DECIMAL(9,2)>> | STRUCT<a: STRING, b: STRUCT<c: DATE>> |
  STRUCT<f: FLOAT, g: BINARY, h: TIMESTAMP_NTZ>`
    .split("|")
    .map((type, n) => `c${n} ${type.trim()}`)

const definitionOf = (kind: string) =>
  get(parseTableDefinition(`main.default.${kind}(id BIGINT NOT NULL, ${types.join(", ")})`))
const { columns } = definitionOf("json")

const count = 400
const random = seeded(7)
const samples = Array.from({ length: count }, (_, id) => {
  const made = record(random, columns.slice(1)) as Record<"json" | "proto" | "row", object>
  return {
    json: { id, ...made.json },
    proto: { id, ...made.proto },
    row: { id: BigInt(id), ...made.row } as Record<string, unknown>
  }
})

const descriptor = get(toDescriptorProto(definitionOf("proto")))
const message = protobufType(get(parseDescriptorProto(descriptor)), true)

const decoder = new TextDecoder()
const json = TableProperties.json("main.default.json")
const proto = TableProperties.proto("main.default.proto", descriptor)
const avro = AvroTable.make("main.default.avro", JSON.stringify(avroSchemaOf(columns, random)))

const script = fileURLToPath(new URL("../support/readCells.py", import.meta.url))

layer(ZerobusLocal.layer({ dataDir }), { excludeTestServices: true })(
  "records of all kinds",
  (it) => {
    it.effect(
      "bring the same cells into a table, as delta-rs reads it",
      () =>
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const zerobus = yield* Zerobus
          for (const kind of ["json", "proto", "avro", "arrow"]) {
            const { columns } = definitionOf(kind)
            yield* local.createTable({ name: `main.default.${kind}`, columns })
          }
          const texts = samples.map((sample) => decoder.decode(edgeJson(sample.json)))
          yield* zerobus.withStream(json, (stream) => stream.ingestRecords(texts))
          const messages = samples.map((sample) => message.encode(sample.proto).finish())
          yield* zerobus.withStream(proto, (stream) => stream.ingestRecords(messages))
          const values = samples.map((sample) => avroValueOf(columns, sample.row))
          yield* zerobus.withStream(avro, (stream) => stream.ingestRecords(values))
          const schema = tableFromIPC(ipcOfRows(columns, [samples[0]!.row])).schema
          const arrow = ArrowTable.make("main.default.arrow", schema)
          const rows = samples.map((sample) => sample.row)
          const table = tableFromIPC(ipcOfRows(columns, rows))
          yield* zerobus.withStream(arrow, (stream) => stream.ingestRecord(table))
          const sent = samples.map((sample) => sample.row)
          for (const kind of ["json", "proto", "avro", "arrow"]) {
            yield* local.flush(`main.default.${kind}`)
            const location = join(dataDir, "main", "default", kind)
            const { stdout } = yield* Effect.promise(() =>
              promisify(execFile)(deltaPython, [script, "delta-rs", location], {
                maxBuffer: 1 << 28
              })
            )
            const seen = JSON.parse(stdout) as { rows: ReadonlyArray<Record<string, unknown>> }
            assert.strictEqual(seen.rows.length, count)
            const { cells, wrong } = compareCells(columns, sent, seen.rows)
            console.log(`${kind}: ${cells} cells, ${wrong.length} wrong`)
            assert.deepStrictEqual(wrong.slice(0, 5), [])
            assert.strictEqual(cells, count * columns.length)
          }
        }),
      120_000
    )
  }
)
