/**
 * Exceptions of user code in a fiber's context: the fiber continues without that code, and the
 * process gets one warning.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Logger, Metric, Scheduler, Tracer } from "effect"
import { apart } from "../../../src/internal/userCode/apart.ts"
import {
  guardScheduler,
  shielded,
  traced,
  unshielded
} from "../../../src/internal/userCode/shield.ts"
import { collected } from "../../support/uncaught.ts"

const broken = (): never => {
  throw new TypeError("secret")
}

describe("a shielded effect", () => {
  it.effect("logs to the other loggers when one throws, which is a warning of the first time", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const lines: Array<unknown> = []
        const loggers = new Set([
          Logger.make(broken),
          Logger.make(({ message }) => void lines.push(message))
        ])
        yield* Effect.repeat(shielded(Effect.logError("a line")), { times: 2 }).pipe(
          Effect.provideService(Logger.CurrentLoggers, loggers)
        )
        assert.strictEqual(lines.length, 3)
        assert.deepStrictEqual(reported, {
          uncaught: [],
          warnings: ["The program's logger threw (TypeError). Streams go on without it."]
        })
      })
    )
  )

  it.effect("runs without a span, or to its end, when the tracer throws", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const withoutSpans = Tracer.make({ span: broken })
        const atEnd = Tracer.make({
          span: (options) =>
            Object.assign(new Tracer.NativeSpan(options), { end: broken, attribute: broken })
        })
        for (const tracer of [withoutSpans, atEnd]) {
          const result = yield* traced(Effect.succeed(1), "a span", { table: "t" }).pipe(
            Effect.provideService(Tracer.Tracer, tracer)
          )
          assert.strictEqual(result, 1)
        }
        assert.strictEqual(reported.warnings.length, 2)
      })
    )
  )

  it.effect("shows child spans the tracer's own span as their parent", () =>
    Effect.gen(function* () {
      class OwnSpan extends Tracer.NativeSpan {
        readonly own = true
      }
      const parents: Array<unknown> = []
      const tracer = Tracer.make({
        span: (options) => {
          if (options.parent._tag === "Some") parents.push(options.parent.value)
          return new OwnSpan(options)
        }
      })
      yield* traced(Effect.withSpan(Effect.void, "inner"), "outer", {}).pipe(
        Effect.provideService(Tracer.Tracer, tracer)
      )
      assert.strictEqual(parents.length, 1)
      assert.isTrue(parents[0] instanceof OwnSpan && parents[0].own && parents[0].name === "outer")
    })
  )

  it.effect("takes no step through the tracer's hook, and user code in it does", () =>
    Effect.gen(function* () {
      let steps = 0
      const tracer = Tracer.make({
        span: (options) => new Tracer.NativeSpan(options),
        context: (primitive, fiber) => {
          steps++
          return primitive["~effect/Effect/evaluate"](fiber)
        }
      })
      const counted = (effect: Effect.Effect<unknown>) =>
        Effect.suspend(() => {
          const before = steps
          return Effect.map(effect, () => steps - before)
        })
      const work = Effect.forEach([1, 2, 3], () => Effect.yieldNow, { discard: true })
      yield* Effect.gen(function* () {
        const inside = yield* shielded(counted(work))
        const user = yield* shielded(unshielded(counted(work)))
        const fiber = yield* shielded(apart(counted(work)))
        assert.strictEqual(inside, 0)
        assert.isAbove(user, 3)
        assert.isAbove(fiber, 3)
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    })
  )

  it.effect("starts and ends fibers when the fiber metrics throw", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const metrics = { recordFiberStart: broken, recordFiberEnd: broken }
        const forked = shielded(
          Effect.flatMap(Effect.forkDetach(Effect.succeed(7)), (fiber) =>
            Effect.yieldNow.pipe(Effect.andThen(Effect.sync(() => fiber.pollUnsafe())))
          )
        )
        const exit = yield* Effect.provideService(forked, Metric.FiberRuntimeMetrics, metrics)
        assert.deepStrictEqual(exit, Exit.succeed(7))
        assert.strictEqual(reported.warnings.length, 1)
      })
    )
  )

  it.effect("keeps the user's services apart from its own, and gives them back", () =>
    Effect.gen(function* () {
      const loggers = new Set([Logger.make(() => {})])
      const services = Effect.map(
        Effect.context<never>(),
        (context) =>
          [
            Context.get(context, Logger.CurrentLoggers),
            Context.get(context, Scheduler.Scheduler)
          ] as const
      )
      const outside = yield* Effect.provideService(services, Logger.CurrentLoggers, loggers)
      const [inside, twice, back] = yield* Effect.all([
        shielded(services),
        shielded(shielded(unshielded(services))),
        shielded(unshielded(services))
      ]).pipe(Effect.provideService(Logger.CurrentLoggers, loggers))
      assert.notStrictEqual(inside[0], outside[0])
      assert.deepStrictEqual([twice[0], twice[1]], [outside[0], outside[1]])
      assert.deepStrictEqual([back[0], back[1]], [outside[0], outside[1]])
    })
  )
})

describe("a guarded scheduler", () => {
  const throwing = (
    at: "make" | "schedule" | "yield",
    taken: Array<() => void> = []
  ): Scheduler.Scheduler => ({
    executionMode: "async",
    shouldYield: () => (at === "yield" ? broken() : false),
    makeDispatcher: () =>
      at === "make"
        ? broken()
        : {
            scheduleTask: (task) => {
              taken.push(task)
              broken()
            },
            flush: broken
          }
  })

  it.effect("runs a task that the user's does not take, once", () =>
    collected(() =>
      Effect.gen(function* () {
        const taken: Array<() => void> = []
        let runs = 0
        for (const scheduler of [throwing("make"), throwing("schedule", taken)]) {
          const dispatcher = guardScheduler(scheduler).makeDispatcher()
          dispatcher.scheduleTask(() => void runs++, 0)
          dispatcher.flush()
        }
        for (const task of taken) task()
        yield* Effect.yieldNow
        assert.deepStrictEqual([runs, taken.length], [2, 1])
      })
    )
  )

  it.effect("decides by itself when a fiber gives way", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const fiber = yield* shielded(
          Effect.forkDetach(Effect.forEach(Array.from({ length: 5_000 }), () => Effect.yieldNow))
        ).pipe(Effect.provideService(Scheduler.Scheduler, throwing("make")))
        yield* Effect.callback<void>((resume) => {
          fiber.addObserver(() => resume(Effect.void))
        })
        const decided = guardScheduler(throwing("yield"))
        assert.isFalse(decided.shouldYield(fiber))
        assert.strictEqual(reported.warnings.length, 2)
      })
    )
  )
})

describe("user code in a fiber apart", () => {
  it.effect("answers however its fiber ends", () =>
    collected((reported) =>
      Effect.gen(function* () {
        const observed = Effect.withFiber<number>((fiber) => {
          fiber.addObserver((): void => broken())
          return Effect.succeed(3)
        })
        assert.strictEqual(yield* apart(observed), 3)
        const noEffect = yield* Effect.exit(
          apart(Effect.flatMap(Effect.void, (): Effect.Effect<void> => undefined as never))
        )
        assert.isTrue(Exit.isFailure(noEffect) && Cause.hasDies(noEffect.cause))
        assert.strictEqual(yield* Effect.flip(apart(Effect.fail("typed"))), "typed")
        const interrupted = yield* Effect.exit(apart(Effect.interrupt))
        assert.isTrue(Exit.isFailure(interrupted))
        assert.deepStrictEqual(reported.warnings, [])
      })
    )
  )
})
