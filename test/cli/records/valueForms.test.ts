/**
 * Formats that a user sets: words for NULL, formats of dates and times, units of timestamps; for
 * the exact check and the fast path.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { TextFormat } from "../../../src/cli/records/fileKind.ts"
import { FileRecords } from "../../../src/cli/records/fileRecords.ts"
import { reader } from "../../../src/cli/records/recordFile.ts"
import { timeFormat, type TimeFormat } from "../../../src/cli/records/timeFormat.ts"
import type { ValueForms } from "../../../src/cli/records/valueForms.ts"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { encode } from "../../support/byteSink.ts"

const format = (text: string, time = true): TimeFormat => {
  const one = timeFormat(text, time)
  if ("problem" in one) throw new Error(one.problem)
  return one
}

/** The sent form of each record of a file, or why it is refused. */
const sent = (
  table: string,
  kind: TextFormat,
  text: string,
  forms: ValueForms
): ReadonlyArray<unknown> => {
  const { columns } = Result.getOrThrow(parseTableDefinition(`c.s.t(${table})`))
  const one = reader(kind)
  const found = [...one.push(Buffer.from(text)), ...one.end()]
  const records = new FileRecords(columns, forms)
  if (kind === "csv") assert.isUndefined(records.useHeader(one.header()))
  return found.map((record) => {
    const written = encode(records, record)
    return written instanceof Uint8Array
      ? JSON.parse(Buffer.from(written).toString())
      : written.message
  })
}

describe("words for NULL", () => {
  const forms = { nullWords: ["NA", "N/A", "-999"] }

  it("are NULL in every column of CSV and JSON, quoted or not", () => {
    const table = "s STRING, n INT, d DOUBLE, v VARIANT"
    assert.deepStrictEqual(
      sent(table, "csv", 's,n,d,v\nNA,"NA",N/A,NA\nna,-999,1,"[""NA""]"\n', forms),
      [{}, { s: "na", d: 1, v: '["NA"]' }]
    )
    const lines = String.raw`{"s":"NA","n":"-999","d":"N\/A","v":"NA"}
{"s":"na","v":["NA"],"d":2}
{"n":1}`
    assert.deepStrictEqual(sent(table, "ndjson", lines, forms), [
      { s: null, n: null, d: null, v: null },
      { s: "na", v: '["NA"]', d: 2 },
      { n: 1 }
    ])
  })

  it("are refused where the column is NOT NULL, and reach into structs and arrays", () => {
    assert.match(String(sent("s STRING NOT NULL", "csv", "s\nNA\n", forms)[0]), /NOT NULL/)
    assert.match(String(sent("s STRING NOT NULL", "ndjson", '{"s":"NA"}', forms)[0]), /NOT NULL/)
    assert.deepStrictEqual(
      sent("a ARRAY<INT>, b STRUCT<x: DOUBLE>", "ndjson", '{"a":[1,"NA"],"b":{"x":"NA"}}', forms),
      [{ a: [1, null], b: { x: null } }]
    )
  })
})

describe("dates and timestamps", () => {
  const day = 20_779
  const at = 1_795_336_200_000_000

  it.each<[type: string, text: string, value: number, forms?: ValueForms]>([
    ["DATE", "2026/11/22", day],
    ["TIMESTAMP", "2026/11/22 08:30", at],
    ["TIMESTAMP", "2026-11-22t08:30:00z", at],
    ["TIMESTAMP", "2026-11-22T09:30:00+0100", at],
    ["TIMESTAMP_NTZ", "2026/11/22t08:30:00", at],
    ["DATE", "22/11/2026", day, { dateFormat: format("%d/%m/%Y", false) }],
    ["DATE", "22.11.26", day, { dateFormat: format("dd.MM.yy", false) }],
    ["DATE", "20261122", day, { dateFormat: format("YYYYMMDD", false) }],
    ["DATE", "Nov 22, 2026", day, { dateFormat: format("%b %d, %Y", false) }],
    [
      "TIMESTAMP",
      "11/22/2026 8:30:00.000000 AM",
      at,
      { timestampFormat: format("MM/DD/YYYY h:mm:ss.SSSSSS a") }
    ],
    [
      "TIMESTAMP",
      "22-NOVEMBER-2026 10:30 +02:00",
      at,
      { timestampFormat: format("%d-%B-%Y %H:%M %z") }
    ],
    ["TIMESTAMP_NTZ", "2026-11-22T08:30", at, { timestampFormat: format("yyyy-MM-dd'T'HH:mm") }],
    ["TIMESTAMP", "1795336200", at, { timestampUnit: "s" }],
    ["TIMESTAMP", "1795336200.0000009", at, { timestampUnit: "s" }],
    ["TIMESTAMP", "1.7953362e9", at, { timestampUnit: "s" }],
    ["TIMESTAMP", "1795336200000", at, { timestampUnit: "ms" }],
    ["TIMESTAMP_NTZ", "1795336200000000999", at, { timestampUnit: "ns" }],
    ["TIMESTAMP", "-0.0000001", -1, { timestampUnit: "s" }],
    ["TIMESTAMP", "2026-11-22T08:30:00Z", at, { timestampUnit: "s" }]
  ])("%s takes %s", (...[type, text, value, forms = {}]: [string, string, number, ValueForms?]) => {
    assert.deepStrictEqual(sent(`a ${type}, b STRING`, "csv", `a,b\n"${text}",x\n`, forms), [
      { a: value, b: "x" }
    ])
    assert.deepStrictEqual(sent(`a ${type}`, "ndjson", JSON.stringify({ a: text }), forms), [
      { a: value }
    ])
    if (forms.timestampUnit !== undefined && !text.includes("T")) {
      assert.deepStrictEqual(sent(`a ${type}`, "ndjson", `{"a":${text}}`, forms), [{ a: value }])
    }
  })

  it.each<[type: string, text: string, says: RegExp, forms?: ValueForms]>([
    [
      "DATE",
      "1/8/1990",
      /^column a: expected DATE.*day and month are ambiguous, so set the format with --date-format/
    ],
    [
      "TIMESTAMP",
      "01.08.1990 10:00",
      /^column a: expected TIMESTAMP.*set the format with --timestamp-format/
    ],
    ["DATE", "8 January 1990", /--date-format sets another format/],
    ["DATE", "tomorrow", /^column a: expected DATE, as 2026-11-22 or as days since 1970-01-01$/],
    [
      "DATE",
      "31/02/2026",
      /in the form of --date-format$/,
      { dateFormat: format("%d/%m/%Y", false) }
    ],
    [
      "DATE",
      "2026-11-23",
      /in the form of --date-format$/,
      { dateFormat: format("%d/%m/%Y", false) }
    ],
    ["DATE", "22/11/2026 ", /^column a: expected DATE/, { dateFormat: format("%m/%d/%Y", false) }],
    [
      "TIMESTAMP",
      "22/11/2026 13:00 PM",
      /expected/,
      { timestampFormat: format("%d/%m/%Y %I:%M %p") }
    ],
    ["TIMESTAMP", "99999999999999", /expected TIMESTAMP/, { timestampUnit: "s" }],
    ["TIMESTAMP", "true", /expected TIMESTAMP/, { timestampUnit: "s" }]
  ])(
    "%s refuses %s",
    (...[type, text, says, forms = {}]: [string, string, RegExp, ValueForms?]) => {
      for (const got of [
        sent(`a ${type}, b STRING`, "csv", `a,b\n"${text}",x\n`, forms),
        sent(`a ${type}`, "ndjson", JSON.stringify({ a: text }), forms)
      ]) {
        assert.match(String(got[0]), says)
        assert.notInclude(String(got[0]), text.trim())
      }
    }
  )

  it.each([
    ["dd/mm/yyyy", false, /no month/],
    ["%d/%m", false, /no year/],
    ["%Y-%m-%d %H:%M", false, /no time of day/],
    ["%Y-%m-%d %d", true, /day twice/],
    ["%Y-%m-%d %I:%M", true, /AM or PM/],
    ["%Y-%m-%d %Q", true, /%Q is not a known part/],
    ["YYYY-MM-DD at HH", true, /not a known part/]
  ] as const)("a format %s is refused", (text, time, says) => {
    const one = timeFormat(text, time)
    assert.match("problem" in one ? one.problem : "taken", says)
  })
})
