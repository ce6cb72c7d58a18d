/**
 * Reading record files: the result must not depend on how the bytes are split, and one invalid
 * piece costs one record.
 */
import { assert, describe, it } from "@effect/vitest"
import { parse } from "csv-parse/sync"
import { Effect, Schema } from "effect"
import * as Fs from "node:fs"
import { type TextFormat, kindOf } from "../../../src/cli/records/fileKind.ts"
import { longestRecord, reader, type SourceRecord } from "../../../src/cli/records/recordFile.ts"
import { make as utf8Text } from "../../../src/cli/records/utf8Text.ts"
import { dataset } from "../../support/commandLine.ts"

const readAll = (
  format: TextFormat,
  bytes: Uint8Array,
  sizes: ReadonlyArray<number>,
  delimiter?: string
): ReadonlyArray<SourceRecord> => {
  const records = reader(format, { delimiter })
  const found: Array<SourceRecord> = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : Math.max(1, sizes[turn % sizes.length]!)
    found.push(...records.push(bytes.subarray(at, at + size)))
    at += size
  }
  found.push(...records.end())
  return found.map(plain)
}

/** The output of a reader, as plain values. */
const plain = ({ fields, line, problem, text }: SourceRecord): SourceRecord => ({
  line,
  text,
  ...(fields === undefined ? {} : { fields }),
  ...(problem === undefined ? {} : { problem })
})

const read = (format: TextFormat, text: string | Uint8Array, sizes: ReadonlyArray<number> = []) =>
  readAll(format, typeof text === "string" ? Buffer.from(text) : text, sizes)

const good = (records: ReadonlyArray<SourceRecord>) =>
  records.filter((record) => record.problem === undefined)

/** The same file in one piece, byte by byte, and split at the given positions. */
const sameHoweverCut = (
  format: TextFormat,
  text: string | Uint8Array,
  sizes: ReadonlyArray<number>
) => {
  const whole = read(format, text)
  assert.deepStrictEqual(read(format, text, [1]), whole)
  assert.deepStrictEqual(read(format, text, sizes), whole)
  return whole
}

const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))
const Texts = Schema.Array(Schema.String)
const Cells = Schema.Array(
  Schema.Array(
    Schema.Literals(["", "a", "b c", "x,y", 'say "hi"', "two\nlines", "two\r\nlines", "Ærø 🜁", " "])
  )
)

describe("kind of a file", () => {
  it("is read off its name", () => {
    const kinds = [
      "a.ndjson",
      "a.jsonl",
      "b.JSON",
      "c.csv",
      "d.tsv",
      "e.json.gz",
      "f.parquet",
      "g.orc",
      "data"
    ].map(kindOf)
    assert.deepStrictEqual(
      kinds.map((kind) => kind.format),
      ["ndjson", "ndjson", "json", "csv", "csv", "json", "parquet", undefined, undefined]
    )
    assert.isTrue(kinds[5]!.gzip)
    assert.strictEqual(kinds[4]!.delimiter, "\t")
  })
})

describe("text of bytes", () => {
  it("marks bytes that are not UTF-8 and keeps everything around them", () => {
    const bytes = Buffer.from([0x41, 0xff, 0xc3, 0xa6, 0xe2, 0x82, 0x42, 0xf0, 0x9f, 0x9c])
    for (const size of [1, 2, 3, 10]) {
      const text = utf8Text()
      let all = ""
      for (let at = 0; at < bytes.length; at += size)
        all += text.push(bytes.subarray(at, at + size))
      all += text.end()
      assert.strictEqual(all, "A\udcffæ\udce2\udc82B\udcf0\udc9f\udc9c")
    }
  })

  it.effect.prop(
    "equals the text, however the bytes are cut",
    { text: Schema.String, sizes: Sizes },
    ({ sizes, text }) =>
      Effect.sync(() => {
        const bytes = Buffer.from(`a${text}`)
        const reading = utf8Text()
        let all = ""
        let at = 0
        for (let turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % Math.max(1, sizes.length)] ?? 3
          all += reading.push(bytes.subarray(at, at + size))
          at += size
        }
        assert.strictEqual(all + reading.end(), bytes.toString("utf8"))
      }),
    { arbitrary: { runs: 200 } }
  )
})

describe("one record per line", () => {
  it(
    "gives lines with their numbers; CR LF, BOM, empty lines and a missing last line feed do " +
      "not matter",
    () => {
      const content = '\ufeff{"a":1}\r\n\n  \n{"a":2}\n{"a":"æ🜁"}'
      const records = sameHoweverCut("ndjson", content, [3, 2])
      assert.deepStrictEqual(records, [
        { line: 1, text: '{"a":1}' },
        { line: 4, text: '{"a":2}' },
        { line: 5, text: '{"a":"æ🜁"}' }
      ])
    }
  )

  it("names the line with bytes that are not UTF-8 and reads on", () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a":"'),
      Buffer.from([0xff]),
      Buffer.from('"}\n{"a":"\ufffd"}\n')
    ])
    const records = sameHoweverCut("ndjson", bytes, [4])
    assert.deepStrictEqual(
      records.map((record) => [record.line, record.problem]),
      [
        [1, "holds bytes that are not UTF-8"],
        [2, undefined]
      ]
    )
  })

  it("keeps a line of 10 MB and refuses a longer one without keeping it", () => {
    const long = `{"a":"${"x".repeat(10_000_000)}"}`
    const endless = "y".repeat(longestRecord + 100_000)
    const records = read("ndjson", `${long}\n${endless}\n{"b":1}\n`, [65_536])
    assert.deepStrictEqual(
      records.map((record) => [record.line, record.text.length, record.problem]),
      [
        [1, long.length, undefined],
        [2, 1024, `longer than ${longestRecord} bytes`],
        [3, 7, undefined]
      ]
    )
  })

  it.effect.prop(
    "gives back what was written, however it is cut",
    { texts: Texts, sizes: Sizes },
    ({ sizes, texts }) =>
      Effect.sync(() => {
        const lines = texts.map((text) => JSON.stringify({ text }))
        const records = sameHoweverCut("ndjson", lines.join("\n"), sizes)
        assert.deepStrictEqual(
          records,
          lines.map((text, index) => ({ line: index + 1, text }))
        )
      }),
    { arbitrary: { runs: 200 } }
  )
})

describe("lines of JSON", () => {
  it.each(["\n", "\r\n", "\r", "\r\r\n"])("may end with %j, also several in one file", (end) => {
    const lines = ['{"a":1}', "", '{"a":2}', '{"a":"æ"}'].join(end)
    for (const whole of [lines, `${lines}${end}`]) {
      const records = sameHoweverCut("ndjson", whole, [3, 2, 5])
      assert.deepStrictEqual(
        records.map(({ line, text }) => [line, text]),
        [
          [1, '{"a":1}'],
          [3, '{"a":2}'],
          [4, '{"a":"æ"}']
        ]
      )
    }
    assert.strictEqual(
      good(sameHoweverCut("ndjson", `${lines}\n{"b":1}\r{"b":2}\r\n{"b":3}`, [4])).length,
      6
    )
  })
})

describe("JSON arrays and objects", () => {
  it.each(["\n", "\r"])(
    "costs one record where a text is not closed, with %j between lines",
    (end) => {
      const array = ["[", '{"a":"x},', '{"a":"y"},', ' {"a":"z"}', "]"].join(end)
      assert.deepStrictEqual(
        sameHoweverCut("json", array, [3]).map((record) => [
          record.line,
          record.problem ?? record.text
        ]),
        [
          [2, "a string is not closed on its line"],
          [3, '{"a":"y"}'],
          [4, '{"a":"z"}']
        ]
      )
      const objects = ['{"a": {', '  "b": "x,', '  "c": {"d": 1}', "}}", '{"a":2}', '{"a":3}'].join(
        end
      )
      assert.deepStrictEqual(
        sameHoweverCut("json", objects, [3]).map((record) => [
          record.line,
          record.problem ?? record.text
        ]),
        [
          [1, "a string is not closed on its line"],
          [5, '{"a":2}'],
          [6, '{"a":3}']
        ]
      )
    }
  )

  it("cuts an array on one line or on many", () => {
    assert.deepStrictEqual(sameHoweverCut("json", '[{"a":"],}"},{"b":[1,{"c":"\\""}]}]', [5]), [
      { line: 1, text: '{"a":"],}"}' },
      { line: 1, text: '{"b":[1,{"c":"\\""}]}' }
    ])
    assert.deepStrictEqual(
      sameHoweverCut("json", '\ufeff\n[\n  {\n "a": 1\n  },\r\n  {"b": 2}\n]\n', [4]),
      [
        { line: 3, text: '{\n "a": 1\n  }' },
        { line: 6, text: '{"b": 2}' }
      ]
    )
  })

  it("takes a single object, objects one after another, and an empty array", () => {
    assert.deepStrictEqual(sameHoweverCut("json", '{"a": 1}', [3]), [{ line: 1, text: '{"a": 1}' }])
    assert.deepStrictEqual(
      sameHoweverCut("json", '{"a":1} {"b":2}\n{"c":3}{"d":4}', [3]).map((record) => record.text),
      ['{"a":1}', '{"b":2}', '{"c":3}', '{"d":4}']
    )
    assert.deepStrictEqual(sameHoweverCut("json", " [ ] ", [1]), [])
    assert.deepStrictEqual(sameHoweverCut("json", "", [1]), [])
  })

  it.each<readonly [string, Array<[number, string | undefined]>]>([
    [
      '[{"a":1},,{"b":2}]',
      [
        [1, undefined],
        [1, "a comma is where a record should be"],
        [1, undefined]
      ]
    ],
    [
      '[{"a":1},\n]',
      [
        [1, undefined],
        [2, "a comma is where a record should be"]
      ]
    ],
    [
      '[,{"a":1}]',
      [
        [1, "a comma is where a record should be"],
        [1, undefined]
      ]
    ],
    [
      '[{"a":1}]\nmore',
      [
        [1, undefined],
        [2, "is after the end of the array"]
      ]
    ],
    [
      '[{"a":1},\n{"b":',
      [
        [1, undefined],
        [2, "the file ends inside this record"]
      ]
    ],
    [
      '[{"a":1},\n',
      [
        [1, undefined],
        [2, "the file ends inside the array: its closing bracket is missing"]
      ]
    ],
    [
      'hello\n{"a":1}',
      [
        [1, "is not a JSON object"],
        [2, undefined]
      ]
    ]
  ])("says where %j is broken", (text, expected) => {
    assert.deepStrictEqual(
      sameHoweverCut("json", text, [2, 5]).map((record) => [record.line, record.problem]),
      expected
    )
  })

  it("passes over an element that is too long and reads on", () => {
    const records = read("json", `[{"a":1},{"b":"${"y".repeat(longestRecord)}"},{"c":3}]`, [
      1 << 20
    ])
    assert.deepStrictEqual(
      records.map((record) => [record.text.length, record.problem]),
      [
        [7, undefined],
        [1024, `longer than ${longestRecord} bytes`],
        [7, undefined]
      ]
    )
  })

  it.effect.prop(
    "gives back what was written, however it is cut",
    { texts: Texts, sizes: Sizes },
    ({ sizes, texts }) =>
      Effect.sync(() => {
        const values = texts.map((text) => ({ text, nested: [{ text }, "]}"] }))
        for (const file of [
          JSON.stringify(values),
          JSON.stringify(values, null, 2),
          values.map((value) => JSON.stringify(value)).join("")
        ]) {
          assert.deepStrictEqual(
            sameHoweverCut("json", file, sizes).map((record) => JSON.parse(record.text)),
            values
          )
        }
      }),
    { arbitrary: { runs: 100 } }
  )
})

describe("CSV", () => {
  const quoted = (cell: string) =>
    /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell

  it("reads quotes, line feeds in quotes, CR LF, BOM and empty lines", () => {
    const records = sameHoweverCut(
      "csv",
      '\ufeffa,b\r\n1,"x ""y"", z"\r\n\r\n"two\nlines",4\r\n5,',
      [3, 1, 7]
    )
    assert.deepStrictEqual(
      records.map((record) => [record.line, record.fields, record.problem]),
      [
        [2, ["1", 'x "y", z'], undefined],
        [4, ["two\nlines", "4"], undefined],
        [6, ["5", ""], undefined]
      ]
    )
  })

  it("reads rows between separators of several bytes, however the file is cut", () => {
    const text = Buffer.from('a§b\nx§1\nÂy§2\n"two\nlines"§"3"\n')
    for (let cut = 0; cut <= text.length; cut++) {
      const fields = readAll("csv", text, [cut === 0 ? 1 : cut], "§").map((record) => record.fields)
      assert.deepStrictEqual(fields, [
        ["x", "1"],
        ["Ây", "2"],
        ["two\nlines", "3"]
      ])
    }
  })

  it("reads a row of nothing but tabs, and passes over lines of nothing but space", () => {
    const records = readAll("csv", Buffer.from("a\tb\tc\n\t\t\n\t\n \n1\t2\t\n"), [], "\t")
    assert.deepStrictEqual(
      records.map((record) => record.fields ?? record.problem),
      [["", "", ""], "has 2 fields, the header has 3", ["1", "2", ""]]
    )
  })

  it("takes space, and an empty line, for a value where there is one column", () => {
    const records = sameHoweverCut("csv", 'a\nx\n   \n"   "\n\n\u3000\n', [2, 3])
    assert.deepStrictEqual(
      records.map((record) => record.fields),
      [["x"], ["   "], ["   "], [""], ["\u3000"]]
    )
  })

  it.each(["\n", "\r\n", "\r", "\r\r\n"])(
    "takes %j for the end of a row, also several in one file",
    (end) => {
      const file = ["id,s", "1,a", '2,"b\r\nc"', "", '"3","d"', "4,æ"].join(end)
      for (const whole of [file, `${file}${end}`, `${file}\n5,e\r\n6,f\r`]) {
        const records = sameHoweverCut("csv", whole, [4, 1, 3])
        assert.deepStrictEqual(
          records.slice(0, 4).map((record) => record.fields),
          [
            ["1", "a"],
            ["2", "b\r\nc"],
            ["3", "d"],
            ["4", "æ"]
          ]
        )
        assert.deepStrictEqual(
          records.slice(0, 4).map((record) => record.line),
          [2, 3, 6, 7]
        )
        assert.strictEqual(records.length, whole.endsWith("f\r") ? 6 : 4)
      }
    }
  )

  it("costs a bounded number of rows where a quote is not closed", () => {
    const rows = (from: number) =>
      Array.from({ length: 3000 }, (_, n) => `${from + n},"x"`).join("\n")
    // All following rows have two quotes each, so that none of them closes the first one properly.
    const records = read("csv", `id,s\n0,"open\n${rows(1)}\n`, [1000])
    assert.strictEqual(good(records).length, 3000)
    // No further quote for more lines than a row may have.
    const plain = Array.from({ length: 3000 }, (_, n) => `${n + 1},x`).join("\n")
    const open = read("csv", `id,s\n0,"open\n${plain}\n9,"z"\n`, [1000])
    assert.strictEqual(good(open).length, 3001)
    assert.match(open[0]!.problem!, /spans more than 1000 lines; its closing quote may be missing/)
    // Below that limit it is one row with all of its lines.
    const closed = read("csv", `id,s\n0,"open\n${plain.slice(0, 3000)}"\n1,x\n`, [1000])
    assert.strictEqual(closed.length, 2)
  })

  it("finds what separates the fields, unless it is given", () => {
    const header = (file: string, delimiter?: string) => {
      const one = reader("csv", { delimiter })
      const found = Array.from(Buffer.from(file), (byte) => one.push(Buffer.of(byte))).flat()
      return [one.header(), ...[...found, ...one.end()].map((record) => record.fields)]
    }
    assert.deepStrictEqual(header("a;b\n1,5;2\n"), [
      ["a", "b"],
      ["1,5", "2"]
    ])
    assert.deepStrictEqual(header('\ufeff"a;,x"|b\n1|2\n'), [
      ["a;,x", "b"],
      ["1", "2"]
    ])
    assert.deepStrictEqual(header("a;b,c\n1;x,2\n"), [
      ["a;b", "c"],
      ["1;x", "2"]
    ])
    assert.deepStrictEqual(header("a;b\n1;2\n", ","), [["a;b"], ["1;2"]])
    assert.deepStrictEqual(header("sep=;\r\na;b\r\n1;2"), [
      ["a", "b"],
      ["1", "2"]
    ])
    assert.deepStrictEqual(header("name\nx\n"), [["name"], ["x"]])
  })

  it("loses no row behind a broken quote", () => {
    const text = 'a,b,c\n1,"b"x,3\n4,5\n6,7,8\n"never closed,1,2\n9,10,11\n12,13,14,15\n'
    const records = sameHoweverCut("csv", text, [4])
    assert.deepStrictEqual(
      records.map((record) => [record.line, record.fields?.[0], record.problem]),
      [
        [2, undefined, "text follows the closing quote of a field"],
        [3, undefined, "has 2 fields, the header has 3"],
        [4, "6", undefined],
        [5, undefined, "a quoted field has no closing quote"],
        [6, "9", undefined],
        [7, undefined, "has 4 fields, the header has 3"]
      ]
    )
  })

  it("reads nothing behind a header that cannot be read, and says so", () => {
    const one = reader("csv")
    const records = [...one.push(Buffer.from('"a"b,c\n1,2\n3,4\n')), ...one.end()]
    assert.deepStrictEqual(records, [])
    assert.strictEqual(
      one.problem(),
      "the header cannot be read: text follows the closing quote of a field"
    )
  })

  it("reads on behind a quote that is open for longer than a record may be", () => {
    const rows = `${"12345678,abcdefgh\n".repeat(20)}`
    const text = `a,b\n"open,1\n${"z".repeat(longestRecord)},1\n${rows}`
    const records = read("csv", text, [1 << 20])
    assert.strictEqual(good(records).length, 20 + 1)
    assert.deepStrictEqual(
      [records[0]!.line, records[0]!.problem],
      [2, "is too long, or a quote is not closed"]
    )
  })

  it.effect.prop(
    "gives back what was written, however it is cut",
    { cells: Cells, sizes: Sizes },
    ({ cells, sizes }) =>
      Effect.sync(() => {
        const rows = cells.map((row) => ["k", ...[0, 1, 2].map((index) => row[index] ?? "")])
        const file = [["k", "x", "y", "z"], ...rows]
          .map((row) => row.map(quoted).join(","))
          .join("\r\n")
        const records = sameHoweverCut("csv", file, sizes)
        assert.deepStrictEqual(
          records.map((record) => record.fields),
          rows
        )
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect.prop(
    "agrees with csv-parse on every correct file",
    { cells: Cells, sizes: Sizes },
    ({ cells, sizes }) =>
      Effect.sync(() => {
        const rows = cells.map((row) => ["k", ...[0, 1].map((index) => row[index] ?? "")])
        const file = [["k", "x", "y"], ...rows]
          .map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(","))
          .join("\n")
        const [, ...expected] = parse(file)
        const records = sameHoweverCut("csv", file, sizes)
        assert.deepStrictEqual(
          records.map((record) => record.fields),
          expected
        )
      }),
    { arbitrary: { runs: 100 } }
  )

  it("reads a file of 10,000 rows as csv-parse does", () => {
    const file = Fs.readFileSync(dataset("birdstrikes.csv"))
    const [header, ...expected] = parse(file)
    const rows = reader("csv")
    const records = [...rows.push(file), ...rows.end()]
    assert.deepStrictEqual(rows.header(), header)
    assert.deepStrictEqual(
      records.map((record) => record.fields),
      expected
    )
    assert.strictEqual(records.length, 10_000)
  })
})
