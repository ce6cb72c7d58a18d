/**
 * The effects of a hostile endpoint's HTTP answers and HTTP/2 frames on the client, and the
 * environment variables that the client reads.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Exit, Layer, Redacted } from "effect"
import {
  Credentials,
  HeadersProvider,
  Retryable,
  TableProperties,
  UnityCatalog,
  Zerobus,
  ZerobusLayer,
  type ZerobusOptions
} from "effect-zerobus"
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Path from "node:path"
import { frame, frameTypes, type RawConnection, startRawServer } from "../faults/rawHttp2Server.ts"
import * as A from "../support/acceptance.ts"
import { catalogServer } from "../support/catalogServer.ts"
import { minted, tokenServer } from "../support/tokenServer.ts"

/** A server with handwritten answers; `gone` completes when a client has closed a connection. */
const httpServer = (answer: (response: Http.ServerResponse) => void) =>
  Effect.gen(function* () {
    const gone = Deferred.makeUnsafe<void>()
    const asked = Deferred.makeUnsafe<void>()
    const server = Http.createServer((request, response) => {
      response.on("error", () => {})
      request.socket.once("close", () => Deferred.doneUnsafe(gone, Exit.void))
      request.resume()
      request.on("end", () => {
        answer(response)
        Deferred.doneUnsafe(asked, Exit.void)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { url, gone: Deferred.await(gone), asked }
  })

const principal = (workspaceUrl: string) => ({
  workspaceUrl,
  clientId: "client",
  clientSecret: Redacted.make("secret"),
  proxy: false as const
})

const tokenOf = (workspaceUrl: string) =>
  Effect.gen(function* () {
    const options: ZerobusOptions = {
      serverEndpoint: "https://1.example",
      ...principal(workspaceUrl)
    }
    const context = yield* Layer.build(Credentials.layer(options))
    return yield* Context.get(context, HeadersProvider).getHeaders("main.default.t")
  })

/** Writes as long as the client reads. */
const endless = (response: Http.ServerResponse): void => {
  let open = true
  response.once("close", () => (open = false))
  const more = () => {
    while (open && response.write("x".repeat(65_536)));
    if (open) response.once("drain", more)
  }
  more()
}

describe("HTTP answers", () => {
  it.live("S-10 without an end are aborted at their limit, with the connection", () =>
    Effect.gen(function* () {
      const { gone, url } = yield* httpServer(endless)
      const error = A.tagged(yield* Effect.flip(tokenOf(url)), "Retryable")
      assert.include(error.message, "larger than 65536 bytes")
      yield* gone
    })
  )

  it.effect("S-10 that stop halfway end at the limit of a whole answer", () =>
    Effect.gen(function* () {
      const { asked, gone, url } = yield* httpServer((response) => {
        response.writeHead(200)
        response.write('{"access_')
      })
      const asking = yield* A.started(tokenOf(url))
      yield* Deferred.await(asked)
      yield* A.advance(30_000)
      assert.instanceOf(asking.error(), Retryable)
      yield* gone
    })
  )

  it.live("S-09 that redirect are not followed with the catalog's token", () =>
    Effect.gen(function* () {
      const elsewhere = yield* tokenServer(minted("stolen"))
      const server = yield* catalogServer
      const tables = "/api/2.1/unity-catalog/tables"
      const context = yield* Layer.build(UnityCatalog.layer(principal(server.url)))
      for (const status of [301, 302, 307, 308]) {
        server.tables.set("a.b.c", {
          status,
          body: "",
          headers: { location: `${elsewhere.url}${tables}/a.b.c` }
        })
        const error = yield* Effect.flip(Context.get(context, UnityCatalog).getTable("a.b.c"))
        assert.include(A.tagged(error, "InvalidEndpoint").message, "redirect")
      }
      assert.strictEqual(elsewhere.requests.length, 0)
    })
  )

  it.live("S-16 cannot make a prototype's property count as a token", () =>
    Effect.gen(function* () {
      for (const body of [
        '{"__proto__":{"access_token":"ttttttttt"}}',
        '{"constructor":{"prototype":{"access_token":"ttttttttt"}}}'
      ]) {
        const tokens = yield* tokenServer({ body })
        assert.include(
          A.tagged(yield* Effect.flip(tokenOf(tokens.url)), "InvalidToken").message,
          "no access_token"
        )
      }
      assert.notProperty({}, "access_token")
    })
  )
})

const settings = (value: number): Buffer => {
  const payload = Buffer.alloc(6)
  // SETTINGS_MAX_CONCURRENT_STREAMS
  payload.writeUInt16BE(3)
  payload.writeUInt32BE(value, 2)
  return frame(frameTypes.settings, 0, 0, payload)
}

/** A stream that the server opens by itself, with an unrequested answer that does not end. */
const pushed = (parent: number, id: number): Buffer => {
  const request = Buffer.concat([
    Buffer.of(0, 0, 0, id, 0x82, 0x86, 0x84, 0x01, 9),
    Buffer.from("127.0.0.1")
  ])
  return Buffer.concat([
    frame(frameTypes.pushPromise, 4, parent, request),
    frame(frameTypes.headers, 4, id, Buffer.of(0x88)),
    frame(frameTypes.data, 0, id, Buffer.alloc(512))
  ])
}

const floods: ReadonlyArray<
  readonly [name: string, frames: (connection: RawConnection) => Buffer]
> = [
  ["SETTINGS", () => Buffer.concat(Array.from({ length: 5_000 }, (_, n) => settings(100 + n)))],
  [
    "PING",
    () =>
      Buffer.concat(
        Array.from({ length: 20_000 }, () => frame(frameTypes.ping, 0, 0, Buffer.alloc(8)))
      )
  ],
  [
    "empty DATA",
    ({ stream }) =>
      Buffer.concat(Array.from({ length: 20_000 }, () => frame(frameTypes.data, 0, stream)))
  ],
  [
    "unknown frames",
    () => Buffer.concat(Array.from({ length: 20_000 }, () => frame(0x42, 0, 0, Buffer.alloc(8))))
  ],
  [
    "WINDOW_UPDATE",
    () =>
      Buffer.concat(
        Array.from({ length: 20_000 }, () =>
          frame(frameTypes.windowUpdate, 0, 0, Uint8Array.of(0, 0, 0, 1))
        )
      )
  ],
  [
    "pushed streams",
    ({ stream }) => Buffer.concat(Array.from({ length: 100 }, (_, n) => pushed(stream, n * 2 + 2)))
  ]
]

describe("frames", () => {
  for (const [name, frames] of floods) {
    it.live(
      `S-17 in floods (${name}) lose no record: they are tolerated, or the connection is replaced`,
      () =>
        Effect.gen(function* () {
          const server = yield* Effect.acquireRelease(
            Effect.promise(() =>
              startRawServer((number) =>
                number > 0
                  ? undefined
                  : (connection, message) => {
                      if (message === 1) connection.raw(frames(connection))
                      return false
                    }
              )
            ),
            ({ close }) => Effect.promise(close)
          )
          const client = Zerobus.layer({
            serverEndpoint: `http://127.0.0.1:${server.port}`,
            proxy: false,
            stream: {
              recoveryBackoff: 1,
              headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) })
            }
          })
          yield* Zerobus.use((zerobus) =>
            zerobus.withStream(TableProperties.json("main.default.floods"), (stream) =>
              Effect.forEach([1, 2, 3], (n) =>
                Effect.flatMap(stream.ingestRecord({ n }), (ack) => ack.await)
              )
            )
          ).pipe(Effect.provide(client))
          assert.isAtMost(server.connections, 2)
        })
    )
  }
})

describe("the environment", () => {
  it.effect("S-22 is read for the variables that the guides name and those of proxies only", () =>
    Effect.gen(function* () {
      const read = new Set<string>()
      const given: Record<string, string> = {
        ZEROBUS_SERVER_ENDPOINT: "https://1.example",
        DATABRICKS_WORKSPACE_URL: "https://w.example",
        DATABRICKS_CLIENT_ID: "client",
        DATABRICKS_CLIENT_SECRET: "secret"
      }
      const provider = ConfigProvider.make((path) =>
        Effect.sync(() => {
          const name = path.join("_")
          read.add(name)
          const value = given[name]
          return value === undefined ? undefined : ConfigProvider.makeValue(value)
        })
      )
      yield* Layer.build(ZerobusLayer).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, provider)
      )
      const guide = Fs.readFileSync(
        Path.resolve(import.meta.dirname, "../../docs/options.md"),
        "utf8"
      )
      const documented = new Set(guide.match(/\b(?:ZEROBUS|DATABRICKS)_[A-Z_]+\b/g))
      const ofProxies = ["grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"]
      const allowed = new Set([
        ...documented,
        ...ofProxies,
        ...ofProxies.map((name) => name.toUpperCase()),
        "REQUEST_METHOD"
      ])
      assert.deepStrictEqual(
        [...read].filter((name) => !allowed.has(name)),
        []
      )
      assert.isAbove(read.size, Object.keys(given).length)
    })
  )
})
