/**
 * A stream ends once, with one outcome for all waiters, and everything is settled before any waiter
 * resumes. Also its ids before and after it has a session.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Metric, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Offset } from "../../../src/Offset.ts"
import {
  endUnsafe,
  finishUnsafe,
  refuseRecordsUnsafe,
  type StreamCore
} from "../../../src/internal/engine/streamCore.ts"
import { ProtocolViolation } from "../../../src/ZerobusError.ts"
import * as A from "../../support/acceptance.ts"
import { acknowledge, makeCore, offer, take } from "../../support/cores.ts"
import { metricsOf } from "../../support/reports.ts"
import { code } from "../../support/scriptedServer.ts"

const table = A.table.tableName
const idle = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }
const failure = new ProtocolViolation({ message: "A final reason." })
const stateOf = (core: StreamCore<any>) => core.states.current
const isFinished = (core: StreamCore<any>) => core.finished.isDone

/** Runs with a separate metric registry, which other tests of this process do not use. */
const isolated = <X, E, R>(effect: Effect.Effect<X, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

describe("a stream that is not connected yet", () => {
  it.effect("is connecting, and has nothing to wait for", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      assert.deepStrictEqual(
        [stateOf(core), core.closing, core.ended, core.zone.isEmpty, isFinished(core)],
        ["connecting", false, false, true, false]
      )
    })
  )
})

describe("the time of a stream", () => {
  it.effect("is in milliseconds", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const before = core.now()
      yield* TestClock.adjust(1234)
      assert.strictEqual(core.now() - before, 1234)
    })
  )
})

describe("the gauges of a stream", () => {
  it.effect("are named after its session, or after its table where the server gives no name", () =>
    isolated(
      Effect.gen(function* () {
        const named = yield* makeCore()
        named.streamId = "a-session"
        offer(named, A.recordsFrom(0, 2))
        named.telemetry.sessionOpened()
        const nameless = yield* makeCore()
        offer(nameless, A.recordsFrom(0, 3))
        nameless.telemetry.sessionOpened()
        const metrics = yield* metricsOf(table)
        assert.deepStrictEqual(
          [
            metrics["records_in_flight of a-session"],
            metrics[`records_in_flight of ${nameless.ownId}`]
          ],
          [2, 3]
        )
        assert.match(nameless.ownId, new RegExp(`^stream-${table}-[0-9a-z]+$`))
        assert.notStrictEqual(nameless.ownId, named.ownId)
      })
    )
  )
})

describe("a stream that enters a state", () => {
  it.effect("reports it, unless it is in that state already", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const seen: Array<string> = []
      const watching = yield* A.started(
        Stream.runForEach(core.states.changes, (state) => Effect.sync(() => void seen.push(state)))
      )
      for (const state of [
        "connecting",
        "open",
        "open",
        "recovering",
        "open",
        "closed",
        "closed"
      ] as const) {
        core.states.enterUnsafe(state)
        yield* A.settle
        assert.strictEqual(stateOf(core), state)
      }
      assert.deepStrictEqual(seen, ["connecting", "open", "recovering", "open", "closed"])
      yield* watching.interrupt
    })
  )
})

describe("a stream that refuses records", () => {
  it.effect("refuses later ones and those that wait for room", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ maxInflightRecords: 1 })
      offer(core, [A.record(0)])
      const told: Array<number | undefined> = []
      core.zone.waitUnsafe([A.record(1)], false, (offset) => told.push(offset))
      refuseRecordsUnsafe(core)
      assert.deepStrictEqual([core.closing, told], [true, [undefined]])
      take(core)
      acknowledge(core, 1)
      assert.deepStrictEqual([core.zone.nextOffset, ...offer(core, [A.record(2)])], [1, -1])
      assert.deepStrictEqual([core.ended, stateOf(core)], [false, "connecting"])
    })
  )
})

describe("a stream that ends", () => {
  it.effect("is closed without a failure and failed with one, and its waiters get that", () =>
    Effect.gen(function* () {
      const other = new ProtocolViolation({ message: "A later reason." })
      for (const [before, given] of [
        [undefined, undefined],
        [undefined, failure],
        // The first failure decides.
        [failure, other],
        [failure, undefined]
      ] as const) {
        const core = yield* makeCore()
        core.failure = before
        offer(core, [A.record(0)])
        const waiting = yield* A.started(core.acks.await(Offset(0)))
        finishUnsafe(core, given)
        yield* A.settle
        const expected = before ?? given
        assert.deepStrictEqual(
          [stateOf(core), core.ended, core.closing, isFinished(core), core.failure],
          [expected === undefined ? "closed" : "failed", true, true, true, expected]
        )
        if (expected === undefined) {
          assert.strictEqual(A.tagged(waiting.error(), "StreamClosed").operation, "waitForOffset")
        } else assert.strictEqual(waiting.error(), expected)
      }
    })
  )

  it.effect("has settled everything before any waiter resumes", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ maxInflightRecords: 1 })
      offer(core, [A.record(0)])
      const seen: Array<unknown> = []
      core.zone.waitUnsafe([A.record(1)], false, () => {
        seen.push(core.ended, core.closing, core.acks.pollUnsafe(Offset(0)))
      })
      finishUnsafe(core, failure)
      assert.deepStrictEqual(seen, [true, true, Exit.fail(failure)])
    })
  )

  it.effect(
    "can be read and recreated at once by whoever hears of it first, in a call that waits for room",
    () =>
      Effect.gen(function* () {
        const { server, stream, zerobus } = yield* A.open(
          { batching: "off", maxInflightRecords: 1, recovery: false },
          A.silent,
          {}
        )
        yield* stream.ingestRecord(A.record(0))
        const next = yield* A.started(
          Effect.gen(function* () {
            A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(1))), "StreamClosed")
            return yield* zerobus.recreateStream(stream)
          })
        )
        assert.isFalse(next.done())
        server.last.fail(code.NOT_FOUND)
        yield* A.settle
        yield* next.value().flush
        assert.deepStrictEqual(server.last.records, [A.record(0)])
      })
  )

  it.effect("keeps no credentials", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      core.headers = Redacted.make({ authorization: "Bearer token-0" })
      finishUnsafe(core, failure)
      assert.deepStrictEqual(Redacted.value(core.headers), {})
    })
  )

  it.effect("counts unacknowledged records, and does everything once", () =>
    isolated(
      Effect.gen(function* () {
        const core = yield* makeCore({ batching: "off" })
        offer(core, A.recordsFrom(0, 3))
        core.zone.offerBatchUnsafe(A.recordsFrom(3, 4))
        core.telemetry.sessionOpened()
        take(core)
        acknowledge(core, 2)
        finishUnsafe(core, undefined)
        assert.strictEqual((yield* metricsOf(table))["records_returned"], 5)
        endUnsafe(core, Exit.fail(failure), "failed")
        assert.strictEqual((yield* metricsOf(table))["records_returned"], 5)
        assert.strictEqual(stateOf(core), "closed")
        const last = A.failureOf(yield* Effect.exit(core.acks.await(Offset(3))))
        assert.strictEqual(last._tag, "StreamClosed")
      })
    )
  )

  it.effect(
    "counts nothing when it never opened: what it was to take over is still with the stream before",
    () =>
      isolated(
        Effect.gen(function* () {
          const before = yield* makeCore()
          offer(before, A.recordsFrom(0, 3))
          const core = yield* makeCore()
          core.zone.adoptUnsafe(take(before))
          finishUnsafe(core, failure)
          const metrics = yield* metricsOf(table)
          assert.deepStrictEqual([metrics["records_ingested"], metrics["records_returned"]], [0, 0])
        })
      )
  )
})

describe("two streams", () => {
  it.effect("have different ids when the server gives none", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({
        onCreate: (connection) => connection.send([0x0a, 0x00])
      })
      const one = yield* zerobus.createStream(A.table, idle)
      const two = yield* zerobus.createStream(A.table, idle)
      assert.notStrictEqual(one.streamId, two.streamId)
    })
  )
})
