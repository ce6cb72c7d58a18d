/**
 * Schemas are read with their names resolved, or refused with a sentence.
 */
import { assert, describe, it } from "@effect/vitest"
import { AvroProblem } from "../../../src/internal/avro/avroProblem.ts"
import { datumReader } from "../../../src/internal/avro/datumReader.ts"
import { maxSchemaLength, parseAvroSchema } from "../../../src/internal/avro/avroSchema.ts"

const field = (type: unknown, more: object = {}) =>
  JSON.stringify({ type: "record", name: "r", fields: [{ name: "x", type }], ...more })

const typeIn = (text: string) => parseAvroSchema(text).fields[0]!.type

describe("a schema", () => {
  it("has its names resolved by namespace", () => {
    const inner = { type: "enum", name: "e", symbols: ["A"] }
    const text = JSON.stringify({
      type: "record",
      name: "r",
      namespace: "a.b",
      fields: [
        {
          name: "one",
          type: { type: "record", name: "c.d", fields: [{ name: "x", type: inner }] }
        },
        { name: "two", type: "c.e" },
        { name: "three", type: ["null", "r", "a.b.r"] }
      ]
    })
    assert.throws(() => parseAvroSchema(text))
    const schema = parseAvroSchema(text.replace(',"a.b.r"', ""))
    assert.strictEqual(schema.name, "a.b.r")
    assert.deepStrictEqual(schema.fields[1]!.type, { type: "enum", name: "c.e", symbols: ["A"] })
    const union = schema.fields[2]!.type
    assert.strictEqual(union.type === "union" && union.branches[1], schema)
  })

  it("keeps known logical types, and ignores others and wrong ones", () => {
    const logical = (type: string, logicalType: string, more: object = {}) =>
      typeIn(field({ type, logicalType, ...more }))
    assert.deepStrictEqual(logical("int", "date"), { type: "int", time: "date" })
    assert.deepStrictEqual(logical("int", "timestamp-micros"), { type: "int" })
    assert.deepStrictEqual(logical("long", "no-such-type"), { type: "long" })
    assert.deepStrictEqual(logical("string", "uuid"), { type: "string", uuid: true })
    const fixed = { name: "f", size: 2 }
    assert.deepInclude(logical("fixed", "decimal", { ...fixed, precision: 4 }), {
      decimal: { precision: 4, scale: 0 }
    })
    assert.deepInclude(logical("fixed", "decimal", { ...fixed, precision: 5 }), {
      decimal: undefined
    })
    assert.deepInclude(logical("bytes", "decimal", { precision: 2, scale: 3 }), {
      decimal: undefined
    })
    assert.deepInclude(logical("fixed", "uuid", fixed), { uuid: false, duration: false })
    assert.deepInclude(logical("fixed", "duration", { name: "f", size: 12 }), { duration: true })
  })

  let deep: unknown = "int"
  for (let i = 0; i < 200; i++) deep = { type: "array", items: deep }
  const refused: ReadonlyArray<readonly [string, string]> = [
    ["{", "not valid JSON"],
    ["[]", "no branch"],
    ['"string"', "must be that of a record"],
    ['{"type":"array","items":"int"}', "must be that of a record, and is that of type array"],
    ["7", "neither a name, an object nor a list"],
    [" ".repeat(maxSchemaLength + 1), "longer than"],
    [field(deep), "nested deeper than 100"],
    [field("constructor"), "no type constructor"],
    [field(["null", "null"]), "two branches of one type"],
    [field(["null", ["int"]]), "holds another union"],
    [field({ type: "enum", name: "e", symbols: [] }), "no symbols"],
    [field({ type: "enum", name: "e", symbols: ["A", "A"] }), "duplicate symbol"],
    [field({ type: "fixed", name: "f", size: -1 }), "size of f"],
    [field({ type: "fixed", name: "r", size: 1 }), "defines r twice"],
    [field({ type: "record", name: "s" }), "no fields"],
    [field("int", { name: "1r" }), "no valid name"],
    [field("int", { fields: [{ name: "a-b", type: "int" }] }), "without a valid name"],
    [
      JSON.stringify({
        type: "record",
        name: "r",
        fields: Array.from({ length: 60_000 }, (_, n) => ({ name: `f${n}`, type: "int" }))
      }),
      "more than 50000 parts"
    ]
  ]
  for (const [text, words] of refused) {
    it(`is refused: ${words}`, () => {
      try {
        parseAvroSchema(text)
        assert.fail("was read")
      } catch (error) {
        assert.instanceOf(error, AvroProblem)
        assert.include((error as AvroProblem).message, words)
      }
    })
  }

  it("of records that double at each level is read and used in little time", () => {
    let type: unknown = { type: "record", name: "r0", fields: [] }
    for (let n = 1; n < 40; n++) {
      const previous = type
      type = {
        type: "record",
        name: `r${n}`,
        fields: [
          { name: "a", type: previous },
          { name: "b", type: `r${n - 1}` }
        ]
      }
    }
    const schema = parseAvroSchema(JSON.stringify(type))
    assert.strictEqual(schema.name, "r39")
    assert.throws(() => datumReader(schema)(new Uint8Array(0)))
    const list = parseAvroSchema(field({ type: "array", items: type }))
    assert.throws(() => datumReader(list)(Uint8Array.of(2, 0)))
  })
})
