/**
 * Protects the engine's fibers from exceptions of services in the user's context.
 *
 * A fiber takes loggers, tracer, scheduler and fiber metrics from the context of the program that
 * started it. A shielded context wraps these: what one throws is reported once, as a warning of the
 * process, and the fiber continues without it. User code gets its original services back
 * (`unshielded`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import { MixedScheduler, Scheduler, type SchedulerDispatcher } from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import { warnOnce } from "./wake.ts"

/** The services of a program that every fiber runs with. */
interface FiberServices {
  readonly loggers: ReadonlySet<Logger.Logger<unknown, any>>
  readonly scheduler: Scheduler
  readonly tracer: Tracer.Tracer | undefined
  readonly metrics: Metric.FiberRuntimeMetricsService | undefined
}

/** The user's services that a shielded context has wrapped; `undefined` outside of one. */
const UserServices = Context.Reference<FiberServices | undefined>(
  "effect-zerobus/internal/UserServices",
  {
    defaultValue: () => undefined
  }
)

/** Runs the effect with wrapped services. */
export const shielded = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(
    effect,
    (context: Context.Context<R>) => shield(context) as Context.Context<R>
  )

/** Runs user code within shielded code, with the user's own services. */
export const unshielded = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => {
    const user = Context.get(context, UserServices)
    return user === undefined ? context : provide(context, user, undefined)
  })

/**
 * Runs the effect in a span. The effect keeps the user's services. When the tracer throws, only the
 * span is lost.
 */
export const traced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  name: string,
  attributes: Readonly<Record<string, unknown>>
): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Tracer.ParentSpan>>) => {
    // The stack would show only this package.
    const options = { attributes, captureStackTrace: false }
    // Effect's own tracer does not throw.
    return Context.getOrUndefined(context, Tracer.Tracer) === undefined
      ? Effect.withSpan(effect, name, options)
      : shielded(Effect.withSpan(unshielded(effect), name, options))
  })

/** The context with wrapped services. */
export const shield = (context: Context.Context<never>): Context.Context<never> => {
  if (Context.get(context, UserServices) !== undefined) return context
  const user: FiberServices = {
    loggers: Context.get(context, Logger.CurrentLoggers),
    scheduler: Context.get(context, Scheduler),
    tracer: Context.getOrUndefined(context, Tracer.Tracer),
    metrics: Context.getOrUndefined(context, Metric.FiberRuntimeMetrics)
  }
  const known = guards.get(user.loggers)
  const guard =
    known !== undefined && isSame(known.user, user) ? known : { user, guarded: guardAll(user) }
  guards.set(user.loggers, guard)
  return provide(context, guard.guarded, guard.user)
}

/**
 * The context with these services, added one by one: merging would copy all other services for each
 * stream.
 */
const provide = <R>(
  context: Context.Context<R>,
  { loggers, metrics, scheduler, tracer }: FiberServices,
  user: FiberServices | undefined
): Context.Context<R> => {
  let provided = Context.add(context, UserServices, user) as Context.Context<any>
  provided = Context.add(provided, Logger.CurrentLoggers, loggers)
  provided = Context.add(provided, Scheduler, scheduler)
  if (tracer !== undefined) provided = Context.add(provided, Tracer.Tracer, tracer)
  if (metrics !== undefined) provided = Context.add(provided, Metric.FiberRuntimeMetrics, metrics)
  return provided
}

/**
 * The wrapped services of programs, keyed by their loggers. All streams of a program share them.
 */
const guards = new WeakMap<
  object,
  { readonly user: FiberServices; readonly guarded: FiberServices }
>()

const isSame = (one: FiberServices, other: FiberServices): boolean =>
  one.scheduler === other.scheduler && one.tracer === other.tracer && one.metrics === other.metrics

const guardAll = ({ loggers, metrics, scheduler, tracer }: FiberServices): FiberServices => ({
  loggers: new Set([...loggers].map(guardLogger)),
  scheduler: guardScheduler(scheduler),
  tracer: tracer && guardTracer(tracer),
  metrics: metrics && guardMetrics(metrics)
})

/** Calls user code. When it throws, warns and returns the result of `otherwise`. */
const attempt = <A>(observer: object, what: string, call: () => A, otherwise: () => A): A => {
  try {
    return call()
  } catch (error) {
    warnOnce(observer, what, error)
    return otherwise()
  }
}

const nothing = (): void => {}

const guardLogger = (logger: Logger.Logger<unknown, unknown>): Logger.Logger<unknown, unknown> =>
  Logger.make((options) => attempt(logger, "logger", () => logger.log(options), nothing))

// Without the hook `context`, which would wrap every step of the engine's fibers.
const guardTracer = (tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    span: (options) =>
      attempt(
        tracer,
        "tracer",
        () => guardSpan(tracer, tracer.span(options)),
        () => new Tracer.NativeSpan(options)
      )
  })

const spanCalls = new Set<PropertyKey>(["end", "attribute", "event", "addLinks"])

/** The tracer's own span, which its child spans may inspect, with calls that cannot throw. */
const guardSpan = (tracer: Tracer.Tracer, span: Tracer.Span): Tracer.Span =>
  new Proxy(span, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (!spanCalls.has(key) || typeof value !== "function") return value
      return (...given: ReadonlyArray<unknown>) =>
        attempt(tracer, "tracer", () => void Reflect.apply(value, target, given), nothing)
    }
  })

const guardMetrics = (
  metrics: Metric.FiberRuntimeMetricsService
): Metric.FiberRuntimeMetricsService => ({
  recordFiberStart: (context) =>
    attempt(metrics, "fiber metrics", () => metrics.recordFiberStart(context), nothing),
  recordFiberEnd: (context, exit) =>
    attempt(metrics, "fiber metrics", () => metrics.recordFiberEnd(context, exit), nothing)
})

const ownScheduler = new MixedScheduler()

/** The scheduler. Effect's own scheduler runs tasks that it fails to take. */
export const guardScheduler = (scheduler: Scheduler): Scheduler => ({
  executionMode: scheduler.executionMode,
  shouldYield: (fiber) => {
    try {
      return scheduler.shouldYield(fiber)
    } catch (error) {
      warnOnce(scheduler, "scheduler", error)
      return ownScheduler.shouldYield(fiber)
    }
  },
  makeDispatcher: () =>
    attempt(
      scheduler,
      "scheduler",
      () => guardDispatcher(scheduler, scheduler.makeDispatcher()),
      () => ownScheduler.makeDispatcher()
    )
})

const guardDispatcher = (
  scheduler: Scheduler,
  dispatcher: SchedulerDispatcher
): SchedulerDispatcher => {
  let own: SchedulerDispatcher | undefined
  return {
    scheduleTask: (task, priority) => {
      // A scheduler that throws may have taken the task anyway.
      let due = true
      const once = () => {
        if (!due) return
        due = false
        task()
      }
      attempt(
        scheduler,
        "scheduler",
        () => dispatcher.scheduleTask(once, priority),
        () => (own ??= ownScheduler.makeDispatcher()).scheduleTask(once, priority)
      )
    },
    flush: () => {
      attempt(scheduler, "scheduler", () => dispatcher.flush(), nothing)
      own?.flush()
    }
  }
}
