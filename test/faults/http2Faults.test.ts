/**
 * Invalid HTTP/2 from the server (goal 12 and scenario RC-26): every fault causes the right class
 * of failure, nothing hangs, and after a retryable failure every record arrives on the next
 * connection.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import { HeadersProvider, TableProperties, Zerobus, type ZerobusError } from "effect-zerobus"
import {
  frame,
  frameTypes,
  grpcMessage,
  type RawFault,
  type RawServer,
  startRawServer,
  trailers
} from "./rawHttp2Server.ts"

const table = TableProperties.json("main.default.faults")

const rawServer = (fault: (connection: number) => RawFault | undefined) =>
  Effect.acquireRelease(
    Effect.promise(() => startRawServer(fault)),
    (server) => Effect.promise(server.close)
  )

const withServer = <A, E>(
  fault: RawFault,
  use: (server: RawServer, zerobus: Zerobus["Service"]) => Effect.Effect<A, E>,
  times = 1
) =>
  Effect.gen(function* () {
    const server = yield* rawServer((connection) => (connection < times ? fault : undefined))
    const client = Zerobus.layer({
      serverEndpoint: `http://127.0.0.1:${server.port}`,
      proxy: false,
      clientSecret: Redacted.make("unused"),
      stream: {
        recoveryBackoff: "1 millis",
        recoveryTimeout: "2 seconds",
        serverLackOfAckTimeout: "2 seconds",
        flushTimeout: "5 seconds",
        drainTimeout: "20 millis",
        headersProvider: HeadersProvider.make({
          getHeaders: Effect.succeed({ authorization: "Bearer test" })
        })
      }
    })
    return yield* Effect.flatMap(Zerobus, (zerobus) => use(server, zerobus)).pipe(
      Effect.provide(client)
    )
  }).pipe(Effect.scoped)

/**
 * Ingests during the fault and expects everything to be durable at the end, over a second
 * connection.
 */
const recovers = (fault: RawFault) =>
  withServer(fault, (server, zerobus) =>
    Effect.gen(function* () {
      yield* zerobus.withStream(table, (stream) =>
        Effect.forEach(
          Array.from({ length: 20 }, (_, n) => ({ n })),
          stream.ingestRecord,
          { discard: true }
        )
      )
      assert.isAtLeast(server.connections, 2)
      for (const offsets of server.offsets)
        assert.deepStrictEqual(
          offsets,
          offsets.map((_, index) => index)
        )
    })
  )

const fails = (fault: RawFault, tag: ZerobusError["_tag"]) =>
  withServer(fault, (server, zerobus) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        zerobus.withStream(table, (stream) => stream.ingestRecord({ n: 1 }))
      )
      assert.isTrue(Exit.isFailure(exit))
      if (!Exit.isFailure(exit)) return
      const reason = exit.cause.reasons[0]
      assert.strictEqual(reason?._tag === "Fail" ? reason.error._tag : reason?._tag, tag)
      assert.strictEqual(server.connections, 1)
    })
  )

/** Lets the stream open, then causes the fault at the first record. */
const atRecord =
  (act: (connection: Parameters<RawFault>[0]) => void): RawFault =>
  (connection, message) => {
    if (message !== 1) return false
    act(connection)
    return true
  }

/** Causes the fault instead of answering the create request. */
const atCreate =
  (act: (connection: Parameters<RawFault>[0]) => void): RawFault =>
  (connection, message) => {
    if (message !== 0) return false
    act(connection)
    return true
  }

const codes = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED"
]

// INADEQUATE_SECURITY maps to PERMISSION_DENIED in gRPC; a separate test covers its recovery.
const retryableCodes = codes
  .map((name, code) => ({ name, code }))
  .filter(({ name }) => name !== "INADEQUATE_SECURITY")

describe("RST_STREAM", () => {
  for (const { code, name } of retryableCodes) {
    it.live(`RC-26 ${name} on an open stream is recovered from`, () =>
      recovers(atRecord(({ rst }) => rst(code)))
    )
    it.live(`RC-26 ${name} instead of an answer to create is recovered from`, () =>
      recovers(atCreate(({ rst }) => rst(code)))
    )
  }
  it.live("RC-26 INADEQUATE_SECURITY is a refusal that retrying does not fix", () =>
    fails(
      atRecord(({ rst }) => rst(12)),
      "PermissionDenied"
    )
  )
})

describe("GOAWAY", () => {
  for (const code of [0, 1, 2, 11]) {
    it.live(`RC-26 with code ${code} and our stream not processed is recovered from`, () =>
      recovers(
        atRecord(({ goaway, socket }) => {
          goaway(0, code)
          socket.end()
        })
      )
    )
    it.live(`RC-26 with code ${code}, twice, then the end is recovered from`, () =>
      recovers(
        atRecord(({ goaway, socket, stream }) => {
          goaway(0x7fffffff, 0)
          goaway(stream, code)
          socket.end()
        })
      )
    )
  }
})

describe("endings", () => {
  it.live("RC-26 END_STREAM without trailers is a lost connection", () =>
    recovers(atRecord(({ data }) => data(new Uint8Array(), true)))
  )
  it.live("RC-26 trailers with OK and records pending are a lost connection", () =>
    recovers(atRecord(({ trailers }) => trailers(0)))
  )
  it.live("RC-26 trailers with UNAVAILABLE are recovered from", () =>
    recovers(atRecord(({ trailers }) => trailers(14, "restarting")))
  )
  it.live("RC-26 trailers-only with UNAVAILABLE is recovered from", () =>
    recovers((connection, message) => {
      if (message !== -1) return false
      const headers = Buffer.concat([
        Buffer.of(0x88),
        Buffer.from([0x00, 12]),
        Buffer.from("content-type"),
        Buffer.from([16]),
        Buffer.from("application/grpc"),
        trailers(14)
      ])
      connection.raw(frame(frameTypes.headers, 5, connection.stream, headers))
      return true
    })
  )
  it.live("RC-26 trailers with NOT_FOUND are final", () =>
    fails(
      atRecord(({ trailers }) => trailers(5, "gone")),
      "InvalidTable"
    )
  )
  it.live("RC-26 the connection closed by FIN is recovered from", () =>
    recovers(atRecord(({ socket }) => socket.end()))
  )
  it.live("RC-26 the connection closed by RST is recovered from", () =>
    recovers(atRecord(({ socket }) => socket.resetAndDestroy()))
  )
})

describe("malformed frames", () => {
  it.live("a frame above the size limit ends the connection, and is recovered from", () =>
    recovers(
      atRecord(({ raw, stream }) => raw(frame(frameTypes.data, 0, stream, new Uint8Array(20_000))))
    )
  )
  it.live("an unknown frame type is ignored", () =>
    withServer(
      (connection, message) => {
        if (message === 1)
          connection.raw(frame(0x42, 0, connection.stream, Buffer.from("whatever")))
        return false
      },
      (server, zerobus) =>
        Effect.gen(function* () {
          yield* zerobus.withStream(table, (stream) => stream.ingestRecord({ n: 1 }))
          assert.strictEqual(server.connections, 1)
        })
    )
  )
  it.live("S-14 a length prefix of 4 GiB is refused before it is buffered, and final", () =>
    fails(
      atRecord(({ data }) => data(grpcMessage(new Uint8Array(10), 0, 0xfffffff0))),
      "ProtocolViolation"
    )
  )
  it.live("S-15 a compressed response is refused without reading it, and final", () =>
    fails(
      atRecord(({ data, socket }) => {
        data(grpcMessage(Buffer.from("not gzip"), 1))
        socket.end()
      }),
      "ProtocolViolation"
    )
  )
  it.live(
    "a HEADERS frame with broken compression ends the connection, and is recovered from",
    () =>
      recovers(
        atRecord(({ raw, stream }) =>
          raw(frame(frameTypes.headers, 4, stream, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)))
        )
      )
  )
  it.live("a response that is not protobuf is a violation of the protocol, and final", () =>
    fails(
      atRecord(({ data }) => data(grpcMessage(Uint8Array.of(0x0a, 0xff)))),
      "ProtocolViolation"
    )
  )
  it.live("an empty response is of an unknown kind, and final", () =>
    fails(
      atRecord(({ data }) => data(grpcMessage(new Uint8Array()))),
      "ProtocolViolation"
    )
  )
  it.live("DATA on a stream that was never opened ends the connection, and is recovered from", () =>
    recovers(atRecord(({ raw }) => raw(frame(frameTypes.data, 0, 999, new Uint8Array(1)))))
  )
})
