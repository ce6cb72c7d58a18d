/**
 * A corpus of small hostile files. Each is read as DuckDB reads it. Where DuckDB refuses the file
 * or reads it by another rule, our rule is stated next to it.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { timeFormat, type TimeFormat } from "../../../src/cli/records/timeFormat.ts"
import { temporaryFolder } from "../../support/commandLine.ts"
import {
  columnsOf,
  ingested,
  type ReadingOptions,
  readByDuckdb,
  type Row
} from "../../support/fileReading.ts"

const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

let files = 0
const write = (ending: string, content: string | Uint8Array): string => {
  const path = Path.join(folder, `${++files}.${ending}`)
  Fs.writeFileSync(path, content)
  return path
}

const format = (text: string, time: boolean): TimeFormat => timeFormat(text, time) as TimeFormat
const two = "id INT, s STRING"

/**
 * Files that are read as DuckDB reads them: title, extension, columns, content, options of DuckDB,
 * our options.
 */
type AsDuckdb = [
  what: string,
  ending: string,
  columns: string,
  content: string | Uint8Array,
  theirs?: string,
  ours?: ReadingOptions
]

const wide = Array.from({ length: 300 }, (_, n) => `c${n}`)

const alike: ReadonlyArray<AsDuckdb> = [
  ["rows that end with LF", "csv", two, "id,s\n1,a\n2,b\n"],
  ["rows that end with CR LF", "csv", two, "id,s\r\n1,a\r\n2,b\r\n"],
  ["rows that end with CR", "csv", two, "id,s\r1,a\r2,b\r"],
  ["a last row without its end", "csv", two, "id,s\n1,a\n2,b"],
  ["a byte order mark", "csv", two, "\ufeffid,s\n1,a\n"],
  ["a delimiter in quotes", "csv", two, 'id,s\n1,"a,b"\n2,",,"\n'],
  ["doubled quotes", "csv", two, 'id,s\n1,"say ""hi"""\n2,""""\n3,""""""\n'],
  ["line feeds in quotes", "csv", two, 'id,s\n1,"a\nb\n"\n2,"\n"\n'],
  ["CR LF in quotes", "csv", two, 'id,s\r\n1,"a\r\nb"\r\n2,c\r\n'],
  ["empty fields, quoted and not", "csv", two, 'id,s\n1,\n,x\n2,""\n'],
  ["space in and around fields", "csv", two, "id,s\n1, a b \n2,\t\n3,c\n"],
  ["a column of space and of empty lines", "csv", "s STRING", 's\nx\n   \n"   "\n\ny\n'],
  ["quotes in the middle of a field", "csv", two, 'id,s\n1,5" pipe\n2,a"b"c\n', "quote='\"'"],
  [
    "single quotes and backslashes",
    "csv",
    two,
    "id,s\n1,'a'\n2,C:\\new\\table\n3,\\\n",
    "quote='\"', escape='\"'"
  ],
  ["semicolons", "csv", two, "id;s\n1;a,b\n2;c,d\n"],
  ["tabs in a .csv", "csv", two, "id\ts\n1\ta b\n2\tc\n"],
  ["bars", "csv", two, "id|s\n1|a\n2|b\n"],
  ["a .tsv", "tsv", "a STRING, b STRING, c INT", "a\tb\tc\nx\ty\t1\n\t\t\nz\tw\t2\n", "delim='\t'"],
  ["gzip", "csv.gz", two, gzipSync("id,s\n1,a\n2,b\n")],
  ["zstd", "csv.zst", two, zstdCompressSync("id,s\n1,a\n2,b\n")],
  ["letters beyond ASCII", "csv", two, "id,s\n1,žluťoučký 🜁\n2,\u2028\u00a0x\n3,e\u0301\n"],
  ["a header and no row", "csv", two, "id,s\n", "header=true"],
  [
    "a field of a megabyte",
    "csv",
    two,
    `id,s\n1,${"x".repeat(1 << 20)}\n2,"${"y\n".repeat(900)}"\n`,
    "max_line_size=8000000"
  ],
  [
    "300 columns",
    "csv",
    wide.map((name) => `${name} INT`).join(", "),
    `${wide.join()}\n${wide.map((_, n) => n).join()}\n`
  ],
  [
    "the ends of BIGINT",
    "csv",
    "v BIGINT, k INT",
    "v,k\n9223372036854775807,1\n-9223372036854775808,2\n9007199254740993,3\n"
  ],
  [
    "integers with a sign, zeros and space",
    "csv",
    "v BIGINT, k INT",
    "v,k\n+5,1\n007,2\n 8 ,3\n-0,4\n"
  ],
  [
    "integers with a point or an exponent",
    "csv",
    "v BIGINT, k INT",
    "v,k\n1.0,1\n1e2,2\n-0.0,3\n12.00,4\n"
  ],
  [
    "doubles",
    "csv",
    "v DOUBLE, k INT",
    "v,k\n-0.0,1\n1e300,2\n.5,3\n5.,4\n0.1000000000000000055,5\n-1E-7,6\n"
  ],
  [
    "decimals",
    "csv",
    "v DECIMAL(18,4), k INT",
    "v,k\n12.5,1\n-0.0001,2\n99999999999999.9999,3\n1e3,4\n"
  ],
  ["booleans", "csv", "v BOOLEAN, k INT", "v,k\ntrue,1\nFALSE,2\nt,3\nf,4\n"],
  [
    "dates",
    "csv",
    "v DATE, k INT",
    "v,k\n2024-02-29,1\n0001-01-01,2\n9999-12-31,3\n1969-12-31,4\n"
  ],
  ["dates with slashes", "csv", "v DATE, k INT", "v,k\n2026/11/22,1\n"],
  [
    "dates of a named form",
    "csv",
    "v DATE, k INT",
    "v,k\n22/11/2026,1\n01/02/2024,2\n",
    "dateformat='%d/%m/%Y'",
    { dateFormat: format("%d/%m/%Y", false) }
  ],
  [
    "timestamps with zones",
    "csv",
    "v TIMESTAMP, k INT",
    "v,k\n2026-11-22T08:30:00Z,1\n2026-11-22 08:30:00.123456+01:00,2\n2026-11-22 " +
      "08:30:00-0530,3\n1969-12-31 23:59:59.999999,4\n"
  ],
  [
    "timestamps without zones",
    "csv",
    "v TIMESTAMP_NTZ, k INT",
    "v,k\n2026-11-22T08:30:00,1\n2026-11-22 08:30:00.5,2\n"
  ],
  [
    "timestamps of a named form",
    "csv",
    "v TIMESTAMP_NTZ, k INT",
    "v,k\n11/22/2026 08:30 PM,1\n01/02/2024 12:00 AM,2\n",
    "timestampformat='%m/%d/%Y %I:%M %p'",
    { timestampFormat: format("MM/DD/YYYY hh:mm a", true) }
  ],
  [
    "words for NULL",
    "csv",
    "v DOUBLE, s STRING",
    'v,s\nNA,NA\n1,"NA"\n2,x\n',
    "nullstr='NA'",
    { nullWords: ["NA"] }
  ],
  ["no header", "csv", two, "1,a\n2,b\n", "header=false", { names: ["id", "s"] }],
  ["lines of JSON", "ndjson", two, '{"id":1,"s":"a"}\n{"s":"b","id":2}\n{"id":3}\n{"s":null}\n'],
  [
    "lines of JSON with CR LF and empty ones",
    "ndjson",
    two,
    '{"id":1,"s":"a"}\r\n\r\n{"id":2,"s":"b"}\r\n'
  ],
  [
    "escapes of JSON",
    "ndjson",
    two,
    String.raw`{"id":1,"s":"\u00e6\ud83d\ude00\"\\\/\n\t"}` + "\n"
  ],
  [
    "an array of JSON over lines",
    "json",
    two,
    '[\n  {\n    "id": 1,\n    "s": "a]"\n  },\n  {"id": 2, "s": "}"}\n]\n'
  ],
  ["an empty array of JSON", "json", two, "[]\n", "format='array'"],
  [
    "objects one after another",
    "json",
    two,
    '{"id":1,"s":"a"} {"id":2,\n"s":"b"}{"id":3}',
    "format='unstructured'"
  ],
  [
    "long integers of JSON",
    "ndjson",
    "v BIGINT",
    '{"v":9007199254740993}\n{"v":-9223372036854775808}\n{"v":9223372036854775807}\n'
  ],
  ["doubles of JSON", "ndjson", "v DOUBLE", '{"v":-0.0}\n{"v":1e2}\n{"v":0.1000000000000000055}\n'],
  ["lines of JSON in gzip", "ndjson.gz", two, gzipSync('{"id":1,"s":"a"}\n{"id":2}\n')]
]

/**
 * Files that DuckDB refuses or reads by another rule: title, rule, extension, columns, content,
 * rows, rejects, options.
 */
interface ByRule {
  readonly rule: string
  readonly ending: string
  readonly columns?: string
  readonly content: string | Uint8Array
  readonly rows?: ReadonlyArray<Row>
  readonly rejects?: ReadonlyArray<readonly [line: number, reason: RegExp]>
  readonly problem?: RegExp
  readonly options?: ReadingOptions
}

const utf16 = Buffer.from("\ufeffid,s\r\n1,æ\r\n", "utf16le")

const ruled: ReadonlyArray<ByRule> = [
  {
    rule: "CR CR LF is one line end",
    ending: "csv",
    content: "id,s\r\r\n1,a\r\r\n2,b\r\r\n",
    rows: [
      ["1", "a"],
      ["2", "b"]
    ]
  },
  {
    rule: "line ends of several kinds may stand in one file",
    ending: "csv",
    content: "id,s\n1,a\r2,b\r\n3,c\r\r\n4,d",
    rows: [
      ["1", "a"],
      ["2", "b"],
      ["3", "c"],
      ["4", "d"]
    ]
  },
  {
    rule: "lines of JSON end with CR too",
    ending: "ndjson",
    content: '{"id":1}\r{"id":2}\r',
    rows: [
      ["1", null],
      ["2", null]
    ]
  },
  {
    rule: "an unclosed quote costs its row",
    ending: "csv",
    content: 'id,s\n1,"a\n2,b\n3,c\n',
    rows: [
      ["2", "b"],
      ["3", "c"]
    ],
    rejects: [[2, /no closing quote/]]
  },
  {
    rule: "an unclosed quote before other quotes costs its row",
    ending: "csv",
    content: 'id,s\n1,"a\n2,"b"\n3,c\n',
    rows: [
      ["2", "b"],
      ["3", "c"]
    ],
    rejects: [[2, /text follows the closing quote/]]
  },
  {
    rule: "text behind a closing quote costs its row",
    ending: "csv",
    content: 'id,s\n1,"a" b\n2,c\n',
    rows: [["2", "c"]],
    rejects: [[2, /text follows the closing quote/]]
  },
  {
    rule: "rows of another width are refused",
    ending: "csv",
    content: "id,s\n1\n2,b,c\n3,d\n",
    rows: [["3", "d"]],
    rejects: [
      [2, /has 1 fields, the header has 2/],
      [3, /has 3 fields/]
    ]
  },
  {
    rule: "bytes that are no UTF-8 cost their row",
    ending: "csv",
    content: Buffer.concat([Buffer.from("id,s\n1,"), Buffer.of(0xe6), Buffer.from("\n2,b\n")]),
    rows: [["2", "b"]],
    rejects: [[2, /not UTF-8/]]
  },
  {
    rule: "bytes that are no UTF-8 cost their row, with CR line ends",
    ending: "csv",
    content: Buffer.concat([Buffer.from("id,s\r1,"), Buffer.of(0xe6), Buffer.from("\r2,b\r")]),
    rows: [["2", "b"]],
    rejects: [[2, /not UTF-8/]]
  },
  {
    rule: "U+0000 is a character of text",
    ending: "csv",
    content: "id,s\n1,a\0b\n",
    rows: [["1", "a\0b"]]
  },
  {
    rule: "a line of space in a file of several columns is no row",
    ending: "csv",
    content: "id,s\n  \n1,a\n\t\n\n",
    rows: [["1", "a"]]
  },
  {
    rule: "a line sep=; names the delimiter",
    ending: "csv",
    content: "sep=;\r\nid;s\r\n1;a,b\r\n",
    rows: [["1", "a,b"]]
  },
  { rule: "UTF-16 is found by its mark", ending: "csv", content: utf16, rows: [["1", "æ"]] },
  {
    rule: "UTF-16 is found without its mark",
    ending: "csv",
    content: Buffer.from(utf16.subarray(2)).swap16(),
    rows: [["1", "æ"]]
  },
  {
    rule: "a header without a column is refused, also without rows",
    ending: "csv",
    content: "id,t\n",
    problem: /no column "t"/
  },
  {
    rule: "a header that cannot be read is refused",
    ending: "csv",
    content: '"id"x,s\n1,a\n',
    problem: /header cannot be read/
  },
  {
    rule: "two names for one column are refused",
    ending: "csv",
    content: "ID,Id\n1,2\n",
    problem: /two columns of the file belong to the column id/
  },
  {
    rule: "a name twice in the header is refused",
    ending: "csv",
    content: "id,id\n1,2\n",
    problem: /two columns of the file belong to the column id/
  },
  {
    rule: "an empty name of a header is no column",
    ending: "csv",
    content: "id,s,\n1,a,\n",
    problem: /no column ""/
  },
  {
    rule: "a key twice in a record is refused with its name",
    ending: "ndjson",
    content: '{"id":1,"id":1}\n{"id":2}\n',
    rows: [["2", null]],
    rejects: [[1, /the key "id" appears twice/]]
  },
  {
    rule: "names of JSON are found as those of CSV",
    ending: "ndjson",
    content: '{"ID":1," s ":"a"}\n',
    rows: [["1", "a"]]
  },
  {
    rule: "integers of JSON may have a point or an exponent",
    ending: "ndjson",
    columns: "v INT",
    content: '{"v":1.0}\n{"v":1e2}\n{"v":-0.0}\n{"v":1.5}\n',
    rows: [["1"], ["100"], ["0"]],
    rejects: [[4, /expected INT/]]
  },
  {
    rule: "a number beyond DOUBLE is refused in a VARIANT",
    ending: "ndjson",
    columns: "v VARIANT",
    content: '{"v":[-1e400]}\n{"v":"1e400"}\n{"v":1.50}\n',
    rows: [["1.50"]],
    rejects: [
      [1, /expected VARIANT/],
      [2, /expected VARIANT/]
    ]
  },
  {
    rule: "a text of JSON that is not closed costs its record",
    ending: "json",
    content: '[\n{"id":1,"s":"a},\n{"id":2,"s":"b"}\n]',
    rows: [["2", "b"]],
    rejects: [[2, /not closed on its line/]]
  },
  {
    rule: "an array that is cut off is not whole",
    ending: "json",
    content: '[{"id":1},{"id":2}',
    rows: [["1", null]],
    rejects: [[1, /the file ends inside this record/]]
  },
  {
    rule: "half of a surrogate pair is no text",
    ending: "ndjson",
    content: String.raw`{"s":"\ud800"}` + '\n{"id":1}\n',
    rows: [["1", null]],
    rejects: [[1, /column s/]]
  },
  {
    rule: "a day and month that could be confused are refused",
    ending: "csv",
    columns: "d DATE, k INT",
    content: "d,k\n1/8/1990,1\n",
    rejects: [[2, /are ambiguous.*--date-format/]]
  },
  {
    rule: "a day that there is not is refused",
    ending: "csv",
    columns: "d DATE, k INT",
    content: "d,k\n2023-02-29,1\n",
    rejects: [[2, /expected DATE/]]
  },
  {
    rule: "a number that does not fit is refused, never rounded",
    ending: "csv",
    columns: "v DECIMAL(4,2), k INT",
    content: "v,k\n1.005,1\n123,2\n1.10,3\n",
    rows: [["1.1", "3"]],
    rejects: [
      [2, /expected DECIMAL/],
      [3, /expected DECIMAL/]
    ]
  },
  {
    rule: "numbers of timestamps have the unit that is named",
    ending: "csv",
    columns: "t TIMESTAMP, k INT",
    content: "t,k\n1795336200.5,1\n",
    rows: [["1795336200500000", "1"]],
    options: { timestampUnit: "s" }
  },
  {
    rule: "an archive is named",
    ending: "csv",
    content: Buffer.from("PK\u0003\u0004more"),
    problem: /is a ZIP archive/
  },
  {
    rule: "a torn compressed file is named",
    ending: "csv.gz",
    content: gzipSync("id,s\n1,a\n").subarray(0, 20),
    problem: /not a complete gzip file/
  }
]

describe("a hostile file is read as DuckDB reads it:", () => {
  it.each(alike)("%s", async (_, ending, definition, content, theirs = "", ours = {}) => {
    const path = write(ending, content)
    const columns = columnsOf(definition)
    const { problem, rejects, rows } = await ingested(path, columns, ours)
    assert.deepStrictEqual([problem, rejects], [undefined, []])
    const header = ending.startsWith("csv") && !theirs.includes("header") ? "header=true" : ""
    const options = [theirs, header].filter((option) => option !== "").join(", ")
    assert.deepStrictEqual(rows, await readByDuckdb(path, columns, options))
    if (theirs !== "format='array'" && theirs !== "header=true") assert.isNotEmpty(rows)
  })
})

describe("a hostile file is read by the rule:", () => {
  it.each(ruled)(
    "$rule",
    async ({ columns = two, content, ending, options = {}, problem, rejects = [], rows = [] }) => {
      const reading = await ingested(write(ending, content), columnsOf(columns), options)
      if (problem === undefined) assert.isUndefined(reading.problem)
      else return assert.match(reading.problem ?? "none", problem)
      assert.deepStrictEqual(reading.rows, rows)
      assert.deepStrictEqual(
        reading.rejects.map(([line]) => line),
        rejects.map(([line]) => line)
      )
      rejects.forEach(([, reason], index) => assert.match(reading.rejects[index]![1], reason))
    }
  )
})
