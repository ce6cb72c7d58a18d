/**
 * Typed tables whose rows are sent as Arrow batches (`format: "arrow"`): the rows equal those sent
 * as protobuf, and streams have the same features.
 */
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect, Layer } from "effect"
import {
  Column,
  Spool,
  type StreamConfigurationOptions,
  Table,
  UnityCatalog,
  Zerobus
} from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import { temporaryFolder } from "../support/commandLine.ts"
import type { FlightScript } from "../support/scriptedFlight.ts"
import { code } from "../support/scriptedServer.ts"

const catalog = Layer.unwrap(
  Effect.map(ZerobusLocal, ({ clientId, clientSecret, workspaceUrl }) =>
    UnityCatalog.layer({ workspaceUrl, clientId, clientSecret })
  )
)
const client = catalog.pipe(Layer.provideMerge(ZerobusLocal.layerMemory))

const point = Column.Struct({ x: Column.Int, y: Column.nullable(Column.Double) })

const columns = {
  n: Column.required(Column.BigInt),
  flag: Column.nullable(Column.Boolean),
  tiny: Column.nullable(Column.TinyInt),
  small: Column.nullable(Column.SmallInt),
  whole: Column.nullable(Column.Int),
  ratio: Column.nullable(Column.Double),
  single: Column.nullable(Column.Float),
  text: Column.nullable(Column.String),
  amount: Column.nullable(Column.Decimal(12, 3)),
  bytes: Column.nullable(Column.Binary),
  day: Column.nullable(Column.DateAsString),
  instant: Column.nullable(Column.TimestampAsMicros),
  local: Column.nullable(Column.TimestampNtzAsMicros),
  tags: Column.Array(Column.String),
  numbers: Column.Array(Column.BigInt),
  places: Column.Array(point),
  place: Column.nullable(
    Column.Struct({ x: Column.required(Column.Int), y: Column.nullable(Column.Double) })
  ),
  names: Column.Map(Column.String, Column.Int),
  points: Column.Map(Column.Int, point)
}

/** A row with a value in each column, or with null in every column of some rows. */
const rowOf = (n: number) => {
  const place = { x: -n, y: n % 2 === 0 ? null : n / 3 }
  const has = <B>(value: B): B | null => (n % 3 === 1 ? null : value)
  return {
    n: BigInt(n) * (n % 2 === 0 ? 1n : -(2n ** 50n)),
    flag: has(n % 2 === 0),
    tiny: has(-(n % 128)),
    small: has(n - 300),
    whole: has(-n * 7_001),
    ratio: has(n / 7),
    single: has(n / 4),
    text: has(`text ${n} ü`.repeat(n % 5)),
    amount: has(BigDecimal.make(BigInt(n * 1_000 + 125), 3)),
    bytes: has(Uint8Array.of(n, 0, 255)),
    day: has(new Date((n - 1_000) * 86_400_000).toISOString().slice(0, 10)),
    instant: has(-BigInt(n) * 1_000_003n),
    local: has(BigInt(n) * 1_000_003n),
    tags: Array.from({ length: n % 4 }, (_, item) => `t${item}`),
    numbers: Array.from({ length: n % 3 }, (_, item) => BigInt(item - n)),
    places: Array.from({ length: n % 3 }, () => place),
    place: n % 4 === 0 ? null : place,
    names: new Map([[`k${n}`, n]]),
    points: new Map(n % 2 === 0 ? [] : [[n, place]])
  }
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint"
      ? `${part}n`
      : BigDecimal.isBigDecimal(part)
        ? BigDecimal.format(part)
        : part instanceof Map
          ? [...part]
          : part instanceof Uint8Array
            ? [...part]
            : part
  )

describe("typed rows as Arrow batches", () => {
  it.live("give the same table as protobuf, with every type", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const zerobus = yield* Zerobus
      const rows = Array.from({ length: 500 }, (_, n) => rowOf(n))
      const stored: Array<ReadonlyArray<string>> = []
      for (const [name, options] of [
        ["rows", {}],
        ["zstd", { format: "arrow" }],
        ["lz4", { format: "arrow", compression: "lz4" }],
        ["plain", { format: "arrow", compression: "none" }]
      ] as const) {
        const table = Table.make(`main.default.${name}`, columns, options)
        yield* local.createTable(table)
        yield* zerobus.withStream(table, (stream) =>
          Effect.gen(function* () {
            for (const row of rows.slice(0, 100)) yield* stream.ingestRecord(row as never)
            yield* stream.ingestRecords(rows.slice(100) as never)
          })
        )
        stored.push((yield* local.records(table)).map(text).sort())
      }
      const [asRows, zstd, lz4, plain] = stored
      assert.strictEqual(asRows!.length, 500)
      assert.deepStrictEqual(zstd, asRows)
      assert.deepStrictEqual(lz4, asRows)
      assert.deepStrictEqual(plain, asRows)
    }).pipe(Effect.provide(client))
  )

  it.live("follow an added column", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const zerobus = yield* Zerobus
      const before = Table.make("main.default.grows", { n: Column.Int })
      yield* local.createTable(before)
      const table = yield* Table.fromCatalog(before.tableName, { format: "arrow" })
      assert.strictEqual(table.recordType, "arrow")
      yield* zerobus.withStream(table, { onSchemaChange: "reopen" }, (stream) =>
        Effect.gen(function* () {
          yield* stream.ingestRecord({ n: 1 })
          yield* stream.flush
          const text = { name: "text", type: { _tag: "String" }, nullable: true } as const
          yield* local.addColumns(before.tableName, [text])
          yield* stream.ingestRecord({ n: 2, text: "two" })
        })
      )
      const after = yield* Table.fromCatalog(before.tableName)
      assert.deepStrictEqual(yield* local.records(after), [
        { n: 1, text: null },
        { n: 2, text: "two" }
      ])
    }).pipe(Effect.provide(client))
  )
})

const readings = Table.make(
  "main.default.readings",
  { n: Column.Int, text: Column.nullable(Column.String) },
  { format: "arrow", compression: "none" }
)

const reading = (n: number) => ({ n, text: `row ${n}` })

type Reading = (typeof readings)["Type"]

const opened = (
  options: StreamConfigurationOptions<Reading>,
  ...scripts: ReadonlyArray<FlightScript>
) =>
  Effect.gen(function* () {
    const parts = yield* F.client(...scripts)
    const stream = yield* parts.zerobus.createStream(readings, { ...F.testOptions, ...options })
    return { ...parts, stream }
  })

describe("a stream of typed rows as Arrow batches", () => {
  it.effect("sends the rows of a call as one frame, and of several calls together", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({})
      yield* stream.ingestRecords(Array.from({ length: 100 }, (_, n) => reading(n)))
      yield* Effect.forEach(F.numbers(100, 50), (n) => stream.ingestRecord(reading(n)))
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 150))
      assert.strictEqual(server.last.frames[0]!.rows, 100)
      assert.isBelow(server.last.frames.length, 10)
    })
  )

  it.effect("splits rows that take more than 2 MiB as columns", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({})
      const rows = F.numbers(0, 60).map((n) => ({ n, text: "x".repeat(50_000) }))
      yield* stream.ingestRecords(rows)
      yield* stream.close
      assert.isAbove(server.last.frames.length, 1)
      for (const { body } of server.last.frames) assert.isBelow(body.length, 2 * 1024 * 1024 + 256)
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 60))
    })
  )

  it.effect("refuses a value with its column, and keeps nothing of the row", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({})
      yield* stream.ingestRecord(reading(1))
      const wrong = { n: 2.5, text: "wrong" }
      const error = A.tagged(yield* Effect.flip(stream.ingestRecord(wrong)), "InvalidArgument")
      assert.deepStrictEqual(error.path, ["n"])
      const batch = stream.ingestRecords([reading(2), wrong])
      assert.deepStrictEqual(A.tagged(yield* Effect.flip(batch), "InvalidArgument").path, [1, "n"])
      yield* stream.ingestRecord(reading(3))
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), [1, 3])
    })
  )

  it.effect("has a receipt for each row, and sends no durable row again", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({}, F.silent, {})
      const acks = []
      for (let n = 0; n < 6; n++) acks.push(yield* stream.ingestRecord(reading(n)))
      yield* A.settle
      assert.strictEqual(server.last.rows, 6)
      server.last.ack(4)
      yield* A.settle
      server.last.cut()
      yield* A.settle
      yield* A.advance(20)
      yield* Effect.forEach(acks, (ack) => ack.await)
      assert.deepStrictEqual(
        acks.map(({ offset }) => offset),
        F.numbers(0, 6)
      )
      assert.deepStrictEqual(F.numbersOf(server.last.table), [4, 5])
      yield* stream.close
    })
  )

  it.effect("returns the rows that are not durable, and their offsets", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({ recovery: false }, F.silent)
      const acks = []
      for (let n = 0; n < 5; n++) acks.push(yield* stream.ingestRecord(reading(n)))
      yield* A.settle
      server.last.ack(2)
      yield* A.settle
      server.last.fail(code.NOT_FOUND)
      yield* A.settle
      yield* acks[1]!.await
      yield* Effect.flip(acks[2]!.await)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [reading(2), reading(3), reading(4)])
    })
  )

  it.effect("finds the row that the server refuses", () =>
    Effect.gen(function* () {
      const refused: Array<readonly [number, ReadonlyArray<Reading>]> = []
      const durable: Array<number> = []
      const { stream } = yield* opened(
        {
          onRefused: ({ offset, records }) =>
            Effect.sync(() => void refused.push([offset, records]))
        },
        {
          onFrame: (connection) => {
            if (F.numbersOf(connection.table).includes(7)) connection.fail(code.INVALID_ARGUMENT)
            else {
              connection.ack(connection.rows)
              durable.push(...F.numbersOf(connection.table).slice(-connection.frames.at(-1)!.rows))
            }
          }
        }
      )
      for (let n = 0; n < 20; n++) yield* stream.ingestRecord(reading(n))
      yield* stream.close
      assert.deepStrictEqual(refused, [[7, [reading(7)]]])
      assert.deepStrictEqual(durable, [...F.numbers(0, 7), ...F.numbers(8, 12)])
    })
  )

  it.effect("can be recreated with the rows that are not durable", () =>
    Effect.gen(function* () {
      const { server, stream, zerobus } = yield* opened({ recovery: false }, F.silent, {})
      yield* stream.ingestRecords([reading(0), reading(1), reading(2)])
      yield* A.settle
      server.last.ack(1)
      yield* A.settle
      server.last.fail(code.NOT_FOUND)
      yield* A.settle
      const again = yield* zerobus.recreateStream(stream)
      yield* again.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), [1, 2])
      yield* again.close
    })
  )

  it.live("continues from its spool, which holds protobuf records", () =>
    Effect.gen(function* () {
      const folder = `${spools}/rows`
      const spool = Spool.directory(folder)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stream } = yield* opened({ spool }, F.silent)
          yield* stream.ingestRecords([reading(0), reading(1)])
          yield* (yield* stream.ingestRecord(reading(2))).persisted
        })
      )
      const content = yield* Spool.inspect(folder)
      assert.deepStrictEqual([content.recordType, content.waitingRecords], ["proto", 3])
      const { server, stream } = yield* opened({ spool })
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), [0, 1, 2])
    })
  )

  it("refuses options that do not fit", () => {
    const make = (columns: object, options: object) =>
      Table.make("main.default.t", columns as { n: typeof Column.Int }, options)
    for (const [columns, options, path] of [
      [{ n: Column.Int }, { format: "columns" }, "format"],
      [{ n: Column.Int }, { format: "arrow", recordType: "json" }, "recordType"],
      [{ n: Column.Int }, { format: "arrow", compression: "gzip" }, "compression"],
      [{ v: Column.Variant }, { format: "arrow" }, "v"],
      [{ s: Column.Struct({ v: Column.Variant }) }, { format: "arrow" }, "s"]
    ] as const) {
      try {
        make(columns, options)
        assert.fail("made")
      } catch (error) {
        assert.deepStrictEqual((error as { readonly path: unknown }).path, [path])
      }
    }
  })
})

const spools = temporaryFolder()
