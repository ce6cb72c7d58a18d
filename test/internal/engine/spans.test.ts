/**
 * What the client reports besides metrics: spans per stream, session, flush and token request, and
 * the annotations of its log lines.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  Exit,
  Layer,
  Logger,
  Redacted,
  References,
  Schedule,
  Stream,
  Tracer
} from "effect"
import { HeadersProvider, type StreamConfigurationOptions } from "effect-zerobus"
import * as Credentials from "../../../src/Credentials.ts"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"
import { minted, type TokenAnswer, tokenServer } from "../../support/tokenServer.ts"

const table = A.table.tableName
const options = {
  recoverySchedule: Schedule.spaced(10),
  drainTimeout: 0,
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void
} as const satisfies StreamConfigurationOptions

/** Credentials for a token endpoint with these responses. */
const oauth = (answers: ReadonlyArray<TokenAnswer>) =>
  Effect.gen(function* () {
    const tokens = yield* tokenServer(...answers)
    const layer = Credentials.layer({
      serverEndpoint: "https://1.zerobus.example.com",
      workspaceUrl: tokens.url,
      clientId: "client",
      clientSecret: Redacted.make("secret"),
      proxy: false
    })
    const context = yield* Layer.build(layer)
    const provider = yield* Effect.provide(HeadersProvider, context)
    return { tokens, ask: provider.getHeaders(table) }
  })

interface SpanSeen {
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly parent: string | undefined
  ended: boolean
  /** The message of the failure that it ended with, if any. */
  failure?: string | undefined
}

/** Runs a program and records its spans from their start, and the annotations of its log lines. */
const traced = <X, E, R>(
  program: (seen: {
    readonly spans: Array<SpanSeen>
    readonly lines: Array<Readonly<Record<string, unknown>>>
  }) => Effect.Effect<X, E, R>
) => {
  const spans: Array<SpanSeen> = []
  const lines: Array<Readonly<Record<string, unknown>>> = []
  const tracer = Tracer.make({
    span: (given) => {
      const span = new Tracer.NativeSpan(given)
      const seen: SpanSeen = {
        name: span.name,
        get attributes() {
          return Object.fromEntries(span.attributes)
        },
        parent:
          span.parent._tag === "Some" && span.parent.value._tag === "Span"
            ? span.parent.value.name
            : undefined,
        ended: false
      }
      const end = span.end.bind(span)
      span.end = (...how) => {
        seen.ended = true
        if (Exit.isFailure(how[1])) seen.failure = (Cause.squash(how[1].cause) as Error).message
        end(...how)
      }
      spans.push(seen)
      return span
    }
  })
  const logger = Logger.make(({ fiber, message }) => {
    const details = Array.isArray(message) ? (message[1] as object | undefined) : undefined
    lines.push({ ...fiber.getRef(References.CurrentLogAnnotations), ...details })
  })
  return program({ spans, lines }).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.withTracer(tracer)
  )
}

const plain = (spans: ReadonlyArray<SpanSeen>) =>
  spans.map(({ attributes, ended, name, parent }) => ({ name, parent, attributes, ended }))

describe("spans", () => {
  it.effect(
    "are one per stream, session and flush, with what they belong to, and none per record",
    () =>
      traced(({ spans }) =>
        Effect.gen(function* () {
          const { server, stream, zerobus } = yield* A.open(options, A.silent)
          const opening = {
            name: "Zerobus.createStream",
            parent: undefined,
            attributes: { table },
            ended: true
          }
          const session = (id: string, ended: boolean, parent = "Zerobus.createStream") => ({
            name: "Zerobus.session",
            parent,
            attributes: { table, session: id },
            ended
          })
          yield* A.settle
          assert.deepStrictEqual(plain(spans), [opening, session("session-0", false)])
          for (let n = 0; n < 1000; n++) yield* stream.ingestRecord(A.record(n))
          for (let n = 0; n < 20; n++) yield* stream.ingestRecords(A.recordsFrom(0, 5))
          const ack = yield* stream.ingestRecord(A.record(0))
          const waiting = yield* A.started(ack.await)
          assert.strictEqual(spans.length, 2)
          server.last.cut()
          yield* A.advance(10)
          server.last.ack(server.last.messages.length - 1)
          yield* A.settle
          waiting.value()
          yield* stream.flush
          const flush = {
            name: "ZerobusStream.flush",
            parent: undefined,
            attributes: { table, stream: "session-0" },
            ended: true
          }
          assert.deepStrictEqual(plain(spans), [
            opening,
            session("session-0", true),
            session("session-1", false),
            flush
          ])
          yield* stream.close
          const next = yield* zerobus.recreateStream(stream)
          yield* next.close
          const close = (stream: string) => ({
            ...flush,
            name: "ZerobusStream.close",
            attributes: { table, stream }
          })
          assert.deepStrictEqual(plain(spans).slice(2), [
            session("session-1", true),
            flush,
            close("session-0"),
            { ...opening, name: "Zerobus.recreateStream" },
            // The caller of recreateStream continues and closes before the new session's span
            // begins.
            close("session-2"),
            session("session-2", true, "Zerobus.recreateStream")
          ])
          const [lost, closed] = spans.filter(({ name }) => name === "Zerobus.session")
          assert.match(String(lost!.failure), /connection reset/)
          assert.isUndefined(closed!.failure)
        })
      )
  )

  it.effect("are one around a stream that withStream or a sink opens, uses and closes", () =>
    traced(({ spans }) =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client({})
        yield* zerobus.withStream(A.table, options, (stream) =>
          Effect.withSpan(stream.flush, "using")
        )
        const span = (name: string, parent: string | undefined, attributes = {}) => ({
          name,
          parent,
          attributes,
          ended: true
        })
        const around = (name: string, stream: string) => [
          span(name, undefined, { table }),
          span("Zerobus.createStream", name, { table }),
          span("Zerobus.session", "Zerobus.createStream", { table, session: stream }),
          span("ZerobusStream.close", name, { table, stream })
        ]
        const using = [
          span("using", "Zerobus.withStream"),
          span("ZerobusStream.flush", "using", { table, stream: "session-0" })
        ]
        assert.sameDeepMembers(plain(spans), [
          ...around("Zerobus.withStream", "session-0"),
          ...using
        ])
        spans.length = 0
        yield* Stream.run(Stream.make(A.record(0)), zerobus.sink(A.table, options))
        const flush = span("ZerobusStream.flush", "Zerobus.sink", { table, stream: "session-1" })
        assert.sameDeepMembers(plain(spans), [...around("Zerobus.sink", "session-1"), flush])
        yield* Effect.flip(
          zerobus.withStream(A.table, options, () => Effect.fail(new Error("broken")))
        )
        assert.strictEqual(
          spans.find(({ name }) => name === "Zerobus.withStream")!.failure,
          "broken"
        )
      })
    )
  )

  it.effect("end with the failure of what they cover", () =>
    traced(({ spans }) =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.refusing(code.NOT_FOUND))
        yield* Effect.flip(zerobus.createStream(A.table))
        assert.deepStrictEqual(plain(spans), [
          { name: "Zerobus.createStream", parent: undefined, attributes: { table }, ended: true }
        ])
      })
    )
  )

  it.live("are one per token call, under the stream that asked", () =>
    traced(({ spans }) =>
      Effect.gen(function* () {
        const { ask } = yield* oauth([minted("t0")])
        yield* Effect.withSpan(ask, "asking")
        yield* ask
        assert.deepStrictEqual(plain(spans), [
          { name: "asking", parent: undefined, attributes: {}, ended: true },
          { name: "Zerobus.requestToken", parent: "asking", attributes: { table }, ended: true }
        ])
      })
    )
  )
})

describe("log lines", () => {
  it.effect("all name the table", () =>
    traced(({ lines }) =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          { batching: "off", recoverySchedule: Schedule.spaced(10) },
          A.silent
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.advance(10)
        server.last.closing(0)
        yield* A.advance(500)
        server.last.fail(code.NOT_FOUND)
        yield* A.settle
        assert.isAtLeast(lines.length, 5)
        for (const line of lines) assert.strictEqual(line["table"], table, JSON.stringify(line))
      })
    )
  )
})
