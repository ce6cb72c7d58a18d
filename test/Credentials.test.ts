/**
 * The parts of a client as layers: transport and credentials from `Config`, and a custom headers
 * provider, below `Zerobus.layerNoDeps`.
 */
import { assert, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import {
  Credentials,
  GrpcTransport,
  HeadersProvider,
  TableProperties,
  Zerobus,
  zerobusConfig
} from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"

const table = TableProperties.json("main.default.parts")

/** The client's settings, as a program would read them. */
const environment = Layer.effect(
  ConfigProvider.ConfigProvider,
  Effect.map(ZerobusLocal, ({ clientId, clientSecret, serverEndpoint, workspaceUrl }) =>
    ConfigProvider.fromEnvRecord({
      ZEROBUS_SERVER_ENDPOINT: serverEndpoint,
      DATABRICKS_WORKSPACE_URL: workspaceUrl,
      DATABRICKS_CLIENT_ID: clientId,
      DATABRICKS_CLIENT_SECRET: Redacted.value(clientSecret)
    })
  )
)

class Vault extends Context.Service<
  Vault,
  { readonly headers: Readonly<Record<string, string>> }
>()("test/Vault") {}

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("layers of the parts", (it) => {
  it.effect("a client of transport and credentials from Config ingests", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable("main.default.parts(n INT)")
      const client = Layer.fresh(Zerobus.layerNoDeps).pipe(
        Layer.provide([
          GrpcTransport.layerConfig(zerobusConfig),
          Credentials.layerConfig(zerobusConfig)
        ]),
        Layer.provide(environment)
      )
      yield* Effect.flatMap(Zerobus, (zerobus) =>
        zerobus.withStream(table, (stream) => stream.ingestRecord({ n: 1 }))
      ).pipe(Effect.provide(client))
      assert.deepStrictEqual(yield* local.records("main.default.parts"), [{ n: 1 }])
    })
  )

  it.effect("both fail with the name of the missing variable", () =>
    Effect.gen(function* () {
      const nothing = Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord({}))
      for (const part of [
        Effect.asVoid(Layer.build(GrpcTransport.layerConfig(zerobusConfig))),
        Effect.asVoid(Layer.build(Credentials.layerConfig(zerobusConfig)))
      ]) {
        const error = yield* Effect.flip(Effect.provide(Effect.scoped(part), nothing))
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(error.message, "ZEROBUS_SERVER_ENDPOINT")
      }
    })
  )

  it.effect("a headers provider gets its services from the layer", () =>
    Effect.gen(function* () {
      const rejected: Array<string> = []
      const own = HeadersProvider.layer({
        getHeaders: (tableName) =>
          Effect.map(Vault, ({ headers }) => ({ ...headers, "x-for": tableName })),
        invalidate: (tableName, headers) =>
          Effect.map(Vault, (vault) => {
            rejected.push(
              `${tableName} ${headers["authorization"] === vault.headers["authorization"]}`
            )
          })
      })
      const vault = Layer.succeed(Vault, { headers: { authorization: "Bearer one" } })
      const context = yield* Layer.build(Layer.provide(own, vault))
      const provider = Context.get(context, HeadersProvider)
      const headers = yield* provider.getHeaders("main.default.parts")
      assert.deepStrictEqual(headers, {
        "authorization": "Bearer one",
        "x-for": "main.default.parts"
      })
      yield* provider.invalidate!("main.default.parts", headers)
      assert.deepStrictEqual(rejected, ["main.default.parts true"])
      const bare = yield* Layer.build(HeadersProvider.layer({ getHeaders: Effect.succeed({}) }))
      assert.isUndefined(Context.get(bare, HeadersProvider).invalidate)
    })
  )
})
