import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import protobuf from "protobufjs"
import "protobufjs/ext/descriptor.js"
import type { ColumnDefinition, TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { parseColumnType, parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import {
  parseDescriptorProto,
  planToDescriptorSet,
  toDescriptorProto
} from "../../../src/internal/protobuf/descriptor.ts"
import { mapEntryName, messageName, planTable } from "../../../src/internal/protobuf/messagePlan.ts"
import { planToProto } from "../../../src/cli/generate/protoText.ts"
import { compileProtos } from "../../support/protoc.ts"
import { randomTable, seeded } from "../../support/randomTables.ts"

const table = (text: string): TableDefinition =>
  Result.getOrThrowWith(parseTableDefinition(text), (message) => new Error(message))
const failure = (result: Result.Result<unknown, string>): string =>
  Result.isFailure(result) ? result.failure : assert.fail("expected a refusal")
const shape = (definition: TableDefinition) =>
  Result.getOrThrowWith(
    Result.flatMap(toDescriptorProto(definition), parseDescriptorProto),
    (message) => new Error(message)
  )
const plan = (definition: TableDefinition) =>
  Result.getOrThrowWith(planTable(definition), (message) => new Error(message))

const everyType = `main.default.every(
  a BOOLEAN, b TINYINT NOT NULL, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(10,2), i STRING, j BINARY, k DATE,
  l TIMESTAMP, m TIMESTAMP_NTZ, n VARIANT, o ARRAY<INT>, p ARRAY<STRUCT<q: INT NOT NULL, r: ARRAY<STRING>>>,
  tags MAP<STRING, STRING>, by_id MAP<BIGINT, STRUCT<t: MAP<INT, DOUBLE>>>, place STRUCT<lat: DOUBLE, deep_er: STRUCT<x: INT>>)`

describe("descriptor", () => {
  it("US-16 is byte-equal to protoc's for a table with every type", () => {
    const every = plan(table(everyType))
    const compiled = compileProtos(
      new Map([["every.proto", planToProto(every, { packageName: "every" })]])
    )
    assert.deepStrictEqual(
      Buffer.from(planToDescriptorSet(every, "every.proto", "every")),
      Buffer.from(compiled)
    )
  })

  it("is byte-equal to protoc's for 2,000 tables at random", () => {
    const plans = Array.from({ length: 2_000 }, (_, seed) => plan(randomTable(seed)))
    for (let from = 0; from < plans.length; from += 500) {
      const files = plans
        .slice(from, from + 500)
        .map((plan, n) => ({ plan, name: `t${n}.proto`, packageName: `p${n}` }))
      const compiled = compileProtos(
        new Map(
          files.map(({ name, packageName, plan }) => [name, planToProto(plan, { packageName })])
        )
      )
      const ours = Buffer.concat(
        files.map(({ name, packageName, plan }) => planToDescriptorSet(plan, name, packageName))
      )
      assert.isTrue(ours.equals(compiled))
    }
  }, 120_000)

  it("reads back what it writes, and protobufjs agrees", () => {
    for (let seed = 0; seed < 300; seed++) {
      const definition = randomTable(seed)
      const read = shape(definition)
      assert.strictEqual(read.name, messageName(definition.name))
      assert.deepStrictEqual(
        read.fields.map((field) => [field.name, field.number]),
        definition.columns.map((column, n) => [column.name, n + 1])
      )
      const set = planToDescriptorSet(plan(definition), "x.proto", "x")
      const type = protobuf.Root.fromDescriptor(set).lookupType(`x.${read.name}`)
      assert.deepStrictEqual(
        type.fieldsArray.map((field) => field.id),
        read.fields.map((field) => field.number)
      )
    }
  })

  it("US-15 gives the fixed types, US-21 and CG-05 the labels", () => {
    const read = shape(table(everyType))
    const types = Object.fromEntries(
      read.fields.map((field) => [field.name, `${field.label} ${field.type}`])
    )
    assert.deepStrictEqual(types, {
      a: "optional bool",
      b: "required int32",
      c: "optional int32",
      d: "optional int32",
      e: "optional int64",
      f: "optional float",
      g: "optional double",
      h: "optional string",
      i: "optional string",
      j: "optional bytes",
      k: "optional int32",
      l: "optional int64",
      m: "optional int64",
      n: "optional string",
      o: "repeated int32",
      p: "repeated message",
      tags: "repeated message",
      by_id: "repeated message",
      place: "optional message"
    })
    const byName = new Map(read.fields.map((field) => [field.name, field]))
    assert.isTrue(byName.get("tags")?.mapEntry)
    assert.strictEqual(byName.get("p")?.message?.name, "PElement")
    assert.strictEqual(byName.get("p")?.message?.fields[0]?.label, "required")
    assert.strictEqual(byName.get("by_id")?.message?.name, "ByIdEntry")
    assert.strictEqual(byName.get("by_id")?.message?.fields[1]?.message?.name, "ByIdValue")
    assert.strictEqual(byName.get("place")?.message?.fields[1]?.message?.name, "PlaceDeepEr")
  })

  it("US-17 carries VARIANT as text inside structs and maps", () => {
    const read = shape(table("c.s.t(a STRUCT<v: VARIANT, m: MAP<STRING, VARIANT>>)"))
    const inner = read.fields[0]?.message
    assert.strictEqual(inner?.fields[0]?.type, "string")
    assert.strictEqual(inner?.fields[1]?.message?.fields[1]?.type, "string")
  })

  it("US-12 US-13 CG-08 orders by position and keeps its gaps", () => {
    const definition: TableDefinition = {
      name: "c.s.t",
      columns: [
        { name: "late", type: { _tag: "Int" }, nullable: true, position: 4 },
        { name: "gone", type: { _tag: "Int" }, nullable: true, position: -1 },
        { name: "first", type: { _tag: "Int" }, nullable: true, position: 0 }
      ]
    }
    assert.deepStrictEqual(
      shape(definition).fields.map((field) => [field.name, field.number]),
      [
        ["first", 1],
        ["late", 5]
      ]
    )
  })

  it("US-14 refuses field numbers that protobuf does not have, naming the columns", () => {
    const at = (...positions: ReadonlyArray<number>): TableDefinition => ({
      name: "c.s.t",
      columns: positions.map((position, n): ColumnDefinition => ({
        name: `c${n}`,
        type: { _tag: "Int" },
        nullable: true,
        position
      }))
    })
    assert.match(failure(planTable(at(18_999))), /Column c0 would get the field number 19000/)
    assert.match(failure(planTable(at(19_998))), /19999/)
    assert.isTrue(Result.isSuccess(planTable(at(18_998, 19_999))))
    assert.match(failure(planTable(at(536_870_911))), /536870912/)
    assert.match(failure(planTable(at(0.5))), /1.5/)
    assert.match(failure(planTable(at(3, 3))), /c0 and c1 have the same position/)
  })

  it("US-18 gives map entries their names first and refuses two of one name", () => {
    assert.strictEqual(mapEntryName("a__b_c"), "ABCEntry")
    const read = shape(table("c.s.t(tags MAP<STRING, INT>, tags_entry STRUCT<a: INT>)"))
    assert.deepStrictEqual(
      read.fields.map((field) => field.message?.name),
      ["TagsEntry", "TagsEntry2"]
    )
    assert.match(
      failure(planTable(table("c.s.t(a_b MAP<INT, INT>, a__b MAP<INT, INT>)"))),
      /a_b and a__b both need the protobuf name ABEntry/
    )
    assert.match(
      failure(planTable(table("c.s.t(TagsEntry INT, tags MAP<INT, INT>)"))),
      /TagsEntry and tags both need/
    )
  })

  it("US-19 CG-03 refuses what protobuf cannot carry, with an alternative", () => {
    assert.match(
      failure(planTable(table("c.s.t(a ARRAY<ARRAY<INT>>)"))),
      /array of arrays.*Wrap the inner array in a struct/
    )
    assert.match(
      failure(planTable(table("c.s.t(a ARRAY<MAP<STRING, INT>>)"))),
      /array of maps.*Wrap/
    )
    assert.match(
      failure(planTable(table("c.s.t(a MAP<STRING, MAP<STRING, INT>>)"))),
      /map of maps.*Wrap the value/
    )
    assert.match(
      failure(planTable(table("c.s.t(s STRUCT<a: MAP<STRING, ARRAY<INT>>>)"))),
      /Column s.a is a map of arrays/
    )
    for (const key of ["DOUBLE", "FLOAT", "BINARY", "STRUCT<a: INT>", "ARRAY<INT>", "VARIANT"]) {
      assert.match(
        failure(planTable(table(`c.s.t(a MAP<${key}, INT>)`))),
        /keys, which protobuf cannot carry/
      )
    }
    const deep = Result.getOrThrow(
      parseColumnType("struct<a:".repeat(100) + "int" + ">".repeat(100))
    )
    assert.isTrue(
      Result.isSuccess(
        planTable({ name: "c.s.t", columns: [{ name: "a", type: deep, nullable: true }] })
      )
    )
    assert.match(
      failure(
        planTable({
          name: "c.s.t",
          columns: [
            {
              name: "a",
              type: { _tag: "Struct", fields: [{ name: "b", type: deep, nullable: true }] },
              nullable: true
            }
          ]
        })
      ),
      /deeper than 100/
    )
  })

  it("US-22 CG-07 names the message in PascalCase of schema and table", () => {
    assert.strictEqual(messageName("main.default.air_quality_2"), "DefaultAirQuality2")
    assert.strictEqual(messageName("main._9.x"), "M9X")
    assert.strictEqual(messageName("main.__.__"), "M")
  })

  it("CG-04 takes protobuf's own words as column names, as protoc does", () => {
    const words = [
      "syntax",
      "import",
      "option",
      "package",
      "message",
      "enum",
      "service",
      "rpc",
      "returns",
      "reserved",
      "to",
      "max",
      "double",
      "float",
      "int32",
      "int64",
      "uint32",
      "uint64",
      "sint32",
      "sint64",
      "fixed32",
      "fixed64",
      "sfixed32",
      "sfixed64",
      "bool",
      "string",
      "bytes",
      "group",
      "oneof",
      "map",
      "extend",
      "extensions",
      "optional",
      "required",
      "repeated",
      "true",
      "inf",
      "nan"
    ]
    const columns = words.flatMap((word) => [`${word} INT`, `${word}_m MAP<STRING, INT>`])
    const words2 = plan(
      table(
        `c.s.t(${columns.join(", ")}, s ` +
          `STRUCT<${words.map((word) => `${word}: STRING`).join(", ")}>)`
      )
    )
    const compiled = compileProtos(
      new Map([["words.proto", planToProto(words2, { packageName: "words" })]])
    )
    assert.isTrue(Buffer.from(planToDescriptorSet(words2, "words.proto", "words")).equals(compiled))
  })

  it("reads type names of any package, and relative ones", () => {
    const build = (typeName: string): Uint8Array => {
      const message = (number: number, body: Buffer) =>
        Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body])
      const named = (name: string) => message(1, Buffer.from(name))
      const inner = Buffer.concat([
        named("In"),
        message(2, Buffer.concat([named("x"), Buffer.from([0x18, 1, 0x20, 1, 0x28, 5])]))
      ])
      const field = Buffer.concat([
        named("f"),
        Buffer.from([0x18, 1, 0x20, 1, 0x28, 11]),
        message(6, Buffer.from(typeName))
      ])
      return Buffer.concat([named("Out"), message(2, field), message(3, inner)])
    }
    for (const name of ["In", "Out.In", ".Out.In", ".a.b.Out.In"]) {
      assert.strictEqual(
        Result.getOrThrow(parseDescriptorProto(build(name))).fields[0]?.message?.name,
        "In"
      )
    }
    assert.match(
      failure(parseDescriptorProto(build(".google.protobuf.Timestamp"))),
      /does not contain/
    )
    assert.match(failure(parseDescriptorProto(build("Out"))), /contains itself/)
  })

  it("S-16 answers every corruption of a descriptor with a value or a message, no crash", () => {
    const good = Result.getOrThrow(toDescriptorProto(table(everyType)))
    const random = seeded(7)
    let refused = 0
    for (let run = 0; run < 20_000; run++) {
      const bytes = good.slice(0, random() < 0.3 ? Math.floor(random() * good.length) : good.length)
      for (let n = 0; n < 1 + random() * 4; n++)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      const result = parseDescriptorProto(bytes)
      if (Result.isFailure(result)) {
        refused++
        assert.isTrue(result.failure.endsWith("."))
      }
    }
    assert.isAbove(refused, 1_000)
    assert.match(failure(parseDescriptorProto(new Uint8Array(5 * 1024 * 1024))), /above the limit/)
  })
})

const mapOf = (name: string): ColumnDefinition => ({
  name,
  nullable: true,
  type: {
    _tag: "Map",
    key: { _tag: "String" },
    value: { _tag: "Int" },
    valueContainsNull: false
  }
})
const descriptorOf = (columns: ReadonlyArray<ColumnDefinition>) =>
  toDescriptorProto({ name: "a.b.c", columns })

describe("a descriptor of columns", () => {
  it("H-54 names map entries by protobuf's rule and reports two that would have one name", () => {
    const good = descriptorOf([mapOf("user_tags")])
    assert.include(Buffer.from(Result.getOrThrow(good)).toString("latin1"), "UserTagsEntry")
    const clash = descriptorOf([mapOf("user_tags"), mapOf("userTags")])
    assert.isTrue(Result.isFailure(clash))
    if (Result.isFailure(clash)) assert.match(clash.failure, /user_?tags/i)
  })

  it("H-55 refuses field numbers that protobuf does not have, by the columns' names", () => {
    const at = (...positions: ReadonlyArray<number>) =>
      descriptorOf(
        positions.map((position, n) => ({
          name: `column_${n}`,
          nullable: true,
          type: { _tag: "Int" },
          position
        }))
      )
    assert.isTrue(Result.isSuccess(at(0, 5)))
    for (const bad of [at(3, 3), at(18_999), at(19_998), at(2 ** 29 - 1)]) {
      assert.isTrue(Result.isFailure(bad))
      if (Result.isFailure(bad)) assert.include(bad.failure, "column_")
    }
  })
})
