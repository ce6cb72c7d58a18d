/** Values become bytes of Avro's specification, or are refused with the name of their field. */
import { assert, describe, it } from "@effect/vitest"
import { AvroTable } from "../../src/avro/index.ts"
import { InvalidArgument, InvalidTable } from "../../src/ZerobusError.ts"
import { encode } from "../support/byteSink.ts"

const name = "main.default.events"
const tableOf = (type: unknown, more: ReadonlyArray<object> = []) =>
  AvroTable.make(name, { type: "record", name: "r", fields: [{ name: "x", type }, ...more] })

const bytesOf = (type: unknown, x: unknown): ReadonlyArray<number> => {
  const bytes = encode(tableOf(type).codec, { x })
  return bytes instanceof Uint8Array ? [...bytes] : assert.fail(bytes.message)
}

const fixed = (size: number, logicalType: string, more: object = {}) => ({
  type: "fixed",
  name: "f",
  size,
  logicalType,
  ...more
})
const decimal = { type: "bytes", logicalType: "decimal", precision: 6, scale: 2 }
const uuid = "00112233-4455-6677-8899-aabbccddeeff"
const uuidBytes = [...Buffer.from(uuid.replaceAll("-", ""), "hex")]
const long = (logicalType: string) => ({ type: "long", logicalType })

describe("a value", () => {
  const written: ReadonlyArray<readonly [unknown, unknown, ReadonlyArray<number>]> = [
    ["null", null, []],
    ["boolean", true, [1]],
    // The examples of the specification.
    ["int", 0, [0]],
    ["int", -1, [1]],
    ["int", 1, [2]],
    ["int", -64, [0x7f]],
    ["int", 64, [0x80, 0x01]],
    ["long", -(2n ** 63n), [...Array.from({ length: 9 }, () => 0xff), 1]],
    ["long", 2n ** 63n - 1n, [0xfe, ...Array.from({ length: 8 }, () => 0xff), 1]],
    ["long", Number.MAX_SAFE_INTEGER, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]],
    ["float", 1.5, [0, 0, 0xc0, 0x3f]],
    ["double", 1.5, [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]],
    ["string", "foo", [6, 0x66, 0x6f, 0x6f]],
    ["bytes", Uint8Array.of(1, 2), [4, 1, 2]],
    [{ type: "array", items: "long" }, [3, 27], [4, 6, 0x36, 0]],
    [{ type: "array", items: "long" }, [], [0]],
    [{ type: "map", values: "int" }, { a: 1 }, [2, 2, 0x61, 2, 0]],
    [["null", "string"], undefined, [0]],
    [["null", "string"], "a", [2, 2, 0x61]],
    [["int", "double", "string"], 2 ** 40, [2, 0, 0, 0, 0, 0, 0, 0x70, 0x42]],
    [{ type: "enum", name: "e", symbols: ["A", "B", "C"] }, "C", [4]],
    [decimal, "-1.5", [4, 0xff, 0x6a]],
    [decimal, "0.00", [2, 0]],
    [fixed(4, "decimal", { precision: 6, scale: 2 }), "-1.5", [0xff, 0xff, 0xff, 0x6a]],
    [fixed(16, "uuid"), uuid, uuidBytes],
    [fixed(16, "uuid"), Uint8Array.from(uuidBytes), uuidBytes],
    [{ type: "int", logicalType: "date" }, new Date("1970-01-02"), [2]],
    [long("timestamp-millis"), new Date(1), [2]],
    [long("timestamp-micros"), new Date(1), [0xd0, 0x0f]],
    [long("local-timestamp-nanos"), 1n, [2]],
    [
      { type: "record", name: "s", fields: [{ name: "b", type: "string" }] },
      { b: "foo" },
      [6, 0x66, 0x6f, 0x6f]
    ]
  ]
  for (const [type, value, bytes] of written) {
    it(`of ${JSON.stringify(type)} becomes ${bytes.join(" ")}`, () => {
      assert.deepStrictEqual(bytesOf(type, value), bytes)
    })
  }

  const items = {
    type: "array",
    items: { type: "record", name: "s", fields: [{ name: "n", type: "int" }] }
  }
  const refused: ReadonlyArray<
    readonly [unknown, unknown, ReadonlyArray<string | number>, string]
  > = [
    ["int", 2 ** 31, ["x"], "int"],
    ["int", 1.5, ["x"], "int"],
    ["long", 2n ** 63n, ["x"], "long"],
    ["long", 2 ** 60, ["x"], "long"],
    ["float", 1e300, ["x"], "float"],
    ["boolean", 1, ["x"], "boolean"],
    ["null", 1, ["x"], "null"],
    ["string", undefined, ["x"], "string"],
    ["string", "\ud800", ["x"], "lone surrogate"],
    ["bytes", "text", ["x"], "bytes (Uint8Array)"],
    [fixed(16, "uuid"), "no uuid", ["x"], "a uuid as text"],
    [fixed(3, "none"), Uint8Array.of(1), ["x"], "3 bytes"],
    [decimal, "1.234", ["x"], "decimal(6, 2)"],
    [decimal, "12345", ["x"], "decimal(6, 2)"],
    [decimal, 1.5, ["x"], "decimal(6, 2)"],
    [{ type: "int", logicalType: "date" }, new Date(5), ["x"], "date"],
    [long("timestamp-millis"), new Date(NaN), ["x"], "an invalid Date"],
    [{ type: "enum", name: "e", symbols: ["A"] }, "B", ["x"], "a symbol of the enum"],
    [["null", "int"], "text", ["x"], "int"],
    [["null", "int", "string"], true, ["x"], "one of null, int, string"],
    [["null", items], [{ n: 1 }, { n: "2" }], ["x", 1, "n"], "int"],
    [items, [{ n: 1, other: 2 }], ["x", 0, "other"], "only fields of the schema"],
    [items, {}, ["x"], "array"],
    [{ type: "map", values: "int" }, new Map(), ["x"], "map (an object)"],
    [{ type: "map", values: "int" }, { a: "b" }, ["x", "a"], "int"]
  ]
  for (const [index, [type, value, path, words]] of refused.entries()) {
    it(`that does not fit is refused: ${index} ${path.join(".")} ${words}`, () => {
      const error = encode(tableOf(type).codec, { x: value })
      if (!(error instanceof InvalidArgument)) return assert.fail("was written")
      assert.deepStrictEqual(error.path, path)
      assert.include(error.message, words)
      assert.include(error.message, name)
    })
  }

  it("that is already encoded stays unchanged", () => {
    const bytes = Uint8Array.of(9, 8, 7)
    const sent = encode(tableOf("int").codec, bytes)
    assert.deepStrictEqual(sent, bytes)
    assert.notStrictEqual(sent, bytes)
    assert.deepStrictEqual(tableOf("int").codec.read(bytes), bytes)
  })

  it("of a recursive schema is written", () => {
    const table = tableOf("int", [{ name: "next", type: ["null", "r"] }])
    const bytes = encode(table.codec, { x: 1, next: { x: 2 } })
    assert.deepStrictEqual(bytes, Uint8Array.of(2, 2, 4, 0))
  })
})

describe("a value of a union", () => {
  const symbols = { type: "enum", name: "a.E", symbols: ["A", "B"] }
  const record = (name: string, field: string) => ({
    type: "record",
    name,
    fields: [{ name: field, type: ["null", "string"] }]
  })
  const records = [record("a.R", "r"), record("a.S", "s")]
  const texts = { type: "map", values: "string" }
  const day = { type: "int", logicalType: "date" }
  const text = (letter: string) => [2, letter.charCodeAt(0)]

  const written: ReadonlyArray<readonly [string, unknown, unknown, ReadonlyArray<number>]> = [
    ["the only branch by name", ["null", "string"], { string: "a" }, [2, ...text("a")]],
    ["a text by name", ["null", "string", symbols], { string: "A" }, [2, ...text("A")]],
    ["a symbol by name", ["null", "string", symbols], { "a.E": "B" }, [4, 2]],
    ["a text that is no symbol", [symbols, "string"], "C", [2, ...text("C")]],
    ["bytes by name", ["bytes", fixed(2, "none")], { f: Uint8Array.of(1, 2) }, [2, 1, 2]],
    ["a record by name", records, { "a.S": {} }, [2, 0]],
    ["a record by its fields", records, { s: "a" }, [2, 2, ...text("a")]],
    ["a record with one field", ["null", records[0]], { r: "a" }, [2, 2, ...text("a")]],
    [
      "a map by name",
      [texts, "string"],
      { map: { string: "a" } },
      [0, 2, 12, ...[..."string"].map((c) => c.charCodeAt(0)), ...text("a"), 0]
    ],
    ["an array by name", ["int", { type: "array", items: "int" }], { array: [1] }, [2, 2, 2, 0]],
    ["a date by name", [day, long("timestamp-millis")], { long: new Date(0) }, [2, 0]],
    ["a time of day", [day, long("timestamp-millis")], new Date(1), [2, 2]],
    ["a number by name", ["int", "long"], { long: 1 }, [2, 2]],
    ["a number that fits both", ["int", "long"], 1, [0, 2]],
    [
      "a number that float would round",
      ["float", "double"],
      0.1,
      [2, ...Buffer.from(new Float64Array([0.1]).buffer)]
    ],
    ["a number that float holds", ["float", "double"], 0.5, [0, 0, 0, 0, 0x3f]],
    ["a negative zero", ["int", "double"], -0, [2, 0, 0, 0, 0, 0, 0, 0, 0x80]],
    [
      "in an array",
      { type: "array", items: ["string", symbols] },
      [{ "a.E": "A" }, "x"],
      [4, 2, 0, 0, ...text("x"), 0]
    ]
  ]
  for (const [label, type, value, bytes] of written) {
    it(`is written: ${label}`, () => assert.deepStrictEqual(bytesOf(type, value), bytes))
  }

  const refused: ReadonlyArray<readonly [unknown, unknown, ReadonlyArray<string>, string]> = [
    [
      ["string", symbols],
      "A",
      ["x"],
      'such as { "a.E": value }, got a string that fits string and a.E'
    ],
    [["string", decimal], "1.5", ["x"], '{ "bytes": value }'],
    [["bytes", fixed(2, "none")], Uint8Array.of(1, 2), ["x"], '{ "f": value }'],
    [records, {}, ["x"], "an object that fits a.R and a.S"],
    [[day, long("timestamp-millis")], new Date(0), ["x"], '{ "long": value }'],
    [[day, "long"], 5, ["x"], "an integer that fits int and long"],
    [[texts, "string"], { string: "a" }, ["x"], 'fits { "string": value } and map'],
    [["string", "int"], { int: "a" }, ["x", "int"], "expects int, got a string"],
    [["string", "int"], { int: 1, string: "a" }, ["x"], "one of string, int"],
    [["null", "int"], { null: null }, ["x"], "int"],
    [["string", "int"], null, ["x"], "one of string, int"],
    [records, { "a.S": { s: 1 } }, ["x", "a.S", "s"], "expects string"]
  ]
  for (const [index, [type, value, path, words]] of refused.entries()) {
    it(`is refused: ${index} ${words}`, () => {
      const error = encode(tableOf(type).codec, { x: value })
      if (!(error instanceof InvalidArgument)) return assert.fail("was written")
      assert.deepStrictEqual(error.path, path)
      assert.include(error.message, words)
    })
  }

  it("keeps what precedes it, and is not tried again for each union around it", () => {
    const node = {
      type: "record",
      name: "N",
      fields: [
        { name: "kind", type: ["string", symbols] },
        { name: "next", type: ["null", "N", { type: "map", values: "N" }] }
      ]
    }
    type Node = { readonly kind: unknown; readonly next?: Node }
    const deep = (kind: unknown) => {
      let value: Node = { kind }
      for (let i = 0; i < 200; i++) value = { kind: "x", next: value }
      return value
    }
    const bytes = bytesOf(node, deep({ "a.E": "B" }))
    assert.deepStrictEqual(bytes, [
      ...Array.from({ length: 200 }, () => [0, ...text("x"), 2]).flat(),
      2,
      2,
      0
    ])
    const error = encode(tableOf(node).codec, { x: deep("A") })
    assert.deepStrictEqual(error instanceof InvalidArgument ? error.path.length : error, 202)
  })
})

describe("a table", () => {
  it("has the given schema", () => {
    const text = '{ "type": "record", "name": "r", "fields": [] }'
    const table = AvroTable.make(`  ${name} `, text)
    assert.deepStrictEqual([table.schema, table.tableName, table.recordType], [text, name, "avro"])
    assert.strictEqual(Buffer.from(table.descriptor!).toString(), text)
    assert.strictEqual(
      AvroTable.make(name, JSON.parse(text)).schema,
      JSON.stringify(JSON.parse(text))
    )
  })

  it("is refused with an invalid name", () => {
    assert.throws(
      () => AvroTable.make("events", { type: "record", name: "r", fields: [] }),
      InvalidTable
    )
  })

  const cycle: Record<string, unknown> = {}
  cycle["self"] = cycle
  for (const schema of ["no JSON", '"string"', 7, null, undefined, cycle, "\ud800"]) {
    it(`is refused with the schema ${String(schema)}`, () => {
      try {
        AvroTable.make(name, schema as never)
        assert.fail("was made")
      } catch (error) {
        if (!(error instanceof InvalidArgument)) throw error
        assert.deepStrictEqual(error.path, ["schema"])
      }
    })
  }
})
