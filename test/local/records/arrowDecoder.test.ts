/**
 * Arrow batches give the same rows as JSON records with the same values. Values that do not fit are
 * refused by column.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { readFlightData } from "../../../src/internal/flight/flightData.ts"
import type { LogFormat } from "../../../src/local/log/logFrames.ts"
import type { RecordRejected } from "../../../src/local/log/storageErrors.ts"
import { blockDecoder, blockOf } from "../../../src/local/decoding/decodeBlock.ts"
import { recordTexts } from "../../../src/local/records/recordText.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { refuseFormat } from "../../../src/local/store/tableStore.ts"
import { batchOf, type Columns, flightMessages, types } from "../../support/arrowMessages.ts"
import { flightOfRows } from "../../support/arrowRows.ts"
import { record } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))
const table = (text: string) => get(parseTableDefinition(text))

const formatOf = (schema: Uint8Array): LogFormat => ({
  _tag: "Arrow",
  schema: readFlightData(schema)!.header
})

describe("Arrow batches", () => {
  for (let seed = 1; seed <= 40; seed++) {
    it.effect(`become the rows of table ${seed}, and their text those of its JSON records`, () =>
      Effect.gen(function* () {
        const definition = storable(randomTable(seed))
        const store = yield* makeMemoryTableStore
        const again = { ...definition, name: `${definition.name}_again` }
        yield* store.create(definition)
        yield* store.create(again)
        const random = seeded(seed * 15_485_863)
        const rows = Array.from(
          { length: 40 },
          () => record(random, definition.columns).row as Record<string, unknown>
        )
        const [schema, ...batches] = flightOfRows(definition.columns, rows, 17)
        const format = formatOf(schema!)
        const writer = yield* store.openWriter(definition.name, format)
        const texts = yield* store.openWriter(again.name, { _tag: "Json" })
        const linesOf = recordTexts(format)
        for (const batch of batches) {
          assert.strictEqual(typeof writer.appendUnsafe([batch]), "number")
          const lines = linesOf(batch).map((line) => Buffer.from(line))
          const ticket = texts.appendUnsafe(lines)
          assert.strictEqual(typeof ticket, "number", JSON.stringify(ticket))
        }
        assert.deepStrictEqual(yield* store.rows(definition.name), rows)
        assert.deepStrictEqual(yield* store.rows(again.name), rows)
      })
    )
  }
})

it("batches are decoded in blocks as in the decode thread, up to a refused one", () => {
  const { columns } = table("a.b.c(n INT NOT NULL, t STRING)")
  const rows = Array.from({ length: 30 }, (_, n) => ({ n, t: n % 2 === 0 ? null : `text ${n}` }))
  const [schema, ...batches] = flightOfRows(columns, rows, 10)
  const target = { columns, format: formatOf(schema!) }
  const whole = blockDecoder(target)(blockOf(batches.map((batch) => [batch])))
  assert.deepInclude(whole, { rows: 30, refused: undefined })
  assert.strictEqual(whole.chunks[0]!.entries, 30)
  const [, wrong] = flightMessages(
    batchOf({ n: [types.int, [1, 2, null]], t: [types.string, ["a", "b", "c"]] })
  )
  const part = blockDecoder(target)(blockOf([[batches[0]!], [wrong!], [batches[1]!]]))
  assert.strictEqual(part.rows, 10)
  assert.strictEqual(part.chunks[1]!.entries, 10)
  assert.deepInclude(part.refused, { message: 1, record: 2, path: "n" })
})

const readings = table(
  "a.b.c(id BIGINT NOT NULL, name STRING, s STRUCT<x: INT, y: STRING>, d DECIMAL(4, 2))"
)

/** The refusal of these columns by a table. */
const refusal = (definition: typeof readings, columns: Columns) =>
  Effect.gen(function* () {
    const store = yield* makeMemoryTableStore
    yield* store.create(definition)
    const [schema, batch] = flightMessages(batchOf(columns))
    const writer = yield* store.openWriter(definition.name, formatOf(schema!))
    const answer = writer.appendUnsafe([batch!])
    const rows = yield* store.rows(definition.name)
    if (typeof answer === "number") return rows
    assert.deepStrictEqual(rows, [])
    const { expected, index, path } = answer as RecordRejected
    return [index, path, expected]
  })

const id = [types.bigint, [1n, 2n, 3n], false] as const

describe("values that do not fit", () => {
  const cases: ReadonlyArray<
    readonly [what: string, columns: Columns, row: number, path: string, expected: string]
  > = [
    [
      "NULL in a NOT NULL column",
      { id: [types.bigint, [1n, null, 3n]] },
      1,
      "id",
      "the column is NOT NULL"
    ],
    [
      "a DECIMAL with too many decimals",
      { id, d: [types.string, ["1", "2.5", "3.555"]] },
      2,
      "d",
      "DECIMAL(4,2)"
    ],
    [
      "a DECIMAL that is no number",
      { id, d: [types.string, ["x", "2.5", "3"]] },
      0,
      "d",
      "DECIMAL(4,2)"
    ]
  ]
  for (const [what, columns, row, path, expected] of cases) {
    it.effect(`${what}: refused by row and column, and nothing of the batch stays`, () =>
      Effect.gen(function* () {
        const [index, where, why] = (yield* refusal(readings, columns)) as ReadonlyArray<unknown>
        assert.deepStrictEqual([index, where], [row, path])
        assert.include(String(why), expected)
      })
    )
  }

  it.effect("a text that is no UTF-8, also where the bytes of all texts are UTF-8 together", () =>
    Effect.gen(function* () {
      const store = yield* makeMemoryTableStore
      yield* store.create(readings)
      const [schema, batch] = flightMessages(
        batchOf({ id, name: [types.string, ["aé", "é", "b"]] })
      )
      const writer = yield* store.openWriter("a.b.c", formatOf(schema!))
      const broken = Uint8Array.from(batch!)
      // The second text now begins inside the last character of the first one.
      const at = Buffer.from(broken).indexOf(
        Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5])
      )
      assert.isAbove(at, 0)
      broken[at + 8] = 2
      assert.include((writer.appendUnsafe([broken]) as RecordRejected).expected, "UTF-8")
    })
  )

  it.effect("a VARIANT that does not hold", () =>
    Effect.gen(function* () {
      const definition = table("a.b.v(v VARIANT)")
      const variant = (metadata: ReadonlyArray<number>, value: ReadonlyArray<number>) => ({
        v: [
          types.variant,
          [{ metadata: Uint8Array.from(metadata), value: Uint8Array.from(value) }]
        ] as const
      })
      const empty = [0x11, 0, 0]
      assert.deepStrictEqual(yield* refusal(definition, variant(empty, [0x0c, 5])), [{ v: "5" }])
      const broken: ReadonlyArray<readonly [ReadonlyArray<number>, ReadonlyArray<number>]> = [
        [empty, []],
        [empty, [0x10, 1]],
        [empty, [0x7c]],
        [[], [0]],
        [[0x12, 0, 0], [0]],
        [[0x11, 2, 0, 1], [0]],
        // An object with a field name that does not exist, and an array that contains itself.
        [empty, [2, 1, 0, 0, 2, 0x0c, 5]],
        [empty, [3, 1, 0, 40, 0]]
      ]
      for (const [metadata, value] of broken) {
        const [row, path] = (yield* refusal(
          definition,
          variant(metadata, value)
        )) as ReadonlyArray<unknown>
        assert.deepStrictEqual([row, path], [0, "v"], JSON.stringify([metadata, value]))
      }
    })
  )

  it.effect("a date and a timestamp outside the years 1 to 9999", () =>
    Effect.gen(function* () {
      const definition = table("a.b.t(d DATE, t TIMESTAMP)")
      const columns = definition.columns
      const store = yield* makeMemoryTableStore
      yield* store.create(definition)
      const [schema, ...batches] = flightOfRows(
        columns,
        [
          { d: 2_932_896, t: 253_402_300_799_999_999n },
          { d: 2_932_897, t: 0n },
          { d: 0, t: 253_402_300_800_000_000n }
        ],
        1
      )
      const writer = yield* store.openWriter("a.b.t", formatOf(schema!))
      const answers = batches.map((batch) => writer.appendUnsafe([batch]))
      assert.strictEqual(typeof answers[0], "number")
      assert.deepInclude(answers[1], { index: 0, path: "d" })
      assert.deepInclude(answers[2], { index: 0, path: "t" })
    })
  )
})

describe("schemas", () => {
  const struct = types.struct({ x: types.int, y: types.string })
  const fits = (columns: Columns, definition = readings) => {
    const [schema] = flightMessages(batchOf(columns))
    const rejected = refuseFormat(definition, formatOf(schema!))
    return rejected === undefined ? [] : [...rejected.causes, rejected.message]
  }
  const texts = [types.string, ["a", "b", "c"]] as const
  const structs = [struct, [null, null, null]] as const

  it("may leave out columns that may be NULL, and have any case", () => {
    assert.deepStrictEqual(fits({ id }), [])
    assert.deepStrictEqual(fits({ ID: id, Name: texts, s: structs, d: texts }), [])
  })

  const cases: ReadonlyArray<
    readonly [what: string, columns: Columns, cause: string, part: string]
  > = [
    [
      "a NOT NULL column is missing",
      { name: texts },
      "MISSING_REQUIRED_COLUMN",
      "NOT NULL column id"
    ],
    ["a field is no column", { id, more: texts }, "FIELD_NOT_IN_TABLE", "no column more"],
    [
      "a field of a struct is none",
      { id, s: [types.struct({ z: types.int }), [null, null, null]] },
      "FIELD_NOT_IN_TABLE",
      "s.z"
    ],
    [
      "a type is another",
      { id: [types.int, [1, 2, 3]] },
      "TYPE_INCOMPATIBLE",
      "id must be Int64, not Int32"
    ],
    [
      "a type further down is another",
      { id, s: [types.struct({ x: types.bigint }), [null, null, null]] },
      "TYPE_INCOMPATIBLE",
      "s.x must be Int32"
    ],
    ["the order is another", { name: texts, id }, "FIELD_OUT_OF_ORDER", "id stands behind name"],
    [
      "a field occurs twice",
      { id, name: texts, NAME: texts },
      "FIELD_COUNT_MISMATCH",
      "NAME occurs twice"
    ]
  ]
  for (const [what, columns, cause, part] of cases) {
    it(`are refused where ${what}`, () => {
      const [found, message] = fits(columns)
      assert.strictEqual(found, cause)
      assert.include(message, part)
    })
  }

  it("that cannot be read have no cause", () => {
    const rejected = refuseFormat(readings, { _tag: "Arrow", schema: Uint8Array.of(1, 2, 3) })!
    assert.deepStrictEqual(rejected.causes, [])
    assert.include(rejected.message, "The Arrow schema cannot be read")
  })
})

describe("hostile batches", () => {
  const definition = table(
    "a.b.h(id BIGINT NOT NULL, s STRING, d DECIMAL(6, 2), t DATE, v VARIANT, l ARRAY<STRING>, m " +
      "MAP<STRING, INT>, " +
      "p STRUCT<x: DOUBLE, q: ARRAY<STRUCT<y: BINARY>>>)"
  )
  const rowOf = (n: number) => ({
    id: BigInt(n),
    s: n % 3 === 0 ? null : `é${n}`,
    d: "12.50",
    t: n,
    v: `{"a":[${n},"x",{"b":null}]}`,
    l: n % 2 === 0 ? ["a", null] : [],
    m: new Map([["k", n]]),
    p: n % 4 === 0 ? null : { x: n / 2, q: [{ y: Uint8Array.of(n) }, null] }
  })

  for (let seed = 1; seed <= 6; seed++) {
    it.effect(`are taken whole or refused whole, and what was taken can be read (${seed})`, () =>
      Effect.gen(function* () {
        const store = yield* makeMemoryTableStore
        yield* store.create(definition)
        const rows = Array.from({ length: 12 }, (_, n) => rowOf(n))
        const [schema, batch] = flightOfRows(definition.columns, rows)
        const writer = yield* store.openWriter("a.b.h", formatOf(schema!))
        const random = seeded(seed * 7919)
        const answers = { taken: 0, refused: 0 }
        for (let round = 0; round < 800; round++) {
          const bytes = Uint8Array.from(batch!)
          for (let change = 0; change <= round % 3; change++) {
            bytes[Math.floor(random() * bytes.length)] = [
              0,
              255,
              1,
              128,
              Math.floor(random() * 256)
            ][round % 5]!
          }
          const answer = writer.appendUnsafe([bytes])
          if (typeof answer === "number") answers.taken++
          else answers.refused++
        }
        assert.isAbove(answers.taken, 50)
        assert.isAbove(answers.refused, 50)
        const before = (yield* store.rows("a.b.h")).length
        assert.strictEqual(typeof writer.appendUnsafe([batch!]), "number")
        const found = yield* store.rows("a.b.h")
        assert.deepStrictEqual(found.slice(before), rows)
      })
    )
  }
})
