/**
 * Avro records give the same rows as JSON records with the same values. Values that do not fit are
 * refused by column, and hostile bytes are refused at a limited cost.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { AvroTable } from "../../../src/avro/index.ts"
import {
  type ColumnDefinition,
  parseTableDefinition
} from "../../../src/internal/columns/columnType.ts"
import { formatBytes, formatOf, type LogFormat } from "../../../src/local/log/logFrames.ts"
import type { RecordRejected } from "../../../src/local/log/storageErrors.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { formatProblem } from "../../../src/local/records/formatCheck.ts"
import { makeDecoder } from "../../../src/local/records/recordDecoder.ts"
import { problemOf } from "../../../src/local/records/recordProblem.ts"
import { recordTexts } from "../../../src/local/records/recordText.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { avroSchemaOf, avroValueOf, isAvroColumn } from "../../support/avroRows.ts"
import { encode } from "../../support/byteSink.ts"
import { record } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))
const columnsOf = (text: string): ReadonlyArray<ColumnDefinition> =>
  get(parseTableDefinition(`a.b.c(${text})`)).columns

const formatFor = (schema: object): LogFormat => ({
  _tag: "Avro",
  schema: Buffer.from(JSON.stringify(schema))
})
const recordOf = (...fields: ReadonlyArray<readonly [string, unknown]>): object => ({
  type: "record",
  name: "r",
  fields: fields.map(([name, type]) => ({ name, type }))
})
const bytesOf = (table: AvroTable.AvroTable, value: AvroTable.AvroRecord): Uint8Array => {
  const bytes = encode(table.codec, value)
  return bytes instanceof Uint8Array ? bytes : assert.fail(bytes.message)
}

describe("Avro records", () => {
  for (let seed = 1; seed <= 60; seed++) {
    it.effect(`become the rows of table ${seed}, and their text those of its JSON records`, () =>
      Effect.gen(function* () {
        const random = seeded(seed * 15_485_863)
        const all = storable(randomTable(seed))
        const columns = all.columns.filter(({ type }) => isAvroColumn(type))
        if (columns.length === 0) return
        const definition = { ...all, columns }
        const store = yield* makeMemoryTableStore
        const again = { ...definition, name: `${definition.name}_again` }
        yield* store.create(definition)
        yield* store.create(again)
        const rows = Array.from(
          { length: 40 },
          () => record(random, columns).row as Record<string, unknown>
        )
        const table = AvroTable.make("a.b.c", avroSchemaOf(columns, random))
        const format: LogFormat = { _tag: "Avro", schema: table.descriptor! }
        const writer = yield* store.openWriter(definition.name, format)
        const texts = yield* store.openWriter(again.name, { _tag: "Json" })
        const linesOf = recordTexts(format)
        for (const row of rows) {
          const bytes = bytesOf(table, avroValueOf(columns, row))
          const ticket = writer.appendUnsafe([bytes])
          assert.strictEqual(typeof ticket, "number", JSON.stringify(ticket))
          const lines = linesOf(bytes).map((line) => Buffer.from(line))
          const textTicket = texts.appendUnsafe(lines)
          assert.strictEqual(typeof textTicket, "number", JSON.stringify(textTicket))
        }
        assert.deepStrictEqual(yield* store.rows(definition.name), rows)
        assert.deepStrictEqual(yield* store.rows(again.name), rows)
      })
    )
  }
})

it("an Avro format is read back from the log as it was written", () => {
  const format = formatFor(recordOf(["id", "long"]))
  assert.deepStrictEqual(formatOf(1, formatBytes(format)), {
    _tag: "Avro",
    schema: Uint8Array.from((format as { readonly schema: Uint8Array }).schema)
  })
})

describe("the schema of a stream", () => {
  const columns = columnsOf(
    "id BIGINT NOT NULL, name STRING, d DECIMAL(6, 2), at TIMESTAMP, s STRUCT<x: INT>, m " +
      "MAP<INT, STRING>"
  )
  const findings = (...fields: ReadonlyArray<readonly [string, unknown]>) => {
    const problem = formatProblem(columns, formatFor(recordOf(...fields)))
    if (problem === undefined) return []
    if (problem._tag === "Unreadable") return [problem.why]
    return problem.findings.map(({ cause, message }) => `${cause}: ${message}`)
  }
  const decimal = (scale: number) => ({
    type: "bytes",
    logicalType: "decimal",
    precision: 5,
    scale
  })

  it("fits in any order and without columns that may be NULL", () => {
    assert.deepStrictEqual(findings(["NAME", "string"], ["id", "int"]), [])
    assert.deepStrictEqual(findings(["id", ["null", "int", "long"]], ["d", decimal(2)]), [])
    assert.deepStrictEqual(findings(["id", "long"], ["name", "null"]), [])
  })

  const wrong: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, unknown]>]> = [
    [
      "MISSING_REQUIRED_COLUMN: the schema has no field for the NOT NULL column id",
      [["name", "string"]]
    ],
    [
      "FIELD_NOT_IN_TABLE: the table has no column other",
      [
        ["id", "long"],
        ["other", "int"]
      ]
    ],
    [
      "FIELD_COUNT_MISMATCH: the field ID occurs twice",
      [
        ["id", "long"],
        ["ID", "long"]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the field name must be string, uuid or enum",
      [
        ["id", "long"],
        ["name", "int"]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the field name must be string, uuid or enum",
      [
        ["id", "long"],
        ["name", ["string", "long"]]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the field d must be a decimal of a scale up to 2, or string",
      [
        ["id", "long"],
        ["d", decimal(3)]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the field at must be timestamp-micros, timestamp-millis, " +
        "timestamp-nanos or long",
      [
        ["id", "long"],
        ["at", { type: "long", logicalType: "local-timestamp-micros" }]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the field s.x must be int or time-millis",
      [
        ["id", "long"],
        ["s", { type: "record", name: "s", fields: [{ name: "x", type: "string" }] }]
      ]
    ],
    [
      "TYPE_INCOMPATIBLE: the map m must have string keys, as all Avro maps do",
      [
        ["id", "long"],
        ["m", { type: "map", values: "string" }]
      ]
    ],
    [
      "The schema has no type place before it is used.",
      [
        ["id", "long"],
        ["s", "place"]
      ]
    ]
  ]
  for (const [finding, fields] of wrong) {
    it(`is refused: ${finding} (${JSON.stringify(fields).length})`, () => {
      assert.deepStrictEqual(findings(...fields), [finding])
    })
  }
})

/** Decodes one record into a table of these columns; returns the refusal. */
const refusal = (columns: ReadonlyArray<ColumnDefinition>, schema: object, bytes: Uint8Array) => {
  const tree = columnTree(columns)
  const decode = makeDecoder(tree, formatFor(schema), makeLeaves(tree))
  try {
    decode(bytes)
    return undefined
  } catch (error) {
    const { expected, path } = problemOf(error)
    return `${path}: ${expected}`
  }
}

describe("a record that does not fit", () => {
  const outside = "the record is not a value of the stream's Avro schema. "
  const millis = { type: "long", logicalType: "timestamp-nanos" }
  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<number>, string]> = [
    ["x INT", "int", [], `x: ${outside}The bytes end within a value`],
    ["x INT", "int", [2, 2], `: ${outside}Bytes follow the value`],
    ["x INT", "int", [0x80, 0x80, 0x80, 0x80, 0x10], `x: ${outside}An int has more than 32 bits`],
    [
      "x BIGINT",
      "long",
      Array.from({ length: 11 }, () => 0xff),
      `x: ${outside}An integer has more than 64 bits`
    ],
    ["x BOOLEAN", "boolean", [2], `x: ${outside}A boolean is neither 0 nor 1`],
    ["x STRING", "string", [1], `x: ${outside}A length is negative or too large`],
    ["x STRING", "string", [20, 97], `x: ${outside}The bytes end within a value`],
    ["x STRING", "string", [2, 0xff], `x: ${outside}A text is not valid UTF-8`],
    [
      "x STRING",
      { type: "enum", name: "e", symbols: ["A"] },
      [2],
      `x: ${outside}The enum e has no such symbol`
    ],
    ["x INT", ["null", "int"], [4], `x: ${outside}A union has no such branch`],
    ["x TIMESTAMP", millis, [2], `x: ${outside}A time is more precise than a microsecond`],
    [
      "x ARRAY<INT>",
      { type: "array", items: "int" },
      [0xfe, 0xff, 0xff, 0xff, 0x0f, 0],
      `x: ${outside}An array or map has more items than bytes`
    ],
    [
      "x ARRAY<INT>",
      { type: "array", items: "null" },
      [2, 0],
      `x: ${outside}The items of an array take no bytes`
    ],
    [
      "x DECIMAL(38, 0)",
      { type: "bytes", logicalType: "decimal", precision: 40 },
      [34, 1, ...Array.from({ length: 16 }, () => 0)],
      `x: ${outside}A decimal has more than 38 digits`
    ],
    ["x TINYINT", "int", [0x80, 0x02], "x: expected TINYINT, an integer from -128 to 127"]
  ]
  for (const [column, type, bytes, expected] of cases) {
    it(`${column} as ${JSON.stringify(type)}: ${expected}`, () => {
      assert.strictEqual(
        refusal(columnsOf(column), recordOf(["x", type]), Uint8Array.from(bytes)),
        expected
      )
    })
  }

  it("names NULL in a NOT NULL column, as JSON does", () => {
    assert.match(
      refusal(columnsOf("x INT NOT NULL"), recordOf(["x", ["null", "int"]]), Uint8Array.of(0)) ??
        "",
      /^x: .*NOT NULL/
    )
  })

  it.effect("leaves nothing behind, and the next record is taken", () =>
    Effect.gen(function* () {
      const columns = columnsOf("id INT, name STRING")
      const store = yield* makeMemoryTableStore
      yield* store.create({ name: "a.b.c", columns })
      const writer = yield* store.openWriter(
        "a.b.c",
        formatFor(recordOf(["id", "int"], ["name", "string"]))
      )
      const bad = writer.appendUnsafe([Uint8Array.of(2, 2, 0xff)]) as RecordRejected
      assert.deepStrictEqual([bad._tag, bad.path], ["RecordRejected", "name"])
      assert.strictEqual(typeof writer.appendUnsafe([Uint8Array.of(2, 2, 97)]), "number")
      assert.deepStrictEqual(yield* store.rows("a.b.c"), [{ id: 1, name: "a" }])
    })
  )
})

describe("hostile records", () => {
  for (let seed = 1; seed <= 12; seed++) {
    it(`of table ${seed} are refused or read, and nothing else is thrown`, () => {
      const random = seeded(seed * 32_452_843)
      const columns = storable(randomTable(seed)).columns.filter(({ type }) => isAvroColumn(type))
      if (columns.length === 0) return
      const table = AvroTable.make("a.b.c", avroSchemaOf(columns, random))
      const tree = columnTree(columns)
      const leaves = makeLeaves(tree)
      const decode = makeDecoder(tree, { _tag: "Avro", schema: table.descriptor! }, leaves)
      const textsOf = recordTexts({ _tag: "Avro", schema: table.descriptor! })
      let refused = 0
      for (let n = 0; n < 400; n++) {
        const row = record(random, columns).row as Record<string, unknown>
        const bytes = bytesOf(table, avroValueOf(columns, row))
        for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
          bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
        }
        const cut = random() < 0.3 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
        const marks = leaves.map(({ entries, size }) => [entries, size] as const)
        for (const run of [() => decode(cut), () => textsOf(cut)]) {
          try {
            run()
          } catch (error) {
            problemOf(error)
            refused++
          }
        }
        // There are no more values than bytes, whatever lengths the record declares.
        leaves.forEach((leaf, index) => {
          assert.isAtMost(leaf.entries - marks[index]![0], cut.length + 1)
          leaf.cut(...marks[index]!)
        })
      }
      assert.isAbove(refused, 100)
    })
  }

  it("that hold themselves end at a depth", () => {
    const schema = recordOf(["next", ["null", "r"]])
    const texts = recordTexts(formatFor(schema))
    assert.deepStrictEqual(texts(Uint8Array.of(2, 2, 0)), ['{"next":{"next":{"next":null}}}'])
    const endless = recordTexts(formatFor(recordOf(["next", "r"])))
    for (const read of [
      () => texts(new Uint8Array(1_000_000).fill(2)),
      () => endless(new Uint8Array(0))
    ]) {
      try {
        read()
        assert.fail("was read")
      } catch (error) {
        assert.match(problemOf(error).expected, /nested deeper than 100/)
      }
    }
  })
})
