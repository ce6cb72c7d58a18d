/**
 * Streams with a spool, for each kind of record: the spool keeps records of an outage, and
 * `withStream` sends them first.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, References, Stream } from "effect"
import { Column, HeadersProvider, Spool, Table, TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { temporaryFolder } from "../../support/storedTables.ts"

const name = "main.default.spooled"
const typed = Table.make(name, { n: Column.Int, word: Column.nullable(Column.String) })
const record = (n: number) => ({ n, word: `w${n}` })
const numbers = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => from + index)

/** A client whose server cannot be reached. */
const outage = Zerobus.layer({
  serverEndpoint: "http://127.0.0.1:1",
  stream: { headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }) }
})

/** Ingests records and a batch into a spool during an outage. */
const takeDuringOutage = <A>(
  table: TableProperties.TableProperties<A>,
  path: string,
  records: ReadonlyArray<A>
) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const stream = yield* zerobus.createStream(table, {
      spool: Spool.directory(path),
      scopeCloseTimeout: 0
    })
    yield* stream.ingestRecords(records.slice(0, 3))
    for (const one of records.slice(3)) yield* stream.ingestRecord(one)
  }).pipe(
    Effect.scoped,
    Effect.provide(outage),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

/**
 * Sends the content of a spool and a further batch with `withStream`. Returns the numbers in the
 * table.
 */
const sendWithStream = <A>(
  table: TableProperties.TableProperties<A>,
  path: string,
  more: ReadonlyArray<A>
) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const local = yield* ZerobusLocal
    yield* local.createTable(`${name}(n INT NOT NULL, word STRING)`)
    yield* zerobus.withStream(table, { spool: Spool.directory(path) }, (stream) =>
      stream.ingestRecords(more)
    )
    const rows = yield* local.records(TableProperties.json(name))
    return rows.map(({ n, word }) => [n, word])
  }).pipe(Effect.provide(ZerobusLocal.layerMemory))

const check = <A>(
  table: TableProperties.TableProperties<A>,
  make: (n: number) => Effect.Effect<A>
): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const path = yield* temporaryFolder
    const records = yield* Effect.forEach(numbers(8), make)
    yield* takeDuringOutage(table, path, records)
    assert.lengthOf(yield* Stream.runCollect(Spool.records(path)), 8)
    const rows = yield* sendWithStream(table, path, yield* Effect.forEach(numbers(4, 8), make))
    assert.deepStrictEqual(
      rows,
      numbers(12).map((n) => [n, `w${n}`])
    )
    const { waitingRecords } = yield* Spool.inspect(path)
    assert.strictEqual(waitingRecords, 0)
  }).pipe(Effect.scoped)

describe("a spool", () => {
  it.live("has JSON records", () =>
    check(TableProperties.json(name), (n) => Effect.succeed(record(n)))
  )

  it.live("has records of a typed table", () => check(typed, (n) => Effect.succeed(record(n))))

  it.live(
    "has protobuf messages as bytes, and is one spool with the typed table of their descriptor",
    () =>
      Effect.gen(function* () {
        const path = yield* temporaryFolder
        yield* takeDuringOutage(typed, path, numbers(12).map(record))
        const { descriptor } = yield* Spool.inspect(path)
        const messages = [...(yield* Stream.runCollect(Spool.records(path)))].map(
          ({ payload }) => payload
        )
        const bytes = TableProperties.proto(name, descriptor!)
        yield* check(bytes, (n) => Effect.succeed(messages[n]!))
        const rows = yield* sendWithStream(bytes, path, [])
        assert.deepStrictEqual(
          rows.map(([n]) => n),
          numbers(12)
        )
      }).pipe(Effect.scoped)
  )
})
