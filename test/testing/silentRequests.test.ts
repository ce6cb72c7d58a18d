/** Connections to the HTTP port that send nothing, or half a request, and then stay silent. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Net from "node:net"
import { serveHttp } from "../../src/testing/serveHttp.ts"

/** An application that waits for the body of each request. */
const app = HttpServerRequest.HttpServerRequest.pipe(
  Effect.flatMap((request) => request.text),
  Effect.match({
    onFailure: () => HttpServerResponse.empty({ status: 400 }),
    onSuccess: (text) => HttpServerResponse.text(text)
  })
)

/** Sends only these bytes. Resolves with the response once the server has closed the connection. */
const silent = (port: number, bytes: string) =>
  Effect.callback<string>((resume) => {
    let seen = ""
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.on("data", (chunk: Buffer) => (seen += chunk.toString()))
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(seen)))
    return Effect.sync(() => socket.destroy())
  })

it.live("are closed, and others are served", () =>
  Effect.gen(function* () {
    const { port } = yield* serveHttp({
      host: "127.0.0.1",
      port: 0,
      app,
      limits: { headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 20 }
    })
    const post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    yield* Effect.all(
      [
        silent(port, ""),
        silent(port, "POST / HT"),
        silent(port, post),
        silent(port, `${post}\r\na`)
      ],
      {
        concurrency: "unbounded"
      }
    )
    const served = yield* silent(port, `${post}Connection: close\r\n\r\nab`)
    assert.match(served, /^HTTP\/1\.1 200 OK\r\n[^]*ab/)
  })
)
