/**
 * The official native TypeScript SDK, unchanged, with the local server on disk: the records it
 * sends arrive in the table and in the counters. Run it with `npm run test:interop`, which fetches
 * the SDK.
 */
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { NodeServices } from "@effect/platform-node"
import { Column, Table } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import protobuf from "protobufjs/minimal.js"
import { openNative } from "../support/nativeSdk.ts"

const total = 100_000
const columns = { id: Column.BigInt, item: Column.String }

const server = Layer.unwrap(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-interop-" })
    return ZerobusLocal.layerServer({ dataDir, auditBytes: 256 * 1024 * 1024 })
  })
).pipe(Layer.provide(NodeServices.layer))

const json = (n: number) => ({ id: n, item: `item-${n}` })
const proto = (n: number) =>
  Buffer.from(protobuf.Writer.create().uint32(8).int64(n).uint32(18).string(`item-${n}`).finish())

/** Starts a server with one table and opens a stream of the SDK to it. */
const opened = Effect.fnUntraced(function* (
  format: "json" | "proto",
  name = "main.default.orders"
) {
  const table = Table.make(name, columns)
  const local = yield* ZerobusLocal
  yield* local.createTable(table)
  const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
  const stream = yield* openNative({
    serverEndpoint,
    workspaceUrl,
    clientId,
    clientSecret,
    tableName: name,
    ...(format === "proto" ? { descriptor: table.descriptor! } : {})
  })
  return { local, stream, table }
})

/**
 * Ingests `count` records in windows, to limit the number of pending promises. Returns the highest
 * offset.
 */
const ingestSingly = Effect.fnUntraced(function* (
  stream: Effect.Success<ReturnType<typeof openNative>>,
  record: (n: number) => unknown,
  count = total
) {
  let last = -1n
  for (let n = 0; n < count; n += 1000) {
    const window = Array.from({ length: Math.min(1000, count - n) }, (_, k) =>
      stream.ingest(record(n + k))
    )
    // The SDK runs concurrent calls on its own threads and may number them in a different order.
    const offsets = yield* Effect.all(window, { concurrency: "unbounded" })
    for (const offset of offsets) if (offset > last) last = offset
  }
  return last
})

const assertComplete = Effect.fnUntraced(function* (
  table: { readonly tableName: string },
  count = total
) {
  const local = yield* ZerobusLocal
  const audit = yield* local.audit(table)
  assert.strictEqual(audit.distinctRecords, count)
  assert.strictEqual(audit.ackedButMissing, 0)
  const rows = yield* local.records(table)
  assert.strictEqual(rows.length, audit.durableRecords)
  const ids = new Set(rows.map((row) => Number(row["id"])))
  assert.strictEqual(ids.size, count)
  for (let n = 0; n < count; n++) if (!ids.has(n)) assert.fail(`record ${n} is missing`)
  return audit
})

for (const format of ["json", "proto"] as const) {
  const record = format === "json" ? json : proto

  it.live(
    `${total} single ${format} records arrive`,
    () =>
      Effect.gen(function* () {
        const { stream, table } = yield* opened(format)
        const last = yield* ingestSingly(stream, record)
        assert.strictEqual(last, BigInt(total - 1))
        yield* stream.waitFor(last)
        yield* stream.flush
        yield* stream.close
        const audit = yield* assertComplete(table)
        assert.strictEqual(audit.duplicates, 0)
        assert.strictEqual(audit.ackedRecords, total)
      }).pipe(Effect.provide(server)),
    120_000
  )

  it.live(
    `${total} ${format} records in batches arrive`,
    () =>
      Effect.gen(function* () {
        const { stream, table } = yield* opened(format)
        let last: bigint | null = null
        for (let n = 0; n < total; n += 500) {
          last = yield* stream.ingestAll(Array.from({ length: 500 }, (_, k) => record(n + k)))
        }
        assert.strictEqual(last, BigInt(total / 500 - 1))
        yield* stream.flush
        yield* stream.close
        const audit = yield* assertComplete(table)
        assert.strictEqual(audit.duplicates, 0)
      }).pipe(Effect.provide(server)),
    120_000
  )
}

it.live("a lost connection in the middle loses nothing", () =>
  Effect.gen(function* () {
    const { local, stream, table } = yield* opened("json")
    yield* local.inject(table, Faults.disconnect({ afterRecords: 3000 }))
    yield* ingestSingly(stream, json, 10_000)
    yield* stream.flush
    yield* stream.close
    const audit = yield* assertComplete(table, 10_000)
    assert.strictEqual(audit.connections, 2)
  }).pipe(Effect.provide(server))
)

it.live("rotating a stream loses nothing", () =>
  Effect.gen(function* () {
    const { local, stream, table } = yield* opened("json")
    yield* local.inject(table, Faults.closeSignal({ afterRecords: 3000, duration: "2 seconds" }))
    yield* ingestSingly(stream, json, 10_000)
    yield* stream.flush
    yield* stream.close
    const audit = yield* assertComplete(table, 10_000)
    assert.strictEqual(audit.connections, 2)
  }).pipe(Effect.provide(server))
)

it.live("a wrong secret is refused", () =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* local.createTable(Table.make("main.default.orders", columns))
    const { clientId, serverEndpoint, workspaceUrl } = local
    const error = yield* openNative({
      serverEndpoint,
      workspaceUrl,
      clientId,
      clientSecret: Redacted.make("wrong"),
      tableName: "main.default.orders"
    }).pipe(Effect.flip)
    assert.match(error.message, /401|token/i)
    assert.strictEqual((yield* local.audit("main.default.orders")).connections, 0)
  }).pipe(Effect.provide(server))
)

it.live("an unknown table is refused", () =>
  Effect.gen(function* () {
    const { clientId, clientSecret, serverEndpoint, workspaceUrl } = yield* ZerobusLocal
    const error = yield* openNative({
      serverEndpoint,
      workspaceUrl,
      clientId,
      clientSecret,
      tableName: "main.default.nowhere"
    }).pipe(Effect.flip)
    assert.match(error.message, /does not exist/)
  }).pipe(Effect.provide(server))
)

it.live("a descriptor that does not fit the table is refused", () =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* local.createTable(Table.make("main.default.orders", columns))
    const other = Table.make("main.default.orders", { id: Column.String, item: Column.String })
    const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
    const error = yield* openNative({
      serverEndpoint,
      workspaceUrl,
      clientId,
      clientSecret,
      tableName: "main.default.orders",
      descriptor: other.descriptor!
    }).pipe(Effect.flip)
    assert.match(error.message, /Error Code: 8001/)
  }).pipe(Effect.provide(server))
)
