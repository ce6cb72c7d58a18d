/**
 * Files with types that were made or damaged so that their reading would not end, and the values of
 * Avro unions.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { deflateRawSync } from "node:zlib"
import { afterAll } from "vitest"
import type { TypedFormat } from "../../../src/cli/records/fileKind.ts"
import { openTyped } from "../../../src/cli/typed/typedFile.ts"
import { FlatTable } from "../../../src/internal/arrow/flatbuffer.ts"
import { temporaryFolder } from "../../support/commandLine.ts"

const fixtures = Path.resolve(import.meta.dirname, "../../fixtures/typedFiles")
const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

/** Reads up to this number of pieces of rows. */
const read = (content: Uint8Array, format: TypedFormat, pieces = Infinity) =>
  Effect.gen(function* () {
    const file = Path.join(folder, `file.${format}`)
    Fs.writeFileSync(file, content)
    const typed = yield* openTyped({ file, format, gzip: false })
    const found: Array<ReadonlyArray<string>> = []
    yield* Stream.runForEach(Stream.take(typed.rows, pieces), (rows) =>
      Effect.sync(() => found.push(rows.map(({ text }) => text)))
    )
    return found
  }).pipe(Effect.scoped)

/** Where the length of a vector of a message is; `start` is that of the message's table. */
const lengthAt = (content: Buffer, start: number, vector: (message: FlatTable) => number) => {
  const size = content.readInt32LE(start + 4)
  const message = FlatTable.root(content.subarray(start + 8, start + 8 + size))
  return start + 8 + vector(message) - 4
}

const long = (value: number): Buffer => {
  const bytes: Array<number> = []
  let left = value < 0 ? -2 * value - 1 : 2 * value
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128)
  return Buffer.from([...bytes, left])
}
const text = (value: string) => Buffer.concat([long(Buffer.byteLength(value)), Buffer.from(value)])

/** An Avro file of one block. */
const avro = (type: unknown, count: number, block: Uint8Array, codec = "null"): Buffer => {
  const schema = { type: "record", name: "r", fields: [{ name: "v", type }] }
  const sync = Buffer.alloc(16, 7)
  return Buffer.concat([
    Buffer.from("Obj\u0001"),
    long(2),
    text("avro.schema"),
    text(JSON.stringify(schema)),
    text("avro.codec"),
    text(codec),
    long(0),
    sync,
    long(count),
    long(block.length),
    block,
    sync
  ])
}

describe("hostile files with types", () => {
  it.effect.each([
    ["every.arrows", 0],
    ["every.arrow", 8]
  ] as const)("refuses a length in %s that is beyond its message", ([name, start]) =>
    Effect.gen(function* () {
      const content = Fs.readFileSync(Path.join(fixtures, name))
      assert.isAbove((yield* read(content, "arrow")).length, 0)
      const second = start + 8 + content.readInt32LE(start + 4)
      const places = [
        lengthAt(content, second, (message) => {
          const batch = message.table(2)!
          return (message.byte(1) === 2 ? batch.table(1)! : batch).vector(1, 16).start
        })
      ]
      // A file goes by the schema at its end.
      if (start === 0) {
        places.push(lengthAt(content, 0, (message) => message.table(2)!.vector(1, 4).start))
      }
      for (const at of places) {
        const damaged = Buffer.from(content)
        damaged.writeInt32LE(0x7fff_fff0, at)
        const { message } = yield* Effect.flip(read(damaged, "arrow"))
        assert.match(message, /(?:damaged|cut off)/)
      }
    })
  )

  it.effect("refuses an Arrow stream with two schemas, and a file with a damaged footer", () =>
    Effect.gen(function* () {
      const content = Fs.readFileSync(Path.join(fixtures, "every.arrows"))
      const schema = content.subarray(0, 8 + content.readInt32LE(4))
      const twice = yield* Effect.flip(read(Buffer.concat([schema, content]), "arrow"))
      assert.match(twice.message, /(?:is|its schema is) damaged or cut off/)
      const file = Fs.readFileSync(Path.join(fixtures, "every.arrow"))
      const end = file.length - 10
      const footer = end - file.readInt32LE(end)
      const at = FlatTable.root(file.subarray(footer, end)).table(1)!.vector(1, 4).start - 4
      file.writeInt32LE(0x7fff_fff0, footer + at)
      const { message } = yield* Effect.flip(read(file, "arrow"))
      assert.match(message, /whose end is damaged/)
    })
  )

  it.effect("gives few rows of a large block of Avro at a time", () =>
    Effect.gen(function* () {
      const block = deflateRawSync(Buffer.alloc(200_000_000))
      const pieces = yield* read(avro("int", 200_000_000, block, "deflate"), "avro", 2)
      assert.deepStrictEqual(
        pieces.map(({ length }) => length),
        [1024, 1024]
      )
      const lists = Buffer.concat(
        Array.from({ length: 10 }, () =>
          Buffer.concat([long(600_000), Buffer.alloc(600_000), long(0)])
        )
      )
      const large = yield* read(avro({ type: "array", items: "int" }, 10, lists), "avro")
      assert.deepStrictEqual(
        large.map(({ length }) => length),
        [2, 2, 2, 2, 2]
      )
    })
  )

  it.effect("refuses blocks of Avro that cannot hold their records", () =>
    Effect.gen(function* () {
      const few = yield* Effect.flip(read(avro("int", 1000, Buffer.alloc(10)), "avro"))
      assert.match(few.message, /at row 1: The block has more records than bytes/)
      const nulls = yield* Effect.flip(read(avro("null", 2e9, Buffer.alloc(0)), "avro"))
      assert.match(nulls.message, /is damaged in the block of row 1/)
      const items = Buffer.concat([long(12_000_000), Buffer.alloc(12_000_001)])
      const list = yield* Effect.flip(read(avro({ type: "array", items: "int" }, 1, items), "avro"))
      assert.match(list.message, /field v: The arrays and maps of a record have too many items/)
    })
  )

  it.effect("keeps the values of Avro unions that are VARIANT", () =>
    Effect.gen(function* () {
      const union = [
        "null",
        "long",
        "string",
        { type: "array", items: "long" },
        { type: "map", values: "string" },
        "float"
      ]
      const exact = Buffer.from("8280808080808020", "hex")
      const float = Buffer.alloc(4)
      float.writeFloatLE(0.1)
      const values = [
        Buffer.concat([long(0)]),
        Buffer.concat([long(1), exact]),
        ...["12", "true", '{"a":1}', "null", "1e400"].map((value) =>
          Buffer.concat([long(2), text(value)])
        ),
        Buffer.concat([long(3), long(2), long(1), exact, long(0)]),
        Buffer.concat([long(4), long(1), text("k"), text("12"), long(0)]),
        Buffer.concat([long(5), float])
      ]
      const [rows] = yield* read(avro(union, values.length, Buffer.concat(values)), "avro")
      assert.deepStrictEqual(
        rows!.map((row) => JSON.parse(row).v),
        [
          undefined,
          "9007199254740993",
          '"12"',
          '"true"',
          '"{\\"a\\":1}"',
          '"null"',
          '"1e400"',
          "[1,9007199254740993]",
          '{"k":"12"}',
          "0.1"
        ]
      )
    })
  )
})
