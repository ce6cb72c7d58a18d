/**
 * Goal 31: no secret and no record appears in a log, an error, a span or a metric.
 *
 * Every secret of a client and every record contains a word that occurs nowhere else. The programs
 * below fail in many ways, with servers that echo their requests. The test searches all their
 * output for these words.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  Exit,
  Layer,
  Logger,
  Metric,
  Option,
  Redacted,
  References,
  Tracer
} from "effect"
import {
  HeadersProvider,
  Table,
  TableProperties,
  Column,
  Zerobus,
  type ZerobusOptions
} from "effect-zerobus"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"
import { startRawServer, type RawFault } from "../faults/rawHttp2Server.ts"

const words = {
  secret: "CANARYSECRET7f3a",
  token: "CANARYTOKEN91bc",
  password: "CANARYPASSWORD5d0e",
  payload: "CANARYPAYLOAD2c44",
  header: "CANARYHEADER8e19"
}

/** All output of the programs. */
const left: Array<string> = []

const collectLogs = Logger.make((options) => {
  left.push(
    inspect(options.message, { depth: 10 }),
    inspect(options.cause, { depth: 10 }),
    inspect(options.fiber.getRef(References.CurrentLogAnnotations))
  )
})

const collectSpans = Tracer.make({
  span(options) {
    const span = new Tracer.NativeSpan(options)
    const end = span.end.bind(span)
    span.end = (endTime, exit) => {
      end(endTime, exit)
      left.push(
        span.name,
        inspect(span.attributes, { depth: 10 }),
        inspect(span.events, { depth: 10 }),
        inspect(exit, { depth: 10 })
      )
    }
    return span
  }
})

const leaveError = (cause: Cause.Cause<unknown>) => {
  left.push(
    Cause.pretty(cause),
    inspect(cause, { depth: 20, showHidden: true }),
    JSON.stringify(cause)
  )
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail") continue
    const error = reason.error
    left.push(String(error), inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error))
    if (error instanceof Error) left.push(error.message, error.stack ?? "")
  }
}

/** Runs a program and collects its output; succeeds with the tag of its error. */
const observed = <A, E>(
  program: Effect.Effect<A, E, Zerobus>,
  options: ZerobusOptions
): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const exit = yield* program.pipe(
      Effect.provide(Zerobus.layer(options)),
      Effect.provide(Layer.mergeAll(Logger.layer([collectLogs]))),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      Effect.withTracer(collectSpans),
      Effect.exit
    )
    for (const metric of yield* Metric.snapshot) left.push(inspect(metric, { depth: 10 }))
    if (Exit.isSuccess(exit)) return undefined
    leaveError(exit.cause)
    return Option.getOrUndefined(
      Option.map(
        Cause.findErrorOption(exit.cause),
        (error) => (error as { readonly _tag: string })._tag
      )
    )
  })

const httpServer = (
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void
) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk) => chunks.push(chunk))
        request.on("end", () => answer(request, Buffer.concat(chunks).toString(), response))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            close: () => server.close()
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

/** Answers with everything it received, as sent and decoded. */
const echo =
  (status: number) => (request: IncomingMessage, body: string, response: ServerResponse) => {
    const basic = (request.headers.authorization ?? "").replace(/^Basic /, "")
    response.writeHead(status, { "content-type": "application/json" })
    response.end(
      JSON.stringify({
        error: "refused",
        said: `${request.headers.authorization} ${Buffer.from(basic, "base64").toString()} ${body}`
      })
    )
  }

const mint = (_: IncomingMessage, __: string, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end(JSON.stringify({ access_token: words.token, expires_in: 3600 }))
}

const rawServer = (fault: RawFault) =>
  Effect.acquireRelease(
    Effect.promise(() => startRawServer(() => fault)),
    ({ close }) => Effect.promise(close)
  )

const optionsFor = (serverEndpoint: string, workspaceUrl?: string): ZerobusOptions => ({
  serverEndpoint,
  workspaceUrl,
  clientId: "client",
  clientSecret: Redacted.make(words.secret),
  proxy: false,
  stream: {
    recoveryRetries: 1,
    recoveryBackoff: 1,
    recoveryTimeout: "2 seconds",
    scopeCloseTimeout: 0,
    drainTimeout: 0,
    flushTimeout: 50
  }
})

const json = TableProperties.json("main.default.canary")
const ingest = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  yield* zerobus.withStream(json, (stream) => stream.ingestRecord({ text: words.payload }))
})

/** Ends the stream with a status whose message quotes the token, as a careless server would. */
const careless =
  (code: number): RawFault =>
  (connection, message) => {
    if (message !== 1) return false
    connection.trailers(code, `refused Bearer ${words.token}`)
    return true
  }

const clean = (): void => {
  const text = left.join("\n")
  assert.isAbove(text.length, 500)
  for (const [name, word] of Object.entries(words)) {
    const at = text.indexOf(word)
    assert.strictEqual(
      at,
      -1,
      `the ${name} is in the output: ...${text.slice(Math.max(0, at - 150), at + 50)}...`
    )
  }
  for (const coded of [
    Buffer.from(`client:${words.secret}`).toString("base64"),
    Buffer.from(words.payload).toString("base64")
  ]) {
    assert.notInclude(text, coded)
  }
}

describe("secrets and records appear in no output", () => {
  for (const status of [302, 400, 401, 429, 503]) {
    it.live(`S-01 S-02 when the token endpoint answers ${status} and echoes the request`, () =>
      Effect.gen(function* () {
        const workspace = yield* httpServer(echo(status))
        const tag = yield* observed(ingest, optionsFor("http://127.0.0.1:9", workspace.url))
        assert.strictEqual(tag, status === 429 || status === 503 ? "Retryable" : "InvalidToken")
        clean()
      }).pipe(Effect.scoped)
    )
  }

  it.live(
    "S-01 S-02 when a success other than 200, or a refusal, has tokens of no known shape in it",
    () =>
      Effect.gen(function* () {
        const inForm = `refresh_token=${words.token}&client_secret=${words.secret}`
        for (const [status, body] of [
          [201, { access_token: words.token, expires_in: 3600 }],
          [206, { access_token: words.token }],
          [
            400,
            {
              error: "no",
              access_token: words.token,
              said: JSON.stringify({ id_token: words.token })
            }
          ],
          [401, inForm],
          [503, { refresh_token: words.token, said: inForm }]
        ] as const) {
          const workspace = yield* httpServer((_, __, response) => {
            response.writeHead(status, { "content-type": "application/json" })
            response.end(typeof body === "string" ? body : JSON.stringify(body))
          })
          const tag = yield* observed(ingest, optionsFor("http://127.0.0.1:9", workspace.url))
          assert.strictEqual(tag, status === 503 ? "Retryable" : "InvalidToken")
        }
        clean()
      }).pipe(Effect.scoped)
  )

  for (const code of [3, 5, 7, 14, 16]) {
    it.live(
      `S-01 S-02 when the server ends the stream with status ${code} and quotes the token`,
      () =>
        Effect.gen(function* () {
          const workspace = yield* httpServer(mint)
          const server = yield* rawServer(careless(code))
          const tag = yield* observed(
            ingest,
            optionsFor(`http://127.0.0.1:${server.port}`, workspace.url)
          )
          assert.isDefined(tag)
          clean()
        }).pipe(Effect.scoped)
    )
  }

  it.live("S-01 S-11 when the token is not a legal header value", () =>
    Effect.gen(function* () {
      const workspace = yield* httpServer((_, __, response) =>
        response.end(JSON.stringify({ access_token: `${words.token}\r\nx: y` }))
      )
      assert.strictEqual(
        yield* observed(ingest, optionsFor("http://127.0.0.1:9", workspace.url)),
        "InvalidToken"
      )
      clean()
    }).pipe(Effect.scoped)
  )

  it.live("S-01 S-06 S-19 when a headers provider gives an illegal header, or fails with it", () =>
    Effect.gen(function* () {
      for (const getHeaders of [
        Effect.succeed({ "authorization": "Bearer x", "x-own": `${words.header}\n` }),
        Effect.succeed({ authorization: `Bearer ${words.token}\u0000` }),
        Effect.fail(new Error(`no luck with ${words.token}`))
      ]) {
        const program = Effect.gen(function* () {
          const zerobus = yield* Zerobus
          const options = {
            headersProvider: HeadersProvider.make({ getHeaders }),
            recoveryBackoff: 0
          }
          yield* zerobus.withStream(json, options, () => Effect.void)
        })
        assert.include(
          ["InvalidToken", "InvalidArgument", "Retryable"],
          yield* observed(program, optionsFor("http://127.0.0.1:9"))
        )
      }
      clean()
    })
  )

  it.live("S-01 S-03 when the proxy refuses, or its URL is malformed", () =>
    Effect.gen(function* () {
      const proxy = yield* httpServer(echo(200))
      for (const url of [
        proxy.url.replace("http://", `http://user:${words.password}@`),
        `ftp://user:${words.password}@host`,
        `http://user:${words.password}@:x`
      ]) {
        const tag = yield* observed(ingest, {
          ...optionsFor("http://127.0.0.1:9", "http://127.0.0.1:9"),
          proxy: Redacted.make(url)
        })
        assert.isDefined(tag)
      }
      clean()
    }).pipe(Effect.scoped)
  )

  it.live(
    "S-01 S-20 when records are refused, time out, or are unacknowledged when the scope closes",
    () =>
      Effect.gen(function* () {
        const workspace = yield* httpServer(mint)
        const server = yield* rawServer((_, message) => message > 0)
        const typed = Table.make("main.default.canary", { id: Column.Int, text: Column.String })
        const program = Effect.gen(function* () {
          const zerobus = yield* Zerobus
          const stream = yield* zerobus.createStream(json)
          for (const record of [
            [words.payload],
            `${words.payload}`,
            { toJSON: () => words.payload },
            { big: 1n, text: words.payload }
          ]) {
            leaveError(yield* Effect.flip(Effect.sandbox(stream.ingestRecord(record as never))))
          }
          const rows = yield* zerobus.createStream(typed)
          leaveError(
            yield* Effect.flip(
              Effect.sandbox(rows.ingestRecord({ id: words.payload as never, text: words.payload }))
            )
          )
          leaveError(
            yield* Effect.flip(
              Effect.sandbox(rows.ingestRecord({ id: 2 ** 40, text: words.payload }))
            )
          )
          yield* stream.ingestRecord({ text: words.payload })
          yield* stream.flush
        }).pipe(Effect.scoped)
        assert.strictEqual(
          yield* observed(program, optionsFor(`http://127.0.0.1:${server.port}`, workspace.url)),
          "FlushTimeout"
        )
        clean()
      }).pipe(Effect.scoped)
  )

  it("and a word that does appear is found", () => {
    left.push(`Bearer ${words.token}`)
    assert.throws(clean)
    left.pop()
  })
})
