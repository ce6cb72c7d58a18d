/** Counterparts of the official SDKs' callbacks: receipts, `durableOffsets` and `onUnacked`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import { Offset } from "effect-zerobus"
import { Acknowledgements } from "../../src/internal/receipts/acknowledgements.ts"
import * as A from "../support/acceptance.ts"
import { response } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

type Opened = Effect.Success<ReturnType<typeof A.open>>

/** Ingests records and notes the result of each receipt, in the order in which they resolve. */
const watched = ({ stream }: Opened, count: number) =>
  Effect.gen(function* () {
    const told: Array<string> = []
    for (const text of A.recordsFrom(0, count)) {
      const ack = yield* stream.ingestRecord(text)
      yield* A.started(
        Effect.match(ack.await, {
          onSuccess: (offset) => told.push(`durable ${offset}`),
          onFailure: (error) => told.push(`${error._tag} ${ack.offset}`)
        })
      )
    }
    return told
  })

describe("receipts", () => {
  it.effect(
    "CB-01 CB-05 tell each record once, in ascending order, also from one cumulative " +
      "acknowledgement",
    () =>
      Effect.gen(function* () {
        const each = yield* A.open(single)
        assert.deepStrictEqual(yield* watched(each, 3), ["durable 0", "durable 1", "durable 2"])
        const fanned = yield* A.open(single, A.silent)
        const told = yield* watched(fanned, 5)
        fanned.server.last.ack(3)
        yield* A.settle
        assert.deepStrictEqual(told, ["durable 0", "durable 1", "durable 2", "durable 3"])
      })
  )

  it.effect("CB-03 first succeed for acknowledged records, then fail for the rest", () =>
    Effect.gen(function* () {
      const parts = yield* A.open(single, A.silent)
      const told = yield* watched(parts, 4)
      parts.server.last.ack(1)
      parts.server.last.send(response.garbage())
      yield* A.settle
      assert.deepStrictEqual(told, [
        "durable 0",
        "durable 1",
        "ProtocolViolation 2",
        "ProtocolViolation 3"
      ])
    })
  )

  it.effect("CB-04 are one per batch", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(single)
      const acks = yield* Effect.forEach([3, 1, 2], (count) =>
        stream.ingestRecords(A.recordsFrom(0, count))
      )
      assert.deepStrictEqual(
        yield* Effect.forEach(acks, (ack) => ack!.await),
        [0, 1, 2].map((n) => Offset(n))
      )
    })
  )

  it.effect("CB-06 all resolve when one acknowledgement covers 2,048 of them", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 2048), stream.ingestRecord)
      const fibers = yield* Effect.forEach(acks, (ack) =>
        Effect.forkScoped(ack.await, { startImmediately: true })
      )
      yield* A.until("all records arrive", () => server.writes === 2048)
      server.last.ack(2047)
      assert.deepStrictEqual(
        yield* Fiber.joinAll(fibers),
        acks.map((ack) => ack.offset)
      )
    })
  )

  it.effect("CB-07 do not wrap around at the largest offset", () =>
    Effect.gen(function* () {
      const acks = new Acknowledgements<never>()
      const last = Offset(Number.MAX_SAFE_INTEGER)
      const waiting = yield* A.started(acks.await(last))
      acks.advanceUnsafe(Number.MAX_SAFE_INTEGER - 1)
      yield* A.settle
      assert.isFalse(waiting.done())
      acks.advanceUnsafe(Number.MAX_SAFE_INTEGER)
      yield* A.settle
      assert.strictEqual(waiting.value(), last)
      assert.strictEqual(acks.watermark, Number.MAX_SAFE_INTEGER)
    })
  )

  it.effect("S-19 CB-08 resolve for the other waiters when one waiter throws", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 2), stream.ingestRecord)
      const throwing = yield* A.started(
        Effect.map(acks[0]!.await, () => {
          throw new Error("a bug of the caller")
        })
      )
      const other = yield* A.started(acks[1]!.await)
      yield* A.settle
      server.last.ack(1)
      yield* A.settle
      assert.isTrue(throwing.done())
      assert.strictEqual(other.value(), 1)
      yield* stream.ingestRecord(A.record(2))
    })
  )

  it.effect(
    "CB-09 H-42 may be answered by closing the stream: from a receipt, from durableOffsets, " +
      "from onUnacked",
    () =>
      Effect.gen(function* () {
        const receipt = yield* A.open(single)
        const ack = yield* receipt.stream.ingestRecord(A.record(0))
        const closing = yield* A.started(Effect.andThen(ack.await, receipt.stream.close))
        closing.value()

        const offsets = yield* A.open(single)
        const reading = yield* A.started(
          offsets.stream.durableOffsets.pipe(
            Stream.tap(() => offsets.stream.close),
            Stream.runCollect
          )
        )
        yield* offsets.stream.ingestRecord(A.record(0))
        yield* A.settle
        assert.deepStrictEqual([...reading.value()], [Offset(0)])

        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        let inHandler = false
        let close: Effect.Effect<unknown, unknown> = Effect.void
        const left = yield* zerobus
          .createStream(A.table, {
            scopeCloseTimeout: 0,
            onUnacked: () =>
              Effect.asVoid(
                Effect.andThen(
                  Effect.exit(close),
                  Effect.sync(() => (inHandler = true))
                )
              )
          })
          .pipe(Scope.provide(scope))
        close = left.close
        yield* left.ingestRecord(A.record(0))
        const ending = yield* A.started(Scope.close(scope, Exit.void))
        yield* A.settle
        assert.deepStrictEqual([ending.done(), inHandler], [true, true])
      })
  )

  it.effect("CB-10 fail for those still waiting when close gives up", () =>
    Effect.gen(function* () {
      const parts = yield* A.open({ ...single, flushTimeout: 100 }, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 3), parts.stream.ingestRecord)
      yield* A.advance(50)
      const closing = yield* A.started(parts.stream.close)
      yield* A.advance(60)
      const late = yield* Effect.forEach(acks, (ack) => A.started(ack.await))
      yield* A.advance(40)
      A.tagged(closing.error(), "FlushTimeout")
      for (const waiting of late) A.tagged(waiting.error(), "StreamClosed")
    })
  )

  it.effect(
    "CB-11 do not keep a scope from ending: an onUnacked that never returns is interrupted",
    () =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client(A.silent)
        const scope = yield* Scope.make()
        let interrupted = false
        const stream = yield* zerobus
          .createStream(A.table, {
            scopeCloseTimeout: 0,
            onUnacked: () =>
              Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
          })
          .pipe(Scope.provide(scope))
        yield* stream.ingestRecord(A.record(0))
        const ending = yield* A.started(Scope.close(scope, Exit.void))
        yield* A.advance(4999, 1000)
        assert.isFalse(ending.done())
        yield* A.advance(1)
        assert.deepStrictEqual([ending.done(), interrupted], [true, true])
      })
  )
})
