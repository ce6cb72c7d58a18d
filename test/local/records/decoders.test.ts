/**
 * Compares both decoders with protobufjs and with each other: a reader of the table gets exactly
 * the values of the records.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import {
  parseDescriptorProto,
  toDescriptorProto
} from "../../../src/internal/protobuf/descriptor.ts"
import type { TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { makeMemoryTableStore } from "../../../src/local/store/memoryTableStore.ts"
import { RecordRejected } from "../../../src/local/log/storageErrors.ts"
import { protobufType, record, withoutVariant } from "../../support/randomRecords.ts"
import { randomTable, seeded, storable } from "../../support/randomTables.ts"
import { json, table } from "../../support/storedTables.ts"

const get = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (why) => new Error(why))

const open = (definition: TableDefinition) =>
  Effect.gen(function* () {
    const store = yield* makeMemoryTableStore
    yield* store.create(definition)
    const descriptor = get(toDescriptorProto(definition))
    const proto = yield* store.openWriter(definition.name, { _tag: "Proto", descriptor })
    const text = yield* store.openWriter(definition.name, { _tag: "Json" })
    return {
      shape: get(parseDescriptorProto(descriptor)),
      proto,
      text,
      rows: store.rows(definition.name)
    }
  })

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
const field = (number: number, wire: number, ...bytes: ReadonlyArray<number>) => [
  ...varint((number << 3) | wire),
  ...bytes
]
const delimited = (number: number, bytes: ReadonlyArray<number>) =>
  field(number, 2, ...varint(bytes.length), ...bytes)
const utf8 = (text: string) => [...Buffer.from(text)]

describe("decoders", () => {
  for (let seed = 1; seed <= 60; seed++) {
    it.effect(`agree with protobufjs on random table ${seed}`, () =>
      Effect.gen(function* () {
        const definition = storable(randomTable(seed))
        const { proto, rows, shape, text } = yield* open(definition)
        const random = seeded(seed * 7919)
        const expected: Array<Record<string, unknown>> = []
        for (let n = 0; n < 40; n++) {
          const type = protobufType(shape, n % 2 === 0)
          const made = record(random, definition.columns)
          const row = made.row as Record<string, unknown>
          expected.push(row, row, row)
          const whole = type.encode(type.fromObject(made.proto as Record<string, unknown>)).finish()
          assert.strictEqual(typeof proto.appendUnsafe([whole]), "number")
          // The same fields one by one in another order are the same message.
          const parts = Object.entries(made.proto as Record<string, unknown>)
            .sort(() => random() - 0.5)
            .map(([name, value]) => type.encode(type.fromObject({ [name]: value })).finish())
          assert.strictEqual(typeof proto.appendUnsafe([Buffer.concat(parts)]), "number")
          assert.strictEqual(typeof text.appendUnsafe([json(made.json)]), "number")
        }
        assert.deepStrictEqual(yield* rows, expected)
      })
    )
  }

  it.effect(
    "survive damaged records: each is refused or read, and good ones around them stay whole",
    () =>
      Effect.gen(function* () {
        const definition = withoutVariant(storable(randomTable(5)))
        const { proto, rows, shape } = yield* open(definition)
        const type = protobufType(shape, true)
        const random = seeded(99)
        let accepted = 0
        let refused = 0
        const good: Array<number> = []
        const expected: Array<Record<string, unknown>> = []
        for (let n = 0; n < 2000; n++) {
          const made = record(random, definition.columns)
          const bytes = Buffer.from(
            type.encode(type.fromObject(made.proto as Record<string, unknown>)).finish()
          )
          const damaged = Buffer.from(bytes)
          if (damaged.length > 0)
            damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
          const cut = damaged.subarray(
            0,
            random() < 0.5 ? damaged.length : Math.floor(random() * damaged.length)
          )
          if (proto.appendUnsafe([bytes, cut]) instanceof RecordRejected) refused++
          else accepted += 2
          if (n % 10 === 0) {
            assert.strictEqual(typeof proto.appendUnsafe([bytes]), "number")
            good.push(accepted++)
            expected.push(made.row as Record<string, unknown>)
          }
        }
        assert.isAbove(refused, 200)
        const found = yield* rows
        assert.strictEqual(found.length, accepted)
        assert.deepStrictEqual(
          good.map((index) => found[index]),
          expected
        )
      })
  )

  it.effect("follow protobuf where the wire leaves a choice", () =>
    Effect.gen(function* () {
      const { proto, rows } = yield* open(
        table(
          "a.b.c(n INT, s STRING, l ARRAY<INT>, p STRUCT<x: INT, y: STRING>, m MAP<STRING, INT>)"
        )
      )
      const put = (...parts: ReadonlyArray<ReadonlyArray<number>>) =>
        proto.appendUnsafe([Uint8Array.from(parts.flat())])
      // The last scalar wins, even for text of another length.
      put(
        field(1, 0, 1),
        delimited(2, utf8("first, long")),
        field(1, 0, 2),
        delimited(2, utf8("b"))
      )
      // Packed and single elements mix; an empty packed run adds nothing at any position.
      put(delimited(3, []), field(3, 0, 7), delimited(3, [8, 9]), delimited(3, []))
      put(delimited(3, []), delimited(3, []))
      // Two occurrences of a nested message merge.
      put(
        delimited(4, field(1, 0, 5)),
        delimited(4, delimited(2, utf8("y"))),
        delimited(4, field(1, 0, 6))
      )
      // An entry without key or value has their defaults.
      put(delimited(5, []), delimited(5, delimited(1, utf8("k"))))
      // A negative int32 takes ten bytes on the wire, and only the low 32 bits of a longer value
      // count.
      put(field(1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01))
      const none = { n: null, s: null, l: [], p: null, m: new Map() }
      assert.deepStrictEqual(yield* rows, [
        { ...none, n: 2, s: "b" },
        { ...none, l: [7, 8, 9] },
        none,
        { ...none, p: { x: 6, y: "y" } },
        {
          ...none,
          m: new Map([
            ["", 0],
            ["k", 0]
          ])
        },
        { ...none, n: -1 }
      ])
    })
  )

  it.effect("merge nested messages at every level, and begin anew with every record", () =>
    Effect.gen(function* () {
      const { proto, rows } = yield* open(
        table("a.b.c(o STRUCT<q: STRUCT<x: INT, y: STRING>, z: INT>)")
      )
      const outer = (...parts: ReadonlyArray<ReadonlyArray<number>>) => delimited(1, parts.flat())
      const inner = (...parts: ReadonlyArray<ReadonlyArray<number>>) => delimited(1, parts.flat())
      const put = (...parts: ReadonlyArray<ReadonlyArray<number>>) =>
        proto.appendUnsafe([Uint8Array.from(parts.flat())])
      put(outer(inner(field(1, 0, 1))), outer(inner(delimited(2, utf8("a"))), field(2, 0, 3)))
      put(outer(inner(field(1, 0, 2))))
      put(
        outer(inner(field(1, 0, 4)), inner(delimited(2, utf8("b"))), inner(field(1, 0, 5))),
        outer(field(2, 0, 6))
      )
      put(outer(inner(delimited(2, utf8("c")))))
      assert.deepStrictEqual(yield* rows, [
        { o: { q: { x: 1, y: "a" }, z: 3 } },
        { o: { q: { x: 2, y: null }, z: null } },
        { o: { q: { x: 5, y: "b" }, z: 6 } },
        { o: { q: { x: null, y: "c" }, z: null } }
      ])
    })
  )

  it.effect("name the column and what it takes, never the value", () =>
    Effect.gen(function* () {
      const { proto, text } = yield* open(
        table(
          "a.b.c(id BIGINT NOT NULL, t TINYINT, d DECIMAL(5,2), day DATE, at TIMESTAMP, s " +
            "STRING, b BINARY, f FLOAT, p STRUCT<x: INT NOT NULL>, l ARRAY<INT>, m MAP<INT, " +
            "STRING>, v VARIANT)"
        )
      )
      const id = field(1, 0, 1)
      const cases: ReadonlyArray<readonly [RecordRejected | number, string, string]> = [
        [proto.appendUnsafe([new Uint8Array(0)]), "id", "NOT NULL"],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...field(2, 0, 0xac, 0x02)])]),
          "t",
          "-128 to 127"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...delimited(3, utf8("1.234"))])]),
          "d",
          "DECIMAL(5,2)"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...delimited(3, utf8("1234"))])]),
          "d",
          "DECIMAL(5,2)"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...delimited(3, utf8("."))])]),
          "d",
          "DECIMAL(5,2)"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...field(4, 0, 0xff, 0xff, 0xff, 0x7f)])]),
          "day",
          "years 1 to 9999"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...delimited(6, [0xc3, 0x28])])]),
          "s",
          "valid UTF-8"
        ],
        [proto.appendUnsafe([Uint8Array.from([...id, ...delimited(9, [])])]), "p.x", "NOT NULL"],
        [proto.appendUnsafe([Uint8Array.from([...id, ...field(99, 0, 1)])]), "", "field number 99"],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...field(6, 0, 1)])]),
          "s",
          "not a valid protobuf message"
        ],
        [text.appendUnsafe([Buffer.from("[1]")]), "", "JSON object"],
        [text.appendUnsafe([Buffer.from("{")]), "", "not valid JSON"],
        [text.appendUnsafe([Buffer.from([0x22, 0xff, 0x22])]), "", "UTF-8"],
        [text.appendUnsafe([json({ id: null })]), "id", "NOT NULL"],
        [text.appendUnsafe([json({ id: 1, extra: 1 })]), "extra", "no such column"],
        [text.appendUnsafe([json({ "id": 1, "secret value": 1 })]), "(unknown)", "no such column"],
        [text.appendUnsafe([json({ id: 1.5 })]), "id", "64-bit integer"],
        [text.appendUnsafe([Buffer.from('{"id":9007199254740993}')]), "id", "as a string"],
        [text.appendUnsafe([json({ id: "9223372036854775808" })]), "id", "64-bit integer"],
        [text.appendUnsafe([json({ id: 1, t: 128 })]), "t", "-128 to 127"],
        [text.appendUnsafe([json({ id: 1, d: 1.5 })]), "d", "a string such as"],
        [text.appendUnsafe([json({ id: 1, at: "2024-01-01" })]), "at", "microseconds"],
        [text.appendUnsafe([Buffer.from('{"id":1,"s":"\\ud800"}')]), "s", "valid UTF-8"],
        [text.appendUnsafe([json({ id: 1, b: "not base64!" })]), "b", "base64"],
        [text.appendUnsafe([json({ id: 1, f: 1e39 })]), "f", "FLOAT"],
        [text.appendUnsafe([json({ id: 1, p: { x: 1, y: 2 } })]), "p.y", "no such column"],
        [text.appendUnsafe([json({ id: 1, l: [1, "2"] })]), "l.element", "INT"],
        [text.appendUnsafe([json({ id: 1, m: { one: "x" } })]), "m.key", "INT"],
        [text.appendUnsafe([json({ id: 1, v: { a: 1 } })]), "v", "a string that holds JSON"],
        [text.appendUnsafe([json({ id: 1, v: "{a:1}" })]), "v", "a string that holds JSON"],
        [
          text.appendUnsafe([json({ id: 1, v: "[".repeat(100_000) })]),
          "v",
          "a string that holds JSON"
        ],
        [
          text.appendUnsafe([json({ id: 1, v: "[".repeat(600) + "]".repeat(600) })]),
          "v",
          "a string that holds JSON"
        ],
        [
          proto.appendUnsafe([Uint8Array.from([...id, ...delimited(12, utf8("nope"))])]),
          "v",
          "a string that holds JSON"
        ]
      ]
      for (const [result, path, expected] of cases) {
        assert.instanceOf(result, RecordRejected, path)
        assert.strictEqual((result as RecordRejected).path, path)
        assert.include((result as RecordRejected).message, expected)
      }
    })
  )
})
