/**
 * A process of the client on the event loop of a run. After its crash none of its code runs: tasks
 * and timers are dropped, and no finalizer has a turn.
 *
 * A crash strikes between two tasks of the process. What one task does to disk and network is under
 * way then, so that the crash may cut it short anywhere.
 */
import type { Context } from "effect"
import type { FiberCounts, Turns, VirtualTime } from "../virtualTime.ts"
import type { DiskCall } from "./simulatedDisk.ts"

/**
 * When a process crashes: at a time after its start, in milliseconds, or with the n-th task, fiber
 * operation or call of the disk.
 */
export type CrashMoment =
  | { readonly at: "time"; readonly millis: number }
  | { readonly at: "task" | "operation"; readonly nth: number }
  | { readonly at: "disk"; readonly call: DiskCall; readonly nth: number }

/** One process, from its start to its end. */
export class ClientProcess implements Turns {
  readonly id: number
  readonly counts: FiberCounts = { fibers: 0, sleeps: 0 }
  isRunning = true
  /** Whether the moment counts; before that nothing of it has passed. */
  isArmed = true
  private readonly time: VirtualTime
  private readonly moment: CrashMoment | undefined
  private readonly crash: () => void
  private left: number
  private isDue = false

  constructor(id: number, time: VirtualTime, moment: CrashMoment | undefined, crash: () => void) {
    this.id = id
    this.time = time
    this.moment = moment
    this.crash = crash
    this.left = moment === undefined || moment.at === "time" ? Infinity : moment.nth
  }

  /**
   * Whether it is none of the processes that follow each other, and only tries to open the spool.
   */
  get isRival(): boolean {
    return this.id < 0
  }

  get now(): number {
    return this.time.now
  }

  /** Sets the timer of a crash that has a time. */
  arm(): void {
    this.isArmed = true
    const { moment } = this
    if (moment?.at === "operation") this.time.onOperation = () => this.passes("operation")
    if (moment?.at === "time") this.time.after(moment.millis, () => this.end())
  }

  soon(task: () => void): () => void {
    return this.time.soon(() => this.run(task))
  }

  after(millis: number, callback: () => void): () => void {
    return this.time.after(millis, () => this.run(callback))
  }

  strikeAfter: Turns["strikeAfter"] = (fiber, operations, strike) =>
    this.time.strikeAfter(fiber, operations, () => this.run(strike))

  /** What its programs have to be run with. */
  context(): Context.Context<never> {
    return this.time.context(this, this.counts)
  }

  /** Counts a call of the disk. */
  calls(call: DiskCall): void {
    const { moment } = this
    if (moment?.at === "disk" && moment.call === call) this.passes("disk")
  }

  /** Crashes. */
  end(): void {
    if (!this.isRunning) return
    this.leave()
    this.crash()
  }

  /** Ends in order. */
  leave(): void {
    this.isRunning = false
    if (this.moment?.at === "operation") this.time.onOperation = undefined
  }

  private run(task: () => void): void {
    if (!this.isRunning) return
    this.passes("task")
    if (this.isDue) this.end()
    else task()
  }

  /** Whether the crash is due with this. */
  private passes(what: CrashMoment["at"]): boolean {
    if (!this.isArmed || this.isDue || this.moment?.at !== what || this.left-- > 0) return false
    this.isDue = true
    return true
  }
}
