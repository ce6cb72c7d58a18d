/**
 * Which columns fit those of a table, and what they are cast to. The Arrow library reads back
 * everything that is sent.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { ArrowTable } from "../../src/arrow/index.ts"
import { ChunkWriter } from "../../src/internal/landing/chunk.ts"
import { InvalidArgument } from "../../src/ZerobusError.ts"

/** The record after a table with this column has encoded it. */
const through = (
  type: Arrow.DataType,
  record: ArrowTable.ArrowRecord,
  { name = "c", nullable = true } = {}
): Arrow.Table | InvalidArgument => {
  const schema = new Arrow.Schema([new Arrow.Field(name, type, nullable)])
  const table = ArrowTable.make("a.b.c", schema)
  const sink = new ChunkWriter()
  sink.begin(32)
  const refusal = table.codec.write(record, sink)
  if (refusal !== undefined) return refusal
  return table.codec.read(
    Uint8Array.from(sink.buffer.subarray(sink.mark, sink.position))
  ) as Arrow.Table
}

const tableOf = (vector: Arrow.Vector, name = "c"): Arrow.Table =>
  new Arrow.Table({ [name]: vector })

/** The values of a column that was cast to a type. */
const cast = (vector: Arrow.Vector, type: Arrow.DataType): ReadonlyArray<unknown> => {
  const table = through(type, tableOf(vector))
  if (table instanceof InvalidArgument) throw table
  assert.strictEqual(String(table.schema.fields[0]!.type), String(type))
  return plain(table.getChild("c")!)
}

const plain = (column: Arrow.Vector): ReadonlyArray<unknown> =>
  JSON.parse(
    JSON.stringify([...column], (_, value: unknown) =>
      typeof value === "bigint" ? Number(value) : value instanceof Uint8Array ? [...value] : value
    )
  ) as ReadonlyArray<unknown>

/** Why a column of this type is refused. */
const refusal = (
  vector: Arrow.Vector,
  type: Arrow.DataType,
  options?: { readonly nullable: boolean }
): InvalidArgument => {
  const refused = through(type, tableOf(vector), options)
  return refused instanceof InvalidArgument ? refused : assert.fail("the column was taken")
}

const vector = (values: ReadonlyArray<unknown>, type: Arrow.DataType): Arrow.Vector =>
  Arrow.vectorFromArray(values as Array<never>, type as never)

const dictionary = (type: Arrow.DataType): Arrow.DataType =>
  new Arrow.Dictionary(type, new Arrow.Int32())

const texts = ["a", null, "", "zürich", "a", "x".repeat(300)]

describe("texts and bytes", () => {
  it.each([
    new Arrow.Utf8(),
    new Arrow.LargeUtf8(),
    dictionary(new Arrow.Utf8()),
    dictionary(new Arrow.LargeUtf8())
  ])("of %s become LargeUtf8 and Utf8", (type) => {
    assert.deepStrictEqual(cast(vector(texts, type), new Arrow.LargeUtf8()), texts)
    assert.deepStrictEqual(cast(vector(texts, type), new Arrow.Utf8()), texts)
  })

  it("of views become LargeUtf8 and LargeBinary", () => {
    assert.deepStrictEqual(cast(vector(texts, new Arrow.Utf8View()), new Arrow.LargeUtf8()), texts)
    const bytes = [Uint8Array.of(1, 2), null, new Uint8Array(20).fill(7)]
    assert.deepStrictEqual(cast(vector(bytes, new Arrow.BinaryView()), new Arrow.LargeBinary()), [
      [1, 2],
      null,
      Array.from({ length: 20 }, () => 7)
    ])
  })

  it("of Binary become LargeBinary, and no text", () => {
    const bytes = vector([Uint8Array.of(0, 255), null, new Uint8Array()], new Arrow.Binary())
    assert.deepStrictEqual(cast(bytes, new Arrow.LargeBinary()), [[0, 255], null, []])
    assert.include(refusal(bytes, new Arrow.LargeUtf8()).message, "column c is Binary")
  })

  it("of decimals keep their digits", () => {
    const decimals = vector(
      [-12345n, 5n, null, 10n ** 30n].map((value) => (value === null ? null : words(value))),
      new Arrow.Decimal(3, 38, 128)
    )
    assert.deepStrictEqual(cast(decimals, new Arrow.LargeUtf8()), [
      "-12.345",
      "0.005",
      null,
      `1${"0".repeat(27)}.000`
    ])
  })
})

/** A decimal of 128 bits in the library's representation. */
const words = (value: bigint): Uint32Array =>
  Uint32Array.from({ length: 4 }, (_, word) =>
    Number((BigInt.asUintN(128, value) >> BigInt(32 * word)) & 0xffff_ffffn)
  )

describe("numbers", () => {
  const values = [1, null, 100]

  it.each([
    [new Arrow.Int8(), new Arrow.Int16()],
    [new Arrow.Int8(), new Arrow.Int64()],
    [new Arrow.Int16(), new Arrow.Int32()],
    [new Arrow.Int32(), new Arrow.Int64()],
    [new Arrow.Uint8(), new Arrow.Int16()],
    [new Arrow.Uint32(), new Arrow.Int64()],
    [new Arrow.Float32(), new Arrow.Float64()]
  ])("of %s become %s", (from, to) => {
    assert.deepStrictEqual(cast(vector(values, from), to), values)
  })

  it("keep their sign when they become wider", () => {
    assert.deepStrictEqual(
      cast(vector([-1, -128], new Arrow.Int8()), new Arrow.Int64()),
      [-1, -128]
    )
  })

  it.each([
    [new Arrow.Int32(), new Arrow.Int16()],
    [new Arrow.Uint32(), new Arrow.Int32()],
    [new Arrow.Float64(), new Arrow.Int32()],
    [new Arrow.Float64(), new Arrow.Float32()],
    [new Arrow.Int32(), new Arrow.Float64()]
  ])("of %s do not become %s", (from, to) => {
    const { message, path } = refusal(vector(values, from), to)
    assert.include(message, `The column c is ${String(from)}, the table's is ${String(to)}.`)
    assert.deepStrictEqual(path, ["c"])
  })
})

describe("times", () => {
  const micros = new Arrow.TimestampMicrosecond("UTC")
  const times = (type: Arrow.DataType, ...values: ReadonlyArray<bigint>) => {
    const data = Arrow.makeData({ type: type as Arrow.Timestamp, data: BigInt64Array.from(values) })
    return new Arrow.Vector([data])
  }
  const valuesOf = (column: Arrow.Vector, type: Arrow.DataType) => {
    const table = through(type, tableOf(column))
    if (table instanceof InvalidArgument) throw table
    return [...(table.getChild("c")!.data[0]!.values as BigInt64Array)]
  }

  it("become those of a finer unit, and of a coarser one that holds them", () => {
    assert.deepStrictEqual(valuesOf(times(new Arrow.TimestampMillisecond("UTC"), -5n), micros), [
      -5_000n
    ])
    assert.deepStrictEqual(valuesOf(times(new Arrow.TimestampNanosecond("UTC"), 7_000n), micros), [
      7n
    ])
    assert.include(
      refusal(times(new Arrow.TimestampNanosecond("UTC"), 0n, 1n), micros).message,
      "time in row 1"
    )
    assert.include(
      refusal(times(new Arrow.TimestampSecond("UTC"), 2n ** 62n), micros).message,
      "time in row 0"
    )
  })

  it("keep the instant in any zone, and have one or none", () => {
    const berlin = times(new Arrow.TimestampMicrosecond("Europe/Berlin"), 1n)
    assert.deepStrictEqual(valuesOf(berlin, micros), [1n])
    const local = times(new Arrow.TimestampMicrosecond(), 1n)
    assert.include(refusal(local, micros).message, "An instant has a zone")
    assert.deepStrictEqual(valuesOf(local, new Arrow.TimestampMicrosecond()), [1n])
  })
})

describe("parts", () => {
  const struct = (...fields: ReadonlyArray<readonly [string, Arrow.DataType, boolean?]>) =>
    new Arrow.Struct(
      fields.map(([name, type, nullable]) => new Arrow.Field(name, type, nullable ?? true))
    )

  it("of a struct are found by name, missing ones are null", () => {
    const given = struct(["b", new Arrow.Utf8()], ["a", new Arrow.Int16()])
    const wanted = struct(
      ["a", new Arrow.Int32()],
      ["b", new Arrow.LargeUtf8()],
      ["d", new Arrow.Bool()]
    )
    assert.deepStrictEqual(cast(vector([{ a: 1, b: "x" }, null], given), wanted), [
      { a: 1, b: "x", d: null },
      null
    ])
  })

  it("of a struct that take no nulls may be null where it is", () => {
    const given = struct(["a", new Arrow.Binary()])
    const wanted = struct(["a", new Arrow.LargeBinary(), false])
    const taken = vector([{ a: Uint8Array.of(1) }, null], given)
    assert.deepStrictEqual(cast(taken, wanted), [{ a: [1] }, null])
    const { message, path } = refusal(vector([{ a: null }, null], given), wanted)
    assert.include(message, "The column c.a is null in row 0")
    assert.deepStrictEqual(path, ["c", "a"])
  })

  it("of a struct that the table does not have are refused", () => {
    const given = struct(["a", new Arrow.Int32()], ["z", new Arrow.Int32()])
    const { message, path } = refusal(
      vector([{ a: 1, z: 2 }], given),
      struct(["a", new Arrow.Int32()])
    )
    assert.include(message, "The column c.z is not a column of the table")
    assert.deepStrictEqual(path, ["c", "z"])
  })

  it("of lists are cast, with other names and offsets", () => {
    const list = (type: Arrow.DataType, name: string) =>
      new Arrow.List(new Arrow.Field(name, type, true))
    const given = vector([["a", null], null, [], ["b"]], list(new Arrow.Utf8(), "element"))
    const wanted = list(new Arrow.LargeUtf8(), "item")
    assert.deepStrictEqual(cast(given, wanted), [["a", null], null, [], ["b"]])
    const large = new Arrow.LargeList(new Arrow.Field("item", new Arrow.Int8(), true))
    assert.deepStrictEqual(cast(vector([[1], [2, 3]], large), list(new Arrow.Int32(), "item")), [
      [1],
      [2, 3]
    ])
  })

  it("of maps are cast", () => {
    const map = (key: Arrow.DataType, value: Arrow.DataType) =>
      new Arrow.Map_(
        new Arrow.Field("entries", struct(["key", key, false], ["value", value]) as never, false)
      )
    const given = vector(
      [new Map([["a", 1]]), null, new Map()],
      map(new Arrow.Utf8(), new Arrow.Int8())
    )
    assert.deepStrictEqual(cast(given, map(new Arrow.LargeUtf8(), new Arrow.Int64())), [
      { a: 1 },
      null,
      {}
    ])
  })
})

describe("columns", () => {
  const schema = new Arrow.Schema([
    new Arrow.Field("a", new Arrow.Int32(), false),
    new Arrow.Field("b", new Arrow.Int32(), true)
  ])
  const table = ArrowTable.make("x.y.z", schema)
  const write = (record: ArrowTable.ArrowRecord) => {
    const sink = new ChunkWriter()
    sink.begin(32)
    return table.codec.write(record, sink)
  }
  const ints = (...values: ReadonlyArray<number>) => vector(values, new Arrow.Int32())

  it("that take no nulls need values, not a non-nullable type", () => {
    assert.isUndefined(write(new Arrow.Table({ b: ints(1), a: ints(2) })))
    const nulls = vector([1, 2, null], new Arrow.Int32())
    const refused = write(new Arrow.Table({ a: nulls, b: ints(1, 2, 3) }))
    assert.include(refused?.message, "The column a is null in row 2")
  })

  it("may be left out when they take nulls", () => {
    assert.isUndefined(write(new Arrow.Table({ a: ints(1) })))
    assert.include(write(new Arrow.Table({ b: ints(1) }))?.message, "The column a is missing")
  })

  it("are refused when the table does not have them", () => {
    const refused = write(new Arrow.Table({ a: ints(1), c: ints(1) }))
    assert.include(
      refused?.message,
      "The column c is not a column of the table. The table has a, b."
    )
  })

  it("of slices are those rows", () => {
    const values = Array.from({ length: 100 }, (_, n) => (n % 7 === 0 ? null : n))
    for (const [type, wanted] of [
      [new Arrow.Int32(), new Arrow.Int64()],
      [new Arrow.Int32(), new Arrow.Int32()]
    ] as const) {
      for (const [from, to] of [
        [0, 9],
        [3, 64],
        [13, 100]
      ] as const) {
        const slice = tableOf(vector(values, type)).slice(from, to)
        const out = through(wanted, slice)
        if (out instanceof InvalidArgument) throw out
        assert.deepStrictEqual(plain(out.getChild("c")!), values.slice(from, to))
      }
    }
    const flags = values.map((value) => (value === null ? null : value % 3 === 0))
    const out = through(new Arrow.Bool(), tableOf(vector(flags, new Arrow.Bool())).slice(11, 90))
    if (out instanceof InvalidArgument) throw out
    assert.deepStrictEqual(plain(out.getChild("c")!), flags.slice(11, 90))
  })
})

describe("bytes", () => {
  const rows = tableOf(vector([1, 2, 3], new Arrow.Int32()))

  it.each(["stream", "file"] as const)("of an IPC %s are one batch", (kind) => {
    const out = through(new Arrow.Int64(), Arrow.tableToIPC(rows, kind))
    if (out instanceof InvalidArgument) throw out
    assert.deepStrictEqual(plain(out.getChild("c")!), [1, 2, 3])
  })

  it("that cannot be read are refused", () => {
    const refused = through(new Arrow.Int64(), Arrow.tableToIPC(rows, "file").subarray(0, 40))
    assert.instanceOf(refused, InvalidArgument)
    assert.include(String(refused), "it is damaged, or of another format.")
  })
})

describe("a schema", () => {
  it("is sent with the values of its dictionaries", () => {
    const { schema } = ArrowTable.make(
      "a.b.c",
      new Arrow.Schema([new Arrow.Field("d", dictionary(new Arrow.Utf8()), true)])
    )
    assert.strictEqual(String(schema.fields[0]!.type), "Utf8")
  })

  it("is refused with types that no table has", () => {
    const make = (type: Arrow.DataType) => () =>
      ArrowTable.make("a.b.c", new Arrow.Schema([new Arrow.Field("odd", type, true)]))
    for (const type of [new Arrow.DurationSecond(), new Arrow.TimeSecond(), new Arrow.Utf8View()]) {
      assert.throws(make(type), /The column odd has the type .*, which no column of a table has/)
    }
    assert.throws(() => ArrowTable.make("a.b.c", new Arrow.Schema([])), /at least one column/)
    assert.throws(() => ArrowTable.make("no name", new Arrow.Schema([])), /catalog\.schema\.table/)
    assert.throws(
      () => ArrowTable.make("a.b.c", new Arrow.Schema([]), { compression: "gzip" as never }),
      /compression/
    )
  })
})
