/**
 * Which offsets are durable, and the callers that wait for them: one watermark that only rises, and
 * a heap of waiters.
 *
 * Waiting, giving up and resuming cost O(log n) each, in any order of offsets. Resuming runs the
 * waiting fiber inside the call, so all other state must be settled before. When many are resumed
 * at once, the event loop turns in between.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MixedScheduler, type Scheduler } from "effect/Scheduler"
import { Offset } from "../../Offset.ts"
import { Pieces } from "../userCode/pieces.ts"
import { wake } from "../userCode/wake.ts"
import type { Limited, WaitLimit } from "./waitLimit.ts"
import type { InvalidArgument } from "../../ZerobusError.ts"
import { type Entry, OffsetHeap } from "./offsetHeap.ts"
import { type OffsetRange, RefusedOffsets } from "./refusedOffsets.ts"

/** A time limit of waits, and the outcome of a wait that reached it. */
export interface AckLimit<E> {
  readonly limit: WaitLimit
  readonly expired: () => Exit.Exit<never, E>
}

interface Waiter<E> extends Entry, Limited {
  readonly offset: Offset
  readonly limit: WaitLimit | undefined
  /** Whether it waits for durability, or only for the offset to be settled: durable or refused. */
  readonly receipt: boolean
  readonly resume: (exit: Exit.Exit<Offset, E>) => void
}

export class Acknowledgements<E> {
  /** The highest settled offset, durable or refused; -1 when none is. */
  watermark = -1
  private refused: RefusedOffsets | undefined
  /** How the stream ended; decides for every offset above the watermark. */
  private outcome: Exit.Exit<never, E> | undefined
  private over = false
  /** Called once all waiters have got the end. */
  private told: (() => void) | undefined
  private readonly waiters = new OffsetHeap<Waiter<E>>()
  private arrivals = 0
  private readonly pieces: Pieces

  /** `scheduler` schedules the turns in which many waiters resume. */
  constructor(scheduler: Scheduler = new MixedScheduler()) {
    this.pieces = new Pieces(scheduler, () => this.answerNext())
  }

  /**
   * Raises the watermark and resumes the waiters up to it, in order of offset. A lower value
   * changes nothing.
   */
  advanceUnsafe(watermark: number): void {
    if (this.raiseUnsafe(watermark)) this.answerUnsafe()
  }

  /** Raises the watermark without resuming waiters. Returns false for a lower value. */
  raiseUnsafe(watermark: number): boolean {
    if (watermark <= this.watermark) return false
    this.watermark = watermark
    return true
  }

  /** Resumes the waiters whose offset the watermark has reached. */
  answerUnsafe(): void {
    if (this.waiters.size > 0) this.pieces.runUnsafe()
  }

  /**
   * The offset in receipts for an offset of the landing zone. They differ only in a lane of
   * several.
   */
  givenOffset(offset: number): number {
    return offset
  }

  private answerNext(): boolean {
    const { first } = this.waiters
    if (first === undefined) {
      const { told } = this
      this.told = undefined
      told?.()
      return false
    }
    const answer =
      this.over || first.offset <= this.watermark
        ? this.standing(first.offset, first.receipt)
        : undefined
    if (answer === undefined) return false
    this.remove(first)
    wake(first.resume, answer)
    return true
  }

  /** Settles the offset right above the watermark as refused. Its receipt fails with the cause. */
  refuseUnsafe(offset: number, cause: E & InvalidArgument): void {
    this.refused ??= new RefusedOffsets()
    this.refused.add(this.givenOffset(offset), cause)
    this.advanceUnsafe(offset)
  }

  /** How many of these offsets were refused. */
  refusedIn(ranges: ReadonlyArray<OffsetRange>): number {
    return this.refused?.countIn(ranges) ?? 0
  }

  private refusalOf(offset: number): Exit.Exit<never, E> | undefined {
    const cause = this.refused?.causeOf(offset)
    return cause === undefined ? undefined : Exit.fail(cause as E & InvalidArgument)
  }

  /**
   * Sets the outcome of every offset above the watermark, without resuming waiters. Only the first
   * call counts.
   */
  settleUnsafe(outcome: Exit.Exit<never, E>): void {
    this.outcome = this.outcome ?? outcome
  }

  /**
   * Ends all waits, current and later ones, for offsets above the watermark, with the settled
   * outcome, or else with this one. Calls `told` once all current waiters have resumed.
   */
  endUnsafe(outcome: Exit.Exit<never, E>, told: () => void = () => {}): void {
    if (this.over) return
    this.over = true
    this.settleUnsafe(outcome)
    this.told = told
    this.pieces.runUnsafe()
  }

  /** The result of an offset: durable, refused, failed, or `undefined` while it is pending. */
  pollUnsafe(offset: Offset): Exit.Exit<Offset, E> | undefined {
    return offset <= this.watermark
      ? (this.refusalOf(offset) ?? Exit.succeed(offset))
      : this.outcome
  }

  private remove(waiter: Waiter<E>): void {
    this.waiters.remove(waiter)
    waiter.limit?.delete(waiter)
  }

  /**
   * Waits until the offset is durable or refused, the stream has ended, or the limit is reached.
   */
  await<E2 = never>(offset: Offset, limit?: AckLimit<E2>): Effect.Effect<Offset, E | E2> {
    return this.wait(offset, true, limit)
  }

  /** As `await`, but succeeds for a refused offset too. */
  settled<E2 = never>(offset: Offset, limit?: AckLimit<E2>): Effect.Effect<Offset, E | E2> {
    return this.wait(offset, false, limit)
  }

  private standing(offset: Offset, receipt: boolean): Exit.Exit<Offset, E> | undefined {
    return !receipt && offset <= this.watermark ? Exit.succeed(offset) : this.pollUnsafe(offset)
  }

  private wait<E2>(
    offset: Offset,
    receipt: boolean,
    limited: AckLimit<E2> | undefined
  ): Effect.Effect<Offset, E | E2> {
    return Effect.callback<Offset, E | E2>((resume) => {
      const now = this.standing(offset, receipt)
      if (now !== undefined) {
        resume(now)
        return
      }
      const limit = limited?.limit
      const waiter: Waiter<E> = {
        offset,
        limit,
        receipt,
        resume,
        arrival: this.arrivals++,
        index: -1,
        deadline: Infinity,
        before: undefined,
        behind: undefined,
        expire: () => {
          this.waiters.remove(waiter)
          // When many waiters resume in turns, this one may be settled without having resumed.
          wake(resume, this.standing(offset, receipt) ?? limited!.expired())
        }
      }
      this.waiters.add(waiter)
      limit?.add(waiter)
      return Effect.sync(() => this.remove(waiter))
    })
  }

  /** Waits until the watermark is above `watermark` and returns it, or ends as the stream does. */
  beyond(watermark: number): Effect.Effect<Offset, E> {
    return Effect.map(this.settled(Offset(watermark + 1)), () => Offset(this.watermark))
  }
}
