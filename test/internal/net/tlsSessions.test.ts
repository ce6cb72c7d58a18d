/**
 * TLS connections that resume the session of an earlier one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { AddressInfo, Socket } from "node:net"
import * as Tls from "node:tls"
import { connect } from "../../../src/internal/net/connector.ts"
import { parseEndpoint } from "../../../src/internal/net/endpoint.ts"
import { routeTo } from "../../../src/internal/net/route.ts"
import { makeCertificates } from "../../../src/local/endpoints/certificates.ts"

/** A server that sends a greeting, and whether each connection resumed a session. */
const greeting = Effect.gen(function* () {
  const { ca, cert, key } = makeCertificates(["127.0.0.1"], Date.now())
  const resumed: Array<boolean> = []
  const server = Tls.createServer(
    { ca, cert, key: Redacted.value(key), ALPNProtocols: ["h2"] },
    (socket) => {
      resumed.push(socket.isSessionReused())
      socket.on("error", () => {})
      socket.write("hello")
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
  const route = routeTo(endpoint, { proxy: false, tls: { ca } }, "h2")
  return { resumed, route }
})

/** The server's greeting. It has sent its tickets by then. */
const greetingOf = (socket: Socket) =>
  Effect.callback<string>((resume) => {
    socket.once("data", (bytes) => {
      socket.destroy()
      resume(Effect.succeed(bytes.toString()))
    })
  })

describe("a TLS session", () => {
  it.live("is resumed by the next connection of the same client, and by no other", () =>
    Effect.gen(function* () {
      const { resumed, route } = yield* greeting
      const own = yield* route
      for (let n = 0; n < 3; n++) {
        const socket = yield* Effect.promise(() => connect(own))
        assert.strictEqual(yield* greetingOf(socket), "hello")
      }
      const other = yield* route
      yield* greetingOf(yield* Effect.promise(() => connect(other)))
      assert.deepStrictEqual(resumed, [false, true, true, false])
    }).pipe(Effect.scoped)
  )
})
