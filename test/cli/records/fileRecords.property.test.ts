/**
 * The fast path and the exact check agree: about refused records, with the same messages, and about
 * every cell that the server stores.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { CsvShortcut } from "../../../src/cli/records/csvShortcut.ts"
import { FileRecords } from "../../../src/cli/records/fileRecords.ts"
import { JsonShortcut } from "../../../src/cli/records/jsonShortcut.ts"
import {
  type Checked,
  csvColumns,
  jsonCheck,
  rowCheck
} from "../../../src/cli/records/recordCheck.ts"
import type { TextFormat } from "../../../src/cli/records/fileKind.ts"
import { PlacedRow, reader, type SourceRecord } from "../../../src/cli/records/recordFile.ts"
import {
  type ColumnDefinition,
  parseTableDefinition
} from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonDecoder } from "../../../src/local/records/jsonDecoder.ts"
import { encode } from "../../support/byteSink.ts"
import { edges, types } from "../../support/valueEdges.ts"

const columnsOf = (text: string) =>
  Result.getOrThrow(parseTableDefinition(`c.s.t(${text})`)).columns

/** The cells that the local server stores for a record, as text. */
const cellsOf = (columns: ReadonlyArray<ColumnDefinition>, json: Uint8Array): string => {
  const tree = columnTree(columns)
  const leaves = makeLeaves(tree)
  jsonDecoder(tree, leaves)(json)
  return leaves
    .map((leaf) => leaf.seal())
    .map(({ definitions, entries, repetitions, size, values }) =>
      [definitions.subarray(0, entries), repetitions.subarray(0, entries), values.subarray(0, size)]
        .map((part) => Buffer.from(part).toString("hex"))
        .join(":")
    )
    .join("\n")
}

/** The result for a record: cells, or why it is refused. */
const outcome = (columns: ReadonlyArray<ColumnDefinition>, checked: Checked): string =>
  "problem" in checked ? `refused: ${checked.problem}` : cellsOf(columns, Buffer.from(checked.json))

const recordsOf = (format: TextFormat, text: string | Uint8Array) => {
  const one = reader(format)
  const records = [...one.push(Buffer.from(text)), ...one.end()]
  return { records, header: one.header() }
}

/** Compares sent records with the exact check, for each record of the text, and counts them. */
const agree = (
  columns: ReadonlyArray<ColumnDefinition>,
  format: TextFormat,
  text: string | Uint8Array
): number => {
  const { header, records } = recordsOf(format, text)
  const sent = new FileRecords(columns)
  let check = jsonCheck(columns)
  if (format === "csv") {
    assert.isUndefined(sent.useHeader(header))
    const targets = csvColumns(columns, header!)
    if ("problem" in targets) throw new Error(targets.problem)
    check = rowCheck(targets)
  }
  for (const record of records) {
    const plain: SourceRecord = {
      line: record.line,
      text: record.text,
      fields: record.fields,
      problem: record.problem
    }
    const written = encode(sent, record)
    assert.strictEqual(
      outcome(
        columns,
        written instanceof Uint8Array
          ? { json: Buffer.from(written).toString() }
          : { problem: written.message }
      ),
      outcome(columns, check(plain)),
      record.text
    )
  }
  return records.length
}

const small = edges.filter((value) => value.length < 2000)

describe("a JSON record the short way", () => {
  it.each(types)("agrees with the exact check for %s at every edge", (type) => {
    const columns = columnsOf(
      `v ${type}, t TIMESTAMP, s STRING NOT NULL, w STRUCT<v: ${type}>, l ARRAY<${type}>`
    )
    const lines = small.flatMap((value) => [
      `{"v":${value},"t":"2026-11-22T08:30:00Z","s":"x"}`,
      ` {"s": "æ\\n\\"\\u00e6" , "v"\t: ${value} } \r`,
      `{"v":${value}}`,
      `{"s":"x","v":${value},"v":null}`,
      `{"s":"x","v":${value}} x`,
      `{"s":"x","v":${value},}`,
      `{"s":"x","v":${value},"u":1}`,
      `{"s":"x","w":{"v":${value}},"l":[${value} , null,${value}]}`,
      `{"w":{"v":${value},"v":1},"s":"x"}`
    ])
    assert.strictEqual(agree(columns, "ndjson", lines.join("\n")), lines.length)
    agree(columnsOf(`v ${type}`), "ndjson", edges.map((value) => `{"v":${value}}`).join("\n"))
    agree(columns, "json", small.map((value) => `{"s":"x","v":${value}}`).join("\n"))
  })

  const Names = Schema.Array(
    Schema.Literals([
      "id",
      "ID",
      "Id ",
      "a_b",
      "A B",
      "a__b",
      "a-b",
      "A_B",
      "__proto__",
      "größe",
      "Größe",
      "GRÖSSE",
      "?",
      "",
      "x"
    ])
  ).check(Schema.isMaxLength(4))
  it.effect.prop(
    "agrees with the exact check for any names, and so does CSV",
    { names: Names },
    ({ names }) =>
      Effect.sync(() => {
        const columns = ["id", "a_b", "a__b", "größe", "__proto__"].map(
          (name): ColumnDefinition => ({
            name,
            type: { _tag: "Int" },
            nullable: true
          })
        )
        const record = (values: ReadonlyArray<string>) => `{${values.join(",")}}`
        const members = names.map((name, index) => `${JSON.stringify(name)}:${index}`)
        const inner: ReadonlyArray<ColumnDefinition> = [
          { name: "s", type: { _tag: "Struct", fields: columns }, nullable: true }
        ]
        agree(columns, "ndjson", `${record(members)}\n${record(members.toReversed())}`)
        agree(inner, "ndjson", `{"S":${record(members)}}`)
        const json = jsonCheck(columns)({ line: 1, text: record(members) })
        const targets = csvColumns(columns, names)
        // A record may be empty; a header may not.
        if (new Set(names).size < names.length || names.length === 0) return
        assert.strictEqual("problem" in json, "problem" in targets, names.join("|"))
        if ("problem" in targets) return
        const row = rowCheck(targets)({
          line: 2,
          text: "",
          fields: names.map((_, index) => String(index))
        })
        if ("problem" in row || "problem" in json) throw new Error("refused")
        assert.deepStrictEqual(
          Object.entries(JSON.parse(row.json)).sort(),
          Object.entries(JSON.parse(json.json)).sort()
        )
      }),
    { arbitrary: { runs: 500 } }
  )

  it("ends with its line, whatever the next lines hold", () => {
    const row = `{"d":"2026-11-22","s":"${"x".repeat(100)}"},\n`
    const columns = columnsOf("rows ARRAY<STRUCT<d: DATE, s: STRING>>")
    assert.strictEqual(agree(columns, "ndjson", `{"rows":[\n${row.repeat(4000)}{}]}\n`), 4002)
  })

  const Digits = Schema.Array(Schema.Literals([..."0123456789.-+eE "])).check(
    Schema.isMaxLength(24)
  )
  it.effect.prop(
    "agrees with the exact check for anything like a number",
    { digits: Digits },
    ({ digits }) =>
      Effect.sync(() => {
        for (const type of [
          "INT",
          "BIGINT",
          "FLOAT",
          "DOUBLE",
          "DECIMAL(10,2)",
          "DECIMAL(38,38)",
          "DATE",
          "TIMESTAMP"
        ]) {
          agree(
            columnsOf(`v ${type}`),
            "ndjson",
            `{"v":${digits.join("")}}\n{"v":"${digits.join("")}"}`
          )
          agree(
            columnsOf(`v ${type}, k INT`),
            "csv",
            `v,k\n${digits.join("")},1\n"${digits.join("")}",2`
          )
        }
      }),
    { arbitrary: { runs: 100 } }
  )

  const Json = Schema.suspend((): Schema.Codec<unknown> =>
    Schema.Union([
      Schema.Finite,
      Schema.Int,
      Schema.Null,
      Schema.Literals(["", "a", "æ", '"', "\\", "1", "\n", "\ud83d\ude00", true, 0.1, 1e21, 1e-7]),
      Schema.Array(Json).check(Schema.isMaxLength(3)),
      Schema.Record(Schema.Literals(["a", "b", "1", "__proto__", "æ"]), Json)
    ])
  )
  it.effect.prop(
    "agrees with the exact check for any JSON as a VARIANT or MAP",
    { value: Json },
    ({ value }) =>
      Effect.sync(() => {
        const text = JSON.stringify(value)
        const spaced = JSON.stringify(value, null, 1).replaceAll("\n", "\t")
        const twice = text.replaceAll('"b":', '"a":')
        const lines = [text, spaced, twice].map((one) => `{"v":${one},"d":"2026-11-22"}`)
        for (const type of [
          "VARIANT",
          "MAP<STRING, VARIANT>",
          "ARRAY<MAP<STRING, MAP<STRING, DOUBLE>>>"
        ]) {
          agree(columnsOf(`v ${type}, d DATE`), "ndjson", lines.join("\n"))
        }
      }),
    { arbitrary: { runs: 200 } }
  )

  it.each([
    "1.50",
    "0.000001",
    "0.0000001",
    "-0",
    "-0.5",
    "0.0",
    "1e5",
    "1E-2",
    "123456789.10000000",
    "[1.0]",
    "00",
    "1."
  ])("agrees with the exact check for %s in a VARIANT", (value) => {
    const lines = [value, `{"a":${value},"b":[${value}]}`].map((one) => `{"v":${one}}`)
    assert.strictEqual(agree(columnsOf("v VARIANT"), "ndjson", lines.join("\n")), 2)
  })

  const At = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 28 }))
  const Time = Schema.Struct({
    year: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9999 })),
    month: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 13 })),
    day: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 32 })),
    length: At,
    at: At,
    instead: Schema.Literals([..."0129:-.TZ +,z"])
  })
  it.effect.prop(
    "agrees with the exact check for anything like a date or time",
    { time: Time },
    ({ time: { at, day, instead, length, month, year } }) =>
      Effect.sync(() => {
        const two = (value: number) => String(value).padStart(2, "0")
        const whole = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T12:34:56.1234567Z`
        const changed = whole.slice(0, at) + instead + whole.slice(at + 1)
        const texts = [whole, changed].flatMap((text) => [
          text,
          text.slice(0, length),
          text.slice(0, 10)
        ])
        for (const type of ["DATE", "TIMESTAMP", "TIMESTAMP_NTZ"]) {
          agree(
            columnsOf(`v ${type}`),
            "ndjson",
            texts.map((text) => `{"v":${JSON.stringify(text)}}`).join("\n")
          )
          const rows = texts.map((text, n) => `${JSON.stringify(text)},${n}`)
          agree(columnsOf(`v ${type}, k INT`), "csv", `v,k\n${rows.join("\n")}`)
        }
      }),
    { arbitrary: { runs: 100 } }
  )

  const Texts = Schema.Array(
    Schema.Literals([
      ...'"\\{}[]:, \t\n',
      "æ",
      "🜁",
      "\u2028",
      "\u0000",
      "\\u00e6",
      "\\ud800",
      '""',
      "\\n",
      "a"
    ])
  )
  it.effect.prop(
    "agrees with the exact check for any text, and for bytes that are no UTF-8",
    { parts: Texts, byte: Schema.Int.check(Schema.isBetween({ minimum: 128, maximum: 255 })) },
    ({ byte, parts }) =>
      Effect.sync(() => {
        const text = parts.join("")
        const columns = columnsOf("v STRING, b BINARY, o VARIANT")
        const lines =
          `{"v":"${text}"}\n{"v":${JSON.stringify(text)}}\n` +
          `{"b":"${text}"}\n{"o":"${text}"}\n${text}`
        const rows =
          `v,b\n"${text.replaceAll('"', '""')}",\n${text.replaceAll(/[\n,]/g, "")},` + `\n,${text}`
        agree(columns, "ndjson", lines)
        agree(columns, "csv", rows)
        const at = Math.floor(lines.length / 2)
        for (const [format, whole] of [
          ["ndjson", lines],
          ["csv", rows]
        ] as const) {
          agree(
            columns,
            format,
            Buffer.concat([
              Buffer.from(whole.slice(0, at)),
              Buffer.from([byte]),
              Buffer.from(whole.slice(at))
            ])
          )
        }
      }),
    { arbitrary: { runs: 100 } }
  )

  it.each<readonly [type: string, value: string]>([
    ["BOOLEAN", "true"],
    ["INT", "-12"],
    ["BIGINT", "7000000000"],
    ["BIGINT", "123456789012345678"],
    ["DOUBLE", "21.584093175239165"],
    ["DOUBLE", "-1.5e-7"],
    ["DECIMAL(18,2)", "12.5"],
    ["DECIMAL(18,2)", '"12.50"'],
    ["STRING", '"Århus \\"old\\" mill"'],
    ["BINARY", '"AQI="'],
    ["DATE", '"2026-11-22"'],
    ["TIMESTAMP", '"2026-11-22T08:30:00.125Z"'],
    ["TIMESTAMP", "1795336200000000"],
    ["TIMESTAMP_NTZ", '"2026-11-22 08:30:00"'],
    ["STRUCT<a: INT, b: ARRAY<DATE>>", '{"b":["2026-11-22",null],"a":1}'],
    ["MAP<STRING, DECIMAL(4,2)>", '{"a":1.5,"b":null}'],
    ["VARIANT", '{"a":[1, 21.584093175239165, "say \\"hi\\""], "b":{}, "c":true}'],
    ["VARIANT", "12"],
    ["INT", "null"]
  ])("is taken for %s %s", (type, value) => {
    const line = Buffer.from(`{"v": ${value}}`)
    const shortcut = new JsonShortcut(columnsOf(`v ${type}`), {
      buffer: Buffer.alloc(1000),
      position: 0
    })
    assert.isTrue(shortcut.take(line, 0, line.length))
  })
})

describe("a CSV row the short way", () => {
  it.each(types)("agrees with the exact check for %s at every edge", (type) => {
    const columns = columnsOf(`v ${type}, t TIMESTAMP, s STRING NOT NULL`)
    const cells = small.flatMap((value) => [
      value,
      value.replace(/^"|"$/g, ""),
      ` ${value.replace(/^"|"$/g, "")} `
    ])
    const rows = cells.flatMap((cell) => [
      `"${cell.replaceAll('"', '""')}",2026-11-22 08:30,`,
      ...(/[",\n]/.test(cell) ? [] : [`${cell},,x""y`])
    ])
    assert.strictEqual(agree(columns, "csv", `v,t,s\n${rows.join("\n")}\n`), rows.length)
    agree(columnsOf(`v ${type} NOT NULL, s STRING`), "csv", `v,s\n,x\n"",x\n`)
  })

  it.each([
    ["spaces", " ", 300_000],
    ["control characters", "\t", 50_000]
  ] as const)(
    "agrees with the exact check for a last field that ends in many %s",
    (_, space, count) => {
      assert.strictEqual(
        agree(columnsOf("k INT, s STRING"), "csv", `k,s\n1,x${space.repeat(count)}\n`),
        1
      )
    }
  )

  it.each<readonly [type: string, cell: string]>([
    ["BOOLEAN", "True"],
    ["INT", "-12"],
    ["BIGINT", "123456789012345678"],
    ["DOUBLE", "21.584093175239165"],
    ["DECIMAL(18,2)", "12.50"],
    ["STRING", '"say ""hi"", Århus"'],
    ["BINARY", "AQI="],
    ["DATE", "2026-11-22"],
    ["TIMESTAMP", "2026-11-22 08:30:00.125"],
    ["TIMESTAMP", "1795336200000000"],
    ["INT", ""]
  ])("is taken for %s %s", (type, cell) => {
    const columns = columnsOf(`v ${type}, k INT`)
    const { records } = recordsOf("csv", `v,k\n${cell},1\n`)
    assert.lengthOf(records, 1)
    const shortcut = new CsvShortcut(columns, { buffer: Buffer.alloc(1000), position: 0 })
    assert.isTrue(records[0] instanceof PlacedRow && shortcut.take(records[0]))
  })
})

describe("a negative zero", () => {
  it("keeps its sign where the record is written anew", () => {
    const columns = columnsOf("v DOUBLE, o VARIANT, d DATE")
    const expected = cellsOf(columns, Buffer.from('{"v":-0.0,"o":"{}","d":1}'))
    const json = jsonCheck(columns)({ line: 1, text: '{"v":-0.0,"o":{},"d":"1970-01-02"}' })
    assert.strictEqual(outcome(columns, json), expected)
    const csv = rowCheck(columns)({ line: 1, text: "", fields: ["-0.0", "{}", "1970-01-02"] })
    assert.strictEqual(outcome(columns, csv), expected)
  })
})
