/**
 * TLS and endpoints.
 */
import * as Grpc from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Result } from "effect"
import { Zerobus, type ZerobusOptions } from "effect-zerobus"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import type * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Tls from "node:tls"
import * as Credentials from "../../src/Credentials.ts"
import { HeadersProvider } from "../../src/HeadersProvider.ts"
import { parseEndpoint, workspaceId } from "../../src/internal/net/endpoint.ts"
import { makeCertificates } from "../../src/local/endpoints/certificates.ts"
import * as A from "../support/acceptance.ts"
import { realClient, realOptions, sendOne } from "../support/realClient.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { ScriptedServer } from "../support/scriptedServer.ts"
import { minted, secureTokenServer } from "../support/tokenServer.ts"

const day = 86_400_000
const now = Date.now()
const hosts = ["localhost", "127.0.0.1"]
const good = makeCertificates(hosts, now)

interface Pair {
  readonly cert: string
  readonly key: Redacted.Redacted<string>
}
const serverCredentials = ({ cert, key }: Pair, clientAuthority?: string) =>
  Grpc.ServerCredentials.createSsl(
    clientAuthority === undefined ? null : Buffer.from(clientAuthority),
    [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(Redacted.value(key)) }],
    clientAuthority !== undefined
  )

/** Sends a record to a server with this certificate. */
const over = (pair: Pair, tls: ZerobusOptions["tls"], clientAuthority?: string) =>
  Effect.gen(function* () {
    const server = new ScriptedServer([])
    const { port } = yield* scriptedGrpc(server, serverCredentials(pair, clientAuthority))
    const exit = yield* Effect.exit(sendOne(`https://127.0.0.1:${port}`, { tls }))
    return { server, exit }
  })

const refusedWith = (codes: RegExp, pair: Pair, tls: ZerobusOptions["tls"]) =>
  Effect.gen(function* () {
    const { exit, server } = yield* over(pair, tls)
    const error = A.tagged(
      A.failureOf(exit) as { readonly _tag: string },
      "TlsFailure"
    ) as unknown as {
      readonly code: string
      readonly isRetryable: boolean
    }
    assert.match(error.code, codes)
    assert.isFalse(error.isRetryable)
    assert.strictEqual(server.connections.length, 0)
  })

/** A silent TLS server with the given settings. */
const rawTls = (settings: Tls.TlsOptions) =>
  Effect.gen(function* () {
    const server = Tls.createServer({ cert: good.cert, key: Redacted.value(good.key), ...settings })
    const sockets = new Set<Net.Socket>()
    let connections = 0
    server.on("connection", (socket: Net.Socket) => {
      connections++
      sockets.add(socket)
    })
    server.on("tlsClientError", () => {})
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed((server.address() as Net.AddressInfo).port))
        )
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    return { port, connections: () => connections }
  })

/**
 * A client certificate made by openssl, because the local server can only make server certificates.
 */
const clientCertificate = Effect.sync(() => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-client-"))
  try {
    const [cert, key] = ["cert.pem", "key.pem"].map((file) => Path.join(folder, file)) as [
      string,
      string
    ]
    const subject = ["-subj", "/CN=client", "-addext", "extendedKeyUsage=clientAuth", "-days", "2"]
    const newKey = [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      key
    ]
    execFileSync("openssl", ["req", "-x509", ...newKey, "-out", cert, ...subject], {
      stdio: "ignore"
    })
    return { cert: Fs.readFileSync(cert, "utf8"), key: Redacted.make(Fs.readFileSync(key, "utf8")) }
  } finally {
    Fs.rmSync(folder, { recursive: true })
  }
})

const refusedEndpoint = (text: string) => Result.isFailure(parseEndpoint(text, "The endpoint"))

describe("endpoints", () => {
  it("TL-01 TL-05 are read as host and port, with 443 and https where nothing else is said", () => {
    const forms: ReadonlyArray<readonly [text: string, host: string, port: number]> = [
      ["https://host.example", "host.example", 443],
      ["https://host.example/", "host.example", 443],
      ["https://Host.Example:8443", "host.example", 8443],
      ["host.example", "host.example", 443],
      ["host.example:8443", "host.example", 8443],
      ["::1", "::1", 443],
      ["[::1]", "::1", 443],
      ["[fe80::1:2]:8443", "fe80::1:2", 8443],
      ["https://[::1]:8443", "::1", 8443],
      ["  host.example:1 ", "host.example", 1],
      ["10.0.0.7:65535", "10.0.0.7", 65_535]
    ]
    for (const [text, host, port] of forms) {
      const endpoint = Result.getOrThrow(parseEndpoint(text, "The endpoint"))
      assert.deepStrictEqual(
        [endpoint.host, endpoint.port, endpoint.secure],
        [host, port, true],
        text
      )
    }
  })

  it("S-04 TL-02 TL-09 may be plain http on loopback only", () => {
    for (const text of [
      "http://localhost:8080",
      "http://127.0.0.1",
      "http://127.8.8.8:1",
      "http://[::1]:2"
    ]) {
      assert.isFalse(Result.getOrThrow(parseEndpoint(text, "The endpoint")).secure)
    }
    for (const text of [
      "http://host.example",
      "http://10.0.0.1",
      "http://127.0.0.1.evil.example",
      "http://localhost.evil.example"
    ]) {
      assert.isTrue(refusedEndpoint(text), text)
    }
  })

  // Differs from the Go SDK, which passes such targets to its resolver.
  it(
    "S-08 TL-03 TL-04 are refused when they are empty, resolver targets or anything but a host " +
      "with a port",
    () => {
      const bad = [
        ["", " ", "https://", "https:///", ":443", "https://:443"],
        ["dns:///host.example", "passthrough:///host:443", "unix:///run/socket", "ftp://host"],
        [
          "host:0",
          "host:65536",
          "host:port",
          "host:-1",
          "host:443:443",
          "[::1",
          "::1]",
          "[::g]",
          ":::1"
        ],
        ["https://user:password@host", "https://host/path", "https://host?q", "https://host#f"],
        [
          "ho st",
          "h\u00f6st",
          "host%2e",
          "host\\evil",
          "-host.example",
          "host..example",
          "256.1.1.1",
          "0x7f.1"
        ]
      ].flat()
      for (const text of bad) assert.isTrue(refusedEndpoint(text), JSON.stringify(text))
    }
  )

  it("TL-06 tell the workspace by their first label", () => {
    const id = (text: string) => workspaceId(Result.getOrThrow(parseEndpoint(text, "The endpoint")))
    assert.strictEqual(
      id("https://1234567890.zerobus.us-west-2.cloud.databricks.com"),
      "1234567890"
    )
    assert.strictEqual(id("1234.zerobus.eastus.azuredatabricks.net:443"), "1234")
    assert.strictEqual(id("http://[::1]:80"), "local")
  })

  it.live("TL-03 TL-08 CV-03 stop the client's layer with a typed error", () =>
    Effect.gen(function* () {
      for (const endpoint of ["", "https://", "http://host.example"]) {
        const exit = yield* Effect.exit(
          Effect.scoped(Layer.build(Zerobus.layer(realOptions(endpoint))))
        )
        A.tagged(A.failureOf(exit), "InvalidEndpoint")
      }
    })
  )
})

describe("TLS", () => {
  it.live(
    "TL-07 TL-09 TL-10 TL-14 is not needed on loopback, nor are a workspace and credentials; " +
      "the server sees the client's name",
    () =>
      Effect.gen(function* () {
        const server = new ScriptedServer([])
        const { port } = yield* scriptedGrpc(server)
        yield* sendOne(`http://127.0.0.1:${port}`)
        assert.deepStrictEqual(server.records, [A.record(0)])
        assert.notProperty(server.last.headers, "authorization")
        assert.match(server.last.headers["user-agent"] ?? "", /^effect-zerobus/)
        yield* sendOne(`http://127.0.0.1:${port}`, { applicationName: " orders-service/1.2 (eu) " })
        assert.match(
          server.last.headers["user-agent"] ?? "",
          /^effect-zerobus orders-service\/1\.2 \(eu\)/
        )
      })
  )

  it.live(
    "S-05 TL-11 TL-12 H-52 trusts a given authority, and without it fails to connect, without " +
      "retrying",
    () =>
      Effect.gen(function* () {
        const { exit, server } = yield* over(good, { ca: good.ca })
        assert.isTrue(Exit.isSuccess(exit), String(exit))
        assert.deepStrictEqual(server.records, [A.record(0)])
        const several = yield* over(good, { ca: [makeCertificates(hosts, now).ca, good.ca] })
        assert.isTrue(Exit.isSuccess(several.exit))
        yield* refusedWith(/UNABLE_TO|SELF_SIGNED|DEPTH_ZERO/, good, undefined)
        yield* refusedWith(/UNABLE_TO|SELF_SIGNED|CERT_SIGNATURE/, good, {
          ca: makeCertificates(hosts, now).ca
        })
      })
  )

  it.live("S-04 checks certificates also where a variable of Node's would switch that off", () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
        }),
        () => Effect.sync(() => Reflect.deleteProperty(process.env, "NODE_TLS_REJECT_UNAUTHORIZED"))
      )
      yield* refusedWith(/UNABLE_TO|SELF_SIGNED|DEPTH_ZERO/, good, undefined)
      const server = yield* secureTokenServer(
        { cert: good.cert, key: Redacted.value(good.key) },
        minted("t0")
      )
      const layer = Credentials.layer({
        serverEndpoint: "https://1.example",
        workspaceUrl: server.url,
        clientId: "client",
        clientSecret: Redacted.make("secret"),
        proxy: false
      })
      const token = HeadersProvider.use((provider) => provider.getHeaders("a.b.c")).pipe(
        Effect.provide(layer)
      )
      A.tagged(yield* Effect.flip(token), "TlsFailure")
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.live(
    "S-05 TL-12 refuses a certificate that has ended, is not valid yet, or is for another host",
    () =>
      Effect.gen(function* () {
        const ended = makeCertificates(hosts, now - 800 * day)
        yield* refusedWith(/CERT_HAS_EXPIRED/, ended, { ca: ended.ca })
        const early = makeCertificates(hosts, now + 30 * day)
        yield* refusedWith(/CERT_NOT_YET_VALID/, early, { ca: early.ca })
        const other = makeCertificates(["other.example", "10.0.0.1"], now)
        yield* refusedWith(/ERR_TLS_CERT_ALTNAME_INVALID/, other, { ca: other.ca })
      })
  )

  it.live("S-05 TL-12 holds to its lowest version and to HTTP/2, over one attempt", () =>
    Effect.gen(function* () {
      const old = yield* rawTls({ maxVersion: "TLSv1.2", ALPNProtocols: ["h2"] })
      const refused = yield* Effect.flip(
        sendOne(`https://127.0.0.1:${old.port}`, {
          tls: { ca: good.ca, minVersion: "TLSv1.3" },
          stream: { recoveryRetries: 4 }
        })
      )
      A.tagged(refused, "TlsFailure")
      assert.strictEqual(old.connections(), 1)
      const plain = yield* rawTls({ ALPNProtocols: ["http/1.1"] })
      A.tagged(
        yield* Effect.flip(sendOne(`https://127.0.0.1:${plain.port}`, { tls: { ca: good.ca } })),
        "TlsFailure"
      )
      const silent = yield* rawTls({})
      A.tagged(
        yield* Effect.flip(sendOne(`https://127.0.0.1:${silent.port}`, { tls: { ca: good.ca } })),
        "TlsFailure"
      )
    })
  )

  it.live("S-05 TL-12 shows the client's certificate to a server that requests one", () =>
    Effect.gen(function* () {
      const client = yield* clientCertificate
      const { exit, server } = yield* over(good, { ca: good.ca, ...client }, client.cert)
      assert.isTrue(Exit.isSuccess(exit), String(exit))
      assert.deepStrictEqual(server.records, [A.record(0)])
      const without = yield* over(good, { ca: good.ca }, client.cert)
      A.tagged(A.failureOf(without.exit), "TlsFailure")
      assert.strictEqual(without.server.connections.length, 0)
    })
  )

  it.live(
    "TL-12 refuses certificates and keys that cannot be read, when the layer is built and " +
      "without quoting them",
    () =>
      Effect.gen(function* () {
        const bad: ReadonlyArray<readonly [ZerobusOptions["tls"], option: string]> = [
          [{ cert: "not PEM", key: Redacted.make("canary-key") }, "cert"],
          [{ cert: good.cert, key: Redacted.make("canary-key") }, "key"],
          [{ cert: good.cert, key: makeCertificates(hosts, now).key }, "key"]
        ]
        for (const [tls, option] of bad) {
          const error = A.tagged(
            yield* Effect.flip(Effect.scoped(realClient("https://localhost", { tls }))),
            "InvalidArgument"
          )
          assert.deepStrictEqual(error.path, ["tls", option])
          assert.notInclude(error.message, "canary")
        }
      })
  )

  it.live("TL-11 TL-12 applies to the token endpoint as it does to gRPC", () =>
    Effect.gen(function* () {
      const token = (pair: Pair, tls: ZerobusOptions["tls"]) =>
        Effect.gen(function* () {
          const server = yield* secureTokenServer(
            { cert: pair.cert, key: Redacted.value(pair.key) },
            minted("t0")
          )
          const layer = Credentials.layer({
            serverEndpoint: "https://1.example",
            workspaceUrl: server.url,
            clientId: "client",
            clientSecret: Redacted.make("secret"),
            proxy: false,
            tls
          })
          return yield* HeadersProvider.use((provider) => provider.getHeaders("a.b.c")).pipe(
            Effect.provide(layer)
          )
        })
      assert.deepStrictEqual(yield* token(good, { ca: good.ca }), { authorization: "Bearer t0" })
      A.tagged(yield* Effect.flip(token(good, undefined)), "TlsFailure")
      const ended = makeCertificates(hosts, now - 800 * day)
      A.tagged(yield* Effect.flip(token(ended, { ca: ended.ca })), "TlsFailure")
    })
  )

  it.live("TL-13 H-53 refuses an application name that is not printable ASCII", () =>
    Effect.gen(function* () {
      for (const applicationName of [
        "a\0b",
        "a\nb",
        "a\u007fb",
        "caf\u00e9",
        "a\ud800",
        "a\u2028b",
        "a\tb"
      ]) {
        const error = A.tagged(
          yield* Effect.flip(Effect.scoped(realClient("https://localhost", { applicationName }))),
          "InvalidArgument"
        )
        assert.deepStrictEqual(error.path, ["applicationName"])
        assert.isFalse(error.isRetryable)
      }
    })
  )
})

describe("connections", () => {
  const peersOf = (options: Partial<ZerobusOptions>) =>
    Effect.gen(function* () {
      const server = new ScriptedServer([])
      const { peers, port } = yield* scriptedGrpc(server)
      const zerobus = yield* realClient(`http://127.0.0.1:${port}`, options)
      const [one, two] = yield* Effect.all([
        zerobus.createStream(A.table),
        zerobus.createStream(A.table)
      ])
      yield* one.close
      const ack = yield* two.ingestRecord(A.record(0))
      yield* ack.await
      yield* two.close
      return new Set(peers).size
    })

  it.live("CR-08 are one per stream by default", () =>
    Effect.map(peersOf({}), (connections) => assert.strictEqual(connections, 2))
  )

  it.live("CR-09 CR-10 are shared by option, and closing one stream leaves the other alive", () =>
    Effect.map(peersOf({ connectionPerStream: false }), (connections) =>
      assert.strictEqual(connections, 1)
    )
  )
})
