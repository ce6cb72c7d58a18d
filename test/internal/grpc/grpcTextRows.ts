/**
 * How servers provoke the texts of grpc-js, Node and OpenSSL that the client recognizes, and the
 * failure that each must become. `grpcTexts.test.ts` runs them.
 */
import * as Grpc from "@grpc/grpc-js"
import type { Effect } from "effect/Effect"
import type { TransportFailure } from "effect-zerobus"
import { sessionOf } from "../../../src/internal/grpc/grpcSession.ts"
import { LARGEST_RESPONSE, TOO_LARGE } from "../../../src/internal/grpc/grpcReplies.ts"
import { makeCertificates } from "../../../src/local/endpoints/certificates.ts"
import { frame, frameTypes, grpcMessage } from "../../faults/rawHttp2Server.ts"
import { CANARY, type Call, type Ended, endOfCall, faulty, listening, once } from "./grpcCalls.ts"

/**
 * What a row expects: the alternatives, and the failure without the parts that vary between runs.
 */
export interface Row {
  readonly name: string
  readonly texts: ReadonlyArray<string>
  readonly tag: TransportFailure["_tag"]
  readonly message: string | RegExp
  /** The gRPC status of `Status`, the code of `TlsRefused`. */
  readonly code?: number | string
}

/** A row that a server provokes. */
export interface Provoked extends Row {
  readonly call: Effect<Ended>
}

const { status } = Grpc
/** The prefix of grpc-js for every connection that could not be made. */
export const unconnected = "No connection established"
const own = makeCertificates(["127.0.0.1"], Date.now())
const others = makeCertificates(["127.0.0.1"], Date.now())
const elsewhere = makeCertificates(["elsewhere.example"], Date.now())

/** Node 22 reports a reset connection as a dropped one. */
const hasOldNode = Number(process.versions.node.split(".")[0]) < 24

const lost = (
  name: string,
  texts: ReadonlyArray<string>,
  message: string | RegExp,
  call: Effect<Ended>
): Provoked => ({
  name,
  texts,
  tag: "Disconnected",
  message,
  call
})

const connecting: ReadonlyArray<Provoked> = [
  lost(
    "a refused connection",
    [unconnected, "connect E"],
    "connect ECONNREFUSED 127.0.0.1:1",
    endOfCall("http://127.0.0.1:1")
  ),
  lost(
    "a name that does not resolve",
    ["Name resolution failed", "Name resolution failed"],
    "Name resolution failed for target dns:no.such.invalid:1",
    endOfCall("https://no.such.invalid:1")
  ),
  lost(
    "a connection closed before HTTP/2 begins",
    [unconnected, "Failed to connect"],
    "Failed to connect",
    listening("http", (socket) => socket.end())
  ),
  lost(
    "plain HTTP/2 to a server with TLS",
    [unconnected, "Failed to connect"],
    "Failed to connect",
    listening("http", () => {}, own)
  ),
  lost(
    "a server of HTTP/1.1",
    [unconnected],
    "Protocol error",
    listening("http", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
  ),
  lost(
    "a connection closed during the TLS handshake",
    [unconnected],
    "Client network socket disconnected before secure TLS connection was established",
    listening("https", (socket) => socket.end())
  )
]

const refused = (
  code: string,
  texts: ReadonlyArray<string>,
  message: string | RegExp,
  call: Effect<Ended>
) => ({
  name: code,
  texts: [unconnected, ...texts],
  tag: "TlsRefused" as const,
  message,
  code,
  call
})

const handshakes: ReadonlyArray<Provoked> = [
  ...["HTTP/1.1 400 Bad Request\r\n\r\n", frame(frameTypes.settings, 0, 0)].map((greeting) =>
    refused(
      "ERR_SSL_WRONG_VERSION_NUMBER",
      ["ERR_SSL_WRONG_VERSION_NUMBER"],
      "wrong version number",
      listening("https", (socket) => socket.end(greeting))
    )
  ),
  refused(
    "ERR_SSL_HTTP_REQUEST",
    ["ERR_SSL_HTTP_REQUEST"],
    "http request",
    listening("https", (socket) => socket.end("GET / HTTP/1.1\r\n\r\n"))
  ),
  refused(
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    [],
    /unable to verify the first certificate/,
    listening("https", () => {}, own, { tls: { ca: others.ca } })
  ),
  refused(
    "ERR_TLS_CERT_ALTNAME_INVALID",
    [],
    /does not match certificate's altnames/,
    listening("https", () => {}, elsewhere, { tls: { ca: elsewhere.ca } })
  )
]

/**
 * RST_STREAM with these codes: the server refuses the call, which is equivalent to a status in
 * trailers.
 */
const refusals = new Map([
  [8, { code: status.CANCELLED, message: "Call cancelled" }],
  [
    11,
    { code: status.RESOURCE_EXHAUSTED, message: "Bandwidth exhausted or memory limit exceeded" }
  ],
  [12, { code: status.PERMISSION_DENIED, message: "Protocol not secure enough" }]
])

const resets: ReadonlyArray<Provoked> = [-1, 0].flatMap((at) =>
  Array.from({ length: 15 }, (_, code) => {
    const name = `RST_STREAM with code ${code} ${at < 0 ? "before" : "after"} the headers`
    const call = faulty(once(at, ({ rst }) => rst(code)))
    const refusal = refusals.get(code)
    if (refusal !== undefined) return { name, texts: [], tag: "Status" as const, ...refusal, call }
    if (code === 7) return lost(name, ["Stream refused"], "Stream refused by server", call)
    const note =
      code === 0
        ? " (Call ended without gRPC status)"
        : code === 2
          ? " (Internal server error)"
          : ""
    return lost(name, ["Received RST_STREAM"], `Received RST_STREAM with code ${code}${note}`, call)
  })
)

const reset = ["Received RST_STREAM"]
const broken = "Received RST_STREAM with code 2 triggered by internal client error: "

/** Ends the session as Node does when its socket fails with this error. */
const socketFails = (syscall: string, code: string) =>
  faulty(
    once(0, ({ data }) => data(grpcMessage(new Uint8Array()))),
    {
      onResponse: (call: Call) =>
        sessionOf(call)!.destroy(Object.assign(new Error(`${syscall} ${code}`), { code, syscall }))
    }
  )

const drops: ReadonlyArray<Provoked> = [-1, 0].flatMap((at) => {
  const when = at < 0 ? "before the headers" : "before the trailers"
  const goaway = (code: number) =>
    faulty(
      once(at, ({ goaway, socket }) => {
        goaway(0, code)
        socket.end()
      })
    )
  return [
    lost(
      `FIN ${when}`,
      ["Connection dropped"],
      "Connection dropped",
      faulty(once(at, ({ socket }) => socket.end()))
    ),
    lost(
      `RST ${when}`,
      hasOldNode ? ["Connection dropped"] : ["read E"],
      hasOldNode ? "Connection dropped" : "read ECONNRESET",
      faulty(once(at, ({ socket }) => socket.resetAndDestroy()))
    ),
    lost(`GOAWAY with code 0 ${when}`, ["Stream refused"], "Stream refused by server", goaway(0)),
    lost(`GOAWAY with code 1 ${when}`, reset, "Received RST_STREAM with code 1", goaway(1)),
    lost(
      `GOAWAY with code 2 ${when}`,
      reset,
      `${broken}Session closed with error code 2`,
      goaway(2)
    )
  ]
})

const calls: ReadonlyArray<Provoked> = [
  lost("a read that times out", ["read E"], "read ETIMEDOUT", socketFails("read", "ETIMEDOUT")),
  lost(
    "a write to a reset connection",
    ["write E"],
    "write ECONNRESET",
    socketFails("write", "ECONNRESET")
  ),
  lost(
    "a write to a closed connection",
    reset,
    `${broken}write EPIPE`,
    socketFails("write", "EPIPE")
  ),
  // Node 22 does not end the connection there: the call waits for its own time limit.
  ...(hasOldNode
    ? []
    : [
        lost(
          "a frame above the size limit",
          reset,
          `${broken}Protocol error`,
          faulty(
            once(0, ({ raw, stream }) =>
              raw(frame(frameTypes.data, 0, stream, new Uint8Array(20_000)))
            )
          )
        )
      ]),
  lost(
    "a header that HTTP/2 forbids",
    ["Failed to start HTTP/2 stream"],
    "Failed to start HTTP/2 stream with error HTTP/1 Connection specific headers are forbidden: " +
      '"connection"',
    faulty(() => true, { headers: { connection: CANARY } })
  ),
  lost(
    "a ping without an answer",
    reset,
    "the server did not answer a ping within 20 ms",
    faulty(
      () => true,
      { keepalive: { interval: 20, timeout: 20 } },
      () => true
    )
  ),
  lost(
    "a refused ping",
    [],
    "the server refused pings every 20 ms (ENHANCE_YOUR_CALM); the interval is now 40 ms",
    faulty(
      () => true,
      { keepalive: { interval: 20, timeout: 2000 } },
      ({ goaway, stream }) => {
        goaway(stream, 11)
        return true
      }
    )
  ),
  {
    name: "a response above the limit",
    texts: [TOO_LARGE[0]!.source],
    tag: "Unreadable",
    message: `the server sent a response of more than ${LARGEST_RESPONSE} bytes`,
    call: faulty(once(0, ({ data }) => data(grpcMessage(new Uint8Array(10), 0, 0xfffffff0))))
  },
  {
    name: "a compressed response",
    texts: [],
    tag: "Unreadable",
    message: "the server sent a compressed response, which it was not offered",
    call: faulty(once(0, ({ data }) => data(grpcMessage(Buffer.from("not gzip"), 1))))
  }
]

/** All rows, grouped by what fails. */
export const provoked = { connecting, handshakes, resets, drops, calls }
