/**
 * A seeded event loop for fibers, network and server. Time passes only when nothing is ready to
 * run.
 *
 * It replaces Effect's scheduler and clock and the server's timers. Ready tasks run in order of
 * arrival or, if the plan says so, in an order that the seed decides; a fiber may be made to yield
 * between any two operations. A whole run is synchronous, so the same seed gives the same run.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Context from "effect/Context"
import * as Logger from "effect/Logger"
import { HostileError } from "./hostile.ts"
import type { SeededRandom } from "./seededRandom.ts"

/** How the loop treats fibers. */
export interface SchedulePlan {
  /** The probability that the next task is not the oldest one. */
  readonly shuffle: number
  /** The probability that a fiber yields before an operation. */
  readonly yields: number
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
  alive: boolean
}

const startOfTime = 1_750_000_000_000

/** The parts of the event loop that a process needs. */
export type Turns = Pick<VirtualTime, "now" | "soon" | "after" | "strikeAfter">

/** Counts fibers that have started and not ended, and those that sleep. */
export interface FiberCounts {
  fibers: number
  sleeps: number
}

/** The event loop of one run. */
export class VirtualTime {
  /** Milliseconds since the start. Never decreases. */
  now = 0
  /** The offset of the wall clock, in milliseconds. */
  wallSkew = 0
  /** Counts the moments at which nothing was ready to run. */
  quiet = 0
  /** Fibers of the single process of most runs. */
  private readonly counts: FiberCounts = { fibers: 0, sleeps: 0 }
  /**
   * Set by code that resolves promises: `runAsync` lets their continuations run before the next
   * task.
   */
  hasPromises = false
  tasks = 0
  /** A run with more tasks is stuck in a loop. */
  maxTasks = 1_000_000
  /** Runs before every task; for faults that occur between two tasks. */
  onTask: (() => void) | undefined
  /** Called before every operation of every fiber; if it returns true, the fiber yields. */
  onOperation: ((fiber: Fiber.Fiber<unknown, unknown>) => boolean) | undefined
  /** Fibers that are interrupted after a number of further operations. */
  private readonly doomed = new Map<
    Fiber.Fiber<unknown, unknown>,
    { left: number; readonly strike: () => void }
  >()
  private readonly ready: Array<(() => void) | undefined> = []
  private first = 0
  private heap: Array<Timer> = []
  private orders = 0
  private readonly random: SeededRandom
  private readonly plan: SchedulePlan

  constructor(random: SeededRandom, plan: SchedulePlan) {
    this.random = random
    this.plan = plan
  }

  /** Pending timers, including cancelled ones that are not due yet. */
  get timers(): number {
    return this.heap.length
  }

  /** Fibers that have started and not ended. */
  get fibers(): number {
    return this.counts.fibers
  }

  /** Sleeping fibers. */
  get sleeps(): number {
    return this.counts.sleeps
  }

  /** Runs the task when its turn comes. */
  soon(task: () => void): () => void {
    this.ready.push(task)
    return () => {
      const index = this.ready.indexOf(task, this.first)
      if (index >= 0) this.ready[index] = undefined
    }
  }

  /** Runs the callback after `millis` milliseconds; returns a function that cancels it. */
  after(millis: number, callback: () => void): () => void {
    const timer: Timer = {
      at: this.now + Math.max(0, millis),
      order: this.orders++,
      run: callback,
      alive: true
    }
    push(this.heap, timer)
    return () => {
      timer.alive = false
    }
  }

  /**
   * Strikes between two operations of the fiber, after a number of operations; returns a function
   * that cancels this.
   */
  strikeAfter(
    fiber: Fiber.Fiber<unknown, unknown>,
    operations: number,
    strike: () => void
  ): () => void {
    this.doomed.set(fiber, { left: operations, strike })
    return () => void this.doomed.delete(fiber)
  }

  /** Whether the fiber is struck now; if so it yields. */
  private isStruck(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const doom = this.doomed.get(fiber)
    if (doom === undefined || doom.left-- > 0) return false
    this.doomed.delete(fiber)
    this.soon(doom.strike)
    return true
  }

  /**
   * Runs until nothing is left to do, or `done` returns true. Returns false if the run is stuck in
   * a loop.
   */
  run(done: () => boolean): boolean {
    for (;;) {
      const end = this.step(done)
      if (end !== undefined) return end
    }
  }

  /**
   * The same for code with promises: continuations of a task's promises run before the next task,
   * as in Node.
   */
  async runAsync(done: () => boolean): Promise<boolean> {
    for (;;) {
      const end = this.step(done)
      if (end !== undefined) return end
      if (!this.hasPromises) continue
      this.hasPromises = false
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Runs one task. Returns how the run ended, or undefined if it continues. */
  private step(done: () => boolean): boolean | undefined {
    if (this.first < this.ready.length) {
      if (++this.tasks > this.maxTasks) return false
      this.onTask?.()
      turn(this.takeReady())
      return undefined
    }
    this.ready.length = this.first = 0
    this.quiet++
    if (done()) return true
    let timer = pop(this.heap)
    while (timer !== undefined && !timer.alive) timer = pop(this.heap)
    if (timer === undefined) return true
    timer.alive = false
    this.now = Math.max(this.now, timer.at)
    if (++this.tasks > this.maxTasks) return false
    turn(timer.run)
    return undefined
  }

  /** Runs ready tasks without letting time pass. */
  drain(): void {
    this.run(() => true)
  }

  private takeReady(): (() => void) | undefined {
    if (
      this.plan.shuffle > 0 &&
      this.ready.length - this.first > 1 &&
      this.random.chance(this.plan.shuffle)
    ) {
      const chosen = this.first + this.random.int(this.ready.length - this.first)
      const task = this.ready[chosen]
      this.ready.splice(chosen, 1)
      return task
    }
    const task = this.ready[this.first]
    this.ready[this.first++] = undefined
    if (this.first > 512) {
      this.ready.splice(0, this.first)
      this.first = 0
    }
    return task
  }

  private sleep(
    duration: Duration.Duration,
    turns: Turns,
    counts: FiberCounts
  ): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.callback<void>((resume) => {
      counts.sleeps++
      let asleep = true
      // A fiber interrupted between its wake-up and its next turn is both woken and cleaned up; it
      // counts once.
      const wake = () => {
        if (asleep) counts.sleeps--
        asleep = false
      }
      const stop = turns.after(millis, () => {
        wake()
        resume(Effect.void)
      })
      return Effect.sync(() => {
        wake()
        stop()
      })
    })
  }

  /** The context for Effect programs of this run, or of one of its processes. */
  context(turns: Turns = this, counts: FiberCounts = this.counts): Context.Context<never> {
    const wall = () => Math.floor(startOfTime + this.now + this.wallSkew)
    const nanos = () => BigInt(Math.floor(this.now * 1000)) * 1000n
    const clock: Clock.Clock = {
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanosUnsafe: () => BigInt(wall()) * 1_000_000n,
      currentTimeNanos: Effect.sync(() => BigInt(wall()) * 1_000_000n),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) => this.sleep(duration, turns, counts)
    }
    const scheduler = new Scheduler.MixedScheduler("async", (task) => turns.soon(task))
    const { random } = this
    const { yields } = this.plan
    const effectRandom = random.fork("effect")
    scheduler.shouldYield = (fiber) =>
      this.onOperation?.(fiber) === true ||
      (this.doomed.size > 0 && this.isStruck(fiber)) ||
      (yields === 0 ? fiber.currentOpCount >= 2048 : random.float() < yields)
    return Context.empty().pipe(
      Context.add(Clock.Clock, clock),
      Context.add(Scheduler.Scheduler, scheduler),
      Context.add(Random.Random, {
        nextDoubleUnsafe: effectRandom.float,
        nextIntUnsafe: () => effectRandom.int(2 ** 31)
      }),
      Context.add(Logger.CurrentLoggers, new Set()),
      Context.add(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => void counts.fibers++,
        recordFiberEnd: () => void counts.fibers--
      })
    ) as Context.Context<never>
  }
}

/**
 * Runs one task of the loop. An error thrown by user code in it is an uncaught error, and the loop
 * continues.
 */
const turn = (task: (() => void) | undefined): void => {
  try {
    task?.()
  } catch (error) {
    if (!(error instanceof HostileError)) throw error
  }
}

const before = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order)

const push = (heap: Array<Timer>, timer: Timer) => {
  let at = heap.push(timer) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(timer, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = timer
}

const pop = (heap: Array<Timer>): Timer | undefined => {
  const top = heap[0]
  const last = heap.pop()
  if (top === undefined || last === undefined || heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = at * 2 + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return top
}
