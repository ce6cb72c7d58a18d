/**
 * Proxies.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Redacted, Result } from "effect"
import type { ZerobusOptions } from "effect-zerobus"
import * as Grpc from "@grpc/grpc-js"
import * as Net from "node:net"
import { parseEndpoint } from "../../src/internal/net/endpoint.ts"
import { parseProxy, proxyFor } from "../../src/internal/net/proxy.ts"
import { bypasses } from "../../src/internal/net/proxyBypass.ts"
import { makeCertificates } from "../../src/local/endpoints/certificates.ts"
import * as Credentials from "../../src/Credentials.ts"
import { HeadersProvider } from "../../src/HeadersProvider.ts"
import * as A from "../support/acceptance.ts"
import { connectProxy, type ProxyBehaviour } from "../support/connectProxy.ts"
import { realClient, sendOne } from "../support/realClient.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { ScriptedServer } from "../support/scriptedServer.ts"
import { minted, tokenServer } from "../support/tokenServer.ts"

type Environment = Readonly<Record<string, string>>

/** Runs with these environment variables only. */
const withEnvironment = <A, E, R>(environment: Environment, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(
    effect,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env: environment })
  )

/** A name that only the proxy resolves. */
const named = "1.zerobus.example.com"
const certificates = makeCertificates(["127.0.0.1", "localhost", named], Date.now())

/** A plain or TLS server, a proxy, and the result of sending one record. */
const through = (
  behaviour: ProxyBehaviour,
  settings: (proxy: number) => {
    readonly environment?: Environment
    readonly options?: Partial<ZerobusOptions>
  },
  tls = false,
  host = "127.0.0.1"
) =>
  Effect.gen(function* () {
    const server = new ScriptedServer([])
    const pair = {
      cert_chain: Buffer.from(certificates.cert),
      private_key: Buffer.from(Redacted.value(certificates.key))
    }
    const { port } = yield* scriptedGrpc(
      server,
      tls ? Grpc.ServerCredentials.createSsl(null, [pair]) : undefined
    )
    const proxy = yield* connectProxy(behaviour)
    const { environment = {}, options = {} } = settings(proxy.port)
    const exit = yield* Effect.exit(
      withEnvironment(
        environment,
        sendOne(`${tls ? "https" : "http"}://${host}:${port}`, { proxy: undefined, ...options })
      )
    )
    return { exit, server, proxy, target: `${host}:${port}` }
  })

/** One record to a host that only the environment's proxy can reach. */
const toNowhere = Effect.suspend(() => sendOne(`https://${named}`, { proxy: undefined }))

const url = (port: number, credentials = "") => `http://${credentials}127.0.0.1:${port}`
const option = (port: number, credentials = "") => ({
  options: { proxy: Redacted.make(url(port, credentials)) }
})
const endpoint = Result.getOrThrow(parseEndpoint("https://1.zerobus.example.com", "The endpoint"))

/** The port of the proxy that the environment selects. */
const resolved = (environment: Environment) =>
  Effect.map(
    withEnvironment(environment, proxyFor(endpoint, undefined, "h2")),
    (proxy) => proxy?.port
  )

describe("proxies", () => {
  it.live(
    "PX-01 are used when the environment or an option names one, for plain and for TLS connections",
    () =>
      Effect.gen(function* () {
        const ca = { tls: { ca: certificates.ca } }
        const byEnvironment = (port: number) => ({
          environment: { grpc_proxy: url(port) },
          options: ca
        })
        const byOption = (port: number) => ({ options: { ...option(port).options, ...ca } })
        for (const [settings, tls, host] of [
          [byEnvironment, true, named],
          [byOption, true, named],
          [byOption, true, "127.0.0.1"],
          [byOption, false, "127.0.0.1"]
        ] as const) {
          const { exit, proxy, server, target } = yield* through("tunnel", settings, tls, host)
          assert.isTrue(Exit.isSuccess(exit), String(exit))
          assert.deepStrictEqual(proxy.tunnels, [target])
          assert.deepStrictEqual(server.records, [A.record(0)])
        }
      })
  )

  it.live(
    "PX-02 are not used for hosts of the bypass list, for loopback, and with the option false",
    () =>
      Effect.gen(function* () {
        for (const settings of [
          (port: number) => ({ environment: { grpc_proxy: url(port) } }),
          (port: number) => ({ environment: { https_proxy: url(port), NO_PROXY: "*" } }),
          (port: number) => ({
            environment: { grpc_proxy: url(port) },
            options: { proxy: false } as const
          })
        ]) {
          const { exit, proxy, server } = yield* through("tunnel", settings)
          assert.isTrue(Exit.isSuccess(exit), String(exit))
          assert.deepStrictEqual(proxy.tunnels, [])
          assert.strictEqual(server.records.length, 1)
        }
        for (const environment of [
          { grpc_proxy: url(1), no_grpc_proxy: "zerobus.example.com" },
          { https_proxy: url(1), NO_PROXY: "*" }
        ]) {
          assert.isUndefined(yield* resolved(environment))
        }
      })
  )

  it("PX-03 are bypassed by name, by suffix, by star, in lists with commas and blanks", () => {
    const yes: ReadonlyArray<readonly [list: string, host: string]> = [
      ["*", "any.example"],
      ["example.com", "example.com"],
      ["example.com", "a.b.example.com"],
      [".example.com", "a.example.com"],
      [".example.com", "example.com"],
      ["*.example.com", "a.example.com"],
      ["other.org, example.com", "example.com"],
      ["other.org   example.com", "example.com"],
      [" , EXAMPLE.com ,", "example.com"],
      ["example.com:443", "example.com"],
      ["10.0.0.1", "10.0.0.1"],
      ["10.0.0.0/8", "10.1.2.3"],
      ["[::1]", "::1"]
    ]
    for (const [list, host] of yes)
      assert.isTrue(bypasses(list, { host, port: 443 }), `${list} | ${host}`)
    const no: ReadonlyArray<readonly [list: string, host: string]> = [
      ["", "example.com"],
      [" , ", "example.com"],
      ["example.com", "notexample.com"],
      [".example.com", "notexample.com"],
      ["a.example.com", "example.com"],
      ["example.com", "example.com.evil.org"]
    ]
    for (const [list, host] of no)
      assert.isFalse(bypasses(list, { host, port: 443 }), `${list} | ${host}`)
  })

  it.effect(
    "S-22 PX-04 are looked for in order, lower case before upper case, blank ones counting as " +
      "unset",
    () =>
      Effect.gen(function* () {
        const all = {
          grpc_proxy: "http://p:1",
          GRPC_PROXY: "http://p:2",
          https_proxy: "http://p:3",
          HTTPS_PROXY: "http://p:4",
          http_proxy: "http://p:5",
          HTTP_PROXY: "http://p:6"
        }
        const left: Record<string, string> = { ...all }
        for (const [index, name] of Object.keys(all).entries()) {
          assert.strictEqual(yield* resolved(left), index + 1)
          left[name] = "  "
        }
        assert.isUndefined(yield* resolved(left))
        assert.isUndefined(yield* resolved({ ...all, no_proxy: "example.com" }))
        // The gRPC list takes precedence over the general one.
        assert.strictEqual(
          yield* resolved({ ...all, no_grpc_proxy: "other.org", no_proxy: "example.com" }),
          1
        )
        // A CGI program's HTTP_PROXY comes from its caller.
        assert.isUndefined(yield* resolved({ HTTP_PROXY: "http://p:6", REQUEST_METHOD: "GET" }))
      })
  )

  it.live("PX-05 that never answer do not prevent a stream from being given up", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([])
      const { port } = yield* scriptedGrpc(server)
      const proxy = yield* connectProxy("silent")
      const zerobus = yield* realClient(`http://127.0.0.1:${port}`, option(proxy.port).options)
      const from = performance.now()
      const error = yield* Effect.flip(
        Effect.scoped(
          zerobus.createStream(A.table, { recoveryTimeout: "50 millis", recovery: false })
        )
      )
      assert.strictEqual(A.tagged(error, "Retryable").reason._tag, "ConnectTimeout")
      const opening = yield* Effect.forkScoped(Effect.scoped(zerobus.createStream(A.table)), {
        startImmediately: true
      })
      yield* A.until("the proxy receives the requests", () => proxy.tunnels.length === 2)
      opening.interruptUnsafe()
      yield* Effect.exit(
        Effect.suspend(() => A.until("it ended", () => opening.pollUnsafe() !== undefined))
      )
      // 50 ms of limit, and slack for a busy machine.
      assert.isBelow(performance.now() - from, 1050)
      assert.strictEqual(server.connections.length, 0)
    })
  )

  it.live(
    "PX-06 may refuse, require credentials or send garbage; the error never has the password",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [ProxyBehaviour, string, RegExp]> = [
          [{ refuse: 407 }, "user:canary@", /407/],
          [{ refuse: 403 }, "user:canary@", /403/],
          [{ refuse: 502 }, "", /502/],
          [{ credentials: "user:other" }, "user:canary@", /407/],
          ["garbage", "", /not HTTP/]
        ]
        for (const [behaviour, credentials, says] of cases) {
          const { exit, proxy, server } = yield* through(behaviour, (port) =>
            option(port, credentials)
          )
          const error = A.failureOf(exit) as { readonly _tag: string; readonly message: string }
          assert.strictEqual(error._tag, "Retryable")
          assert.match(error.message, says)
          assert.notInclude(error.message, "canary")
          assert.include(
            error.message,
            `the proxy 127.0.0.1:${proxy.port} (set by the option proxy)`
          )
          assert.isAtLeast(proxy.tunnels.length, 1)
          assert.strictEqual(server.connections.length, 0)
        }
        const good = yield* through({ credentials: "us er:p@ss" }, (port) =>
          option(port, "us%20er:p%40ss@")
        )
        assert.isTrue(Exit.isSuccess(good.exit), String(good.exit))
      })
  )

  it.live("PX-06 may themselves be reached over TLS, under the same trust", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([])
      const { port } = yield* scriptedGrpc(server)
      const proxy = yield* connectProxy("tunnel", {
        cert: certificates.cert,
        key: Redacted.value(certificates.key)
      })
      const options = { proxy: Redacted.make(`https://127.0.0.1:${proxy.port}`) }
      yield* sendOne(`http://127.0.0.1:${port}`, { ...options, tls: { ca: certificates.ca } })
      assert.deepStrictEqual(server.records, [A.record(0)])
      A.tagged(yield* Effect.flip(sendOne(`http://127.0.0.1:${port}`, options)), "TlsFailure")
    })
  )

  it.live(
    "PX-06 may be unreachable, which the error reports with the variable that names them",
    () =>
      Effect.gen(function* () {
        const proxy = yield* Effect.scoped(connectProxy())
        const environment = { https_proxy: url(proxy.port, "user:canary@") }
        const where =
          `the proxy 127.0.0.1:${proxy.port} (set by https_proxy) could not be ` +
          `reached: connect ECONNREFUSED`
        const stream = A.tagged(
          yield* Effect.flip(withEnvironment(environment, toNowhere)),
          "Retryable"
        )
        assert.include(stream.message, where)
        const credentials = Credentials.layer({
          serverEndpoint: "https://1.example",
          workspaceUrl: "https://workspace.example.com",
          clientId: "client",
          clientSecret: Redacted.make("secret")
        })
        const token = HeadersProvider.use((provider) => provider.getHeaders("a.b.c")).pipe(
          Effect.provide(credentials)
        )
        const error = yield* Effect.flip(withEnvironment(environment, token))
        assert.include(error.message, where)
        assert.notInclude(stream.message + error.message, "canary")
      })
  )

  it.live("S-07 receive request lines to which no host, user or password can add anything", () =>
    Effect.gen(function* () {
      const asked = Deferred.makeUnsafe<string>()
      const server = Net.createServer((socket) => {
        let text = ""
        socket.on("error", () => {})
        socket.on("data", (bytes: Buffer) => {
          text += bytes.toString("latin1")
          if (!text.includes("\r\n\r\n")) return
          Deferred.doneUnsafe(asked, Exit.succeed(text))
          socket.destroy()
        })
      })
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () =>
            resume(Effect.succeed((server.address() as Net.AddressInfo).port))
          )
        }),
        () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const nasty = "us%0d%0aer:pass%0d%0ax-evil:%20yes@"
      yield* Effect.flip(sendOne("http://127.0.0.1:9", { proxy: Redacted.make(url(port, nasty)) }))
      const credentials = Buffer.from("us\r\ner:pass\r\nx-evil: yes").toString("base64")
      assert.deepStrictEqual((yield* Deferred.await(asked)).split("\r\n"), [
        "CONNECT 127.0.0.1:9 HTTP/1.1",
        "host: 127.0.0.1:9",
        `proxy-authorization: Basic ${credentials}`,
        "",
        ""
      ])
      for (const host of ["a\r\nx-evil: yes", "a b", "a%0d%0ab", "a\tb", "a\u0000b"]) {
        assert.isTrue(Result.isFailure(parseEndpoint(`https://${host}`, "The endpoint")), host)
      }
    })
  )

  it.live("PX-01 lead to the token endpoint too", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer(minted("t0"))
      const proxy = yield* connectProxy()
      const layer = Credentials.layer({
        serverEndpoint: "https://1.example",
        workspaceUrl: tokens.url,
        clientId: "client",
        clientSecret: Redacted.make("secret"),
        proxy: Redacted.make(url(proxy.port))
      })
      const headers = yield* HeadersProvider.use((provider) => provider.getHeaders("a.b.c")).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(headers, { authorization: "Bearer t0" })
      assert.deepStrictEqual(proxy.tunnels, [new URL(tokens.url).host])
    })
  )

  it.effect("PX-06 are refused if their URL is invalid, and it is not quoted", () =>
    Effect.gen(function* () {
      for (const bad of [
        "socks5://user:canary@p:1",
        "http://",
        "http://user:canary@p:99999",
        "http://user%zz:canary@p:1",
        "::"
      ]) {
        const error = yield* Effect.flip(parseProxy(bad, "proxy"))
        assert.deepStrictEqual(error.path, ["proxy"])
        assert.notInclude(error.message, "canary")
      }
    })
  )
})
