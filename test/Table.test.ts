import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Result, Schema, SchemaTransformation } from "effect"
import * as Column from "../src/Column.ts"
import { parseTableDefinition } from "../src/internal/columns/columnType.ts"
import { parseDescriptorProto } from "../src/internal/protobuf/descriptor.ts"
import * as Table from "../src/Table.ts"
import { InvalidArgument, InvalidTable } from "../src/ZerobusError.ts"
import { encode } from "./support/byteSink.ts"

const definition = (text: string): Table.TableDefinition =>
  Result.getOrThrowWith(parseTableDefinition(text), (message) => new Error(message))
const taken = <A>(table: Table.Table<A>, record: A): A => {
  const bytes = encode(table.codec, record)
  return bytes instanceof Uint8Array
    ? Result.getOrThrow(table.decode(bytes))
    : assert.fail(bytes.message)
}
const refused = <A>(table: Table.Table<A>, record: unknown): InvalidArgument => {
  const result = encode(table.codec, record as A)
  return result instanceof InvalidArgument ? result : assert.fail("the record was taken")
}
const thrown = (make: () => unknown): InvalidArgument => {
  try {
    make()
  } catch (error) {
    if (error instanceof InvalidArgument) return error
    throw error
  }
  return assert.fail("the table was made")
}

const every = {
  a: Column.Boolean,
  b: Column.TinyInt,
  c: Column.SmallInt,
  d: Column.Int,
  e: Column.BigInt,
  f: Column.Float,
  g: Column.Double,
  h: Column.Decimal(10, 2),
  i: Column.String,
  j: Column.Binary,
  k: Column.Date,
  l: Column.Timestamp,
  m: Column.TimestampNtz,
  n: Column.Variant,
  o: Column.Array(Column.Int),
  p: Column.Map(Column.BigInt, Column.Struct({ x: Column.Int })),
  q: Column.Struct({
    lat: Column.Double,
    inner: Column.nullable(Column.Struct({ y: Column.String }))
  }),
  r: Column.Record(Column.Double),
  s: Column.BigIntAsNumber,
  t: Column.DateAsString,
  u: Column.TimestampAsDate,
  v: Column.TimestampAsMicros,
  w: Column.DecimalAsString(5, 1),
  x: Column.TimestampNtzAsDate,
  y: Column.TimestampNtzAsMicros
}

const record = (): Schema.Struct.Type<typeof every> => ({
  a: true,
  b: -128,
  c: 32_767,
  d: -2_147_483_648,
  e: -(2n ** 63n),
  f: 1.5,
  g: -0.1,
  h: BigDecimal.fromStringUnsafe("12345678.9"),
  i: "größe",
  j: Uint8Array.of(0, 255),
  k: DateTime.makeUnsafe("2026-01-31"),
  l: DateTime.makeUnsafe("2026-01-31T12:34:56.789Z"),
  m: DateTime.makeUnsafe("1969-12-31T23:59:59.999Z"),
  n: { list: [1, null, "x"] },
  o: [1, -1],
  p: new Map([
    [1n, { x: 1 }],
    [-1n, { x: 2 }]
  ]),
  q: { lat: 1, inner: null },
  r: { a: 1, b: -1 },
  s: -1,
  t: "1969-07-20",
  u: new Date(1),
  v: 1_234_567_890_123_456n,
  w: "1.5",
  x: new Date(-1),
  y: -1n
})

describe("Table", () => {
  for (const recordType of ["proto", "json"] as const) {
    it(`takes a record of every type as ${recordType} and reads it back`, () => {
      const table = Table.make("main.default.every", every, { recordType })
      const back = taken(table, record())
      const plain = (value: unknown): unknown =>
        JSON.parse(
          JSON.stringify(value, (_, v) =>
            typeof v === "bigint"
              ? `${v}n`
              : v instanceof Map
                ? [...v]
                : v instanceof Uint8Array
                  ? [...v]
                  : v
          )
        )
      assert.deepStrictEqual(plain(back), plain(record()))
      assert.strictEqual(table.recordType, recordType)
      assert.strictEqual(table.descriptor === undefined, recordType === "json")
    })
  }

  it("writes JSON by the service's conventions", () => {
    const bytes = encode(
      Table.make("main.default.every", every, { recordType: "json" }).codec,
      record()
    )
    assert.deepStrictEqual(JSON.parse(Buffer.from(bytes as Uint8Array).toString()), {
      a: true,
      b: -128,
      c: 32_767,
      d: -2_147_483_648,
      e: "-9223372036854775808",
      f: 1.5,
      g: -0.1,
      h: "12345678.9",
      i: "größe",
      j: "AP8=",
      k: 20_484,
      l: 1_769_862_896_789_000,
      m: -1000,
      n: '{"list":[1,null,"x"]}',
      o: [1, -1],
      p: { 1: { x: 1 }, "-1": { x: 2 } },
      q: { lat: 1, inner: null },
      r: { a: 1, b: -1 },
      s: -1,
      t: -165,
      u: 1000,
      v: 1_234_567_890_123_456,
      w: "1.5",
      x: -1000,
      y: -1
    })
  })

  it("refuses a wrong value with path, expected type and kind, and never repeats the value", () => {
    const table = Table.make("main.default.every", every)
    const rows: ReadonlyArray<readonly [keyof typeof every, unknown, RegExp]> = [
      ["a", 1, /BOOLEAN \(true or false\), got an integer/],
      ["b", 300, /TINYINT \(an integer from -128 to 127\), got an integer out of range/],
      ["c", 1.5, /SMALLINT .* got a number with a fraction/],
      ["d", 2 ** 31, /INT .* got an integer out of range/],
      ["d", Number.NaN, /INT .* got NaN/],
      ["e", 1, /BIGINT \(a bigint of 64 bits\), got an integer/],
      ["e", 2n ** 63n, /got a bigint out of range/],
      ["f", 1e300, /FLOAT .* got a number out of range/],
      ["g", "1", /DOUBLE \(a number\), got a string/],
      [
        "h",
        BigDecimal.fromStringUnsafe("1.005"),
        /DECIMAL\(10,2\) .* got a BigDecimal with too many digits/
      ],
      ["h", BigDecimal.fromStringUnsafe("123456789"), /too many digits/],
      ["i", "\ud800", /STRING .* got text with a lone surrogate/],
      ["i", "x".repeat(100) + "\udc00", /lone surrogate/],
      ["i", null, /STRING .* got null/],
      ["j", [1], /BINARY \(a Uint8Array\), got an array/],
      [
        "k",
        DateTime.makeUnsafe("2026-01-31T00:00:01Z"),
        /DATE .* got a DateTime with a time of day/
      ],
      ["l", new Date(Number.NaN), /TIMESTAMP \(a DateTime .* got an invalid Date/],
      ["l", DateTime.makeUnsafe(8.64e15), /got a time out of range/],
      ["n", () => 1, /VARIANT \(a JSON value\), got a function/],
      ["n", { a: Number.NaN }, /got a value that JSON cannot hold/],
      ["o", "text", /ARRAY \(an array\), got a string/],
      ["p", { a: 1 }, /MAP \(a Map\), got an object/],
      ["q", 7, /STRUCT \(an object\), got an integer/],
      ["s", 2 ** 53, /BIGINT \(a safe integer\), got an integer out of range/],
      ["t", "2026-02-30", /DATE .* got a text that is not a date/],
      ["u", new Date(Number.NaN), /got an invalid Date/],
      ["v", 2n ** 62n, /got a bigint out of range/],
      ["w", "1e3", /got a text that is not such a number/],
      ["w", "12345", /DECIMAL\(5,1\)/]
    ]
    for (const [column, value, message] of rows) {
      const error = refused(table, { ...record(), [column]: value })
      assert.match(error.message, message)
      assert.deepStrictEqual(error.path, [column])
      assert.match(error.message, new RegExp(`^Column ${column} of main\\.default\\.every expects`))
    }
    const secret = refused(table, { ...record(), d: "s3cret-value" })
    assert.notInclude(JSON.stringify(secret) + secret.message, "s3cret")
  })

  it("gives the path of values inside structs, arrays and maps", () => {
    const table = Table.make("main.default.every", every)
    assert.deepStrictEqual(refused(table, { ...record(), q: { lat: "x", inner: null } }).path, [
      "q",
      "lat"
    ])
    assert.deepStrictEqual(refused(table, { ...record(), o: [1, 2, "x"] }).path, ["o", 2])
    assert.deepStrictEqual(refused(table, { ...record(), p: new Map([[1n, { x: "no" }]]) }).path, [
      "p",
      0,
      "value",
      "x"
    ])
    assert.deepStrictEqual(refused(table, { ...record(), p: new Map([["1", { x: 1 }]]) }).path, [
      "p",
      0,
      "key"
    ])
  })

  for (const recordType of ["proto", "json"] as const) {
    it(`refuses missing and unknown columns as ${recordType}`, () => {
      const table = Table.make(
        "main.default.t",
        { a: Column.Int, constructor: Column.Int, n: Column.nullable(Column.Int) },
        { recordType }
      )
      assert.match(
        refused(table, { constructor: 1, n: 1 }).message,
        /Column a .* got nothing \(the column is missing\)/
      )
      assert.match(refused(table, { a: 1, n: 1 }).message, /Column constructor .* missing/)
      assert.match(refused(table, { a: 1, constructor: 1 }).message, /Column n .* missing/)
      assert.deepStrictEqual(refused(table, { a: 1, constructor: 1, n: null, extra: 1 }).path, [
        "extra"
      ])
      assert.deepStrictEqual(
        refused(table, { "a": 1, "constructor": 1, "n": null, "4111 1111": 1 }).path,
        ["(a key that is not a column name)"]
      )
      for (const value of [null, undefined, 1, "x", [], new Map(), new Uint8Array(1)]) {
        assert.match(refused(table, value).message, /^A record of main.default.t expects STRUCT/)
      }
      assert.deepStrictEqual(taken(table, { a: 1, constructor: 2, n: null }), {
        a: 1,
        constructor: 2,
        n: null
      })
    })
  }

  it("refuses NaN and infinities in JSON, and takes them in protobuf", () => {
    const columns = { g: Column.Double }
    assert.match(
      refused(Table.make("main.default.t", columns, { recordType: "json" }), { g: Number.NaN })
        .message,
      /a finite number.*got NaN/
    )
    assert.isNaN(taken(Table.make("main.default.t", columns), { g: Number.NaN }).g)
  })

  it("composes with brands, checks, transformations, classes, literals and optional keys", () => {
    class Reading extends Schema.Class<Reading>("Reading")({
      id: Column.String.pipe(Schema.brand("Id")),
      percent: Column.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
      kind: Schema.Literals(["hot", "cold"]),
      seconds: Column.BigInt.pipe(
        Schema.decodeTo(
          Schema.Number,
          SchemaTransformation.transform({ decode: Number, encode: BigInt })
        )
      ),
      maybe: Schema.OptionFromNullOr(Column.Int),
      level: Schema.optionalKey(Column.Int)
    }) {}
    const table = Table.make("main.default.readings", Reading)
    assert.deepStrictEqual(
      table.columns.map((column) => [column.name, column.type._tag]),
      [
        ["id", "String"],
        ["percent", "Int"],
        ["kind", "String"],
        ["seconds", "BigInt"],
        ["maybe", "Int"],
        ["level", "Int"]
      ]
    )
    const reading = new Reading({
      id: Reading.fields.id.make("d1"),
      percent: 5,
      kind: "hot",
      seconds: 60,
      maybe: Option.some(3)
    })
    const back = taken(table, reading)
    assert.instanceOf(back, Reading)
    assert.deepStrictEqual({ ...back }, { ...reading })

    const loose = Table.make("main.default.readings", Reading.fields)
    const plain = { ...reading, maybe: Option.none<number>(), level: 7 }
    assert.deepStrictEqual(taken(loose, plain), plain)
    assert.deepStrictEqual(refused(loose, { ...plain, percent: 101 }).path, ["percent"])
    assert.match(
      refused(loose, { ...plain, percent: 101 }).message,
      /INT .*meets the checks of its schema, got an integer that does not/
    )
    assert.deepStrictEqual(refused(loose, { ...plain, kind: "warm" }).path, ["kind"])
    assert.deepStrictEqual(refused(loose, { ...plain, seconds: "x" }).path, ["seconds"])
    assert.deepStrictEqual(refused(table, { ...plain }).path, [])
  })

  it("CG-05 distinguishes the two kinds of nullability", () => {
    const table = Table.make("main.default.t", {
      a: Column.Int,
      b: Column.nullable(Column.Int),
      c: Column.required(Column.Int),
      d: Column.required(Column.Struct({ e: Column.required(Column.Int) })),
      f: Schema.optionalKey(Column.Int)
    })
    assert.deepStrictEqual(
      table.columns.map((column) => column.nullable),
      [true, true, false, false, true]
    )
    const shape = Result.getOrThrow(parseDescriptorProto(table.descriptor ?? new Uint8Array()))
    assert.deepStrictEqual(
      shape.fields.map((field) => field.label),
      ["optional", "optional", "required", "required", "optional"]
    )
    assert.strictEqual(shape.fields[3]?.message?.fields[0]?.label, "required")
    assert.match(
      thrown(() =>
        Table.make("main.default.t", { a: Column.required(Column.nullable(Column.Int)) })
      ).message,
      /required and may be null/
    )
  })

  it(
    "columns are schemas: they decode, encode to JSON and refuse by themselves, and bring no " +
      "comment of their own",
    () => {
      const table = Table.make("main.default.every", every)
      assert.deepStrictEqual(
        table.columns.filter((column) => column.comment !== undefined),
        []
      )
      const schema = table.schema ?? assert.fail("no schema")
      const json = Schema.toCodecJson(schema)
      const text = JSON.stringify(Schema.encodeUnknownSync(json)(record()))
      const back = Schema.decodeUnknownSync(json)(JSON.parse(text))
      assert.deepStrictEqual(encode(table.codec, back), encode(table.codec, record()))
      const refusals: ReadonlyArray<readonly [Schema.Top, unknown]> = [
        [Column.TinyInt, 128],
        [Column.Float, 1e300],
        [Column.DateAsString, "2026-02-30"],
        [Column.Decimal(3, 1), BigDecimal.fromStringUnsafe("1.25")],
        [Column.DecimalAsString(3, 1), "1e1"],
        [Column.TimestampAsMicros, 2n ** 63n],
        [Column.Variant, undefined]
      ]
      for (const [column, value] of refusals) assert.isFalse(Schema.is(column)(value))
    }
  )

  it("takes descriptions as column comments", () => {
    const table = Table.make("main.default.t", {
      a: Column.String.annotate({ description: "the device" }),
      b: Column.Int
    })
    assert.deepStrictEqual(
      table.columns.map((column) => column.comment),
      ["the device", undefined]
    )
  })

  it("refuses columns that cannot be sent when the table is made, with a solution", () => {
    const loose = (column: unknown) => ({ a: column as typeof Column.Int })
    const message = (column: unknown): string =>
      thrown(() => Table.make("main.default.t", loose(column))).message
    assert.match(
      message(Schema.Array(Schema.Array(Column.Int))),
      /array of arrays.*Wrap the inner array in a struct/
    )
    assert.match(message(Schema.Array(Schema.NullOr(Column.Int))), /elements that may be null/)
    assert.match(message(Schema.NullOr(Schema.Array(Column.Int))), /cannot tell from an empty one/)
    assert.match(message(Schema.Number), /plain number. Say which one/)
    assert.match(message(Schema.Unknown), /no column type/)
    assert.match(message(Schema.Tuple([Column.Int, Column.Int])), /is a tuple/)
    assert.match(message(Schema.Struct({})), /without fields/)
    interface Tree {
      readonly children: ReadonlyArray<Tree>
    }
    const Tree: Schema.Codec<Tree> = Schema.Struct({
      children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
    })
    assert.match(message(Tree), /recursive.*Column.Variant/)
    assert.match(
      thrown(() => Table.make("main.default.t", { "bad-name": Column.Int })).message,
      /not allowed/
    )
    assert.match(
      thrown(() => Table.make("main.default.t", { a: Column.Int, A: Column.Int })).message,
      /differ in more than case/
    )
    assert.match(thrown(() => Table.make("main.default.t", {})).message, /at least one column/)
    assert.throws(() => Table.make("default.t", { a: Column.Int }), InvalidTable)
    assert.throws(() => Column.Decimal(39, 0), RangeError)
  })

  it("keeps the limits: 2,000 columns, depth 100", () => {
    const columns = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`c${n}`, Column.Int]))
    const wide = Table.make("main.default.wide", columns(2_000))
    const row = Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`c${n}`, n]))
    assert.deepStrictEqual(taken(wide, row), row)
    assert.match(
      thrown(() => Table.make("main.default.wide", columns(2_001))).message,
      /limit of 2000/
    )
    const nested = (depth: number): Schema.Codec<any> =>
      depth === 0 ? Column.Int : Schema.Struct({ x: nested(depth - 1) })
    Table.make("main.default.deep", { a: nested(100) })
    assert.match(
      thrown(() => Table.make("main.default.deep", { a: nested(101) })).message,
      /deeper than 100/
    )
  })

  it("makes a dynamic table of a definition, with catalog positions and checked records", () => {
    const table = Table.fromDefinition({
      name: "main.default.t",
      columns: [
        { name: "b", type: { _tag: "Int" }, nullable: true, position: 4 },
        { name: "a", type: { _tag: "Timestamp" }, nullable: false, position: 0 },
        {
          name: "c",
          type: { _tag: "Array", element: { _tag: "String" }, containsNull: true },
          nullable: true,
          position: 7
        }
      ]
    })
    const shape = Result.getOrThrow(parseDescriptorProto(table.descriptor ?? new Uint8Array()))
    assert.deepStrictEqual(
      shape.fields.map((field) => field.number),
      [1, 5, 8]
    )
    const at = DateTime.makeUnsafe(0)
    assert.deepStrictEqual(taken(table, { a: at }), { a: at })
    assert.deepStrictEqual(taken(table, { a: at, b: 2, c: ["x"] }), { a: at, b: 2, c: ["x"] })
    assert.deepStrictEqual(refused(table, { a: null }).path, ["a"])
    assert.deepStrictEqual(refused(table, { a: at, c: null }).path, ["c"])
    assert.deepStrictEqual(refused(table, { a: at, z: 1 }).path, ["z"])
  })

  it("describes each difference from the catalog", () => {
    const code = Table.make("main.default.t", {
      id: Column.BigInt,
      temp: Column.Int,
      Extra: Column.String,
      place: Column.Struct({ lat: Column.Float }),
      tags: Column.Map(Column.String, Column.Int)
    })
    const differences = Table.diff(
      code,
      definition(
        "main.default.t(id BIGINT NOT NULL, temp STRING, extra STRING, place STRUCT<lat: " +
          "DOUBLE, lon: DOUBLE NOT NULL>, tags MAP<INT, INT>, note STRING)"
      )
    )
    assert.deepStrictEqual(
      differences.map((d) => [d.kind, d.path.join("."), d.breaking]),
      [
        ["NULLABILITY", "id", false],
        ["TYPE_INCOMPATIBLE", "temp", true],
        ["FIELD_NOT_IN_TABLE", "Extra", true],
        ["TYPE_INCOMPATIBLE", "place.lat", true],
        ["MISSING_REQUIRED_COLUMN", "place.lon", true],
        ["TYPE_INCOMPATIBLE", "tags", true],
        ["MISSING_COLUMN", "extra", false],
        ["MISSING_COLUMN", "note", false]
      ]
    )
    assert.match(differences[1]?.message ?? "", /temp is int here and string in the table/)
    assert.match(differences[2]?.message ?? "", /called extra in the table/)
    assert.deepStrictEqual(Table.mismatch("main.default.t", differences)?.causes, [
      "TYPE_INCOMPATIBLE",
      "FIELD_NOT_IN_TABLE",
      "MISSING_REQUIRED_COLUMN"
    ])
    assert.deepStrictEqual(Table.diff(code, code), [])
    assert.isUndefined(Table.mismatch("main.default.t", []))
  })
})
