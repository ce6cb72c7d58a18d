/**
 * Finds the HTTP/2 session of a call. A version of grpc-js that hides it fails here.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { EventEmitter } from "node:events"
import { type ClientHttp2Session, constants } from "node:http2"
import { onGoAway, sessionOf } from "../../../src/internal/grpc/grpcSession.ts"
import { startRawServer } from "../../faults/rawHttp2Server.ts"

describe("the session of a call", () => {
  it("of the installed grpc-js is found", async () => {
    const server = await startRawServer(() => undefined)
    const client = new Grpc.Client(`127.0.0.1:${server.port}`, Grpc.credentials.createInsecure())
    try {
      const identity = (bytes: Buffer) => bytes
      const call = client.makeBidiStreamRequest("/a/b", identity, identity, new Grpc.Metadata())
      call.on("error", () => {})
      await new Promise((resolve) => call.once("metadata", resolve))
      const session = sessionOf(call)
      assert.isDefined(session)
      const before = session!.socket.bytesRead
      await new Promise<void>((resolve) => void session!.ping(() => resolve()))
      assert.isAbove(session!.socket.bytesRead, before)
      call.cancel()
    } finally {
      client.close()
      await server.close()
    }
  })

  it("notifies each of its calls of every GOAWAY, with one listener", () => {
    const events = new EventEmitter()
    const session = events as unknown as ClientHttp2Session
    const told: Array<number> = []
    const ends = Array.from({ length: 20 }, (_, n) => onGoAway(session, () => void told.push(n)))
    assert.strictEqual(events.listenerCount("goaway"), 1)
    for (const end of ends.slice(2)) end()
    events.emit("goaway", constants.NGHTTP2_NO_ERROR)
    events.emit("goaway", constants.NGHTTP2_NO_ERROR)
    assert.deepStrictEqual(told, [0, 1, 0, 1])
  })

  it("ignores a GOAWAY with an error", () => {
    const events = new EventEmitter()
    onGoAway(events as unknown as ClientHttp2Session, () => assert.fail("it was told"))
    events.emit("goaway", constants.NGHTTP2_ENHANCE_YOUR_CALM)
    events.emit("goaway", constants.NGHTTP2_INTERNAL_ERROR)
  })
})
