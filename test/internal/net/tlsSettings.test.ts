/**
 * TLS settings that are made for each connection, and names that differ from the host of the URL,
 * over real TLS.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, FileSystem, Layer, Redacted, Scope } from "effect"
import { TableProperties, type TlsOptions, UnityCatalog, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { createServer, type TLSSocket } from "node:tls"
import type { AddressInfo } from "node:net"
import { connect } from "../../../src/internal/net/connector.ts"
import { parseEndpoint } from "../../../src/internal/net/endpoint.ts"
import { routeTo } from "../../../src/internal/net/route.ts"
import { makeCertificates } from "../../../src/local/endpoints/certificates.ts"

const name = "main.default.events"
const table = TableProperties.json(name)
class Vault extends Context.Service<Vault, { readonly tls: () => TlsOptions }>()("test/TlsVault") {}

/** A server in a separate scope, which the test ends. */
const served = (
  ports: { readonly port?: number; readonly httpPort?: number },
  host: string,
  dataDir: string
) =>
  Effect.gen(function* () {
    const { ca, cert, key } = makeCertificates([host], Date.now())
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const layer = ZerobusLocal.layerServer({
      ...ports,
      dataDir,
      hostNames: [host],
      tls: { ca, cert, key }
    })
    const local = Context.get(yield* Layer.buildWithScope(layer, scope), ZerobusLocal)
    return { local, ca, stop: Scope.close(scope, Exit.void) }
  })

const portOf = (url: string) => Number(new URL(url).port)

describe("the option tls", () => {
  it.live(
    "is an effect that runs for each connection, so that a replaced authority is taken without " +
      "a restart",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-tls-" })
        const first = yield* served({}, "127.0.0.1", dataDir)
        yield* first.local.createTable(`${name}(id INT)`)
        let tls: TlsOptions = { ca: first.ca }
        let runs = 0
        const vault = Layer.succeed(Vault, { tls: () => tls })
        const settings = Effect.map(Vault, (each) => {
          runs++
          return each.tls()
        })
        const { clientId, clientSecret, serverEndpoint, workspaceUrl } = first.local
        const shared = {
          workspaceUrl,
          clientId,
          clientSecret,
          proxy: false,
          tls: settings
        } as const
        const layer = Layer.merge(
          Zerobus.layer({ serverEndpoint, ...shared }),
          UnityCatalog.layer(shared)
        )
        const context = yield* Layer.build(Layer.provide(layer, vault))
        const zerobus = Context.get(context, Zerobus)
        const stream = yield* zerobus.createStream(table, {
          recoveryBackoff: 20,
          recoveryRetries: 200
        })
        yield* stream.ingestRecord({ id: 0 })
        yield* stream.flush
        // One run for the token and one for the stream.
        assert.strictEqual(runs, 2)
        yield* first.stop
        const second = yield* served(
          { port: portOf(serverEndpoint), httpPort: portOf(workspaceUrl) },
          "127.0.0.1",
          dataDir
        )
        tls = { ca: second.ca }
        yield* stream.ingestRecord({ id: 1 })
        yield* stream.flush
        yield* stream.close
        const catalog = Context.get(context, UnityCatalog)
        assert.strictEqual((yield* catalog.getTable(name)).definition.columns.length, 1)
        const rows = yield* second.local.records(table)
        assert.deepStrictEqual(
          rows.map(({ id }) => id),
          [0, 1]
        )
        // The previous authority is no longer accepted.
        tls = { ca: first.ca }
        const refused = yield* Effect.flip(zerobus.createStream(table, { recoveryRetries: 0 }))
        assert.strictEqual(refused._tag, "TlsFailure")
        assert.isAbove(runs, 4)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("sends a serverName, and checks the certificate against it", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-tls-" })
      const { ca, local } = yield* served({}, "zerobus.test", dataDir)
      yield* local.createTable(`${name}(id INT)`)
      const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
      const opened = (tls: TlsOptions) =>
        Effect.scoped(
          Effect.flatMap(
            Layer.build(
              Zerobus.layer({
                serverEndpoint,
                workspaceUrl,
                clientId,
                clientSecret,
                proxy: false,
                tls
              })
            ),
            (context) => Context.get(context, Zerobus).createStream(table, { recoveryRetries: 0 })
          )
        )
      yield* opened({ ca, serverName: "zerobus.test" })
      for (const tls of [{ ca }, { ca, serverName: "other.test" }]) {
        assert.strictEqual((yield* Effect.flip(opened(tls)))._tag, "TlsFailure")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("fails the connection with what the effect fails with, and is tried again", () =>
    Effect.gen(function* () {
      const { ca, cert, key } = makeCertificates(["127.0.0.1"], Date.now())
      const names: Array<string | false> = []
      const server = createServer(
        { ca, cert, key: Redacted.value(key), ALPNProtocols: ["h2"] },
        (socket: TLSSocket) => {
          names.push(socket.servername as string | false)
          socket.on("error", () => {})
          socket.end("hello")
        }
      )
      yield* Effect.acquireRelease(
        Effect.callback<void>(
          (resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))
        ),
        () => Effect.sync(() => void server.close())
      )
      const { port } = server.address() as AddressInfo
      const endpoint = yield* Effect.fromResult(
        parseEndpoint(`https://127.0.0.1:${port}`, "The endpoint")
      )
      const effects: ReadonlyArray<
        readonly [effect: Effect.Effect<TlsOptions, unknown>, says: string]
      > = [
        [Effect.fail(new Error("sealed")), "The effect of the option tls failed: Error: sealed"],
        [Effect.die(new Error("broken")), "The effect of the option tls failed: Error: broken"],
        [
          Effect.succeed({ ca: "-----BEGIN" }),
          "The option tls.ca is not a certificate in PEM form"
        ],
        [
          Effect.succeed({ cert }),
          "The option tls has only one of cert and key. Give both or none"
        ],
        [Effect.succeed({ authority: ca } as never), "There is no option tls.authority"],
        [Effect.succeed(ca as never), "The option tls must be an object"]
      ]
      for (const [tls, says] of effects) {
        const route = yield* routeTo(endpoint, { proxy: false, tls }, "h2")
        const failure = yield* Effect.flip(
          Effect.tryPromise({ try: () => connect(route), catch: (error) => error as any })
        )
        assert.deepStrictEqual([failure.code, failure.tls], ["TLS_SETTINGS", false])
        assert.include(failure.message, says)
      }
      assert.deepStrictEqual(names, [])
      const route = yield* routeTo(endpoint, { proxy: false, tls: Effect.succeed({ ca }) }, "h2")
      const socket = yield* Effect.promise(() => connect(route))
      socket.destroy()
      const plain = yield* Effect.fromResult(parseEndpoint("http://127.0.0.1:1", "The endpoint"))
      const untouched = yield* routeTo(plain, { proxy: false, tls: Effect.die("not run") }, "h2")
      assert.isUndefined(untouched.security)
    }).pipe(Effect.scoped)
  )
})
