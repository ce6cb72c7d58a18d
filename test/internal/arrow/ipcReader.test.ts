/**
 * The reader of Arrow's IPC messages, compared with Arrow's own library, and fed with hostile
 * bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { readColumns } from "../../../src/internal/arrow/arrowColumns.ts"
import { ArrowProblem } from "../../../src/internal/arrow/arrowProblem.ts"
import { type ArrowField, typeText } from "../../../src/internal/arrow/arrowSchema.ts"
import { fieldOf } from "../../../src/internal/arrow/columnField.ts"
import { peekRows, readMessage } from "../../../src/internal/arrow/ipcMessage.ts"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { readFlightData, writeFlightData } from "../../../src/internal/flight/flightData.ts"
import { arrowTexts } from "../../../src/local/records/arrowText.ts"
import {
  batchOf,
  type Columns,
  flightMessages,
  flightOf,
  ipcMessages,
  types
} from "../../support/arrowMessages.ts"
import { seeded } from "../../support/randomTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

/** Columns of every type with edge values, and the JSON of each row. */
const every: Columns = {
  a: [types.bigint, [1n, null, -(2n ** 63n)]],
  b: [types.boolean, [true, null, false]],
  c: [types.tinyint, [-128, null, 127]],
  d: [types.smallint, [-32768, null, 32767]],
  e: [types.int, [-(2 ** 31), 0, 2 ** 31 - 1], false],
  f: [types.float, [1.5, null, -0]],
  g: [types.double, [Number.MAX_VALUE, null, NaN]],
  h: [types.string, ["", null, "é😀"]],
  i: [types.binary, [Uint8Array.of(0, 255), null, new Uint8Array(0)]],
  j: [types.date, [new Date(0), null, new Date(86_400_000)]],
  k: [types.timestamp, [1, null, -1]],
  l: [types.timestampNtz, [0, null, 2]],
  m: [types.array(types.int), [[1, 2], null, []]],
  n: [
    types.struct({ x: types.int, y: types.string }),
    [{ x: 1, y: "q" }, null, { x: null, y: "z" }]
  ],
  o: [types.map(types.string, types.bigint), [new Map([["k", 1n]]), null, new Map()]],
  p: [types.array(types.struct({ x: types.string })), [[{ x: "1" }, { x: null }], null, [null]]]
}

const texts = [
  '{"a":1,"b":true,"c":-128,"d":-32768,"e":-2147483648,"f":1.5,"g":1.7976931348623157e+308,' +
    '"h":"","i":"AP8=","j":0,' +
    '"k":1000,"l":0,"m":[1,2],"n":{"x":1,"y":"q"},"o":{"k":1},"p":[{"x":"1"},{"x":null}]}',
  '{"a":null,"b":null,"c":null,"d":null,"e":0,"f":null,"g":null,"h":null,"i":null,"j":null,' +
    '"k":null,"l":null,' +
    '"m":null,"n":null,"o":null,"p":null}',
  '{"a":"-9223372036854775808","b":false,"c":127,"d":32767,"e":2147483647,"f":-0.0,"g":"NaN",' +
    '"h":"é😀","i":"","j":1,' +
    '"k":-1000,"l":2000,"m":[],"n":{"x":null,"y":"z"},"o":{},"p":[null]}'
]

const textsOf = ([schema, ...batches]: ReadonlyArray<Uint8Array>) => {
  const read = arrowTexts(readFlightData(schema!)!.header)
  return batches.flatMap(read)
}

describe("reading Arrow IPC", () => {
  it("reads every type, and several batches", () => {
    assert.deepStrictEqual(textsOf(flightMessages(batchOf(every))), texts)
    assert.deepStrictEqual(textsOf(flightMessages(batchOf(every), batchOf(every))), [
      ...texts,
      ...texts
    ])
  })

  // The library prefixes compressed bodies with a wrong size (21.2.0), so pyarrow made these.
  for (const codec of ["lz4", "zstd"]) {
    it(`reads bodies that pyarrow compressed with ${codec}`, () => {
      const file = new URL(`../../fixtures/arrow/${codec}.arrows`, import.meta.url)
      const expected = Array.from({ length: 3000 }, (_, n) =>
        JSON.stringify({
          n,
          t: n % 7 === 0 ? null : `text ${n}`,
          b: n % 3 === 0,
          l: Array.from({ length: n % 4 }, () => String(n))
        })
      )
      assert.deepStrictEqual(textsOf(flightOf(readFileSync(file))), expected)
    })
  }

  it("names the fields that the columns of a table have as the library does", () => {
    const definition = get(
      parseTableDefinition(
        "a.b.c(a BIGINT, b BOOLEAN, c TINYINT, d SMALLINT, e INT NOT NULL, f FLOAT, g DOUBLE, h " +
          "STRING, i BINARY, j DATE, " +
          "k TIMESTAMP, l TIMESTAMP_NTZ, m ARRAY<INT>, n STRUCT<x: INT, y: STRING>, o " +
          "MAP<STRING, BIGINT>, " +
          "p ARRAY<STRUCT<x: STRING>>, q VARIANT, r DECIMAL(10, 2))"
      )
    )
    const library = batchOf({
      ...every,
      q: [types.variant, [null, null, null]],
      r: [types.string, ["1", "2", "3"]]
    })
    const [schema] = ipcMessages(Arrow.tableToIPC(new Arrow.Table(library.schema, []), "stream"))
    const message = readMessage(schema!.header)
    assert.strictEqual(message._tag, "Schema")
    const shape = ({ children, name, nullable, type }: ArrowField): unknown => [
      name,
      typeText(type),
      nullable,
      children.map(shape)
    ]
    // The library always names the parts of a map `key` and `value`.
    const expected = JSON.stringify(definition.columns.map((column) => shape(fieldOf(column))))
      .replaceAll('"keys"', '"key"')
      .replaceAll('"values"', '"value"')
    assert.strictEqual(
      JSON.stringify((message as { fields: ReadonlyArray<ArrowField> }).fields.map(shape)),
      expected
    )
  })

  it("returns the rows of a batch without reading it", () => {
    const [schema, batch] = flightMessages(batchOf(every))
    assert.strictEqual(peekRows(readFlightData(batch!)!.header), 3)
    assert.isUndefined(peekRows(readFlightData(schema!)!.header))
  })

  it("refuses columns of a dictionary and of other types, and a batch with fewer columns", () => {
    const dictionary = new Arrow.Dictionary(new Arrow.Utf8(), new Arrow.Int32())
    const messages = flightMessages(batchOf({ d: [dictionary, ["a", "b", "a"]] }))
    assert.strictEqual(readMessage(readFlightData(messages[1]!)!.header)._tag, "DictionaryBatch")
    assert.throws(() => textsOf([messages[0]!, messages[2]!]), /.*/)
    const [schema] = flightMessages(batchOf({ a: every["a"]!, h: every["h"]! }))
    const [, fewer] = flightMessages(batchOf({ a: every["a"]! }))
    assert.throws(() => textsOf([schema!, fewer!]), /.*/)
  })
})

/** The outcome of reading: a typed problem, or none. Anything else fails the test. */
const outcome = (messages: ReadonlyArray<Uint8Array>): string => {
  try {
    textsOf(messages)
    return "read"
  } catch (error) {
    if (error instanceof ArrowProblem) return error.message
    // The reader does not check the text of a VARIANT.
    throw error
  }
}

describe("hostile Arrow IPC", () => {
  const valid = flightMessages(batchOf(every))

  it("is read, or refused with a problem, after any change of its bytes", () => {
    const random = seeded(7)
    const outcomes = new Map<string, number>()
    for (let round = 0; round < 6000; round++) {
      const parts = valid.map((message) => {
        const { body, header } = readFlightData(message)!
        return { header: Uint8Array.from(header), body: Uint8Array.from(body) }
      })
      const target = parts[round % 2]!
      const bytes = round % 8 === 1 ? target.body : target.header
      for (let change = 0; change <= round % 4; change++) {
        const at = Math.floor(random() * bytes.length)
        const kinds = [0, 255, 1, 127, 128, Math.floor(random() * 256)]
        bytes[at] = kinds[Math.floor(random() * kinds.length)]!
      }
      const cut =
        round % 5 === 0 ? Math.floor(random() * target.header.length) : target.header.length
      const changed = parts.map(({ body, header }) =>
        writeFlightData({
          header: header === target.header ? header.subarray(0, cut) : header,
          body
        })
      )
      const what = outcome(changed)
      outcomes.set(what, (outcomes.get(what) ?? 0) + 1)
    }
    // Otherwise all inputs might be refused for the same reason, and the test would show nothing.
    assert.isAbove(outcomes.get("read") ?? 0, 100)
    assert.isAbove(outcomes.size, 10)
  })

  it("takes no more memory than the limit, whatever size a compressed buffer states", () => {
    const [schema] = flightMessages(batchOf({ a: [types.bigint, [1n]] }))
    const message = readMessage(readFlightData(schema!)!.header)
    const { fields } = message as { fields: ReadonlyArray<ArrowField> }
    const body = Buffer.alloc(64)
    const batch = {
      rows: 1,
      lengths: [1],
      nulls: [0],
      offsets: [0, 0],
      sizes: [0, 16],
      codec: "ZSTD" as const
    }
    const refused = (
      size: bigint,
      how: (bytes: Uint8Array, size: number) => Uint8Array
    ): string => {
      body.writeBigInt64LE(size, 0)
      try {
        readColumns(fields, batch, body, (_, bytes, to) => how(bytes, to), {
          bytes: 1000,
          values: 1000
        })
        return ""
      } catch (error) {
        return (error as ArrowProblem).message
      }
    }
    const never = () => assert.fail("decompressed")
    assert.include(refused(1001n, never), "more than 1000 bytes")
    assert.include(refused(2n ** 40n, never), "more than 1000 bytes")
    assert.include(refused(-2n, never), "more than 1000 bytes")
    assert.include(
      refused(8n, () => {
        throw new Error("not zstd")
      }),
      "not valid ZSTD"
    )
    assert.include(
      refused(8n, () => new Uint8Array(4)),
      "another size"
    )
    assert.strictEqual(
      refused(8n, () => new Uint8Array(8)),
      ""
    )
  })

  it("refuses lengths beyond the limit before it makes anything of them", () => {
    const field: ArrowField = {
      name: "s",
      type: { _tag: "Struct" },
      nullable: true,
      dictionary: undefined,
      extension: undefined,
      children: []
    }
    const batch = {
      rows: 2 ** 40,
      lengths: [2 ** 40],
      nulls: [0],
      offsets: [0],
      sizes: [0],
      codec: undefined
    }
    const limits = { bytes: 1000, values: 1000 }
    assert.throws(
      () => readColumns([field], batch, new Uint8Array(0), () => new Uint8Array(0), limits),
      /.*/
    )
  })
})
