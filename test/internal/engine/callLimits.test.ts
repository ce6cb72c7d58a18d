/**
 * Calls keep their time limits even while user code runs in an uninterruptible region.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { HeadersProvider } from "effect-zerobus"
import * as A from "../../support/acceptance.ts"
import { code } from "../../support/scriptedServer.ts"

const quiet = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }
/** An effect with an uninterruptible region, as every `acquireRelease` has one. */
const inRegion = Effect.acquireUseRelease(
  Effect.sleep("10 minutes"),
  () => Effect.succeed({}),
  () => Effect.void
)

describe("a call keeps its limit", () => {
  /** Whether the call ends within this many milliseconds of the virtual clock. */
  const endsWithin = <B, E, R>(millis: number, call: Effect.Effect<B, E, R>) =>
    Effect.gen(function* () {
      const running = yield* A.started(call as Effect.Effect<B, E>)
      yield* A.advance(millis)
      const done = running.done()
      yield* A.advance(4_000_000, 400_000)
      assert.isTrue(done)
    })
  it.effect("createStream, when getHeaders is in a part that cannot be interrupted", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = HeadersProvider.make({ getHeaders: inRegion })
      yield* endsWithin(
        2000,
        Effect.scoped(
          zerobus.createStream(A.table, { headersProvider, recovery: false, recoveryTimeout: 1000 })
        )
      )
    })
  )
  it.effect("createStream, when beforeOpen is", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      yield* endsWithin(
        2000,
        Effect.scoped(
          zerobus.createStream(A.table, { beforeOpen: inRegion, recoveryTimeout: 1000 })
        )
      )
    })
  )
  it.effect("close, when invalidate is", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.succeed({}),
        invalidate: Effect.asVoid(inRegion)
      })
      const stream = yield* zerobus.createStream(A.table, {
        ...quiet,
        headersProvider,
        recoveryTimeout: 1000,
        flushTimeout: 1000
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.fail(code.UNAUTHENTICATED)
      yield* endsWithin(3000, Effect.exit(stream.close))
    })
  )
  it.effect("the closing of a scope, when onUnacked is", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(
        zerobus.createStream(A.table, {
          scopeCloseTimeout: 100,
          onUnacked: () => Effect.asVoid(inRegion)
        }),
        scope
      )
      yield* stream.ingestRecord(A.record(0))
      yield* endsWithin(7000, Scope.close(scope, Exit.void))
    })
  )
  it.effect("close, when the recovery schedule takes its time to decide", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const stream = yield* zerobus.createStream(A.table, {
        ...quiet,
        flushTimeout: 1000,
        recoverySchedule: Schedule.spaced(10).pipe(Schedule.tap(() => Effect.sleep("1 hour")))
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.settle
      yield* endsWithin(3000, Effect.exit(stream.close))
    })
  )
})
