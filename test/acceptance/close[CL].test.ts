/**
 * Close, in every phase of a stream.
 *
 * Decision: with nothing unacknowledged, close returns promptly in every phase. With unacknowledged
 * records it keeps trying until the flush limit, and then fails with `FlushTimeout` and the latest
 * reason of the recovery.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schedule, Scope } from "effect"
import type { Unacked, ZerobusError } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code, type Script } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const
/** Never ends a call. */
const endless: Script = { onMessage: () => {}, onHalfClose: () => {} }
const mute: Script = { onCreate: () => {} }
const hour = 3_600_000

/**
 * Loses the connection while these records are unacknowledged, and brings the stream into a phase
 * of its recovery.
 */
const recovering = (phase: Script, options: Parameters<typeof A.open>[0] = {}) =>
  Effect.gen(function* () {
    const parts = yield* A.open(
      { ...single, flushTimeout: 100, drainTimeout: 50, ...options },
      A.silent,
      phase
    )
    for (const text of A.recordsFrom(0, 4)) yield* parts.stream.ingestRecord(text)
    yield* A.settle
    parts.server.last.ack(1)
    yield* A.settle
    parts.server.last.cut()
    yield* A.advance(10)
    return parts
  })

/** Closes in a phase of the recovery, with two records unacknowledged. */
const closesAtLimit = (phase: Script) =>
  Effect.gen(function* () {
    const { stream } = yield* recovering(phase)
    const closing = yield* A.started(stream.close)
    yield* A.advance(99)
    assert.isFalse(closing.done())
    yield* A.advance(51)
    const error = A.tagged(closing.error(), "FlushTimeout")
    assert.strictEqual(error.pending, 2)
    assert.strictEqual(error.lastFailure?._tag, "Retryable")
    assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(2, 2))
  })

describe("close", () => {
  it.effect(
    "CL-01 CL-02 CL-03 CL-07 half-closes once, resets nothing, and gives the same result again",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({})
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* ack.await
        const closing = yield* A.started(stream.close)
        closing.value()
        yield* stream.close
        assert.strictEqual(server.last.halfCloses, 1)
        assert.strictEqual(server.last.resets, 0)
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect("CL-04 ends three closes at once", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({}, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const closes = yield* Effect.forEach([1, 2, 3], () => A.started(stream.close))
      server.last.ack(0)
      yield* A.settle
      for (const close of closes) close.value()
      assert.strictEqual(server.last.halfCloses, 1)
    })
  )

  it.effect("CL-05 CL-06 flushes first, then half-closes and waits for the server's end", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({}, endless)
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      assert.strictEqual(server.last.halfCloses, 0)
      server.last.ack(0)
      yield* A.settle
      assert.strictEqual(server.last.halfCloses, 1)
      assert.isFalse(closing.done())
      server.last.end()
      yield* A.settle
      closing.value()
      assert.strictEqual(server.last.resets, 0)
    })
  )

  it.effect("CL-08 gives up on a server that ignores the half-close at the drain's limit", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ drainTimeout: 50 }, endless)
      const closing = yield* A.started(stream.close)
      yield* A.advance(49)
      assert.isFalse(closing.done())
      yield* A.advance(1)
      closing.value()
      assert.strictEqual(server.last.resets, 1)
    })
  )

  it.effect("CL-09 H-28 ends within both limits while sending is blocked", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, flushTimeout: 100, drainTimeout: 50 },
        endless
      )
      server.last.pause()
      for (const text of A.recordsFrom(0, 100)) yield* stream.ingestRecord(text)
      const closing = yield* A.started(stream.close)
      yield* A.advance(150)
      A.tagged(closing.error(), "FlushTimeout")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, A.recordsFrom(0, 100))
    })
  )

  it.effect("CL-10 CL-03 keeps the flush error, and unacknowledged records stay readable", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ flushTimeout: 100 }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      yield* A.advance(100)
      const error = A.tagged(closing.error(), "FlushTimeout")
      assert.strictEqual(error.operation, "close")
      assert.strictEqual(yield* Effect.flip(stream.close), error)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect(
    "CL-11 gives the refusal that arrives during its flush, and refuses records afterwards",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          single,
          A.silent,
          A.refusing(code.PERMISSION_DENIED, "no MODIFY")
        )
        yield* stream.ingestRecord(A.record(0))
        const closing = yield* A.started(stream.close)
        server.last.fail(code.PERMISSION_DENIED, "no MODIFY")
        yield* A.advance(20)
        assert.include(A.tagged(closing.error(), "PermissionDenied").message, "no MODIFY")
        A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(1))), "StreamClosed")
      })
  )

  it.effect("CL-12 CL-13 gives the stored error of a failed stream at once, again and again", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({}, A.silent)
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.fail(code.NOT_FOUND, "dropped")
      yield* A.settle
      const first = yield* Effect.flip(stream.close)
      assert.include(A.tagged(first, "InvalidTable").message, "dropped")
      assert.strictEqual(yield* Effect.flip(stream.close), first)
    })
  )

  it.effect("CL-14 refuses records after close before it looks at them", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({})
      yield* stream.close
      A.tagged(yield* Effect.flip(stream.ingestRecord(null as never)), "StreamClosed")
      A.tagged(yield* Effect.flip(stream.ingestRecords([null as never])), "StreamClosed")
      A.tagged(yield* Effect.flip(stream.ingestRecords([])), "StreamClosed")
      assert.isUndefined(stream.offerUnsafe(A.record(0)))
    })
  )

  it.effect(
    "CL-15 CL-17 refuses a record whose encoding was under way when close began, and waits for " +
      "the others only",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({}, A.silent)
        yield* stream.ingestRecord(A.record(0))
        const closesMeanwhile = {
          toJSON: () => {
            Effect.runFork(stream.close)
            return { n: 1 }
          }
        }
        A.tagged(yield* Effect.flip(stream.ingestRecord(closesMeanwhile)), "StreamClosed")
        yield* A.settle
        server.last.ack(0)
        yield* stream.close
        assert.deepStrictEqual(server.records, [A.record(0)])
        assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
      })
  )

  it.effect("CL-16 fails calls that wait for room before the close has ended", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxInflightRecords: 1 }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(stream.ingestRecords(A.recordsFrom(1, 2)))
      const closing = yield* A.started(stream.close)
      A.tagged(waiting.error(), "StreamClosed")
      assert.isFalse(closing.done())
    })
  )

  it.effect("CL-18 continues to close when its caller is interrupted", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({}, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      yield* closing.interrupt
      A.tagged(yield* Effect.flip(stream.ingestRecord(A.record(1))), "StreamClosed")
      A.tagged(yield* Effect.flip(stream.getUnackedRecords), "InvalidState")
      server.last.ack(0)
      yield* A.settle
      yield* stream.close
      assert.strictEqual(server.last.halfCloses, 1)
    })
  )

  it.effect(
    "CL-19 refuses a limit that no timer can hold when the stream is created, not when it closes",
    () =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client()
        for (const option of ["flushTimeout", "drainTimeout", "scopeCloseTimeout"]) {
          const error = yield* Effect.flip(
            zerobus.createStream(A.table, { [option]: Number.MAX_SAFE_INTEGER })
          )
          assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, [option])
        }
      })
  )

  it.effect(
    "CL-20 ends at the flush limit with the exact suffix while an attempt waits for its answer",
    () => closesAtLimit(mute)
  )
  it.effect(
    "CL-23 ends at the flush limit with the exact suffix while the replay is under way",
    () =>
      closesAtLimit({
        onMessage: () => {},
        onCreate: (connection) => (connection.pause(), connection.accept())
      })
  )
  it.effect(
    "CL-24 ends at the flush limit with the exact suffix while the next attempt waits for its time",
    () => closesAtLimit(A.refusing(code.UNAVAILABLE, "restarting"))
  )

  it.effect("CL-21 CL-22 is prompt in every phase when nothing is unacknowledged", () =>
    Effect.gen(function* () {
      const phases: ReadonlyArray<Script> = [
        mute,
        A.refusing(code.UNAVAILABLE),
        { onCreate: (connection) => (connection.accept(), connection.closing(hour)) }
      ]
      for (const phase of phases) {
        const { server, stream } = yield* A.open(
          { recoverySchedule: Schedule.spaced(1000) },
          {},
          phase
        )
        server.last.cut()
        yield* A.settle
        const rebuilding = yield* A.started(stream.close)
        rebuilding.value()
      }
      for (const phase of phases) {
        const { server, stream } = yield* A.open(
          { recoverySchedule: Schedule.spaced(10) },
          {},
          phase
        )
        server.last.cut()
        yield* A.advance(10)
        const closing = yield* A.started(stream.close)
        closing.value()
      }
    })
  )

  it.effect("CL-25 names the latest attempt's failure, not the first one's", () =>
    Effect.gen(function* () {
      const { stream } = yield* recovering(
        {
          onCreate: (connection) => connection.fail(code.UNAVAILABLE, `attempt ${connection.index}`)
        },
        { recoverySchedule: Schedule.spaced(60) }
      )
      yield* A.advance(50)
      const closing = yield* A.started(stream.close)
      yield* A.advance(100)
      const error = A.tagged(closing.error(), "FlushTimeout")
      assert.include(error.message, "attempt 3")
    })
  )

  it.effect("CL-26 ends a pause when its last acknowledgement arrives", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(hour)
      yield* A.settle
      const closing = yield* A.started(stream.close)
      assert.isFalse(closing.done())
      server.last.ack(0)
      yield* A.settle
      closing.value()
      assert.strictEqual(server.last.halfCloses, 1)
    })
  )

  it.effect(
    "CL-26 ends within its limits during a long pause with a record that is never acknowledged",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          { ...single, flushTimeout: 100, drainTimeout: 50 },
          endless
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.closing(hour)
        yield* A.settle
        const closing = yield* A.started(stream.close)
        yield* A.advance(150)
        A.tagged(closing.error(), "FlushTimeout")
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect(
    "CL-27 keeps its timeout, but records acknowledged during the drain are no longer " +
      "unacknowledged",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open(
          { ...single, flushTimeout: 100 },
          {
            onMessage: () => {},
            onHalfClose: (connection) => (connection.ack(0), connection.end())
          }
        )
        const ack = yield* stream.ingestRecord(A.record(0))
        const closing = yield* A.started(stream.close)
        yield* A.advance(100)
        A.tagged(closing.error(), "FlushTimeout")
        assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
        assert.strictEqual(yield* ack.await, 0)
      })
  )

  it.effect(
    "CL-28 gives onUnacked the timeout of the close as the reason, although the scope called it " +
      "later",
    () =>
      Effect.gen(function* () {
        const left: Array<Unacked<unknown>> = []
        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        const stream = yield* zerobus
          .createStream(A.table, {
            flushTimeout: 1000,
            onUnacked: (unacked) => Effect.sync(() => void left.push(unacked))
          })
          .pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        const closing = yield* Effect.forkChild(Effect.flip(stream.close))
        yield* A.advance(1000)
        const failed = yield* Fiber.join(closing)
        assert.strictEqual(failed._tag, "FlushTimeout")
        assert.strictEqual(left.length, 0)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(left.length, 1)
        assert.strictEqual(left[0]!.cause, failed)
      })
  )

  it.effect(
    "CL-28 CL-29 hands the exact suffix to onUnacked when the scope ends, and takes no record " +
      "any more",
    () =>
      Effect.gen(function* () {
        const left: Array<Unacked<unknown>> = []
        const refused: Array<ZerobusError> = []
        const { server, zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        const ready = yield* Deferred.make<{
          readonly ingestRecord: (record: string) => Effect.Effect<unknown, ZerobusError>
        }>()
        const stream = yield* zerobus
          .createStream(A.table, {
            batching: "off",
            scopeCloseTimeout: 0,
            onUnacked: (unacked) =>
              Effect.gen(function* () {
                left.push(unacked)
                refused.push(
                  yield* Effect.flip((yield* Deferred.await(ready)).ingestRecord(A.record(9)))
                )
              }).pipe(Effect.ignore)
          })
          .pipe(Scope.provide(scope))
        yield* Deferred.succeed(ready, stream)
        for (const text of A.recordsFrom(0, 4)) yield* stream.ingestRecord(text)
        yield* A.settle
        server.last.ack(1)
        yield* A.settle
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          left.map(({ records }) => records),
          [A.recordsFrom(2, 2)]
        )
        assert.strictEqual(left[0]?.cause._tag, "FlushTimeout")
        assert.deepStrictEqual(
          refused.map((error) => error._tag),
          ["StreamClosed"]
        )
      })
  )

  it.effect(
    "CL-30 CL-31 CL-35 either acknowledges or refuses each record when close races twelve " +
      "producers",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ maxInflightRecords: 16 })
        const accepted: Array<string> = []
        const refused: Array<ZerobusError> = []
        const producers = yield* Effect.forEach([...Array(12).keys()], (producer) =>
          A.started(
            Effect.forEach(A.recordsFrom(producer * 1000, 60), (text) =>
              Effect.gen(function* () {
                yield* Effect.yieldNow
                const ack = yield* stream.ingestRecord(text)
                accepted.push(text)
                yield* ack.await
              }).pipe(Effect.catch((error) => Effect.sync(() => refused.push(error))))
            )
          )
        )
        yield* stream.close
        yield* Effect.forEach(producers, (producer) => producer.join)
        assert.strictEqual(accepted.length + refused.length, 720)
        assert.deepStrictEqual([...server.records].sort(), [...accepted].sort())
        for (const error of refused) A.tagged(error, "StreamClosed")
        assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
      })
  )

  it.effect(
    "CL-32 lets one of two racing recreates win and refuses those that come before the end",
    () =>
      Effect.gen(function* () {
        const { server, stream, zerobus } = yield* A.open({ flushTimeout: 100 }, A.silent, {})
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        const closing = yield* A.started(stream.close)
        A.tagged(yield* Effect.flip(zerobus.recreateStream(stream)), "InvalidState")
        yield* A.advance(100)
        A.tagged(closing.error(), "FlushTimeout")
        const both = yield* Effect.forEach(
          [1, 2],
          () => Effect.exit(zerobus.recreateStream(stream)),
          {
            concurrency: "unbounded"
          }
        )
        assert.deepStrictEqual(both.map(Exit.isSuccess), [true, false])
        yield* A.settle
        assert.deepStrictEqual(server.connection(1).records, [A.record(0)])
      })
  )

  it.effect("CL-33 waits for its flush when the scope ends, without holding up the program", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const program = yield* A.started(
        zerobus.withStream(A.table, (stream) => Effect.as(stream.ingestRecord(A.record(0)), "done"))
      )
      assert.isFalse(program.done())
      server.last.ack(0)
      yield* A.settle
      assert.strictEqual(program.value(), "done")
      assert.strictEqual(server.last.halfCloses, 1)
    })
  )

  it.effect("CL-34 frees everything at once when an idle stream's scope ends without a close", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const scope = yield* Scope.make()
      yield* Scope.provide(zerobus.createStream(A.table), scope)
      const dropped = yield* A.started(Scope.close(scope, Exit.void))
      assert.isTrue(dropped.done())
      assert.isTrue(server.last.over)
    })
  )

  it.effect(
    "CL-36 CL-37 H-32 invalidates refused credentials once, also while the stream closes",
    () =>
      Effect.gen(function* () {
        const flushing = yield* A.open({ ...single, flushTimeout: 100 }, A.silent, mute)
        yield* flushing.stream.ingestRecord(A.record(0))
        const closing = yield* A.started(flushing.stream.close)
        flushing.server.last.fail(code.UNAUTHENTICATED)
        yield* A.advance(100)
        A.tagged(closing.error(), "FlushTimeout")
        assert.strictEqual(flushing.provider.invalidated, 1)

        const draining = yield* A.open(
          {},
          { onHalfClose: (connection) => connection.fail(code.UNAUTHENTICATED) }
        )
        yield* draining.stream.close
        assert.strictEqual(draining.provider.invalidated, 1)

        const opening = yield* recovering(A.refusing(code.UNAUTHENTICATED))
        const late = yield* A.started(opening.stream.close)
        yield* A.advance(20)
        A.tagged(late.error(), "InvalidToken")
        assert.strictEqual(opening.provider.invalidated, 2)
      })
  )

  it.effect(
    "H-30 gives a second close the first one's result, and lets an opening stream be given up",
    () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({ flushTimeout: 10 }, A.silent)
        yield* stream.ingestRecord(A.record(0))
        const first = yield* A.started(stream.close)
        yield* A.advance(10)
        assert.strictEqual(yield* Effect.flip(stream.close), first.error())

        const { server, zerobus } = yield* A.client({ onCreate: () => {} })
        const scope = yield* Scope.make()
        const opening = yield* A.started(Scope.provide(zerobus.createStream(A.table), scope))
        yield* opening.interrupt
        const closing = yield* A.started(Scope.close(scope, Exit.void))
        assert.isTrue(closing.done())
        yield* A.settle
        assert.strictEqual(server.last.resets, 1)
      })
  )
})
