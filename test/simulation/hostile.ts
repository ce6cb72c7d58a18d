/**
 * Users whose code throws: observers of their fibers, loggers, tracers, metrics and schedulers. No
 * other user may be affected.
 *
 * Errors that the client reports to the process are collected here, and must be those thrown here.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import type { SeededRandom } from "./seededRandom.ts"

/** How often each kind throws, as probabilities. */
export interface HostilePlan {
  /** At the end of a fiber that waits in a call. */
  readonly observers: number
  readonly logs: number
  readonly spans: number
  readonly metrics: number
  /** A task given to the scheduler of an open stream. */
  readonly tasks: number
}

/** The hostile users of a plan. */
export const makeHostile = (random: SeededRandom): HostilePlan => ({
  observers: random.pick([0, 0.1, 0.5, 1]),
  logs: random.pick([0, 0, 0.3, 1]),
  spans: random.pick([0, 0, 0.3, 1]),
  metrics: random.pick([0, 0, 0.01, 1]),
  tasks: random.pick([0, 0, 0.1, 1])
})

/** The error that hostile user code throws. */
export class HostileError extends Error {
  override readonly name = "HostileError"
}

const nothing: HostilePlan = { observers: 0, logs: 0, spans: 0, metrics: 0, tasks: 0 }

/** The hostile users of one run. */
export class Hostility {
  readonly plan: HostilePlan
  /** Errors that reached the process and were not thrown here. */
  readonly foreign: Array<string> = []
  private readonly random: SeededRandom

  constructor(random: SeededRandom, plan: HostilePlan | undefined) {
    this.random = random
    this.plan = plan ?? nothing
  }

  private strike(probability: number): void {
    if (probability > 0 && this.random.chance(probability)) throw new HostileError("hostile")
  }

  /** Whether the fiber of the next call has an observer that throws. */
  get observes(): boolean {
    return this.plan.observers > 0 && this.random.chance(this.plan.observers)
  }

  /** Runs the effect with only an observer that throws. */
  observe<A, E>(context: Context.Context<never>, effect: Effect.Effect<A, E>): void {
    this.fork(context, effect, () => {})
  }

  /** Runs the effect in a fiber whose observer receives the exit and then throws. */
  fork<A, E>(
    context: Context.Context<never>,
    effect: Effect.Effect<A, E>,
    told: (exit: Exit.Exit<A, E>) => void
  ): void {
    try {
      Effect.runForkWith(context)(effect).addObserver((exit) => {
        told(exit)
        throw new HostileError("hostile")
      })
    } catch (error) {
      // A fiber that has already ended calls its observer in this call, which belongs to the user.
      if (!(error instanceof HostileError)) throw error
    }
  }

  /** Loggers, tracer and metrics of the run's users. */
  services(context: Context.Context<never>): Context.Context<never> {
    const { logs, metrics, spans } = this.plan
    let all = context
    if (logs > 0) {
      const logger = Logger.make(() => this.strike(logs))
      all = Context.add(all, Logger.CurrentLoggers, new Set([logger])) as Context.Context<never>
      all = Context.add(all, References.MinimumLogLevel, "All") as Context.Context<never>
    }
    if (spans > 0) {
      const strike = () => this.strike(spans)
      const tracer = Tracer.make({
        span: (options) => {
          strike()
          return Object.assign(new Tracer.NativeSpan(options), {
            end: strike,
            attribute: strike,
            event: strike
          })
        }
      })
      all = Context.add(all, Tracer.Tracer, tracer) as Context.Context<never>
    }
    if (metrics > 0) {
      const registry = new Map<string, Metric.Metric.Metadata<any, any>>()
      const { get } = registry
      registry.get = (key) => {
        this.strike(metrics)
        return get.call(registry, key)
      }
      all = Context.add(all, Metric.MetricRegistry, registry) as Context.Context<never>
    }
    return all
  }

  /**
   * A scheduler for the opening of a stream. After `arm` it throws when it receives a task, but
   * accepts the task anyway: the client's fallback would not run on this virtual clock.
   */
  scheduler(inner: Scheduler.Scheduler): {
    readonly scheduler: Scheduler.Scheduler
    readonly arm: () => void
  } {
    const { tasks } = this.plan
    if (tasks === 0) return { scheduler: inner, arm: () => {} }
    let armed = false
    // A throw into the user's own code is not an error of the client.
    const isOwn = () => {
      const fiber = Fiber.getCurrent()
      return fiber === undefined || fiber.getRef(Scheduler.Scheduler) === scheduler
    }
    const scheduler: Scheduler.Scheduler = {
      executionMode: inner.executionMode,
      shouldYield: (fiber) => inner.shouldYield(fiber),
      makeDispatcher: () => {
        const dispatcher = inner.makeDispatcher()
        return {
          scheduleTask: (task, priority) => {
            dispatcher.scheduleTask(task, priority)
            if (armed && !isOwn()) this.strike(tasks)
          },
          flush: () => dispatcher.flush()
        }
      }
    }
    return { arm: () => void (armed = true), scheduler }
  }

  /**
   * Runs the call, collects the errors that it reports to the process, and keeps them from the
   * process.
   */
  during<A>(call: () => A): A {
    const { queueMicrotask } = globalThis
    const { emitWarning } = process
    globalThis.queueMicrotask = (task) => {
      try {
        task()
      } catch (error) {
        if (!(error instanceof HostileError)) this.foreign.push(String(error))
      }
    }
    process.emitWarning = ((warning: string | Error) => {
      if (!/threw \(HostileError\)/.test(String(warning))) this.foreign.push(String(warning))
    }) as never
    try {
      return call()
    } finally {
      globalThis.queueMicrotask = queueMicrotask
      process.emitWarning = emitWarning
    }
  }
}
