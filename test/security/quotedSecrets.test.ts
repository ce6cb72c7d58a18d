/**
 * No error and no log line shows a token or a record, even if the server quotes it or the program
 * logs the object that holds it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { HeadersProvider, UnityCatalog, Zerobus } from "effect-zerobus"
import * as Http from "node:http"
import type * as Net from "node:net"
import { inspect } from "node:util"
import { ackResponse } from "../../src/local/stream/streamMessages.ts"
import type * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import * as A from "../support/acceptance.ts"
import { ingestServer, memoryClient, token as memoryToken } from "../support/memoryClient.ts"
import { realClient } from "../support/realClient.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { code, ScriptedServer } from "../support/scriptedServer.ts"

const token = "dapi0123456789abcdefghijklmnopqrstuvwxyz"
const provider = (headers: Record<string, string>) =>
  HeadersProvider.make({ getHeaders: Effect.succeed(headers) })
const http = (handle: Http.RequestListener) =>
  Effect.gen(function* () {
    const server = Http.createServer(handle)
    yield* Effect.acquireRelease(
      Effect.callback<void>(
        (resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))
      ),
      () => Effect.sync(() => server.close())
    )
    return (server.address() as Net.AddressInfo).port
  })

describe("a token", () => {
  for (const [status, text] of [
    [code.UNAVAILABLE, `Connection closed: no backend for ${token}`],
    [code.INTERNAL, `Protocol error in the request of ${token}`]
  ] as const)
    it.live(
      `is not shown by an error with the server's message "${text.slice(0, 17)}...", which ` +
        `grpc-js could also produce`,
      () =>
        Effect.gen(function* () {
          const scripted = new ScriptedServer([{ onCreate: (c) => c.fail(status, text) }])
          const { port } = yield* scriptedGrpc(scripted)
          const zerobus = yield* realClient(`http://127.0.0.1:${port}`, {
            stream: { headersProvider: provider({ authorization: `Bearer ${token}` }) }
          })
          assert.notInclude((yield* Effect.flip(zerobus.createStream(A.table))).message, token)
        })
    )
  it.effect("is not shown when it was given as the name of a header", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = provider({ [`Bearer ${token}`]: "authorization" })
      const error = yield* Effect.flip(zerobus.createStream(A.table, { headersProvider }))
      assert.notInclude(error.message, token)
    })
  )
  it.live("is not shown in part when the catalog repeats it many times", () =>
    Effect.gen(function* () {
      const port = yield* http((request, response) => {
        if (request.method === "POST")
          response.end(JSON.stringify({ access_token: token, expires_in: 3600 }))
        else response.writeHead(400).end("seen: " + `${token},`.repeat(200))
      })
      const error = yield* Effect.flip(
        Effect.provide(
          UnityCatalog.use((catalog) => catalog.getTable("main.default.t")),
          UnityCatalog.layer({
            workspaceUrl: `http://127.0.0.1:${port}`,
            clientId: "a",
            clientSecret: Redacted.make("0123456789"),
            proxy: false
          })
        )
      )
      assert.notInclude(error.message, token.slice(0, 20))
    })
  )
})

describe("receipts and calls", () => {
  it.live("show neither credentials nor records when they are logged", () =>
    Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(A.table)
      const call = stream.ingestRecord({ secret: "CANARYPAYLOAD" })
      const ack = yield* call
      yield* ack.await
      for (const shown of [ack, call, stream]) {
        const text = inspect(shown, { depth: 20, showHidden: true }) + JSON.stringify(shown)
        assert.notInclude(text, memoryToken)
        assert.notInclude(text, "CANARYPAYLOAD")
      }
      yield* stream.close
    }).pipe(
      Effect.scoped,
      Effect.provide(
        memoryClient(ingestServer((offset, _, peer) => peer.write(ackResponse(offset))))
      )
    )
  )
})

describe("a server that quotes the headers it was sent", () => {
  const sent = {
    "authorization": "Custom CANARYTOKEN98765",
    "x-api-key": "CANARYKEY-2468",
    "x-padded": "  CANARYPADDED-1357 "
  }
  const quoting: MemoryTransport.MemoryServer = (headers, peer) => ({
    receive: () => {
      const quoted = Object.entries(headers).map(([name, value]) => `${name}=${value}`)
      const said =
        `${quoted.join(" ")} and once more ${headers["x-padded"]!.trim()} ` +
        `${headers["x-api-key"]}-extended`
      const field = (number: number, content: Uint8Array | string) => {
        const bytes = Buffer.from(content)
        const length =
          bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
        return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length), bytes])
      }
      const entry = (key: string, value: string) =>
        field(3, Buffer.concat([field(1, key), field(2, value)]))
      const info = Buffer.concat([
        field(1, "SCHEMA_VALIDATION_FAILED"),
        entry("causes", `TYPE_INCOMPATIBLE,${headers["x-api-key"]},CANARYTOKEN98765`),
        entry("error_code", headers["x-api-key"]!)
      ])
      const details = field(
        3,
        Buffer.concat([field(1, "type.googleapis.com/google.rpc.ErrorInfo"), field(2, info)])
      )
      const schema = headers["x-schema"] === "yes-please"
      peer.finish({ code: schema ? 3 : 13, message: said, details: schema ? details : undefined })
    },
    halfClosed: () => {},
    cancelled: () => {}
  })

  for (const [what, more, tag] of [
    ["in its status", {}, "Retryable"],
    ["in the details of a schema error", { "x-schema": "yes-please" }, "SchemaMismatch"]
  ] as const) {
    it.live(`${what} is not quoted with their values, the table's name excepted`, () =>
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const failure = yield* Effect.flip(
          zerobus.createStream(A.table, {
            recovery: false,
            headersProvider: HeadersProvider.make({
              getHeaders: Effect.succeed({ ...sent, ...more })
            })
          })
        )
        assert.strictEqual(failure._tag, tag)
        const text =
          inspect(failure, { depth: 20, showHidden: true }) +
          JSON.stringify(failure) +
          failure.message
        assert.notInclude(text, "CANARY")
        // The names and the table remain.
        for (const word of [
          "x-api-key=<redacted>",
          `x-databricks-zerobus-table-name=${A.table.tableName}`
        ])
          assert.include(failure.message, word)
        if (failure._tag === "SchemaMismatch") {
          assert.deepStrictEqual(failure.causes, ["TYPE_INCOMPATIBLE", "<redacted>", "<redacted>"])
          assert.isUndefined(failure.errorCode)
        }
      }).pipe(Effect.scoped, Effect.provide(memoryClient(quoting)))
    )
  }
})
