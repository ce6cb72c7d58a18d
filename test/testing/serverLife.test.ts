/** Starting, refusing to start, and restarting on the same folder. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Path,
  Redacted,
  Scope
} from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal, type ZerobusLocalOptions } from "effect-zerobus/testing"
import { headersFor, openRaw } from "../support/rawStream.ts"

const table = TableProperties.json("main.default.orders")
const definition = "main.default.orders(id BIGINT, item STRING)"

const temporaryFolder = Effect.flatMap(FileSystem.FileSystem, (files) =>
  files.makeTempDirectoryScoped({ prefix: "zerobus-local-" })
)
const ingest = (from: number, to: number) =>
  Zerobus.use((zerobus) =>
    zerobus.withStream(table, (stream) =>
      stream.ingestRecords(
        Array.from({ length: to - from }, (_, n) => ({ id: from + n, item: "x" }))
      )
    )
  )
const startFailure = (options: ZerobusLocalOptions) =>
  Effect.flip(Effect.scoped(Layer.build(ZerobusLocal.layerServerMemory(options))))

describe("a server on disk", () => {
  it.live("keeps records, credentials and tokens over a restart", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const first = yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(definition)
        yield* ingest(0, 500)
        return { secret: local.clientSecret, headers: yield* headersFor(local, table.tableName) }
      }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir })))
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        assert.strictEqual(Redacted.value(local.clientSecret), Redacted.value(first.secret))
        const stream = yield* openRaw(local.serverEndpoint, first.headers)
        yield* stream.send({ createStream: { tableName: table.tableName, recordType: 2 } })
        assert.isString((yield* stream.next).createStreamResponse?.streamId)
        yield* ingest(500, 1000)
        const rows = yield* local.records(table)
        assert.deepStrictEqual(
          rows.map((row) => Number(row["id"])).sort((a, b) => a - b),
          Array.from({ length: 1000 }, (_, n) => n)
        )
        assert.strictEqual((yield* local.stats(table.tableName)).rows, 1000)
      }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir })))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("shows records in the table once they are acknowledged, when asked to", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(definition)
        yield* ingest(0, 100)
        assert.strictEqual((yield* local.stats(table.tableName)).rows, 100)
      }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir, visibleOnceAcked: true })))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("keeps its identity from other users (V8)", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const dataDir = yield* temporaryFolder
      yield* Effect.scoped(Layer.build(ZerobusLocal.layerServer({ dataDir })))
      const { mode } = yield* files.stat(path.join(dataDir, ".server-identity.json"))
      assert.strictEqual(mode & 0o077, 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says that a second server has the folder", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Layer.build(ZerobusLocal.layerServer({ dataDir }))
      const failure = yield* Effect.flip(
        Effect.scoped(Layer.build(ZerobusLocal.layerServer({ dataDir })))
      )
      assert.deepInclude(failure, { _tag: "StorageFailure", reason: "Locked" })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says that its identity file is damaged, without quoting it", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* temporaryFolder
      yield* files.writeFileString(`${dataDir}/.server-identity.json`, "canary-secret")
      const failure = yield* Effect.flip(
        Effect.scoped(Layer.build(ZerobusLocal.layerServer({ dataDir })))
      )
      assert.match(failure.message, /is damaged/)
      assert.notInclude(failure.message, "canary")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("start", () => {
  it.live("says that a port is in use, for either face", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const [option, url] of [
        ["port", local.serverEndpoint],
        ["httpPort", local.workspaceUrl]
      ] as const) {
        const taken = Number(new URL(url).port)
        const failure = yield* startFailure({ [option]: taken })
        assert.deepInclude(failure, { _tag: "PortUnavailable", port: taken, code: "EADDRINUSE" })
        assert.match(failure.message, /in use/)
      }
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
  )

  it.live("takes the ports it is given again after it stopped", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(ZerobusLocal.layerServerMemory(), scope)
      const { serverEndpoint, workspaceUrl } = yield* ZerobusLocal.pipe(Effect.provide(context))
      yield* Scope.close(scope, Exit.void)
      const ports = {
        port: Number(new URL(serverEndpoint).port),
        httpPort: Number(new URL(workspaceUrl).port)
      }
      const again = yield* ZerobusLocal.pipe(Effect.provide(ZerobusLocal.layerServerMemory(ports)))
      assert.strictEqual(again.serverEndpoint, serverEndpoint)
    })
  )

  it.live("listens on loopback unless told otherwise, and never elsewhere without auth (V1)", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal.pipe(Effect.provide(ZerobusLocal.layerServerMemory()))
      assert.strictEqual(new URL(local.serverEndpoint).hostname, "127.0.0.1")
      assert.strictEqual(new URL(local.workspaceUrl).hostname, "127.0.0.1")
      const others = [
        "0.0.0.0",
        "::",
        "192.168.1.1",
        "example.com",
        "127.0.0.1.example.com",
        "a.localhost"
      ]
      for (const host of [...others, "127.0.0.256"]) {
        const failure = yield* startFailure({ host })
        assert.strictEqual(failure._tag, "UnsafeServer", host)
        assert.match(failure.message, /allowRemote/)
      }
      const open = yield* startFailure({ host: "0.0.0.0", allowRemote: true, auth: false })
      assert.match(open.message, /Turn auth on/)
      const allowed = yield* ZerobusLocal.pipe(
        Effect.provide(ZerobusLocal.layerServerMemory({ host: "0.0.0.0", allowRemote: true }))
      )
      assert.strictEqual(new URL(allowed.serverEndpoint).hostname, "127.0.0.1")
    })
  )

  it.live("refuses production unless it is meant (V9)", () =>
    Effect.gen(function* () {
      const production = ConfigProvider.layer(
        ConfigProvider.fromEnvRecord({ NODE_ENV: "production" })
      )
      assert.strictEqual(yield* Effect.provide(Config.String("NODE_ENV"), production), "production")
      const failure = yield* Effect.provide(startFailure({}), production)
      assert.strictEqual(failure._tag, "UnsafeServer")
      assert.match(failure.message, /allowProduction/)
      yield* Effect.provide(
        Effect.scoped(Layer.build(ZerobusLocal.layerServerMemory({ allowProduction: true }))),
        production
      )
    })
  )

  it.live("makes another secret and another key each time in memory (V8)", () =>
    Effect.gen(function* () {
      const secretOf = Effect.map(ZerobusLocal, (local) => Redacted.value(local.clientSecret))
      const one = yield* Effect.provide(secretOf, ZerobusLocal.layerServerMemory())
      const other = yield* Effect.provide(secretOf, ZerobusLocal.layerServerMemory())
      assert.notStrictEqual(one, other)
      assert.isAtLeast(one.length, 24)
    })
  )
})

describe("options", () => {
  const bad: ReadonlyArray<readonly [option: string, options: ZerobusLocalOptions]> = [
    ["port", { port: 70_000 }],
    ["port", { port: -1 }],
    ["httpPort", { httpPort: 1.5 }],
    ["streamLife", { streamLife: "soon" as "1 second" }],
    ["ackInterval", { ackInterval: -1 }],
    ["tokenLife", { tokenLife: "an hour" as "1 hour" }],
    ["rateLimit", { rateLimit: { records: 0 } }],
    ["rateLimit", { rateLimit: { bytes: Number.NaN } }],
    ["auditBytes", { auditBytes: -1 }]
  ]
  for (const [option, options] of bad) {
    it.live(`are refused by name: ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const failure = yield* startFailure(options)
        if (failure._tag !== "InvalidArgument") return assert.fail(failure._tag)
        assert.deepStrictEqual(failure.path, [option])
        assert.include(failure.message, option)
      })
    )
  }
})

describe("a stopped server", () => {
  it.live("acknowledges what it stored, then ends its streams and leaves no connection open", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const local = yield* Layer.buildWithScope(
        ZerobusLocal.layerServerMemory({ ackInterval: "1 hour" }),
        scope
      ).pipe(Effect.flatMap((context) => Effect.provide(ZerobusLocal, context)))
      yield* local.createTable(definition)
      const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, table.tableName))
      yield* stream.send({ createStream: { tableName: table.tableName, recordType: 2 } })
      yield* stream.next
      for (let n = 0; n < 10; n++)
        yield* stream.send({ ingestRecord: { offsetId: n, jsonRecord: `{"id":${n}}` } })
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
      yield* local.waitFor(table, "durable")
      yield* local.waitFor(table, "message", 10)
      yield* Scope.close(scope, Exit.void)
      assert.isDefined((yield* stream.next).closeStreamSignal)
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 9)
      const end = yield* stream.end
      assert.strictEqual(end.code, 14)
      assert.match(end.message, /shuts down/)
    })
  )
})
