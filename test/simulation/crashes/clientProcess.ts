/**
 * A process of the client on the event loop of a run. After its crash none of its code runs: tasks
 * and timers are dropped, and finalizers do not run.
 *
 * A crash occurs between two tasks of the process. Disk and network operations started by a task
 * are then in progress, so the crash may cut them short at any point.
 */
import type { Context } from "effect"
import type { FiberCounts, Turns, VirtualTime } from "../virtualTime.ts"
import type { DiskCall } from "./simulatedDisk.ts"

/**
 * When a process crashes: at a time after its start, in milliseconds, or at the n-th task, fiber
 * operation or disk call.
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
  /** Whether the moment counts; before that it does not advance. */
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

  /** Whether it is not one of the consecutive processes, and only tries to open the spool. */
  get isRival(): boolean {
    return this.id < 0
  }

  get now(): number {
    return this.time.now
  }

  /** Sets the timer for a crash at a time. */
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

  /** The context that its programs must run with. */
  context(): Context.Context<never> {
    return this.time.context(this, this.counts)
  }

  /** Counts a disk call. */
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

  /** Ends without a crash. */
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

  /** Whether the crash is due now. */
  private passes(what: CrashMoment["at"]): boolean {
    if (!this.isArmed || this.isDue || this.moment?.at !== what || this.left-- > 0) return false
    this.isDue = true
    return true
  }
}
