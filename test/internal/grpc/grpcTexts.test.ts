/**
 * Every text of grpc-js, Node and OpenSSL that the client recognizes, one row each: how it is
 * caused, and the failure of the call. A version that rewords a text fails its row.
 *
 * Texts that no server can cause are looked up in the source of the installed grpc-js instead.
 */
import * as Grpc from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { LOCAL_TEXTS, toFailure } from "../../../src/internal/grpc/grpcFailures.ts"
import { LARGEST_RESPONSE, TOO_LARGE } from "../../../src/internal/grpc/grpcReplies.ts"
import { classify, UNREACHED } from "../../../src/internal/grpc/grpcStatus.ts"
import { NOT_TLS } from "../../../src/internal/net/connector.ts"
import { CANARY, type Ended } from "./grpcCalls.ts"
import { provoked, type Row, unconnected } from "./grpcTextRows.ts"

const { status } = Grpc

/** The alternatives in the client's sources that match this end of a call, named by their text. */
const recognised = ({ details, failure }: Ended): ReadonlyArray<string> => [
  ...LOCAL_TEXTS.filter((text) => details.startsWith(text)),
  ...TOO_LARGE.filter((text) => text.test(details)).map(({ source }) => source),
  ...UNREACHED.filter(
    (text) => failure._tag === "Disconnected" && failure.message.startsWith(text)
  ),
  ...NOT_TLS.filter((code) => failure._tag === "TlsRefused" && failure.code === code)
]

const alternatives = [
  ...LOCAL_TEXTS,
  ...TOO_LARGE.map(({ source }) => source),
  ...UNREACHED,
  ...NOT_TLS
]

/** A text in a file of grpc-js, and an end of a call with it. */
interface Quoted extends Row {
  readonly file: string
  readonly source: string
  readonly status: Grpc.status
  readonly details: string
}

const check = (row: Row, ended: Ended): void => {
  const { failure } = ended
  assert.strictEqual(failure._tag, row.tag)
  if (typeof row.message === "string") assert.strictEqual(failure.message, row.message)
  else assert.match(failure.message, row.message)
  assert.strictEqual("code" in failure ? failure.code : undefined, row.code)
  assert.deepStrictEqual(recognised(ended), row.texts)
  const { message } = classify(failure, "main.default.texts")
  assert.strictEqual(
    message.includes("No connection to"),
    row.texts.some((text) => UNREACHED.includes(text))
  )
  assert.strictEqual(
    message.includes("does not speak TLS"),
    row.texts.some((text) => NOT_TLS.includes(text))
  )
  // Users read these messages: they must contain no path, header or payload.
  for (const secret of [CANARY, "EphemeralStream", process.cwd()])
    assert.notInclude(message, secret)
}

const quoted = (
  file: string,
  source: string,
  details: string,
  texts: ReadonlyArray<string>,
  message: string,
  code = status.UNAVAILABLE
): Quoted => ({
  name: `${file}: ${source}`,
  file,
  source,
  details,
  status: code,
  texts,
  tag: "Disconnected",
  message
})

const notConnected = (reason: string): string =>
  `No connection established. Last error: ${reason} (2026-01-01T00:00:00.000Z). Resolution ` +
  `note: none`

const quotes: ReadonlyArray<Quoted> = [
  quoted(
    "picker.js",
    "details: 'No connection established'",
    unconnected,
    [unconnected],
    unconnected
  ),
  quoted(
    "load-balancer-pick-first.js",
    "`No connection established. Last error: ${this.lastError}. Resolution note: " +
      "${this.latestResolutionNote}`",
    notConnected("No addresses resolved"),
    [unconnected],
    "No addresses resolved"
  ),
  quoted(
    "transport.js",
    "reject('Connection closed before starting HTTP/2 handshake')",
    notConnected("Connection closed before starting HTTP/2 handshake"),
    [unconnected],
    "Connection closed before starting HTTP/2 handshake"
  ),
  quoted(
    "transport.js",
    "reject(new Error('Socket closed'))",
    notConnected("Error: Socket closed"),
    [unconnected],
    "Socket closed"
  ),
  quoted(
    "subchannel-call.js",
    "details: `Write error: ${error.message}`",
    "Write error: write after end",
    ["Write error: "],
    "Write error: write after end",
    status.INTERNAL
  ),
  quoted(
    "subchannel-call.js",
    "details: `Write failed with error ${error.message}`",
    "Write failed with error x",
    ["Write failed with error "],
    "Write failed with error x"
  ),
  {
    name: "compression-filter.js: a response that decompresses to more than the limit",
    file: "compression-filter.js",
    source:
      "details: `Received message that decompresses to a size larger than " +
      "${this.maxRecvMessageLength}`",
    details: `Received message that decompresses to a size larger than ${LARGEST_RESPONSE}`,
    status: status.RESOURCE_EXHAUSTED,
    texts: [TOO_LARGE[1]!.source],
    tag: "Unreadable",
    message: `the server sent a response of more than ${LARGEST_RESPONSE} bytes`
  }
]

for (const [name, rows] of Object.entries(provoked)) {
  describe(`${name}`, () => {
    for (const row of rows) {
      // A machine without a network may take seconds to report that a name does not resolve.
      it.live(`${row.name}`, () => Effect.map(row.call, (ended) => check(row, ended)), 20_000)
    }
  })
}

describe("texts of grpc-js that no server provokes", () => {
  const folder = new URL("../../../node_modules/@grpc/grpc-js/build/src/", import.meta.url)
  for (const row of quotes) {
    it(`${row.name}`, () => {
      assert.include(readFileSync(new URL(row.file, folder), "utf8"), row.source)
      const { details } = row
      const failure = toFailure(
        { code: row.status, details, metadata: new Grpc.Metadata() },
        undefined,
        undefined
      )
      check(row, { details, failure })
    })
  }
})

describe("the table", () => {
  it("has a row for every text that the client recognises", () => {
    const covered = new Set(
      [...Object.values(provoked).flat(), ...quotes].flatMap(({ texts }) => texts)
    )
    assert.deepStrictEqual(
      alternatives.filter((text) => !covered.has(text)),
      []
    )
  })

  it("treats none of these texts as a lost connection under a status only servers send", () => {
    for (const text of LOCAL_TEXTS) {
      const failure = toFailure(
        { code: status.NOT_FOUND, details: text, metadata: new Grpc.Metadata() },
        undefined,
        undefined
      )
      assert.strictEqual(failure._tag, "Status")
    }
  })
})
