/**
 * Positions at which another reader can continue: with the same header it returns the same records.
 */
import { assert, describe, it } from "@effect/vitest"
import type { TextFormat } from "../../../src/cli/records/fileKind.ts"
import { longestRecord, reader, type SourceRecord } from "../../../src/cli/records/recordFile.ts"

const shown = (records: ReadonlyArray<SourceRecord>) =>
  records.map(({ fields, line, problem, text }) => ({ line, text, fields, problem }))

const contents: ReadonlyArray<readonly [what: string, format: TextFormat, content: string]> = [
  [
    "lines with every line end",
    "ndjson",
    '{"a":1}\n\n{"a":2}\r\n{"a":3}\r{"a":4}\r\r\n  {"a":5} \nx\n{"a":6}'
  ],
  ["lines behind a byte order mark", "ndjson", '\ufeff{"a":1}\n{"a":"ė"}\n'],
  ["rows with quotes", "csv", 'a,b\n1,"x\ny"\n\n2,"""z"\r\n"\r",3\r4,5\r\r\n6,7'],
  [
    "rows behind a byte order mark, and one that begins with it",
    "csv",
    "\ufeffa,b\n1,2\n\ufeff3,4\n5,6\n"
  ],
  ["a file that names its delimiter", "csv", "sep=;\na;b\n1;2,3\n4;5\n"],
  ["one column, with empty rows", "csv", "a\n1\n\n 2\r\n\n3"],
  ["rows with a broken quote", "csv", 'a,b\n1,"x"y\n2,3\n"4"5,6\n7,8\n'],
  ["empty lines before the header", "csv", "\n\na,b\n1,2\n"]
]

describe("the place of a reader", () => {
  it.each(contents)("is where another one goes on: %s", (_, format, content) => {
    const bytes = Buffer.from(content)
    const whole = reader(format)
    const all = shown([...whole.push(bytes), ...whole.end()])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const first = reader(format)
      const before = shown(first.push(bytes.subarray(0, cut)))
      const place = first.place()!
      const next =
        place === 0
          ? {}
          : { names: first.header(), delimiter: first.delimiter(), line: first.line() }
      const second = reader(format, next)
      const after = shown([...second.push(bytes.subarray(place)), ...second.end()])
      assert.deepStrictEqual([...before, ...after], all, `cut at ${cut}, place ${place}`)
    }
  })

  it.each<readonly [TextFormat, string]>([
    ["ndjson", '{"a":1}\n'],
    ["csv", "a\n1\n"]
  ])("stays before a record of %s that is too long, until its end", (format, start) => {
    const one = reader(format)
    one.push(Buffer.from(start))
    const piece = Buffer.alloc(1024 * 1024, "x")
    let found = 0
    for (let length = 0; length < longestRecord + 3 * piece.length; length += piece.length) {
      found += one.push(piece).length
      assert.strictEqual(one.place(), start.length)
    }
    assert.strictEqual(found, 1)
    const total =
      start.length + Math.ceil((longestRecord + 3 * piece.length) / piece.length) * piece.length
    assert.lengthOf(one.push(Buffer.from("\n2")), 0)
    assert.strictEqual(one.place(), total + 1)
    one.end()
    assert.strictEqual(one.place(), total + 2)
  })

  it("is none in an array, which has to be read from its start", () => {
    const one = reader("json")
    one.push(Buffer.from('[{"a":1},'))
    assert.isUndefined(one.place())
  })
})
