/** Configuration: defaults, overrides, and errors found before anything is connected. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer, Redacted, Result } from "effect"
import {
  HeadersProvider,
  type StreamConfigurationOptions,
  TableProperties,
  Zerobus,
  zerobusConfig,
  type ZerobusOptions
} from "effect-zerobus"
import * as Public from "effect-zerobus"
import * as Credentials from "../../src/Credentials.ts"
import { resolve } from "../../src/StreamConfigurationOptions.ts"
import * as A from "../support/acceptance.ts"
import { realClient } from "../support/realClient.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { ScriptedServer } from "../support/scriptedServer.ts"

const refusedPath = (options: StreamConfigurationOptions) => {
  const resolved = resolve(options)
  return Result.isFailure(resolved) ? resolved.failure.path.join(".") : "accepted"
}

const counts = [
  "maxInflightRecords",
  "maxInflightBytes",
  "maxPayloadBytes",
  "maxBatchRecords",
  "recoveryRetries"
] as const
const durations = [
  "recoveryTimeout",
  "recoveryBackoff",
  "serverLackOfAckTimeout",
  "flushTimeout",
  "streamPausedMaxWaitTime",
  "drainTimeout",
  "scopeCloseTimeout"
] as const

describe("options of a stream", () => {
  it("CV-01 have the defaults of the official SDKs", () => {
    const {
      headersProvider,
      ingestTimeout,
      laneKey,
      onRefused,
      onUnacked,
      recoverySchedule,
      spool,
      streamPausedMaxWaitTime,
      ...plain
    } = Result.getOrThrow(resolve())
    assert.deepStrictEqual(
      [
        headersProvider,
        ingestTimeout,
        laneKey,
        onRefused,
        onUnacked,
        recoverySchedule,
        spool,
        streamPausedMaxWaitTime
      ],
      Array(8).fill(undefined)
    )
    assert.deepStrictEqual(plain, {
      maxInflightRecords: 1_000_000,
      maxInflightBytes: 134_217_728,
      maxPayloadBytes: 10_420_224,
      maxBatchRecords: 100_000,
      coalesceBytes: 262_144,
      coalesceRecords: 100_000,
      recovery: true,
      recoveryTimeout: 15_000,
      recoveryBackoff: 2_000,
      recoveryRetries: 4,
      serverLackOfAckTimeout: 60_000,
      flushTimeout: 300_000,
      drainTimeout: 500,
      scopeCloseTimeout: 20_000,
      maxRefusals: 100,
      lanes: 1,
      onSchemaChange: "fail",
      autoLanes: false
    })
  })

  it("CV-02 CV-04 CV-21 override one by one in any order, small values included", () => {
    const some = Result.getOrThrow(
      resolve({ flushTimeout: "10 seconds", maxInflightBytes: 1, recoveryRetries: 0 })
    )
    assert.deepStrictEqual(
      [some.flushTimeout, some.maxInflightBytes, some.recoveryRetries],
      [10_000, 1, 0]
    )
    assert.deepStrictEqual([some.recoveryTimeout, some.maxInflightRecords], [15_000, 1_000_000])
    assert.deepStrictEqual(
      Result.getOrThrow(resolve({ recovery: false, drainTimeout: 5 })),
      Result.getOrThrow(resolve({ drainTimeout: 5, recovery: false }))
    )
    assert.deepStrictEqual(
      Result.getOrThrow(resolve({ flushTimeout: undefined })),
      Result.getOrThrow(resolve())
    )
  })

  // Refused here; the Go SDK uses its default.
  it("CV-08 CV-09 CV-22 are refused by name when zero, negative or not whole", () => {
    for (const option of counts) {
      for (const bad of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "5", null]) {
        assert.strictEqual(refusedPath({ [option]: bad }), option)
      }
      if (option !== "recoveryRetries") assert.strictEqual(refusedPath({ [option]: 0 }), option)
    }
    assert.strictEqual(refusedPath({ batching: { maxBytes: 262_145 } }), "batching.maxBytes")
    assert.strictEqual(refusedPath({ batching: { maxRecords: 0 } }), "batching.maxRecords")
  })

  it(
    "CV-09 CV-10 are refused by name when a duration is negative, endless, no duration, or " +
      "longer than a timer",
    () => {
      for (const option of durations) {
        const bad: ReadonlyArray<unknown> = [
          -1,
          "-1 seconds",
          Number.MAX_SAFE_INTEGER,
          "Infinity",
          Number.POSITIVE_INFINITY,
          Number.NaN,
          "soon",
          2 ** 31
        ]
        for (const value of bad)
          assert.strictEqual(
            refusedPath({ [option]: value } as StreamConfigurationOptions),
            option,
            String(value)
          )
        assert.strictEqual(refusedPath({ [option]: 2 ** 31 - 1 }), "accepted")
      }
      for (const option of ["recoveryTimeout", "serverLackOfAckTimeout", "flushTimeout"] as const) {
        assert.strictEqual(refusedPath({ [option]: 0 }), option)
      }
    }
  )

  it.effect(
    "CV-08 CV-10 CV-19 are checked before anything is connected, and are the stream's own from " +
      "then on",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        for (const option of counts) {
          const error = yield* Effect.flip(zerobus.createStream(A.table, { [option]: -1 }))
          assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, [option])
        }
        assert.strictEqual(server.connections.length, 0)
        const options = { maxInflightRecords: 1, batching: "off" as const, scopeCloseTimeout: 0 }
        const silent = yield* A.client(A.silent)
        const stream = yield* silent.zerobus.createStream(A.table, options)
        options.maxInflightRecords = 1000
        assert.isDefined(stream.offerUnsafe(A.record(0)))
        assert.isUndefined(stream.offerUnsafe(A.record(1)))
      })
  )
})

describe("tables", () => {
  it.effect(
    "S-06 CV-03 CV-07 are refused by a name that is not three parts of letters, digits and " +
      "underscores",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        const bad = [
          "",
          "table",
          "schema.table",
          "a.b.c.d",
          "a..c",
          ".b.c",
          "a.b.",
          "a.b c.d",
          "a.b.c\nd",
          "a.b.c;d",
          "a.b.`c`",
          "a.b.c-d",
          "main.default.tab\u0131e",
          "main.default.\u8868",
          `a.b.${"x".repeat(256)}`
        ]
        for (const name of bad) {
          A.tagged(
            yield* Effect.flip(zerobus.createStream(TableProperties.json(name))),
            "InvalidTable"
          )
        }
        assert.strictEqual(server.connections.length, 0)
        for (const name of [
          "a.b.c",
          "main.default.air_quality",
          "_1.2.3",
          `a.b.${"x".repeat(255)}`
        ]) {
          yield* zerobus.createStream(TableProperties.json(name), { scopeCloseTimeout: 0 })
          assert.strictEqual(server.last.create?.tableName, name)
        }
      })
  )

  it.effect("CV-05 have no descriptor when they take JSON", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      yield* zerobus.createStream(TableProperties.json("a.b.c"))
      assert.isUndefined(server.last.create?.descriptor)
      assert.isUndefined(TableProperties.json("a.b.c").descriptor)
    })
  )
})

describe("a client's options", () => {
  const build = (options: ZerobusOptions) =>
    Effect.exit(Effect.scoped(Layer.build(Zerobus.layer(options))))
  const endpoint = "https://1.zerobus.example.com"

  it.effect("CV-03 CV-10 CV-15 are refused by name when the layer is built", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<readonly [Partial<ZerobusOptions>, string]> = [
        [{ stream: { flushTimeout: -1 } }, "stream.flushTimeout"],
        [{ stream: { maxInflightRecords: 0 } }, "stream.maxInflightRecords"],
        [{ keepalive: { interval: 0 } }, "keepalive.interval"],
        [{ keepalive: { timeout: "soon" as never } }, "keepalive.timeout"],
        [{ keepalive: { interval: 2 ** 40 } }, "keepalive.interval"],
        [{ applicationName: "a\nb" }, "applicationName"],
        [{ proxy: Redacted.make("ftp://p") }, "proxy"],
        [{ tls: { cert: "no PEM" } }, "tls"],
        [{ tls: { ca: "no PEM" } }, "tls.ca"],
        [{ tokenCache: { refreshBuffer: -1 } }, "tokenCache.refreshBuffer"],
        [{ tokenCache: { refreshBuffer: "soon" as never } }, "tokenCache.refreshBuffer"]
      ]
      for (const [options, path] of bad) {
        const exit = yield* build({
          serverEndpoint: endpoint,
          proxy: false,
          workspaceUrl: "https://w",
          clientId: "c",
          clientSecret: Redacted.make("s"),
          ...options
        })
        const said = Exit.isSuccess(exit)
          ? "accepted"
          : A.tagged(A.failureOf(exit), "InvalidArgument").path.join(".")
        assert.strictEqual(said, path)
      }
      A.tagged(A.failureOf(yield* build({ serverEndpoint: "" })), "InvalidEndpoint")
      A.tagged(
        A.failureOf(yield* build({ serverEndpoint: endpoint, workspaceUrl: "http://remote" })),
        "InvalidEndpoint"
      )
      assert.isTrue(Exit.isSuccess(yield* build({ serverEndpoint: "http://[::1]", proxy: false })))
      assert.isTrue(
        Exit.isSuccess(
          yield* build({ serverEndpoint: endpoint, proxy: false, keepalive: "off", tls: {} })
        )
      )
    })
  )

  it.live(
    "CV-02 apply to every stream that does not override them; an undefined option does not",
    () =>
      Effect.gen(function* () {
        const { port } = yield* scriptedGrpc(new ScriptedServer([A.silent]))
        const zerobus = yield* realClient(`http://127.0.0.1:${port}`, {
          stream: { flushTimeout: "20 millis" }
        })
        for (const [options, limit] of [
          [undefined, 20],
          [{ flushTimeout: undefined }, 20],
          [{ flushTimeout: "10 millis" }, 10]
        ] as const) {
          const stream = yield* zerobus.createStream(A.table, options)
          yield* stream.ingestRecord(A.record(0))
          assert.strictEqual(
            A.tagged(yield* Effect.flip(stream.flush), "FlushTimeout").timeoutMillis,
            limit
          )
        }
      })
  )

  it.effect(
    "CV-03 fail with what is missing if no credentials are set, once a stream needs them",
    () =>
      Effect.gen(function* () {
        const w = { workspaceUrl: "https://w" }
        for (const [options, request] of [
          [
            {},
            "set DATABRICKS_WORKSPACE_URL (workspaceUrl), DATABRICKS_CLIENT_ID (clientId) and " +
              "DATABRICKS_CLIENT_SECRET"
          ],
          [w, "set DATABRICKS_CLIENT_ID (clientId) and DATABRICKS_CLIENT_SECRET (clientSecret)"],
          [{ ...w, clientId: "c" }, "set DATABRICKS_CLIENT_SECRET (clientSecret)"],
          [{ ...w, clientSecret: Redacted.make("s") }, "set DATABRICKS_CLIENT_ID (clientId)"]
        ] as const) {
          const layer = Credentials.layer({ serverEndpoint: endpoint, proxy: false, ...options })
          const error = yield* HeadersProvider.use((provider) => provider.getHeaders("a.b.c")).pipe(
            Effect.provide(layer),
            Effect.flip
          )
          assert.include(A.tagged(error, "InvalidToken").message, request)
          const asked = yield* Effect.flip(
            Credentials.catalogToken({ serverEndpoint: endpoint, proxy: false, ...options })
          )
          assert.include(A.tagged(asked, "InvalidToken").message, request)
        }
      })
  )

  it.effect(
    "CV-03 CV-15 read the environment, and fail with the variable that is missing or wrong",
    () =>
      Effect.gen(function* () {
        const read = (env: Record<string, string>) =>
          Effect.provideService(
            zerobusConfig,
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env })
          )
        const options = yield* read({
          ZEROBUS_SERVER_ENDPOINT: endpoint,
          DATABRICKS_CLIENT_SECRET: "canary",
          ZEROBUS_RECOVERY: "false",
          ZEROBUS_FLUSH_TIMEOUT: "10 seconds",
          ZEROBUS_MAX_INFLIGHT_RECORDS: "5"
        })
        assert.strictEqual(options.serverEndpoint, endpoint)
        assert.notInclude(JSON.stringify(options) + String(options.clientSecret), "canary")
        const stream = Result.getOrThrow(resolve(options.stream))
        assert.deepStrictEqual(
          [stream.recovery, stream.flushTimeout, stream.maxInflightRecords],
          [false, 10_000, 5]
        )
        assert.include(String(yield* Effect.flip(read({}))), "ZEROBUS_SERVER_ENDPOINT")
        const wrong = { ZEROBUS_SERVER_ENDPOINT: endpoint, ZEROBUS_RECOVERY_RETRIES: "many" }
        assert.include(String(yield* Effect.flip(read(wrong))), "RECOVERY_RETRIES")
      })
  )

  it("CV-20 come with a public surface whose names are fixed", () => {
    const names = [
      "Column",
      "FlushTimeout",
      "HeadersProvider",
      "InvalidArgument",
      "InvalidEndpoint",
      "InvalidState",
      "InvalidTable",
      "InvalidToken",
      "Offset",
      "PayloadTooLarge",
      "PermissionDenied",
      "ProtocolViolation",
      "Retryable",
      "RetryableReason",
      "SchemaMismatch",
      "StreamClosed",
      "Table",
      "TableProperties",
      "TlsFailure",
      "Unsupported",
      "Zerobus",
      "ZerobusLayer"
    ]
    for (const name of names) assert.property(Public, name)
    assert.deepStrictEqual(Object.keys(TableProperties).sort(), ["json", "proto"])
  })

  it("CV-16 do not compile when format and records, or options, do not fit", () => {
    const wrong = (zerobus: Zerobus["Service"]) =>
      Effect.gen(function* () {
        const json = yield* zerobus.createStream(A.table)
        const proto = yield* zerobus.createStream(A.protoTable)
        // @ts-expect-error bytes are no JSON record
        yield* json.ingestRecord(Uint8Array.of(1))
        // @ts-expect-error text is no protobuf record
        yield* proto.ingestRecord("{}")
        // @ts-expect-error no such way of batching
        yield* zerobus.createStream(A.table, { batching: "on" })
        // @ts-expect-error no such option
        yield* zerobus.createStream(A.table, { maxInflightRequests: 5 })
      })
    // The compiler does the testing; the program is never run.
    assert.isFunction(wrong)
  })
})
