/**
 * What the supervisor does between sessions, seen from outside: states, pauses, the budget, and
 * what it passes to schedules, logs and metrics.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { type HeaderRecord, HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import { Transport } from "../../../src/Transport.ts"
import { InvalidState, Retryable, RetryableReason } from "../../../src/ZerobusError.ts"
import * as A from "../../support/acceptance.ts"
import { metricsOf, reporting, type Reports } from "../../support/reports.ts"
import { code, response, type Script, ScriptedServer } from "../../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

/** Accepts the stream and announces its end at once. */
const leaving: Script = { onCreate: (connection) => (connection.accept(), connection.closing(0)) }

/** The states of a stream from now to its end. */
const states = (stream: { readonly stateChanges: Stream.Stream<string> }) =>
  A.started(Stream.runCollect(stream.stateChanges))

describe("a stream's states", () => {
  it.effect("show the loss of the connection, sending again, and being open again", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        single,
        A.silent,
        A.refusing(code.UNAVAILABLE),
        A.silent,
        {}
      )
      const seen: Array<string> = []
      const watching = yield* A.started(
        Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => seen.push(state)))
      )
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      assert.deepStrictEqual(seen, ["open"])
      server.last.cut()
      yield* A.settle
      assert.deepStrictEqual(seen, ["open", "recovering"])
      yield* A.advance(20)
      assert.strictEqual(seen.at(-1), "open")
      assert.include(seen, "replaying")
      server.last.ack(0)
      // This time there is nothing to send again.
      yield* A.settle
      seen.length = 0
      server.last.cut()
      yield* A.advance(10)
      yield* stream.close
      yield* A.settle
      assert.deepStrictEqual(seen, ["recovering", "open", "closed"])
      assert.isTrue(watching.done())
    })
  )

  it.effect(
    "call a stream that was open recovering, also when the server gives its connections no name",
    () =>
      Effect.gen(function* () {
        const nameless: Script = {
          onMessage: () => {},
          onCreate: (connection) => connection.send(response.created())
        }
        const { server, stream } = yield* A.open(single, nameless, A.refusing(code.NOT_FOUND))
        const all = yield* states(stream)
        assert.match(stream.streamId, /^stream-main\.default\.readings-\w+$/)
        assert.strictEqual(yield* stream.sessionId, stream.streamId)
        server.last.cut()
        yield* A.advance(10)
        assert.deepStrictEqual([...new Set(all.value())], ["open", "recovering", "failed"])
      })
  )
})

describe("a server that announces the end of every connection", () => {
  it.effect("is left at once the first time, and after the pause from then on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ recoverySchedule: Schedule.spaced(1000) }, leaving)
      yield* A.settle
      assert.strictEqual(server.connections.length, 2)
      for (const next of [3, 4]) {
        yield* A.advance(999)
        assert.strictEqual(server.connections.length, next - 1)
        yield* A.advance(1)
        assert.strictEqual(server.connections.length, next)
      }
      // A close does not wait for the pause.
      const closing = yield* A.started(stream.close)
      assert.isTrue(closing.done())
    })
  )

  it.effect("is trusted again after a connection that was worth something", () =>
    Effect.gen(function* () {
      const { server } = yield* A.open(
        { recoverySchedule: Schedule.spaced(1000) },
        leaving,
        {},
        leaving,
        {}
      )
      yield* A.settle
      assert.strictEqual(server.connections.length, 2)
      yield* A.advance(15_000, 5000)
      server.last.closing(0)
      yield* A.settle
      assert.strictEqual(server.connections.length, 4)
    })
  )
})

describe("the retry budget", () => {
  for (const [recoveryRetries, connections] of [
    [0, 1],
    [2, 3]
  ] as const) {
    it.effect(`of ${recoveryRetries} ends after that many attempts more`, () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          { batching: "off", recoveryRetries, recoveryBackoff: 100 },
          A.silent,
          A.refusing(code.UNAVAILABLE, "away")
        )
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.advance(2000)
        const error = A.tagged(yield* Effect.flip(ack.await), "Retryable")
        assert.strictEqual(error.attempts, connections)
        assert.strictEqual(server.connections.length, connections)
      })
    )
  }

  it.effect("S-18 pauses as long as configured, give or take a fifth", () =>
    Effect.gen(function* () {
      const { server } = yield* A.open({ batching: "off", recoveryBackoff: 1000 }, {})
      server.last.cut()
      yield* A.advance(799)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(402)
      assert.strictEqual(server.connections.length, 2)
    })
  )

  it.effect("shows each failure to a schedule, refused credentials as an unavailable server", () =>
    Effect.gen(function* () {
      const inputs: Array<readonly [string, string, number]> = []
      const schedule = Schedule.identity<Retryable>().pipe(
        Schedule.tap(({ input }) =>
          Effect.sync(() => {
            const { reason } = input
            inputs.push([
              reason._tag,
              "status" in reason ? reason.status : reason.message,
              input.attempts
            ])
          })
        ),
        Schedule.addDelay(() => Effect.succeed(10))
      )
      const { provider, server } = yield* A.open(
        { recoverySchedule: schedule },
        {},
        A.refusing(code.UNAUTHENTICATED, "who are you?"),
        A.refusing(code.UNAVAILABLE, "away"),
        {}
      )
      server.last.cut()
      yield* A.advance(30)
      assert.strictEqual(server.connections.length, 4)
      assert.strictEqual(provider.invalidated, 1)
      assert.deepStrictEqual(
        inputs.map(([tag]) => tag),
        ["ConnectionLost", "ServerUnavailable", "ServerUnavailable"]
      )
      assert.deepStrictEqual(inputs[1]?.slice(1), ["InvalidToken", 2])
      assert.strictEqual(inputs[2]?.[1], "UNAVAILABLE")
    })
  )

  it.effect("tries fresh credentials without a pause", () =>
    Effect.gen(function* () {
      const { server } = yield* A.open(
        { recoverySchedule: Schedule.spaced(5000) },
        { onMessage: (connection) => connection.fail(code.UNAUTHENTICATED) },
        {}
      ).pipe(Effect.tap(({ stream }) => stream.ingestRecord(A.record(0))))
      yield* A.settle
      assert.strictEqual(server.connections.length, 2)
    })
  )
})

describe("a token service that requests a pause", () => {
  const after = (retryAfterMillis: number | undefined, recoveryTimeout: number, expected: number) =>
    reporting((reports) => waits(reports, retryAfterMillis, recoveryTimeout, expected))
  const waits = (
    reports: Reports,
    retryAfterMillis: number | undefined,
    recoveryTimeout: number,
    expected: number
  ) =>
    Effect.gen(function* () {
      let asked = 0
      const { server } = yield* A.open(
        {
          ...single,
          recoveryTimeout,
          headersProvider: HeadersProvider.make({
            getHeaders: () =>
              asked++ === 1
                ? Effect.fail(
                    new Retryable({
                      reason: RetryableReason.TokenServiceUnavailable({
                        message: "Busy.",
                        retryAfterMillis
                      }),
                      attempts: 1
                    })
                  )
                : Effect.succeed({ authorization: "Bearer t" })
          })
        },
        {}
      )
      server.last.cut()
      yield* A.advance(10)
      assert.strictEqual(asked, 2)
      const line = reports.linesOf("No new connection could be opened; the stream tries again")[0]
      assert.deepStrictEqual(line?.details, {
        cause: "Busy.",
        unacknowledged: 0,
        inMillis: expected,
        ...(expected === 10 ? {} : { retryAfterMillis })
      })
      yield* A.advance(expected - 1)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(1)
      assert.strictEqual(server.connections.length, 2)
    })

  it.effect("gets it", () => after(70, 15_000, 70))
  it.effect("gets the schedule's when that is more", () => after(5, 15_000, 10))
  it.effect("gets it beyond the limit of one attempt", () => after(10_000, 80, 10_000))
  it.effect("gets an hour at most", () => after(86_400_000, 15_000, 3_600_000))
  it.effect("gets the schedule's when the number is NaN", () => after(Number.NaN, 15_000, 10))
  it.effect("gets the schedule's when it names none", () => after(undefined, 15_000, 10))
})

describe("opening", () => {
  it.effect("names its limit when it takes too long, and does not blame credentials", () =>
    Effect.gen(function* () {
      const { provider, server, zerobus } = yield* A.client({ onCreate: () => {} })
      const opening = yield* A.started(
        zerobus.createStream(A.table, {
          recoveryTimeout: 300,
          recovery: false,
          scopeCloseTimeout: 0
        })
      )
      yield* A.advance(299)
      assert.isFalse(opening.done())
      yield* A.advance(1)
      const error = A.tagged(opening.error(), "Retryable")
      assert.strictEqual(error.reason._tag, "ConnectTimeout")
      const tooLong = "Opening the stream took longer than 300 ms (recoveryTimeout), waiting for"
      assert.strictEqual(error.message, `${tooLong} the server's answer to the create request.`)
      assert.deepStrictEqual([provider.invalidated, server.last.resets], [0, 1])
      const asking = yield* A.started(
        zerobus.createStream(A.table, {
          recoveryTimeout: 300,
          recovery: false,
          headersProvider: { getHeaders: () => Effect.never }
        })
      )
      yield* A.advance(300)
      assert.strictEqual(
        A.tagged(asking.error(), "Retryable").message,
        `${tooLong} the headers provider.`
      )
    })
  )

  it.effect("ends when its caller is interrupted, and leaves no connection", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({ onCreate: () => {} })
      const opening = yield* Effect.forkChild(zerobus.createStream(A.table), {
        startImmediately: true
      })
      yield* A.settle
      yield* Fiber.interrupt(opening)
      assert.strictEqual(server.last.resets, 1)
    })
  )
})

describe("a transport that is closed", () => {
  it.effect("ends the stream that wants a new connection of it, without further attempts", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([A.silent])
      const closed = new InvalidState({ message: "The client is closed." })
      let asked = 0
      const transport = Layer.effect(
        Transport,
        Effect.map(Transport, ({ open }) => ({
          open: (headers: HeaderRecord) => (asked++ === 0 ? open(headers) : Effect.fail(closed))
        }))
      ).pipe(Layer.provide(MemoryTransport.layer(server.serve)))
      const context = yield* Layer.build(
        Zerobus.layerNoDeps.pipe(
          Layer.provide([transport, Layer.succeed(HeadersProvider, new A.CountingProvider().shape)])
        )
      )
      const zerobus = Context.get(context, Zerobus)
      const stream = yield* zerobus.createStream(A.table, single)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.advance(100)
      assert.strictEqual(yield* Effect.flip(ack.await), closed)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
      assert.strictEqual(asked, 2)
      assert.strictEqual(yield* Effect.flip(zerobus.createStream(A.table)), closed)
    })
  )
})

describe("reports", () => {
  it.effect(
    "tell of each connection, its loss and its rotation, with counts and without records",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { server, zerobus } = yield* A.client(A.silent, A.silent, {})
          const table = TableProperties.json("main.default.reported")
          const stream = yield* zerobus.createStream(table, { ...single, scopeCloseTimeout: 0 })
          for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
          yield* A.settle
          server.last.ack(0)
          server.last.ack(0)
          yield* A.settle
          server.last.cut()
          yield* A.settle
          server.last.closing(0)
          yield* A.settle
          yield* stream.flush
          yield* stream.close

          const opened = reports.linesOf("A connection is open")
          assert.deepStrictEqual(
            opened.map(({ annotations, details, level }) => [level, details, annotations["table"]]),
            [
              ["Debug", { session: "session-0", toSendAgain: 0 }, table.tableName],
              ["Debug", { session: "session-1", toSendAgain: 2 }, table.tableName],
              ["Debug", { session: "session-2", toSendAgain: 2 }, table.tableName]
            ]
          )
          const [lost, ...more] = reports.linesOf(
            "The stream lost its connection and is recovering"
          )
          assert.strictEqual(more.length, 0)
          assert.strictEqual(lost?.level, "Warn")
          const { cause, ...counts } = (lost?.details ?? {}) as Record<string, unknown>
          assert.isString(cause)
          assert.deepStrictEqual(counts, { unacknowledged: 2, inMillis: 0 })
          assert.deepStrictEqual(
            reports
              .linesOf("The server rotated the stream's connection")
              .map(({ details }) => details),
            [{ unacknowledged: 2 }]
          )
          assert.deepStrictEqual(
            reports.spansOf("Zerobus.session"),
            ["session-0", "session-1", "session-2"].map((session) => ({
              table: table.tableName,
              session
            }))
          )
          assert.deepStrictEqual(reports.spansOf("ZerobusStream.flush"), [
            { table: table.tableName, stream: "session-0" }
          ])
          const {
            "reconnects/ConnectionLost": reconnects,
            bytes_durable,
            bytes_ingested,
            ...metrics
          } = yield* metricsOf(table.tableName)
          assert.strictEqual(reconnects, 1)
          assert.isAbove(bytes_ingested ?? 0, 0)
          assert.strictEqual(bytes_durable, bytes_ingested)
          // The other counters exist from the start, and stayed at 0.
          const counted = Object.fromEntries(
            Object.entries(metrics).filter(([, value]) => value !== 0)
          )
          assert.deepStrictEqual(counted, {
            // Two records of the last connection are acknowledged one by one.
            ack_latency_ms: 3,
            pauses: 1,
            records_durable: 3,
            records_ingested: 3,
            records_resent: 4,
            sessions_opened: 3,
            stale_acknowledgements: 1
          })
        })
      )
  )

  it.effect("contain the wait of the next attempt, and an unnamed connection", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const nameless: Script = { onCreate: (connection) => connection.send(response.created()) }
        const { server } = yield* A.open(single, nameless, {})
        server.last.cut()
        yield* A.advance(10)
        assert.deepInclude(
          reports.linesOf("The stream lost its connection and is recovering")[0]?.details as object,
          {
            unacknowledged: 0,
            inMillis: 10
          }
        )
        assert.deepStrictEqual(reports.spansOf("Zerobus.session"), [
          { table: A.table.tableName, session: "" }
        ])
      })
    )
  )

  it.effect("count what a stream ended with, and drop the gauges with it", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const table = TableProperties.json("main.default.returned")
      const stream = yield* zerobus.createStream(table, {
        ...single,
        recovery: false,
        onUnacked: () => Effect.void
      })
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.ack(0)
      yield* A.settle
      const open = yield* metricsOf(table.tableName)
      assert.strictEqual(open["records_in_flight of session-0"], 2)
      assert.strictEqual(open["records_returned"], 0)
      assert.isAbove(open["bytes_in_flight of session-0"] ?? 0, 64)
      server.last.cut()
      yield* A.settle
      const ended = yield* metricsOf(table.tableName)
      assert.strictEqual(ended["records_returned"], 2)
      assert.strictEqual(ended["records_in_flight of session-0"], undefined)
      assert.strictEqual(ended["bytes_in_flight of session-0"], undefined)
    })
  )
})
