/**
 * Waiting for an offset.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Offset } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const
const offset = (n: number) => Offset(n)

describe("waitForOffset", () => {
  it.effect("WO-01 returns with the acknowledgement", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      const waiting = yield* A.started(stream.waitForOffset(offset(2)))
      assert.isFalse(waiting.done())
      server.last.ack(2)
      yield* A.settle
      assert.strictEqual(waiting.value(), 2)
      assert.strictEqual(yield* stream.waitForOffset(offset(0)), 0)
    })
  )

  it.effect(
    "WO-02 WO-05 gives the server's error at once, not the limit of the wait nor 'closed'",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...single, flushTimeout: 10_000 }, A.silent)
        yield* stream.ingestRecord(A.record(0))
        const waiting = yield* A.started(stream.waitForOffset(offset(0)))
        yield* A.advance(100)
        server.last.fail(code.FAILED_PRECONDITION, "column is gone")
        yield* A.settle
        assert.include(A.tagged(waiting.error(), "InvalidArgument").message, "column is gone")
        A.tagged(yield* Effect.flip(stream.waitForOffset(offset(0))), "InvalidArgument")
      })
  )

  it.effect(
    "WO-03 WO-04 gives durable offsets also after the end, and the real error for the others",
    () =>
      Effect.gen(function* () {
        const closed = yield* A.open({})
        yield* closed.stream.ingestRecord(A.record(0))
        yield* closed.stream.close
        assert.strictEqual(yield* closed.stream.waitForOffset(offset(0)), 0)

        const { server, stream } = yield* A.open(single, A.silent)
        for (const text of A.recordsFrom(0, 2)) yield* stream.ingestRecord(text)
        yield* A.settle
        server.last.ack(0)
        server.last.fail(code.NOT_FOUND)
        yield* A.settle
        assert.strictEqual(yield* stream.waitForOffset(offset(0)), 0)
        A.tagged(yield* Effect.flip(stream.waitForOffset(offset(1))), "InvalidTable")
      })
  )

  it.effect("WO-06 reports a lost connection when the server ends and recovery is off", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ recovery: false }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(stream.waitForOffset(offset(0)))
      server.last.end()
      yield* A.settle
      assert.strictEqual(A.tagged(waiting.error(), "Retryable").reason._tag, "ConnectionLost")
    })
  )

  it.effect(
    "WO-07 WO-11 ends at the flush limit and leaves the stream open for a second wait",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ flushTimeout: 25 }, A.silent)
        yield* stream.ingestRecord(A.record(0))
        const waiting = yield* A.started(stream.waitForOffset(offset(0)))
        yield* A.advance(25)
        assert.strictEqual(A.tagged(waiting.error(), "FlushTimeout").operation, "waitForOffset")
        const second = yield* A.started(stream.waitForOffset(offset(0)))
        server.last.ack(0)
        yield* A.settle
        assert.strictEqual(second.value(), 0)
      })
  )

  it.effect(
    "WO-08 ends at once for a caller that is interrupted already, and leaves no waiter",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({}, A.silent)
        yield* stream.ingestRecord(A.record(0))
        const waiting = yield* A.started(stream.waitForOffset(offset(0)))
        yield* waiting.interrupt
        assert.isTrue(waiting.done())
        server.last.ack(0)
        yield* stream.flush
      })
  )

  it.effect(
    "WO-09 H-29 wakes waiters for offsets that can no longer become durable when the stream closes",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({ flushTimeout: 100 }, A.silent)
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.advance(50)
        const waiting = yield* A.started(ack.await)
        const closing = yield* A.started(stream.close)
        yield* A.advance(49)
        assert.isFalse(waiting.done())
        // The wait itself has 51 ms left when close gives up first.
        const late = yield* A.started(stream.waitForOffset(offset(0)))
        yield* A.advance(51)
        A.tagged(closing.error(), "FlushTimeout")
        A.tagged(late.error(), "StreamClosed")
      })
  )

  it.effect("WO-10 H-14 refuses an offset that was never assigned", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({})
      yield* stream.ingestRecord(A.record(0))
      for (const bad of [1, -1, 0.5, Number.NaN]) {
        const error = yield* Effect.flip(stream.waitForOffset(bad as Offset))
        assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["offset"])
      }
    })
  )
})
