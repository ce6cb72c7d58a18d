/**
 * Pings over real HTTP/2 where calls share a connection that got a second session after a GOAWAY.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue } from "effect"
import * as Http2 from "node:http2"
import type * as Net from "node:net"
import * as GrpcTransport from "../../../src/GrpcTransport.ts"
import { Transport } from "../../../src/Transport.ts"
import { grpcMessage } from "../../faults/rawHttp2Server.ts"

/**
 * A server that sends GOAWAY with the first call of its first session, and keeps that call open.
 */
const drainingServer = Effect.gen(function* () {
  const sessions: Array<Http2.ServerHttp2Session> = []
  const server = Http2.createServer()
  server.on("session", (session) => {
    sessions.push(session)
    session.on("error", () => {})
  })
  server.on("stream", (stream) => {
    stream.on("error", () => {})
    stream.respond({ ":status": 200, "content-type": "application/grpc" })
    if (stream.session === sessions[0]) stream.session!.goaway(0, stream.id)
    // It follows the GOAWAY, so a client that has read it opens its next call on a new session.
    stream.write(grpcMessage(new Uint8Array()))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        for (const session of sessions) session.destroy()
        server.close()
      })
  )
  return { sessions, port: (server.address() as Net.AddressInfo).port }
})

/** The next ping that a session receives. */
const pingOf = (session: Http2.ServerHttp2Session) =>
  Effect.promise(() => new Promise((resolve) => session.once("ping", resolve)))

describe("calls that share a connection", () => {
  it.live("have their session pinged while an earlier one drains, and after that one is lost", () =>
    Effect.gen(function* () {
      const { port, sessions } = yield* drainingServer
      const layer = GrpcTransport.layer({
        serverEndpoint: `http://127.0.0.1:${port}`,
        connectionPerStream: false,
        keepalive: { interval: 20 },
        proxy: false
      })
      const transport = Context.get(yield* Layer.build(layer), Transport)
      const first = yield* transport.open({})
      yield* Queue.take(first.responses)
      const second = yield* transport.open({})
      yield* Queue.take(second.responses)
      assert.lengthOf(sessions, 2)
      yield* pingOf(sessions[1]!)
      sessions[0]!.destroy()
      assert.strictEqual((yield* Effect.flip(Queue.take(first.responses)))._tag, "Disconnected")
      yield* pingOf(sessions[1]!)
    })
  )
})
