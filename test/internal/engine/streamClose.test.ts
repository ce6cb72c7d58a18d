/**
 * Closing a stream by `close` and by its scope: what each waits for, which calls fail, what is
 * reported, and where unacknowledged records go.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import type { Unacked } from "../../../src/ReturnedRecords.ts"
import { closeWithScope, closeOnce } from "../../../src/internal/engine/streamClose.ts"
import {
  endUnsafe,
  finishUnsafe,
  type StreamCore
} from "../../../src/internal/engine/streamCore.ts"
import { makeIngest } from "../../../src/internal/engine/streamIngest.ts"
import type { Origin } from "../../../src/internal/engine/streamUnacked.ts"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import { ProtocolViolation } from "../../../src/ZerobusError.ts"
import * as A from "../../support/acceptance.ts"
import { acknowledge, makeCore, makeOrigin, offer, supervised, take } from "../../support/cores.ts"
import { reporting } from "../../support/reports.ts"

const failure = new ProtocolViolation({ message: "A final reason." })

describe("close", () => {
  it.effect("half-closes the connection within the call when there is nothing to wait for", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const close = closeOnce(yield* makeOrigin(core), Effect.void)
      assert.isFalse(core.closing)
      const closing = Effect.runFork(close)
      assert.deepStrictEqual([core.closing, core.closeRequested.isDone], [true, true])
      finishUnsafe(core, undefined)
      yield* Fiber.join(closing)
    })
  )

  it.effect(
    "runs once however often it is called, and returns its result to all callers, also later",
    () =>
      Effect.gen(function* () {
        const core = yield* makeCore()
        let flushes = 0
        const flushed = Effect.suspend(() => (flushes++, Effect.fail(failure)))
        yield* supervised(core)
        const close = closeOnce(yield* makeOrigin(core), Effect.andThen(Effect.sleep(10), flushed))
        const first = yield* A.started(close)
        const second = yield* A.started(close)
        // An interrupted caller does not stop it.
        yield* first.interrupt
        yield* A.advance(10)
        assert.strictEqual(second.error(), failure)
        assert.strictEqual(yield* Effect.flip(close), failure)
        assert.strictEqual(flushes, 1)
      })
  )

  it.effect("leaves the caller's scope when everything is acknowledged or was handed back", () =>
    Effect.gen(function* () {
      for (const [left, handedBack, leaves] of [
        [0, "nothing", true],
        [1, "nothing", false],
        // Records that the codec cannot decode are still to be passed on.
        [1, "readable", false],
        [1, "all", true]
      ] as const) {
        const core = yield* makeCore({ batching: "off" })
        offer(core, A.recordsFrom(0, 2))
        take(core)
        acknowledge(core, 2 - left)
        const origin = yield* makeOrigin(core)
        origin.handedBack = handedBack
        let gone = false
        yield* Scope.addFinalizer(
          origin.scope,
          Effect.sync(() => void (gone = true))
        )
        yield* supervised(core)
        yield* closeOnce(origin, Effect.void)
        assert.strictEqual(gone, leaves)
        yield* Scope.close(origin.scope, Exit.void)
      }
    })
  )

  it.effect("resumes all callers when a step of it dies", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const origin = yield* makeOrigin(core)
      yield* Scope.addFinalizer(origin.scope, Effect.die("a defect"))
      yield* supervised(core)
      const close = closeOnce(origin, Effect.void)
      for (let n = 0; n < 2; n++) {
        const closing = yield* A.started(Effect.exit(close))
        yield* A.settle
        const exit = closing.value()
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
    })
  )

  it.effect("of an ended stream returns how it ended", () =>
    Effect.gen(function* () {
      const ended = (records: number, acknowledged: number, reason: typeof failure | undefined) =>
        Effect.gen(function* () {
          const core = yield* makeCore({ batching: "off" })
          offer(core, A.recordsFrom(0, records))
          take(core)
          acknowledge(core, acknowledged)
          finishUnsafe(core, reason)
          const close = closeOnce(yield* makeOrigin(core), Effect.die("flushed an ended stream"))
          const exit = yield* Effect.exit(close)
          return Exit.isSuccess(exit) ? "well" : A.failureOf(exit)._tag
        })
      assert.strictEqual(yield* ended(0, 0, undefined), "well")
      assert.strictEqual(yield* ended(2, 2, undefined), "well")
      assert.strictEqual(yield* ended(2, 1, undefined), "StreamClosed")
      assert.strictEqual(yield* ended(2, 1, failure), "ProtocolViolation")
      assert.strictEqual(yield* ended(2, 2, failure), "ProtocolViolation")
    })
  )
})

describe("the end of a scope", () => {
  /** A stream with two records, neither of them durable, whose scope is closing. */
  const ending = (core: StreamCore<JsonRecord>) =>
    Effect.gen(function* () {
      return yield* A.started(closeWithScope(core, yield* makeOrigin(core), "a-stream"))
    })
  const noting = () => {
    const given: Array<Unacked<any>> = []
    const onUnacked = (unacked: Unacked<any>) => Effect.sync(() => void given.push(unacked))
    return { given, options: { batching: "off", scopeCloseTimeout: 100, onUnacked } as const }
  }

  it.effect("refuses records while it waits for accepted ones, and succeeds with them", () =>
    Effect.gen(function* () {
      const { given, options } = noting()
      const core = yield* makeCore({ ...options, maxInflightRecords: 2 })
      yield* supervised(core)
      offer(core, A.recordsFrom(0, 2))
      take(core)
      const { ingestRecord, offerUnsafe } = makeIngest(core)
      const waiting = yield* A.started(ingestRecord(A.record(2)))
      const closing = yield* ending(core)
      assert.deepStrictEqual([closing.done(), waiting.done()], [false, true])
      A.tagged(waiting.error(), "StreamClosed")
      A.tagged(yield* Effect.flip(ingestRecord(A.record(3))), "StreamClosed")
      assert.isUndefined(offerUnsafe(A.record(4)))
      acknowledge(core, 2)
      yield* A.settle
      assert.deepStrictEqual([closing.done(), given.length, core.zone.nextOffset], [true, 0, 2])
    })
  )

  it.effect(
    "hands on what is left when the stream ends meanwhile, by another close, a failure or a defect",
    () =>
      Effect.gen(function* () {
        for (const [end, tag] of [
          [(core: StreamCore<any>) => finishUnsafe(core, undefined), "StreamClosed"],
          [(core: StreamCore<any>) => finishUnsafe(core, failure), "ProtocolViolation"],
          [
            (core: StreamCore<any>) => endUnsafe(core, Exit.die("a defect"), "failed"),
            "StreamClosed"
          ]
        ] as const) {
          const { given, options } = noting()
          const core = yield* makeCore(options)
          offer(core, A.recordsFrom(0, 2))
          const closing = yield* ending(core)
          assert.isFalse(closing.done())
          end(core)
          yield* A.settle
          closing.value()
          assert.deepStrictEqual(
            given.map(({ records, streamId, tableName }) => [tableName, streamId, records]),
            [[A.table.tableName, "a-stream", A.recordsFrom(0, 2)]]
          )
          const cause = given[0]!.cause
          assert.strictEqual(cause._tag, tag)
          if (cause._tag === "StreamClosed") assert.strictEqual(cause.operation, "close")
        }
      })
  )

  it.effect("of an ended stream passes unacknowledged records on at once", () =>
    Effect.gen(function* () {
      const { given, options } = noting()
      const core = yield* makeCore({ ...options, scopeCloseTimeout: 0 })
      offer(core, A.recordsFrom(0, 2))
      finishUnsafe(core, undefined)
      const closing = yield* ending(core)
      closing.value()
      assert.deepStrictEqual(
        given.map(({ cause, records }) => [cause._tag, records]),
        [["StreamClosed", A.recordsFrom(0, 2)]]
      )
    })
  )

  it.effect("passes on readable records and the bytes of others, and logs their number", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const left = (
          unreadable: ReadonlyArray<string>,
          handedBack: Origin["handedBack"],
          handler = true
        ) =>
          Effect.gen(function* () {
            const { given, options } = noting()
            const { codec } = A.table
            const read = (payload: Uint8Array) => {
              const text = codec.read(payload)
              if (unreadable.includes(String(text))) throw new Error("a bug of the codec's")
              return text
            }
            const core = yield* makeCore(handler ? options : { batching: "off" }, {
              ...A.table,
              codec: { ...codec, read }
            })
            offer(core, A.recordsFrom(0, 4))
            finishUnsafe(core, failure)
            const origin = yield* makeOrigin(core)
            origin.handedBack = handedBack
            const closing = yield* A.started(closeWithScope(core, origin, "a-stream"))
            closing.value()
            const texts = (unacked: Unacked<any>) =>
              unacked.unreadable.map((bytes) => Buffer.from(bytes).toString())
            return given.map((unacked) => [unacked.records, texts(unacked)])
          })
        const bad = [A.record(1), A.record(3)]
        assert.deepStrictEqual(yield* left([], "nothing"), [[A.recordsFrom(0, 4), []]])
        assert.deepStrictEqual(yield* left(bad, "all"), [])
        // Readable records were read before, and the unreadable ones were reported then.
        assert.deepStrictEqual(yield* left(bad, "readable"), [[[], bad]])
        const unreadable = () =>
          reports.lines.filter(({ text }) => String(text).includes("cannot read unacknowledged"))
        assert.deepStrictEqual(unreadable(), [])
        assert.deepStrictEqual(yield* left(bad, "nothing"), [[[A.record(0), A.record(2)], bad]])
        assert.deepStrictEqual(
          unreadable().map(({ details, level }) => [
            level,
            (details as Record<string, unknown>)["records"]
          ]),
          [["Error", 2]]
        )
        // Without a handler, the log line counts both kinds.
        yield* left(bad, "nothing", false)
        const [line] = reports.linesOf(
          "A stream ended with unacknowledged records that nothing read"
        )
        assert.strictEqual((line?.details as Record<string, unknown> | undefined)?.["records"], 4)
      })
    )
  )
})

describe("a flush that the closing of a scope cuts off", () => {
  it.effect("is named by its error", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(
        zerobus.createStream(A.table, { scopeCloseTimeout: 0, onUnacked: () => Effect.void }),
        scope
      )
      yield* stream.ingestRecord(A.record(0))
      const flushing = yield* A.started(stream.flush)
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(1000)
      assert.isTrue(closing.done())
      assert.strictEqual(A.tagged(flushing.error(), "StreamClosed").operation, "flush")
    })
  )
})
