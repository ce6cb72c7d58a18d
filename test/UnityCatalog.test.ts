import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Fiber, Layer, Redacted, Result, Stream } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { TestClock } from "effect/testing"
import * as Column from "../src/Column.ts"
import {
  parseTableDefinition,
  toTypeJson,
  typeName,
  typeText
} from "../src/internal/columns/columnType.ts"
import { parseDescriptorProto } from "../src/internal/protobuf/descriptor.ts"
import * as Table from "../src/Table.ts"
import { UnityCatalog, type UnityCatalogOptions } from "../src/UnityCatalog.ts"
import type { StreamFailure } from "../src/ZerobusError.ts"
import { type CatalogServer, catalogServer } from "./support/catalogServer.ts"
import { encode } from "./support/byteSink.ts"

const definition = (text: string): Table.TableDefinition =>
  Result.getOrThrowWith(parseTableDefinition(text), (message) => new Error(message))

/** The catalog's JSON for a definition, as the real service writes it. */
const catalogBody = (table: Table.TableDefinition, extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    name: table.name.split(".")[2],
    catalog_name: table.name.split(".")[0],
    schema_name: table.name.split(".")[1],
    table_type: "MANAGED",
    data_source_format: "DELTA",
    table_id: "f0a1",
    columns: table.columns.map((column, position) => ({
      name: column.name,
      type_text: typeText(column.type),
      type_name: typeName(column.type),
      type_json: JSON.stringify(toTypeJson(column)),
      nullable: column.nullable,
      position,
      ...(column.comment === undefined ? {} : { comment: column.comment })
    })),
    ...extra
  })

const secret = "dapi-s3cret"
const connected = (server: CatalogServer, options: Partial<UnityCatalogOptions> = {}) =>
  Effect.map(
    Layer.build(
      UnityCatalog.layer({
        workspaceUrl: server.url,
        clientId: "app",
        clientSecret: Redacted.make(secret),
        proxy: false,
        ...options
      })
    ),
    (context) => Context.get(context, UnityCatalog)
  )
const name = "main.default.readings"
const readings = definition(
  `${name}(id BIGINT NOT NULL COMMENT 'the key', at TIMESTAMP, tags ARRAY<STRING>, place ` +
    `STRUCT<lat: DOUBLE NOT NULL, v: VARIANT>)`
)
const note = [{ name: "note", type: { _tag: "String" }, nullable: true }] as const
const failing = (effect: Effect.Effect<unknown, StreamFailure>): Effect.Effect<StreamFailure> =>
  Effect.flip(effect).pipe(Effect.orDie)
const columnsBody = (columns: ReadonlyArray<Record<string, unknown>>) => ({
  status: 200,
  body: JSON.stringify({ columns })
})

describe("UnityCatalog", () => {
  it.live("US-01 US-02 requests a plain token, then the table, on each call", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      server.tables.set(name, { status: 200, body: catalogBody(readings) })
      const catalog = yield* connected(server)
      const table = yield* catalog.getTable(` ${name} `)
      assert.deepStrictEqual(table.definition, {
        ...readings,
        columns: readings.columns.map((column, position) => ({ ...column, position }))
      })
      assert.deepStrictEqual(
        [table.tableId, table.tableType, table.dataSourceFormat],
        ["f0a1", "MANAGED", "DELTA"]
      )
      assert.deepStrictEqual(
        server.requests.map(({ method, url }) => `${method} ${url}`),
        ["POST /oidc/v1/token", `GET /api/2.1/unity-catalog/tables/${name}`]
      )
      assert.strictEqual(
        server.requests[0]?.authorization,
        `Basic ${Buffer.from(`app:${secret}`).toString("base64")}`
      )
      assert.strictEqual(server.requests[0]?.body, "grant_type=client_credentials&scope=all-apis")
      assert.strictEqual(server.requests[1]?.authorization, "Bearer plain-token")
      yield* catalog.getTable(name)
      assert.strictEqual(server.requests.filter(({ method }) => method === "GET").length, 2)
    })
  )

  it.live("US-03 US-04 US-05 tells final answers from temporary ones", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      const catalog = yield* connected(server)
      const missing = yield* failing(catalog.getTable(name))
      assert.strictEqual(missing._tag, "InvalidTable")
      assert.include(missing.message, "no such table")
      for (const status of [408, 429, 500, 503]) {
        server.tables.set(name, { status, body: "overloaded" })
        const failure = yield* failing(catalog.getTable(name))
        assert.strictEqual(
          failure._tag === "Retryable" && failure.reason._tag,
          "CatalogUnavailable"
        )
        assert.include(failure.message, "overloaded")
      }
      const tags: Record<number, string> = {
        400: "InvalidArgument",
        401: "InvalidToken",
        403: "PermissionDenied",
        302: "InvalidEndpoint"
      }
      for (const [status, tag] of Object.entries(tags)) {
        server.tables.set(name, {
          status: Number(status),
          body: `token ${secret} plain-token`,
          headers: { location: "http://127.0.0.1:1/" }
        })
        const failure = yield* failing(catalog.getTable(name))
        assert.strictEqual(failure._tag, tag)
        assert.notInclude(failure.message, "plain-token")
        assert.isFalse(failure.isRetryable)
      }
      server.token = { status: 401, body: "invalid_client" }
      const refused = yield* failing(catalog.getTable(name))
      assert.strictEqual(refused._tag, "InvalidToken")
      assert.include(refused.message, "token endpoint")
    })
  )

  it.live("US-08 US-09 US-11 refuses large answers, malformed names and empty tables", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      const catalog = yield* connected(server)
      for (const bad of ["default.t", "a.b.c.d", "a.b.ü", "a..c", "../x.y.z", "a.b.c/d"]) {
        assert.strictEqual((yield* failing(catalog.getTable(bad)))._tag, "InvalidTable")
      }
      assert.strictEqual(server.requests.length, 0)
      server.tables.set(name, {
        status: 200,
        body: catalogBody(readings, { comment: "x".repeat(8 * 1024 * 1024) })
      })
      assert.include((yield* failing(catalog.getTable(name))).message, "larger than")
      for (const body of [JSON.stringify({ columns: [] }), "{}", "[]", "<html>"]) {
        server.tables.set(name, { status: 200, body })
        const failure = yield* failing(catalog.getTable(name))
        assert.include(["InvalidTable", "InvalidEndpoint"], failure._tag)
      }
    })
  )

  it.live("US-10 refuses plain http to remote hosts before any request", () =>
    Effect.gen(function* () {
      const layer = UnityCatalog.layer({
        workspaceUrl: "http://example.com",
        clientId: "a",
        clientSecret: Redacted.make("b")
      })
      const failure = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.strictEqual(failure._tag, "InvalidEndpoint")
    })
  )

  it.effect("ends after 30 seconds without an answer", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      server.tables.set(name, "never")
      const catalog = yield* connected(server)
      const fiber = yield* Effect.forkChild(failing(catalog.getTable(name)), {
        startImmediately: true
      })
      while (server.requests.length < 2) {
        yield* Effect.callback<void>((resume) => {
          setImmediate(() => resume(Effect.void))
        })
      }
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.include((yield* Fiber.join(fiber)).message, "did not answer within 30000 ms")
    })
  )

  it.live("US-12 US-13 US-15 US-21 reads positions, all type names and nullability", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      const names: ReadonlyArray<readonly [string, string]> = [
        ["STRING", "String"],
        ["BYTE", "TinyInt"],
        ["TINYINT", "TinyInt"],
        ["SHORT", "SmallInt"],
        ["SMALLINT", "SmallInt"],
        ["INT", "Int"],
        ["INTEGER", "Int"],
        ["LONG", "BigInt"],
        ["BIGINT", "BigInt"],
        ["FLOAT", "Float"],
        ["DOUBLE", "Double"],
        ["BOOLEAN", "Boolean"],
        ["BOOL", "Boolean"],
        ["BINARY", "Binary"],
        ["DATE", "Date"],
        ["TIMESTAMP", "Timestamp"],
        ["TIMESTAMP_NTZ", "TimestampNtz"],
        ["VARIANT", "Variant"]
      ]
      server.tables.set(
        name,
        columnsBody([
          ...names.map(([type_name], n) => ({ name: `c${n}`, type_name, position: 40 - n })),
          {
            name: "d",
            type_name: "DECIMAL",
            type_precision: 9,
            type_scale: 3,
            position: 0,
            nullable: false
          },
          {
            name: "v",
            type_name: "STRING",
            type_text: "varchar(10)",
            type_json: '"varchar(10)"',
            position: 50,
            nullable: true
          }
        ])
      )
      const catalog = yield* connected(server)
      const { columns } = (yield* catalog.getTable(name)).definition
      assert.deepStrictEqual(columns[0], {
        name: "d",
        type: { _tag: "Decimal", precision: 9, scale: 3 },
        nullable: false,
        position: 0
      })
      assert.deepStrictEqual(
        columns.slice(1, -1).map((column) => column.type._tag),
        names.map(([, tag]) => tag).toReversed()
      )
      assert.isTrue(columns.slice(1).every((column) => column.nullable))
      assert.strictEqual(columns.at(-1)?.type._tag, "String")
    })
  )

  it.live(
    "US-19 US-20 CG-06 US-27 refuses unknown types and illegal names as final, naming the column",
    () =>
      Effect.gen(function* () {
        const server = yield* catalogServer
        const catalog = yield* connected(server)
        const rows: ReadonlyArray<readonly [Record<string, unknown>, RegExp]> = [
          [
            { name: "i", type_name: "INTERVAL", type_text: "interval day" },
            /Column "i": INTERVAL is not supported. Use BIGINT/
          ],
          [{ name: "g", type_name: "GEOGRAPHY" }, /Column "g": GEOGRAPHY is not a supported/],
          [{ name: "bad-name", type_name: "INT" }, /"bad-name" is not allowed/],
          [{ name: "x" }, /Column "x": The column has no type/],
          [{ type_name: "INT" }, /Column 0 has no name/],
          [{ name: "s", type_name: "STRUCT", type_json: "{" }, /Column "s"/]
        ]
        for (const [column, message] of rows) {
          server.tables.set(name, columnsBody([column]))
          const failure = yield* failing(catalog.getTable(name))
          assert.strictEqual(failure._tag, "InvalidTable")
          assert.match(failure.message, message)
          assert.isFalse(failure.isRetryable)
        }
      })
  )

  it.live(
    "US-23 US-24 US-25 caches answers per client if enabled, bounded, and never failures",
    () =>
      Effect.gen(function* () {
        const server = yield* catalogServer
        const cache = { timeToLive: "1 hour", capacity: 2 } as const
        const catalog = yield* connected(server, { cache })
        yield* failing(catalog.getTable(name))
        server.tables.set(name, { status: 200, body: catalogBody(readings) })
        const before = server.requests.length
        const first = yield* catalog.getTable(name)
        const again = yield* Effect.all([catalog.getTable(name), catalog.getTable(name)], {
          concurrency: "unbounded"
        })
        assert.strictEqual(again[0], first)
        assert.strictEqual(server.requests.length, before + 2)
        yield* (yield* connected(server, { cache, clientId: "other" })).getTable(name)
        assert.strictEqual(server.requests.length, before + 4)
        for (const other of ["main.default.a", "main.default.b"]) {
          server.tables.set(other, { status: 200, body: catalogBody({ ...readings, name: other }) })
          yield* catalog.getTable(other)
        }
        yield* catalog.getTable(name)
        assert.strictEqual(server.requests.length, before + 10)
      })
  )

  it.effect("US-25 sends a new request when a cached answer has expired", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      server.tables.set(name, { status: 200, body: catalogBody(readings) })
      const catalog = yield* connected(server, { cache: { timeToLive: "1 hour" } })
      yield* catalog.getTable(name)
      yield* TestClock.adjust("59 minutes")
      yield* catalog.getTable(name)
      assert.strictEqual(server.requests.length, 2)
      yield* TestClock.adjust("1 minute")
      yield* catalog.getTable(name)
      assert.strictEqual(server.requests.length, 4)
    })
  )

  it.live("makes a table from the catalog's answer, and checks one against it", () =>
    Effect.gen(function* () {
      const server = yield* catalogServer
      server.tables.set(name, { status: 200, body: catalogBody(readings) })
      const catalog = yield* connected(server)
      const use = <A, E>(effect: Effect.Effect<A, E, UnityCatalog>): Effect.Effect<A, E> =>
        Effect.provideService(effect, UnityCatalog, catalog)

      const table = yield* use(Table.fromCatalog(name))
      const record = { id: 1n, at: DateTime.makeUnsafe(0), tags: ["a"], place: { lat: 1, v: [1] } }
      const bytes = encode(table.codec, record)
      assert.deepStrictEqual(Result.getOrThrow(table.decode(bytes as Uint8Array)), record)
      const shape = Result.getOrThrow(parseDescriptorProto(table.descriptor ?? new Uint8Array()))
      assert.deepStrictEqual(
        shape.fields.map((field) => field.label),
        ["required", "optional", "repeated", "optional"]
      )

      const good = Table.make(name, {
        id: Column.required(Column.BigInt),
        at: Column.Timestamp,
        tags: Column.Array(Column.String),
        place: Column.Struct({ lat: Column.required(Column.Double), v: Column.Variant })
      })
      assert.deepStrictEqual(yield* use(Table.check(good)), [])
      const failure = yield* failing(
        use(Table.check(Table.make(name, { at: Column.String, extra: Column.Int })))
      )
      assert.strictEqual(failure._tag, "SchemaMismatch")
      assert.match(
        failure.message,
        /at is string here and timestamp in the table.*extra is not in the table.*id of the table is NOT NULL/
      )

      server.tables.set(
        name,
        columnsBody([{ name: "m", type_name: "ARRAY", type_text: "array<array<int>>" }])
      )
      const nested = yield* failing(use(Table.fromCatalog(name)))
      assert.strictEqual(nested._tag, "InvalidArgument")
      assert.match(nested.message, /array of arrays/)
    })
  )
})

/** The catalog client of a local server. */
const localCatalog = (options: Partial<UnityCatalogOptions> = {}) =>
  Effect.flatMap(ZerobusLocal, ({ clientId, clientSecret, workspaceUrl }) =>
    Effect.map(
      Layer.build(
        UnityCatalog.layer({ workspaceUrl, clientId, clientSecret, proxy: false, ...options })
      ),
      (context) => Context.get(context, UnityCatalog)
    )
  )
const names = (tables: ReadonlyArray<{ readonly name: string }>) =>
  tables.map((table) => table.name).toSorted()

describe("UnityCatalog over a server that keeps tables", () => {
  it.live("creates a table once, as it is defined, lists it and drops it", () =>
    Effect.gen(function* () {
      const catalog = yield* localCatalog()
      const table = { ...readings, partitionColumns: ["at"], comment: "all of them" }
      assert.isTrue(yield* catalog.createTable(table))
      assert.isFalse(yield* catalog.createTable(definition(`${name}(other INT)`)))
      const { definition: read, tableType } = yield* catalog.getTable(name)
      const columns = table.columns.map((column, position) => ({ ...column, position }))
      assert.deepStrictEqual([read, tableType], [{ ...table, columns }, "MANAGED"])
      assert.deepStrictEqual(yield* Stream.runCollect(catalog.listTables(" main.default ")), [
        {
          name,
          tableType: "MANAGED",
          columnCount: 4,
          location: `memory:${name}`,
          problem: undefined
        }
      ])
      yield* catalog.dropTable(name)
      assert.strictEqual((yield* failing(catalog.dropTable(name)))._tag, "InvalidTable")
      assert.strictEqual((yield* failing(catalog.getTable(name)))._tag, "InvalidTable")
      assert.deepStrictEqual(yield* Stream.runCollect(catalog.listTables("main.default")), [])
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("adds columns, and fails if the catalog adds none", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const catalog = yield* localCatalog({ cache: { timeToLive: "1 hour" } })
      yield* local.createTable(`${name}(a INT COMMENT 'first') `)
      yield* catalog.getTable(name)
      yield* catalog.addColumns(name, note)
      const { columns } = (yield* catalog.getTable(name)).definition
      assert.deepStrictEqual(
        columns.map((column) => [column.name, column.comment]),
        [
          ["a", "first"],
          ["note", undefined]
        ]
      )
      const refused = yield* failing(
        catalog.addColumns(name, [{ ...note[0]!, name: "must", nullable: false }])
      )
      assert.deepStrictEqual(
        [refused._tag, refused._tag === "InvalidArgument" && refused.path],
        ["InvalidArgument", ["columns"]]
      )
      // A workspace that accepts the request and adds nothing.
      const server = yield* catalogServer
      server.tables.set(name, { status: 200, body: catalogBody(readings) })
      const ignoring = yield* connected(server)
      const ignored = yield* failing(ignoring.addColumns(name, note))
      assert.match(
        ignored.message,
        /added no columns to main\.default\.readings\. Use ALTER TABLE \.\.\. ADD COLUMN in SQL/
      )
      const sent = JSON.parse(server.requests.findLast(({ method }) => method === "PATCH")!.body)
      assert.deepStrictEqual(
        sent.columns.map((column: { readonly name: string }) => column.name),
        [...readings.columns.map((column) => column.name), "note"]
      )
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("lists all pages of one schema with one token", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const made = Array.from({ length: 101 }, (_, n) => `main.many.t${n}`)
      for (const one of [...made, "main.other.t"]) yield* local.createTable(`${one}(a INT, b INT)`)
      const catalog = yield* localCatalog()
      const listed = yield* Stream.runCollect(catalog.listTables("main.many"))
      assert.deepStrictEqual(names(listed), made.toSorted())
      assert.isTrue(listed.every(({ columnCount }) => columnCount === 2))
      assert.deepStrictEqual(
        [yield* local.httpRequests("token"), yield* local.httpRequests("catalog")],
        [1, 3]
      )
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("drops a cached table when it creates or drops that table", () =>
    Effect.gen(function* () {
      const catalog = yield* localCatalog({ cache: { timeToLive: "1 hour" } })
      yield* catalog.createTable(definition(`${name}(a INT)`))
      yield* catalog.getTable(name)
      yield* catalog.dropTable(name)
      assert.strictEqual((yield* failing(catalog.getTable(name)))._tag, "InvalidTable")
      yield* catalog.createTable(definition(`${name}(b INT)`))
      assert.strictEqual((yield* catalog.getTable(name)).definition.columns[0]?.name, "b")
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("refuses malformed names and definitions before any request", () =>
    Effect.gen(function* () {
      const catalog = yield* localCatalog()
      for (const bad of [
        "main",
        "main.",
        ".default",
        "a.b.c",
        "a/b.c",
        "a.b?x",
        "a.b c",
        "\u00e4.b",
        ""
      ]) {
        const failure = yield* failing(Stream.runCollect(catalog.listTables(bad)))
        assert.deepStrictEqual(
          [failure._tag, failure._tag === "InvalidArgument" && failure.path],
          ["InvalidArgument", ["schemaName"]]
        )
      }
      assert.strictEqual((yield* failing(catalog.dropTable("main.default")))._tag, "InvalidTable")
      assert.strictEqual(
        (yield* failing(catalog.createTable({ ...readings, name: "a.b/c.d" })))._tag,
        "InvalidTable"
      )
      const twice = { ...readings, columns: [...readings.columns, ...readings.columns] }
      assert.match(
        (yield* failing(catalog.createTable(twice))).message,
        /must differ in more than case/
      )
      assert.strictEqual(yield* (yield* ZerobusLocal).httpRequests("token"), 0)
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("reports in each operation which privilege is missing, and which schema is unknown", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const catalog = yield* localCatalog()
      const operations = [
        [catalog.getTable(name), /Grant USE CATALOG, USE SCHEMA and SELECT to/, "InvalidTable"],
        [
          Stream.runCollect(catalog.listTables("main.default")),
          /Grant USE CATALOG and USE SCHEMA to/,
          "InvalidArgument"
        ],
        [
          catalog.createTable(readings),
          /Grant USE CATALOG, USE SCHEMA and CREATE TABLE to/,
          "InvalidTable"
        ],
        [
          catalog.addColumns(name, note),
          /Grant USE CATALOG, USE SCHEMA and SELECT to/,
          "InvalidTable"
        ],
        [catalog.dropTable(name), /Grant MANAGE, or ownership of the table, to/, "InvalidTable"]
      ] as const
      for (const [operation, advice, unknown] of operations) {
        for (const [status, tag] of [
          [403, "PermissionDenied"],
          [404, unknown],
          [503, "Retryable"]
        ] as const) {
          yield* local.injectHttp(Faults.httpStatus("catalog", status))
          const failure = yield* failing(Effect.asVoid(operation))
          assert.strictEqual(failure._tag, tag)
          if (status === 403) assert.match(failure.message, advice)
        }
      }
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("refuses a response that is not a list", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const catalog = yield* localCatalog()
      for (const body of [
        "[]",
        '{"tables": 5}',
        '{"tables": [{}]}',
        '{"tables": [{"name": ""}]}',
        '{"tables": [null]}'
      ]) {
        yield* local.injectHttp(Faults.httpStatus("catalog", 200, { body }))
        assert.strictEqual(
          (yield* failing(Stream.runCollect(catalog.listTables("a.b"))))._tag,
          "InvalidEndpoint",
          body
        )
      }
      yield* local.injectHttp(Faults.httpStatus("catalog", 200))
      assert.deepStrictEqual(yield* Stream.runCollect(catalog.listTables("a.b")), [])
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )
})
