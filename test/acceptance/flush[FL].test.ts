/**
 * Flush.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as A from "../support/acceptance.ts"
import { code, type Script } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

describe("flush", () => {
  it.effect("FL-01 returns with the last acknowledgement", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      const flush = yield* A.started(stream.flush)
      server.last.ack(1)
      yield* A.settle
      assert.isFalse(flush.done())
      server.last.ack(2)
      yield* A.settle
      flush.value()
    })
  )

  it.effect(
    "FL-02 FL-13 H-19 ends at its limit with the number of pending records, and can be repeated",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...single, flushTimeout: 100 }, A.silent)
        for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
        yield* A.settle
        server.last.ack(0)
        const flush = yield* A.started(stream.flush)
        yield* A.advance(99)
        assert.isFalse(flush.done())
        yield* A.advance(1)
        const error = A.tagged(flush.error(), "FlushTimeout")
        assert.deepStrictEqual(
          [error.operation, error.timeoutMillis, error.pending],
          ["flush", 100, 2]
        )
        server.last.ack(2)
        yield* stream.flush
      })
  )

  it.effect("FL-03 ends at the caller's own limit and leaves the stream as it was", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const ack = yield* stream.ingestRecord(A.record(0))
      const flush = yield* A.started(Effect.timeout(stream.flush, 50))
      yield* A.advance(50)
      assert.strictEqual(flush.error()._tag, "TimeoutError")
      server.last.ack(0)
      yield* ack.await
    })
  )

  it.effect("FL-04 returns at once when nothing was ingested", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({}, A.silent)
      ;(yield* A.started(stream.flush)).value()
    })
  )

  it.effect("FL-05 waits for records accepted before it, not for later ones", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      for (const text of A.recordsFrom(0, 2)) yield* stream.ingestRecord(text)
      const flush = yield* A.started(stream.flush)
      for (const text of A.recordsFrom(2, 5)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.ack(1)
      yield* A.settle
      flush.value()
    })
  )

  it.effect("FL-06 FL-07 fails on a closed stream, with or without records", () =>
    Effect.gen(function* () {
      const empty = yield* A.open({})
      yield* empty.stream.close
      A.tagged(yield* Effect.flip(empty.stream.flush), "StreamClosed")
      const used = yield* A.open({})
      yield* used.stream.ingestRecord(A.record(0))
      yield* used.stream.close
      assert.strictEqual(
        A.tagged(yield* Effect.flip(used.stream.flush), "StreamClosed").operation,
        "flush"
      )
    })
  )

  it.effect(
    "FL-08 FL-09 FL-14 returns the deciding error itself on every call, with records or without",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({})
        server.last.fail(code.NOT_FOUND, "dropped table")
        yield* A.settle
        for (let again = 0; again < 2; again++) {
          const error = A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
          assert.include(error.message, "dropped table")
          assert.isFalse(error.isRetryable)
        }
        const closed = A.tagged(
          yield* Effect.flip(stream.ingestRecord(A.record(0))),
          "StreamClosed"
        )
        assert.strictEqual(closed.operation, "ingestRecord")
        assert.strictEqual(closed.cause?._tag, "InvalidTable")
      })
  )

  it.effect("FL-10 reports the outcome of a stream that is ending", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(
        { ...single, flushTimeout: 100, drainTimeout: 50 },
        {
          ...A.silent,
          onHalfClose: () => {}
        }
      )
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      yield* A.advance(110)
      assert.isFalse(closing.done(), "draining")
      const late = yield* A.started(stream.flush)
      yield* A.advance(40)
      A.tagged(closing.error(), "FlushTimeout")
      A.tagged(late.error(), "StreamClosed")
    })
  )

  it.effect("FL-11 FL-12 is not held up by an ingest that was refused", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      yield* Effect.flip(stream.ingestRecord("not an object"))
      yield* stream.flush
      yield* stream.ingestRecord(A.record(0))
      yield* Effect.flip(stream.ingestRecord("not an object"))
      const flush = yield* A.started(stream.flush)
      server.last.ack(0)
      yield* A.settle
      flush.value()
    })
  )

  it.effect("FL-02 names what the stream last recovered from", () =>
    Effect.gen(function* () {
      const down: Script = A.refusing(code.UNAVAILABLE, "maintenance window")
      const { server, stream } = yield* A.open({ ...single, flushTimeout: 100 }, A.silent, down)
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      const flush = yield* A.started(stream.flush)
      yield* A.advance(100)
      const error = A.tagged(flush.error(), "FlushTimeout")
      assert.include(error.message, "maintenance window")
      assert.strictEqual(error.lastFailure?._tag, "Retryable")
    })
  )

  it.effect(
    "H-10 has the last queued offset as soon as it is assigned, so that a flush never " +
      "returns early",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(single, A.silent)
        for (let n = 0; n < 5; n++) {
          const offered = stream.offerUnsafe(A.record(n))
          const flush = yield* A.started(stream.flush)
          assert.isFalse(flush.done())
          server.last.ack(offered!.offset)
          yield* A.settle
          flush.value()
        }
      })
  )
})
