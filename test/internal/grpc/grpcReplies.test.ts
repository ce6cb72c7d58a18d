/**
 * What the client reads of responses, over a real HTTP/2 connection, and the targets of its
 * channels.
 */
import * as Grpc from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { HeadersProvider, TableProperties, Zerobus, type ZerobusError } from "effect-zerobus"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import * as Zlib from "node:zlib"
import { channelSettings } from "../../../src/internal/grpc/grpcChannel.ts"
import { LARGEST_RESPONSE, unreadable } from "../../../src/internal/grpc/grpcReplies.ts"
import { ackResponse, createdResponse } from "../../../src/local/stream/streamMessages.ts"
import * as A from "../../support/acceptance.ts"
import { realClient } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { ScriptedServer } from "../../support/scriptedServer.ts"
import { frame } from "../../support/grpcFrame.ts"

/**
 * Responds to the first message of each stream with these frames, and ends with the trailers, if
 * any.
 */
const answering = (
  frames: ReadonlyArray<Uint8Array>,
  encoding: string,
  trailers?: Http2.OutgoingHttpHeaders
) =>
  Effect.gen(function* () {
    const seen: Array<Http2.IncomingHttpHeaders> = []
    const server = Http2.createServer()
    const sessions = new Set<Http2.ServerHttp2Session>()
    server.on("session", (session) => sessions.add(session))
    server.on("stream", (stream, headers) => {
      seen.push(headers)
      stream.on("error", () => {})
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-encoding": encoding },
        { waitForTrailers: trailers !== undefined }
      )
      stream.on("wantTrailers", () => stream.sendTrailers(trailers!))
      stream.once("data", () => {
        for (const frame of frames) stream.write(frame)
        if (trailers !== undefined) stream.end()
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const session of sessions) session.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    return { seen, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  })

/** How opening a stream ends at this endpoint, with one attempt. */
const opening = (serverEndpoint: string): Effect.Effect<Exit.Exit<unknown, ZerobusError>> =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    yield* zerobus.createStream(TableProperties.json("main.default.replies"))
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Zerobus.layer({
        serverEndpoint,
        proxy: false,
        stream: {
          recovery: false,
          scopeCloseTimeout: 0,
          drainTimeout: 0,
          headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) })
        }
      })
    ),
    Effect.orDie,
    Effect.exit
  ) as Effect.Effect<Exit.Exit<unknown, ZerobusError>>

const messageOf = (exit: Exit.Exit<unknown, ZerobusError>, tag: ZerobusError["_tag"]): string =>
  Exit.isSuccess(exit) || exit.cause.reasons[0]?._tag !== "Die"
    ? assert.fail("the opening did not fail")
    : A.tagged(exit.cause.reasons[0].defect as ZerobusError, tag).message

describe("responses", () => {
  it.live("S-15 are announced as uncompressed, and refused when they are not, however small", () =>
    Effect.gen(function* () {
      const plain = yield* answering([frame(createdResponse("s"))], "identity")
      assert.isTrue(Exit.isSuccess(yield* opening(plain.endpoint)))
      assert.strictEqual(plain.seen[0]!["grpc-accept-encoding"], "identity")
      for (const encoding of ["gzip", "deflate", "identity", "unheard-of"]) {
        const packed = encoding === "deflate" ? Zlib.deflateSync : Zlib.gzipSync
        const { endpoint } = yield* answering(
          [frame(packed(createdResponse("s")), 1), frame(ackResponse(0))],
          encoding
        )
        assert.include(
          messageOf(yield* opening(endpoint), "ProtocolViolation"),
          "compressed response"
        )
      }
      // A server may name an encoding and not use it.
      const unused = yield* answering([frame(createdResponse("s"))], "gzip")
      assert.isTrue(Exit.isSuccess(yield* opening(unused.endpoint)))
    })
  )

  it.live("S-14 above the limit are refused by their length, in words of the client's own", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* answering(
        [frame(new Uint8Array(LARGEST_RESPONSE + 1))],
        "identity"
      )
      const message = messageOf(yield* opening(endpoint), "ProtocolViolation")
      assert.include(message, `more than ${LARGEST_RESPONSE} bytes`)
      assert.notInclude(message, "The server returned")
    })
  )

  it.live("leave a server's own status alone", () =>
    Effect.gen(function* () {
      const said = "Received message larger than max (9 vs 8)"
      const { endpoint } = yield* answering([], "identity", {
        "grpc-status": "8",
        "grpc-message": said
      })
      assert.include(
        messageOf(yield* opening(endpoint), "Retryable"),
        "The server returned RESOURCE_EXHAUSTED"
      )
      assert.isUndefined(unreadable(Grpc.status.INTERNAL, said))
      assert.isDefined(
        unreadable(
          Grpc.status.RESOURCE_EXHAUSTED,
          `Received message that decompresses to a size larger than ${LARGEST_RESPONSE}`
        )
      )
    })
  )
})

describe("a channel", () => {
  it.effect("S-08 leads to the host, also to one that is named like a scheme", () =>
    Effect.gen(function* () {
      for (const host of [
        "unix",
        "dns",
        "ipv4",
        "ipv6",
        "xds",
        "localhost",
        "127.0.0.1",
        "[::1]"
      ]) {
        const { options, target } = yield* channelSettings({
          serverEndpoint: `https://${host}:8443`,
          proxy: false
        })
        const channel = new Grpc.Channel(target, Grpc.credentials.createInsecure(), {})
        assert.strictEqual(channel.getTarget(), `dns:${host}:8443`)
        assert.strictEqual(options["grpc.default_authority"], `${host}:8443`)
        channel.close()
      }
    })
  )
})

describe("acknowledgements that arrived", () => {
  it.live("count, also in one burst right before the end of the call", () =>
    Effect.gen(function* () {
      const resent: Array<string> = []
      for (let n = 1036; n <= 1056; n += 2) {
        const scripted = new ScriptedServer([
          {
            onMessage: (connection, { wireOffset }) => {
              if (wireOffset !== n - 1) return
              connection.closing(1000)
              for (let i = 0; i < n; i++) connection.ack(i)
              connection.end()
            }
          },
          {}
        ])
        const { port } = yield* scriptedGrpc(scripted)
        const zerobus = yield* realClient(`http://127.0.0.1:${port}`, {
          stream: { batching: "off" }
        })
        const stream = yield* zerobus.createStream(A.table)
        for (let i = 0; i < n; i++) yield* stream.ingestRecord(A.record(i))
        yield* stream.flush
        const again = scripted.connections[1]?.records.length ?? 0
        if (again > 0) resent.push(`${again} of ${n}`)
      }
      assert.deepStrictEqual(resent, [])
    })
  )
})
