/**
 * The metrics of the client: each counts what its doc comment states.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Metric, Redacted, Schedule, Scope } from "effect"
import {
  HeadersProvider,
  Retryable,
  RetryableReason,
  type StreamConfigurationOptions,
  type StreamFailure
} from "effect-zerobus"
import * as Credentials from "../../../src/Credentials.ts"
import * as ZerobusMetrics from "../../../src/ZerobusMetrics.ts"
import { TestClock } from "effect/testing"
import * as A from "../../support/acceptance.ts"
import { code, response, type Script } from "../../support/scriptedServer.ts"
import { minted, type TokenAnswer, tokenServer } from "../../support/tokenServer.ts"

const table = A.table.tableName
/** A record of 7 bytes, `{"n":0}`, with tag and length, in a message with room for its header. */
const SINGLE = 32 + 2 + 7
const BATCH_OF_3 = 32 + 3 * (2 + 7)

const options = {
  batching: "off",
  recoverySchedule: Schedule.spaced(10),
  drainTimeout: 0,
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void
} as const satisfies StreamConfigurationOptions

/** Runs with a separate metric registry, which other tests of this process do not use. */
const isolated = <X, E, R>(effect: Effect.Effect<X, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

/**
 * All series by name and attributes, without table and unit: `name{key=value}` mapped to the value,
 * or to the summary of a histogram.
 */
const allMetrics: Effect.Effect<Readonly<Record<string, unknown>>> = Effect.map(
  Metric.snapshot,
  (all) =>
    Object.fromEntries(
      all.map(({ attributes, id, state }) => {
        const { table: of, unit, ...rest } = (attributes ?? {}) as Record<string, string>
        assert.strictEqual(of, table, `${id} names its table`)
        assert.isDefined(unit, `${id} names its unit`)
        const more = Object.entries(rest).map(([key, value]) => `${key}=${value}`)
        const key = id + (more.length === 0 ? "" : `{${more.join(",")}}`)
        const seen = state as {
          count?: number
          value?: number
          sum?: number
          min?: number
          max?: number
        }
        return [
          key,
          seen.sum === undefined
            ? (seen.value ?? seen.count)
            : { count: seen.count, sum: seen.sum, min: seen.min, max: seen.max }
        ]
      })
    )
)

/** Why a connection can be replaced. A test below causes each of them. */
const reconnectCauses = [
  "ConnectionLost",
  "ServerUnavailable",
  "AckTimeout",
  "ConnectTimeout",
  "InvalidToken",
  "PermissionDenied",
  "TokenServiceUnavailable",
  "CatalogUnavailable"
] as const

const isEmpty = (value: unknown): boolean =>
  value === 0 || (value as { readonly count?: number }).count === 0

/** All metrics except counters that are still 0. */
const metrics = Effect.map(allMetrics, (all) =>
  Object.fromEntries(
    Object.entries(all).filter(([name, value]) => name.includes("_in_flight") || !isEmpty(value))
  )
)

const without = (all: Readonly<Record<string, unknown>>, pattern: RegExp) =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !pattern.test(name)))
const gaugesOf = (all: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(all).filter(([name]) => name.includes("_in_flight")))

/** The names seen in all tests of this file. */
const seenNames = new Set<string>()
const observe = Effect.tap(metrics, (all) =>
  Effect.sync(() => Object.keys(all).forEach((name) => seenNames.add(name.replace(/\{.*/, ""))))
)

describe("metrics of a stream", () => {
  it.effect("exist from the start, each with 0", () =>
    isolated(
      Effect.gen(function* () {
        const { stream } = yield* A.open(options, A.silent)
        // The headers provider of the tests requests no tokens.
        const known = Object.values(ZerobusMetrics).filter(
          ({ id }) => id !== ZerobusMetrics.tokenMints.id
        )
        const all = yield* allMetrics
        for (const { id, type } of known) {
          const series = Object.entries(all).filter(([name]) => name.replace(/\{.*/, "") === id)
          assert.isNotEmpty(series, id)
          const opened = id === ZerobusMetrics.sessionsOpened.id ? 1 : 0
          for (const [name, value] of series) {
            assert.strictEqual(
              type === "Histogram" ? (value as { count: number }).count : value,
              opened,
              name
            )
          }
        }
        const causes = Object.keys(all).filter((name) => name.startsWith("zerobus_reconnects"))
        assert.deepStrictEqual(
          causes.sort(),
          reconnectCauses.map((cause) => `zerobus_reconnects{cause=${cause}}`).sort()
        )
        yield* stream.close
      })
    )
  )

  it("have a unit that their name agrees with", () => {
    const units = [
      "acknowledgements",
      "bytes",
      "connections",
      "milliseconds",
      "pauses",
      "records",
      "tokens"
    ]
    for (const { attributes, id } of Object.values(ZerobusMetrics)) {
      const unit = attributes?.["unit"]
      assert.include(units, unit, id)
      for (const [part, expected] of [
        ["_records_", "records"],
        ["_bytes_", "bytes"],
        ["_ms", "milliseconds"]
      ] as const) {
        assert.strictEqual(id.includes(part), unit === expected, id)
      }
    }
  })

  it.effect("count what the server refused and the handler took", () =>
    isolated(
      Effect.gen(function* () {
        const refusing: Script = {
          onMessage: (connection) => connection.over || connection.fail(code.INVALID_ARGUMENT)
        }
        const { stream } = yield* A.open({ ...options, onRefused: () => Effect.void }, refusing)
        yield* stream.ingestRecords(A.recordsFrom(0, 3))
        const flush = yield* A.started(stream.flush)
        yield* A.until("refused", flush.done)
        const seen: Record<string, unknown> = yield* observe
        assert.strictEqual(seen["zerobus_records_refused"], 3)
        assert.strictEqual(seen["zerobus_records_durable"], undefined)
        yield* stream.close
        assert.strictEqual(
          ((yield* observe) as Record<string, unknown>)["zerobus_records_returned"],
          undefined
        )
      })
    )
  )

  it.effect(
    "count what is ingested, in flight, durable, stale, paused, sent again and returned",
    () =>
      isolated(
        Effect.gen(function* () {
          yield* TestClock.adjust("5 seconds")
          const { server, stream } = yield* A.open(options, A.silent)
          const gauges = (records: number, bytes: number) => ({
            "zerobus_records_in_flight{stream=session-0}": records,
            "zerobus_bytes_in_flight{stream=session-0}": bytes
          })
          assert.deepStrictEqual(yield* observe, { zerobus_sessions_opened: 1, ...gauges(0, 0) })

          // The server is silent, and sent records are counted anyway.
          yield* stream.ingestRecord(A.record(0))
          assert.isDefined(stream.offerUnsafe(A.record(1)))
          yield* stream.ingestRecords(A.recordsFrom(2, 3))
          assert.deepStrictEqual(gaugesOf(yield* observe), gauges(3, 2 * SINGLE + BATCH_OF_3))
          yield* A.settle
          const ingested = {
            zerobus_sessions_opened: 1,
            zerobus_records_ingested: 5,
            zerobus_bytes_ingested: 2 * SINGLE + BATCH_OF_3
          }
          assert.deepStrictEqual(yield* observe, {
            ...ingested,
            ...gauges(3, 2 * SINGLE + BATCH_OF_3)
          })

          yield* A.advance(250)
          server.last.ack(0)
          yield* A.settle
          const first = {
            ...ingested,
            zerobus_records_durable: 1,
            zerobus_bytes_durable: SINGLE,
            zerobus_ack_latency_ms: { count: 1, sum: 250, min: 250, max: 250 },
            ...gauges(2, SINGLE + BATCH_OF_3)
          }
          assert.deepStrictEqual(yield* observe, first)

          // The same acknowledgement, twice.
          server.last.ack(0)
          server.last.ack(0)
          yield* A.settle
          assert.deepStrictEqual(yield* observe, { ...first, zerobus_stale_acknowledgements: 2 })

          // Two messages at once: the latency of the older one counts, and every record of the
          // batch.
          yield* A.advance(750)
          server.last.ack(2)
          yield* A.settle
          const all = {
            ...first,
            zerobus_stale_acknowledgements: 2,
            zerobus_records_durable: 5,
            zerobus_bytes_durable: 2 * SINGLE + BATCH_OF_3,
            zerobus_ack_latency_ms: { count: 2, sum: 1250, min: 250, max: 1000 },
            ...gauges(0, 0)
          }
          assert.deepStrictEqual(yield* observe, all)

          // A pause, announced twice: not a reconnect.
          yield* stream.ingestRecord(A.record(5))
          yield* stream.ingestRecords(A.recordsFrom(6, 3))
          yield* A.settle
          server.last.closing(1000)
          server.last.closing(900)
          yield* A.settle
          const paused = {
            ...all,
            zerobus_records_ingested: 9,
            zerobus_bytes_ingested: 3 * SINGLE + 2 * BATCH_OF_3,
            zerobus_pauses: 1,
            ...gauges(2, SINGLE + BATCH_OF_3)
          }
          assert.deepStrictEqual(yield* observe, paused)
          yield* A.advance(1000)
          assert.strictEqual(server.connections.length, 2)
          const rotated = { ...paused, zerobus_sessions_opened: 2, zerobus_records_resent: 4 }
          assert.deepStrictEqual(yield* observe, rotated)

          // Lost, and sent again once more; then a final failure with unacknowledged records.
          server.last.cut()
          yield* A.advance(10)
          const lost = {
            ...rotated,
            "zerobus_sessions_opened": 3,
            "zerobus_records_resent": 8,
            "zerobus_reconnects{cause=ConnectionLost}": 1
          }
          assert.deepStrictEqual(yield* observe, lost)
          server.last.ack(0)
          yield* A.settle
          const latency = lost.zerobus_ack_latency_ms
          server.last.fail(code.NOT_FOUND)
          yield* A.settle
          const ended = yield* observe
          assert.deepStrictEqual(ended, {
            ...without(lost, /_in_flight/),
            zerobus_records_durable: 6,
            zerobus_bytes_durable: 3 * SINGLE + BATCH_OF_3,
            // The time since it was ingested, over all its connections: a second of pause and ten
            // milliseconds.
            zerobus_ack_latency_ms: { count: 3, sum: latency.sum + 1010, min: 250, max: 1010 },
            zerobus_records_returned: 3
          })
        })
      )
  )

  it.effect("measure latency in milliseconds, in steps of a power of two up to two minutes", () =>
    isolated(
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(options, A.silent)
        const waits = [0, 1, 3, 250, 40_000]
        for (const [n, millis] of waits.entries()) {
          yield* stream.ingestRecord(A.record(n))
          yield* A.advance(millis, 5000)
          server.last.ack(n)
          yield* A.settle
        }
        // One acknowledgement for two messages: the older one counts.
        yield* stream.ingestRecord(A.record(0))
        yield* A.advance(500)
        yield* stream.ingestRecord(A.record(0))
        yield* A.advance(20)
        server.last.ack(waits.length + 1)
        yield* A.settle
        const { buckets, max, sum } = yield* Metric.value(
          Metric.withAttributes(ZerobusMetrics.ackLatency, { table })
        )
        assert.deepStrictEqual([sum, max], [40_254 + 520, 40_000])
        const steps = buckets.map(([boundary]) => boundary)
        assert.deepStrictEqual(
          steps.slice(0, 17),
          Array.from({ length: 17 }, (_, n) => 2 ** n)
        )
        const upTo = (limit: number) => buckets.find(([boundary]) => boundary === limit)?.[1]
        assert.deepStrictEqual(
          [1, 2, 4, 128, 256, 1024, 32_768, 65_536].map(upTo),
          [2, 2, 3, 3, 4, 5, 5, 6]
        )
      })
    )
  )

  it.effect("show what waits for a transport that takes nothing", () =>
    isolated(
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(options, A.silent)
        server.last.pause()
        for (let n = 0; n < 60; n++) yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        for (let n = 0; n < 40; n++) yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        const all = yield* observe
        assert.deepStrictEqual(gaugesOf(all), {
          "zerobus_records_in_flight{stream=session-0}": 100,
          "zerobus_bytes_in_flight{stream=session-0}": 100 * SINGLE
        })
        // No connection has taken anything since.
        assert.strictEqual(all["zerobus_records_ingested"], 60)
        server.last.resume()
        yield* A.settle
        assert.strictEqual((yield* observe)["zerobus_records_ingested"], 100)
      })
    )
  )

  it.effect("count records that travel together one by one, and their message once", () =>
    isolated(
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...options, batching: {} }, A.silent)
        for (let n = 0; n < 20; n++) assert.isDefined(stream.offerUnsafe(A.record(0)))
        yield* A.settle
        assert.strictEqual(server.last.messages.length, 1)
        server.last.cut()
        yield* A.advance(10)
        const { zerobus_bytes_ingested, zerobus_records_ingested, zerobus_records_resent } =
          yield* observe
        assert.deepStrictEqual(
          [zerobus_records_ingested, zerobus_bytes_ingested, zerobus_records_resent],
          [20, 32 + 20 * 9, 20]
        )
      })
    )
  )

  it.effect(
    "count what was accepted while no connection is there, when the next attempt fails and at " +
      "the end",
    () =>
      isolated(
        Effect.gen(function* () {
          const { server, stream } = yield* A.open(
            options,
            A.silent,
            A.refusing(code.UNAVAILABLE),
            {
              onCreate: (connection) => connection.fail(code.NOT_FOUND)
            }
          )
          server.last.cut()
          yield* A.settle
          yield* stream.ingestRecord(A.record(0))
          assert.isUndefined((yield* observe)["zerobus_records_ingested"])
          yield* A.advance(10)
          assert.strictEqual((yield* observe)["zerobus_records_ingested"], 1)
          yield* stream.ingestRecord(A.record(1))
          yield* A.advance(10)
          assert.deepStrictEqual(yield* observe, {
            "zerobus_sessions_opened": 1,
            "zerobus_records_ingested": 2,
            "zerobus_bytes_ingested": 2 * SINGLE,
            "zerobus_reconnects{cause=ConnectionLost}": 1,
            "zerobus_reconnects{cause=ServerUnavailable}": 1,
            "zerobus_records_returned": 2
          })
        })
      )
  )

  it.effect(
    "count what a recreated stream took over as ingested once more, and as sent again if it was",
    () =>
      isolated(
        Effect.gen(function* () {
          const { server, stream, zerobus } = yield* A.open(
            { ...options, recovery: false },
            A.silent,
            {}
          )
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.pause()
          for (let n = 1; n < 40; n++) yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.cut()
          yield* A.settle
          assert.strictEqual((yield* observe)["zerobus_records_returned"], 40)
          const next = yield* zerobus.recreateStream(stream)
          yield* next.flush
          const all = yield* observe
          // One record, and as many as the transport takes. A record that was never handed to a
          // connection cannot be a duplicate.
          assert.strictEqual(all["zerobus_records_resent"], 17)
          assert.deepStrictEqual(
            [
              all["zerobus_records_ingested"],
              all["zerobus_records_durable"],
              all["zerobus_records_returned"]
            ],
            [80, 40, 40]
          )
          assert.deepStrictEqual(Object.keys(gaugesOf(all)).length, 2)
        })
      )
  )

  it.effect("have no records returned when a stream is closed with none left", () =>
    isolated(
      Effect.gen(function* () {
        const { stream } = yield* A.open(options)
        yield* stream.ingestRecord(A.record(0))
        yield* stream.close
        const all = yield* observe
        assert.deepStrictEqual(without(all, /latency/), {
          zerobus_sessions_opened: 1,
          zerobus_records_ingested: 1,
          zerobus_bytes_ingested: SINGLE,
          zerobus_records_durable: 1,
          zerobus_bytes_durable: SINGLE
        })
      })
    )
  )
})

describe("reconnects", () => {
  const unanswered: Script = { onCreate: () => {} }
  const retryable = (reason: RetryableReason) => new Retryable({ reason, attempts: 1 })
  const failOnce = (failure: StreamFailure) => {
    let asked = 0
    return HeadersProvider.make({
      getHeaders: Effect.suspend(() => (asked++ === 1 ? Effect.fail(failure) : Effect.succeed({}))),
      invalidate: Effect.void
    })
  }
  const message = "by script"
  const causes: ReadonlyArray<
    readonly [
      cause: (typeof reconnectCauses)[number],
      options: StreamConfigurationOptions<any>,
      happens: (connection: { cut: () => void; fail: (status: number) => void }) => void,
      second?: Script
    ]
  > = [
    ["ConnectionLost", {}, (one) => one.cut()],
    ["ServerUnavailable", {}, (one) => one.fail(code.INTERNAL)],
    ["AckTimeout", { serverLackOfAckTimeout: 500 }, () => {}],
    ["ConnectTimeout", { recoveryTimeout: 300 }, (one) => one.cut(), unanswered],
    ["InvalidToken", {}, (one) => one.fail(code.UNAUTHENTICATED)],
    ["PermissionDenied", {}, (one) => one.fail(code.PERMISSION_DENIED)],
    [
      "TokenServiceUnavailable",
      {
        headersProvider: failOnce(retryable(RetryableReason.TokenServiceUnavailable({ message })))
      },
      (one) => one.cut()
    ],
    [
      "CatalogUnavailable",
      { headersProvider: failOnce(retryable(RetryableReason.CatalogUnavailable({ message }))) },
      (one) => one.cut()
    ]
  ]
  for (const [cause, more, happens, second] of causes) {
    it.effect(`count ${cause} as their cause`, () =>
      isolated(
        Effect.gen(function* () {
          const { server, stream } = yield* A.open(
            { ...options, ...more },
            A.silent,
            ...(second === undefined ? [] : [second]),
            {}
          )
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          happens(server.last)
          const waiting = yield* A.started(ack.await)
          yield* A.advance(1000, 10)
          assert.strictEqual(waiting.value(), 0)
          const counted = Object.entries(yield* observe).filter(([name]) =>
            name.startsWith("zerobus_reconnects")
          )
          // The failure of the second attempt follows the loss of the first connection.
          const before: ReadonlyArray<readonly [string, number]> =
            second !== undefined || more.headersProvider !== undefined
              ? [["zerobus_reconnects{cause=ConnectionLost}", 1]]
              : []
          assert.deepStrictEqual(counted, [
            ...before.map(([name, count]): [string, unknown] => [name, count]),
            [`zerobus_reconnects{cause=${cause}}`, 1]
          ])
        })
      )
    )
  }

  it("name every cause there is", () => {
    assert.deepStrictEqual(
      causes.map(([cause]) => cause),
      [...reconnectCauses]
    )
  })

  it.effect("are none when the stream does not try again", () =>
    isolated(
      Effect.gen(function* () {
        for (const [more, happens] of [
          [{ recovery: false }, (one: { cut: () => void }) => one.cut()],
          [{}, (one: { fail: (status: number) => void }) => one.fail(code.NOT_FOUND)]
        ] as const) {
          const { server, stream } = yield* A.open({ ...options, ...more }, A.silent)
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          happens(server.last)
          yield* A.settle
          yield* stream.getUnackedRecords
        }
        const all = yield* observe
        assert.deepStrictEqual(
          Object.keys(all).filter((name) => name.includes("reconnects")),
          []
        )
        assert.strictEqual(all["zerobus_records_returned"], 2)
      })
    )
  )

  it.effect("do not count a pause, and a pause does not count when recovery is off", () =>
    isolated(
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...options, recovery: false }, A.silent)
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.closing(1000)
        yield* A.settle
        yield* stream.getUnackedRecords
        assert.deepStrictEqual(
          Object.keys(yield* observe).filter((name) => /pauses|reconnects/.test(name)),
          []
        )
      })
    )
  )
})

describe("gauges", () => {
  it.effect("are one per stream, named by it, and go with it", () =>
    isolated(
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client(A.silent)
        const one = yield* zerobus.createStream(A.table, options)
        const two = yield* zerobus.createStream(A.table, { ...options, flushTimeout: 50 })
        yield* one.ingestRecord(A.record(0))
        for (let n = 0; n < 3; n++) yield* two.ingestRecord(A.record(0))
        assert.deepStrictEqual([one.streamId, two.streamId], ["session-0", "session-1"])
        const both = gaugesOf(yield* observe)
        assert.deepStrictEqual(both, {
          "zerobus_records_in_flight{stream=session-0}": 1,
          "zerobus_bytes_in_flight{stream=session-0}": SINGLE,
          "zerobus_records_in_flight{stream=session-1}": 3,
          "zerobus_bytes_in_flight{stream=session-1}": 3 * SINGLE
        })
        const closing = yield* A.started(Effect.flip(two.close))
        yield* A.advance(50)
        assert.strictEqual(closing.value()._tag, "FlushTimeout")
        assert.deepStrictEqual(gaugesOf(yield* observe), {
          "zerobus_records_in_flight{stream=session-0}": 1,
          "zerobus_bytes_in_flight{stream=session-0}": SINGLE
        })
        server.connection(0).ack(0)
        yield* A.settle
        yield* one.close
        assert.deepStrictEqual(gaugesOf(yield* observe), {})
      })
    )
  )

  it.effect(
    "keep the stream's name over its connections, also when the first attempts to open it failed",
    () =>
      isolated(
        Effect.gen(function* () {
          const { server, zerobus } = yield* A.client(A.refusing(code.UNAVAILABLE), A.silent)
          const opening = yield* A.started(zerobus.createStream(A.table, options))
          assert.deepStrictEqual(yield* observe, {
            "zerobus_reconnects{cause=ServerUnavailable}": 1
          })
          yield* A.advance(10)
          const stream = opening.value()
          assert.strictEqual(stream.streamId, "session-1")
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.cut()
          yield* A.advance(10)
          assert.strictEqual(yield* stream.sessionId, "session-2")
          assert.deepStrictEqual(gaugesOf(yield* observe), {
            "zerobus_records_in_flight{stream=session-1}": 1,
            "zerobus_bytes_in_flight{stream=session-1}": SINGLE
          })
        })
      )
  )

  it.effect("have the name that the stream gives itself where the server gives none", () =>
    isolated(
      Effect.gen(function* () {
        const nameless: Script = { onCreate: (connection) => connection.send(response.created()) }
        const { stream } = yield* A.open(options, nameless)
        assert.include(stream.streamId, `stream-${table}-`)
        assert.property(yield* observe, `zerobus_records_in_flight{stream=${stream.streamId}}`)
      })
    )
  )

  it.effect("are never there for a stream that did not open, and do not add up over many", () =>
    isolated(
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.refusing(code.NOT_FOUND), {})
        yield* Effect.flip(zerobus.createStream(A.table, options))
        assert.deepStrictEqual(yield* observe, {})
        let series: number | undefined
        for (let n = 0; n < 50; n++) {
          yield* zerobus.withStream(A.table, options, (stream) => stream.ingestRecord(A.record(0)))
          series ??= Object.keys(yield* observe).length
        }
        assert.strictEqual(Object.keys(yield* observe).length, series)
        // Interrupted while it is being opened.
        const waiting = yield* A.client({ onCreate: () => {} })
        const opening = yield* A.started(waiting.zerobus.createStream(A.table, options))
        yield* opening.interrupt
        assert.strictEqual(Object.keys(yield* observe).length, series)
      })
    )
  )

  it.effect("go with a stream whose scope closes", () =>
    isolated(
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        const stream = yield* zerobus.createStream(A.table, options).pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        assert.strictEqual(Object.keys(gaugesOf(yield* observe)).length, 2)
        yield* A.started(Scope.close(scope, Exit.void))
        const all = yield* observe
        assert.deepStrictEqual(gaugesOf(all), {})
        assert.strictEqual(all["zerobus_records_returned"], 1)
      })
    )
  )
})

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

describe("token mints", () => {
  it.live(
    "are counted by outcome, once for all who share one, and not when the token is at hand",
    () =>
      isolated(
        Effect.gen(function* () {
          const { ask, tokens } = yield* oauth([
            { status: 503, body: "down" },
            { status: 401, body: "no" },
            minted("t")
          ])
          assert.strictEqual((yield* Effect.flip(ask))._tag, "Retryable")
          assert.deepStrictEqual(yield* observe, { "zerobus_token_mints{outcome=failed}": 1 })
          assert.strictEqual((yield* Effect.flip(ask))._tag, "InvalidToken")
          yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
          yield* ask
          assert.strictEqual(tokens.requests.length, 3)
          assert.deepStrictEqual(yield* observe, {
            "zerobus_token_mints{outcome=failed}": 2,
            "zerobus_token_mints{outcome=minted}": 1
          })
        })
      )
  )

  it.effect("that are not answered failed when their limit is reached", () =>
    isolated(
      Effect.gen(function* () {
        const { ask, tokens } = yield* oauth(["hang"])
        const asking = yield* A.started(Effect.flip(ask))
        yield* A.until("the endpoint was asked", () => tokens.requests.length === 1)
        yield* TestClock.adjust(29_999)
        assert.deepStrictEqual(yield* allMetrics, {
          "zerobus_token_mints{outcome=minted}": 0,
          "zerobus_token_mints{outcome=failed}": 0
        })
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* asking.join)._tag, "Retryable")
        assert.deepStrictEqual(yield* observe, { "zerobus_token_mints{outcome=failed}": 1 })
      })
    )
  )
})

describe("the list of metrics", () => {
  it(
    "holds those that were reported in these runs, and no other; each with a description and a " +
      "unit in its name",
    () => {
      const listed = Object.values(ZerobusMetrics)
      assert.deepStrictEqual([...seenNames].sort(), listed.map(({ id }) => id).sort())
      for (const { description, id, type } of listed) {
        assert.match(id, /^zerobus_[a-z_]+$/)
        assert.isAbove(description?.length ?? 0, 10, id)
        assert.strictEqual(type === "Histogram", id.endsWith("_ms"), id)
        assert.strictEqual(type === "Gauge", id.includes("in_flight"), id)
      }
    }
  )
})

describe("the registry", () => {
  it.effect("is that of the caller that opens a stream, not of the one that built the client", () =>
    Effect.gen(function* () {
      const [mine, yours] = [new Map<string, never>(), new Map<string, never>()]
      const { zerobus } = yield* Effect.provideService(A.client(), Metric.MetricRegistry, yours)
      const run = Effect.scoped(zerobus.createStream(A.table, options))
      yield* Effect.provideService(run, Metric.MetricRegistry, mine)
      assert.isAbove(mine.size, 0)
      assert.strictEqual(yours.size, 0)
    })
  )
})
