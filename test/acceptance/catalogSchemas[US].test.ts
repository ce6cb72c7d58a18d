/**
 * Schema fetch and dynamic descriptors in streams: errors are found before a connection is made.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Column, Table, UnityCatalog } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { catalogServer } from "../support/catalogServer.ts"

const name = "main.default.readings"
const catalog = Effect.gen(function* () {
  const server = yield* catalogServer
  const options = {
    workspaceUrl: server.url,
    clientId: "app",
    clientSecret: Redacted.make("secret"),
    proxy: false
  } as const
  const context = yield* Layer.build(UnityCatalog.layer(options))
  return { server, use: Effect.provideService(UnityCatalog, Context.get(context, UnityCatalog)) }
})
const columns = (...types: ReadonlyArray<string>) => ({
  status: 200,
  body: JSON.stringify({
    columns: types.map((type_text, position) => ({ name: `c${position}`, type_text, position }))
  })
})

describe("schemas of the catalog", () => {
  it.live("US-06 a bad schema or a failed fetch opens no connection", () =>
    Effect.gen(function* () {
      const { server, use } = yield* catalog
      const { provider, server: zerobusServer, zerobus } = yield* A.client()
      const open = Effect.flatMap(use(Table.fromCatalog(name)), (table) =>
        zerobus.createStream(table)
      )
      assert.strictEqual((yield* Effect.flip(open))._tag, "InvalidTable")
      server.tables.set(name, columns("array<array<int>>"))
      assert.strictEqual((yield* Effect.flip(open))._tag, "InvalidArgument")
      server.tables.set(name, columns("interval"))
      assert.strictEqual((yield* Effect.flip(open))._tag, "InvalidTable")
      assert.strictEqual(zerobusServer.connections.length, 0)
      assert.strictEqual(provider.asked, 0)
      server.tables.set(name, columns("bigint", "string"))
      yield* open
      assert.strictEqual(zerobusServer.connections.length, 1)
    })
  )

  it.live("US-06 a stream that checks its table first does not open when that does not fit", () =>
    Effect.gen(function* () {
      const { server, use } = yield* catalog
      const { server: zerobusServer, zerobus } = yield* A.client()
      const table = Table.make(name, { c0: Column.BigInt, c1: Column.String })
      const open = zerobus.createStream(table, { beforeOpen: use(Table.check(table)) })
      server.tables.set(name, columns("bigint", "int"))
      const failure = yield* Effect.flip(open)
      assert.strictEqual(failure._tag, "SchemaMismatch")
      assert.match(failure.message, /Column c1 is string here and int in the table/)
      assert.strictEqual(zerobusServer.connections.length, 0)
      server.tables.set(name, columns("bigint", "string"))
      yield* open
      assert.strictEqual(zerobusServer.connections.length, 1)
    })
  )

  it.live("US-07 a table made in code sends no request to the catalog", () =>
    Effect.gen(function* () {
      const { server } = yield* catalog
      const { zerobus } = yield* A.client()
      yield* zerobus.createStream(Table.make(name, { id: Column.BigInt }))
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.live("US-26 refused records take no offset and the stream goes on", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client()
      const table = Table.make(name, { id: Column.BigInt, item: Column.String })
      const stream = yield* zerobus.createStream(table, { maxPayloadBytes: 1000 })
      const first = yield* stream.ingestRecord({ id: 1n, item: "a" })
      const bad = yield* Effect.flip(
        stream.ingestRecord({ id: 1, item: "b" } as unknown as typeof table.Type)
      )
      assert.strictEqual(bad._tag === "InvalidArgument" && bad.path.join("."), "id")
      const large = yield* Effect.flip(stream.ingestRecord({ id: 2n, item: "x".repeat(2000) }))
      assert.strictEqual(large._tag, "PayloadTooLarge")
      const batch = yield* Effect.flip(
        stream.ingestRecords([
          { id: 3n, item: "c" },
          { id: 4n, item: null } as unknown as typeof table.Type
        ])
      )
      assert.strictEqual(batch._tag, "InvalidArgument")
      const next = yield* stream.ingestRecord({ id: 5n, item: "d" })
      assert.deepStrictEqual([first.offset, next.offset].map(Number), [0, 1])
    })
  )
})
