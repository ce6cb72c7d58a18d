/**
 * Arrow batches into pyarrow's Flight server. It reads and validates batches of every type, and the
 * client continues after the rows that it acknowledged. Run it with `npm run test:interop`, which
 * fetches pyarrow.
 */
import { assert, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { Effect, type Layer } from "effect"
import { Zerobus } from "effect-zerobus"
import { ArrowTable } from "effect-zerobus/arrow"
import { descriptorProxy } from "../support/descriptorProxy.ts"
import { startPython } from "../support/pythonProcess.ts"
import { TestHeaders } from "../support/testHeaders.ts"

interface Report {
  readonly connections: ReadonlyArray<{
    readonly table: string
    readonly authorized: boolean
    readonly schema: ReadonlyArray<string>
    readonly offsets: ReadonlyArray<number>
    readonly rows: number
  }>
  readonly rows: number
  readonly distinct: number
  readonly sum: string
  readonly sample: Readonly<Record<string, ReadonlyArray<string>>>
  readonly nulls: Readonly<Record<string, number>>
}

const python = process.env["ARROW_PYTHON"] ?? "python3"

/** Starts a server for the test, behind a proxy. */
const flightServer = Effect.fnUntraced(function* (settings: object) {
  const server = yield* Effect.acquireRelease(
    Effect.promise(() =>
      startPython<{ readonly port: number }, Report>(python, "arrowFlightServer.py", [
        JSON.stringify({ number: "n", ...settings })
      ])
    ),
    (server) => Effect.promise(() => server.stop())
  )
  return {
    report: Effect.promise(() => server.ask({})),
    port: yield* descriptorProxy(server.greeting.port)
  }
})

const clientOf = (port: number) =>
  Zerobus.layer({
    serverEndpoint: `http://127.0.0.1:${port}`,
    stream: { headersProvider: TestHeaders, recoveryBackoff: 10 }
  }) as Layer.Layer<Zerobus>

const field = (name: string, type: Arrow.DataType, nullable = true) =>
  new Arrow.Field(name, type, nullable)

const variant = new Arrow.Struct([
  field("metadata", new Arrow.LargeBinary(), false),
  field("value", new Arrow.LargeBinary(), false)
])

const map = new Arrow.Map_(
  field(
    "entries",
    new Arrow.Struct([
      field("keys", new Arrow.LargeUtf8(), false),
      field("values", new Arrow.Int64())
    ]),
    false
  ) as never
)

/** Every column type. */
const everyType = new Arrow.Schema([
  field("n", new Arrow.Int64(), false),
  field("flag", new Arrow.Bool()),
  field("tiny", new Arrow.Int8()),
  field("small", new Arrow.Int16()),
  field("int", new Arrow.Int32()),
  field("real", new Arrow.Float32()),
  field("double", new Arrow.Float64()),
  field("text", new Arrow.LargeUtf8()),
  field("bytes", new Arrow.LargeBinary()),
  field("day", new Arrow.DateDay()),
  field("instant", new Arrow.TimestampMicrosecond("UTC")),
  field("local", new Arrow.TimestampMicrosecond()),
  field("variant", variant),
  field(
    "place",
    new Arrow.Struct([field("lat", new Arrow.Float64()), field("tag", new Arrow.LargeUtf8())])
  ),
  field("list", new Arrow.List(field("item", new Arrow.Int32()))),
  field("map", map),
  field("missing", new Arrow.LargeUtf8())
])

const from = (type: Arrow.DataType, values: ReadonlyArray<unknown>): Arrow.Vector =>
  Arrow.vectorFromArray(values as Array<never>, type as never)

/** Rows in which every third value is null, except the row number. */
const rowsOf = (first: number, count: number): Arrow.Table => {
  const each = (make: (n: number) => unknown) =>
    Array.from({ length: count }, (_, row) => ((first + row) % 3 === 0 ? null : make(first + row)))
  const all: Record<string, Arrow.Vector> = {
    n: from(
      new Arrow.Int64(),
      Array.from({ length: count }, (_, row) => BigInt(first + row))
    )
  }
  const bytesOf = (n: number) => Uint8Array.of(n & 255, 1, 2)
  const values: Readonly<Record<string, (n: number) => unknown>> = {
    flag: (n) => n % 2 === 0,
    tiny: (n) => n % 128,
    small: (n) => n % 30_000,
    int: (n) => -n,
    real: (n) => n / 2,
    double: (n) => n / 4,
    text: (n) => `row ${n} – ü`,
    bytes: bytesOf,
    day: (n) => new Date(n * 86_400_000),
    instant: (n) => n,
    local: (n) => n,
    variant: (n) => ({ metadata: bytesOf(n), value: bytesOf(n + 1) }),
    place: (n) => ({ lat: n / 8, tag: `t${n}` }),
    list: (n) => [n, null, n + 1],
    map: (n) => new Map([[`k${n}`, BigInt(n)]])
  }
  for (const { name, type } of everyType.fields) {
    const make = values[name]
    if (make !== undefined) all[name] = from(type, each(make))
  }
  return new Arrow.Table(all)
}

for (const compression of ["zstd", "none"] as const) {
  it.live(`pyarrow reads every type (${compression})`, () =>
    Effect.gen(function* () {
      const server = yield* flightServer({})
      const table = ArrowTable.make("main.default.everything", everyType, { compression })
      yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        yield* zerobus.withStream(table, (stream) =>
          Effect.forEach([0, 1, 2], (part) => stream.ingestRecord(rowsOf(part * 100, 100)))
        )
      }).pipe(Effect.provide(clientOf(server.port)))
      const report = yield* server.report
      const [connection] = report.connections
      assert.deepStrictEqual(
        [report.rows, report.distinct, report.sum, report.connections.length],
        [300, 300, String((299 * 300) / 2), 1]
      )
      assert.deepStrictEqual([connection!.table, connection!.authorized], [table.tableName, true])
      assert.deepStrictEqual(connection!.offsets, [0, 1, 2])
      assert.deepStrictEqual(connection!.schema, [
        "n: int64",
        "flag: bool",
        "tiny: int8",
        "small: int16",
        "int: int32",
        "real: float",
        "double: double",
        "text: large_string",
        "bytes: large_binary",
        "day: date32[day]",
        "instant: timestamp[us, tz=UTC]",
        "local: timestamp[us]",
        "variant: struct<metadata: large_binary not null, value: large_binary not null>",
        "place: struct<lat: double, tag: large_string>",
        "list: list<item: int32>",
        "map: map<large_string, int64>",
        "missing: large_string"
      ])
      assert.deepStrictEqual(
        Object.entries(report.nulls)
          .filter(([name]) => name !== "n" && name !== "missing")
          .map(([, count]) => count),
        Array.from({ length: 15 }, () => 100)
      )
      assert.deepStrictEqual([report.nulls["n"], report.nulls["missing"]], [0, 300])
      const last = Object.fromEntries(
        Object.entries(report.sample).map(([name, [, value]]) => [name, value])
      )
      assert.deepStrictEqual(last, {
        n: "299",
        flag: "False",
        tiny: "43",
        small: "299",
        int: "-299",
        real: "149.5",
        double: "74.75",
        text: "row 299 – ü",
        bytes: String.raw`b'+\x01\x02'`,
        day: "1970-10-27",
        instant: "1970-01-01 00:00:00.299000+00:00",
        local: "1970-01-01 00:00:00.299000",
        variant: String.raw`{'metadata': b'+\x01\x02', 'value': b',\x01\x02'}`,
        place: "{'lat': 37.375, 'tag': 't299'}",
        list: "[299, None, 300]",
        map: "[('k299', 299)]",
        missing: "None"
      })
    })
  )
}

it.live(
  "after a connection to pyarrow is lost within a batch, the stream continues after its rows",
  () =>
    Effect.gen(function* () {
      const total = 100_000
      const server = yield* flightServer({ cut_after: 41_234, ack_every: 3 })
      const table = ArrowTable.make(
        "main.default.numbers",
        new Arrow.Schema([field("n", new Arrow.Int64()), field("text", new Arrow.LargeUtf8())])
      )
      const offsets = yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        return yield* zerobus.withStream(table, (stream) =>
          Effect.gen(function* () {
            const acks = yield* Effect.forEach(
              Array.from({ length: 10 }, (_, n) => n),
              (part) =>
                stream.ingestRecord(
                  Arrow.tableFromArrays({
                    n: BigInt64Array.from({ length: total / 10 }, (_, row) =>
                      BigInt((part * total) / 10 + row)
                    ),
                    text: Array.from({ length: total / 10 }, (_, row) =>
                      `${part}/${row}`.padEnd(300, ".")
                    )
                  })
                )
            )
            return yield* Effect.forEach(acks, (ack) => ack.await)
          })
        )
      }).pipe(Effect.provide(clientOf(server.port)))
      assert.deepStrictEqual(offsets.map(Number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      const report = yield* server.report
      assert.deepStrictEqual(
        [report.rows, report.distinct, report.sum],
        [total, total, String((BigInt(total) * BigInt(total - 1)) / 2n)]
      )
      assert.strictEqual(report.connections.length, 2)
      assert.strictEqual(report.connections[1]!.rows, total - 41_234)
      assert.strictEqual(report.connections[1]!.offsets[0], 0)
    })
)
