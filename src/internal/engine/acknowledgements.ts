/**
 * What is durable, and who waits for it: one watermark that only rises, and callers that wait for it to reach an offset.
 *
 * Waiters are kept in order of their offset, so that an acknowledgement costs what it wakes and nothing more. Waking runs the
 * waiting fiber inside the call, so everybody else's state must be settled before.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Offset } from "../../Offset.ts"
import { wake } from "../userCode/wake.ts"
import type { InvalidArgument } from "../../ZerobusError.ts"
import { type OffsetRange, RefusedOffsets } from "./refusedOffsets.ts"

interface Waiter<E> {
  readonly offset: number
  /** Whether it waits for durability; otherwise for the offset to be settled, durable or refused. */
  readonly receipt: boolean
  resume: ((exit: Exit.Exit<Offset, E>) => void) | undefined
}

export class Acknowledgements<E> {
  /** The highest settled offset, durable or refused; -1 when none is. */
  watermark = -1
  private refused: RefusedOffsets | undefined
  /** How the stream ended; decides for every offset above the watermark. */
  private outcome: Exit.Exit<never, E> | undefined
  private over = false
  private waiters: Array<Waiter<E>> = []
  private abandoned = 0

  /** Raises the watermark and wakes those it reaches, in order of offset. A lower value changes nothing. */
  advanceUnsafe(watermark: number): void {
    if (watermark <= this.watermark) return
    this.watermark = watermark
    let reached = 0
    while (reached < this.waiters.length && this.waiters[reached]!.offset <= watermark) reached++
    const woken = reached === 0 ? [] : this.waiters.splice(0, reached)
    for (const waiter of woken) {
      if (waiter.resume === undefined) this.abandoned--
      else {
        const told = (waiter.receipt ? this.refusalOf(waiter.offset) : undefined) ?? Exit.succeed(Offset(waiter.offset))
        wake(waiter.resume, told)
      }
    }
  }

  /** Settles the offset right above the watermark as refused, which its receipt is told. */
  refuseUnsafe(offset: number, cause: E & InvalidArgument): void {
    this.refused ??= new RefusedOffsets()
    this.refused.add(offset, cause)
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

  /** Decides the outcome of every offset above the watermark, without waking anybody yet. The first call decides. */
  settleUnsafe(outcome: Exit.Exit<never, E>): void {
    this.outcome = this.outcome ?? outcome
  }

  /** Ends it: everybody who waits, now or later, for an offset above the watermark gets the outcome, this one if none is settled. */
  endUnsafe(outcome: Exit.Exit<never, E>): void {
    if (this.over) return
    this.over = true
    this.settleUnsafe(outcome)
    const settled = this.outcome!
    const waiting = this.waiters
    this.waiters = []
    for (const { resume } of waiting) if (resume !== undefined) wake(resume, settled)
  }

  /** How the offset stands: durable, refused, failed, or `undefined` while it is none of them. */
  pollUnsafe(offset: Offset): Exit.Exit<Offset, E> | undefined {
    return offset <= this.watermark ? (this.refusalOf(offset) ?? Exit.succeed(offset)) : this.outcome
  }

  /** Waits until the offset is durable, was refused, or the stream has ended. */
  await(offset: Offset): Effect.Effect<Offset, E> {
    return this.wait(offset, true)
  }

  /** Waits until the offset is durable or refused, which are the same to this wait, or the stream has ended. */
  settled(offset: Offset): Effect.Effect<Offset, E> {
    return this.wait(offset, false)
  }

  private standing(offset: Offset, receipt: boolean): Exit.Exit<Offset, E> | undefined {
    return !receipt && offset <= this.watermark ? Exit.succeed(offset) : this.pollUnsafe(offset)
  }

  private wait(offset: Offset, receipt: boolean): Effect.Effect<Offset, E> {
    return Effect.suspend(() => {
      const settled = this.standing(offset, receipt)
      if (settled !== undefined) return settled
      return Effect.callback<Offset, E>((resume) => {
        const now = this.standing(offset, receipt)
        if (now !== undefined) {
          resume(now)
          return
        }
        const waiter: Waiter<E> = { offset, receipt, resume }
        this.insert(waiter)
        return Effect.sync(() => this.abandon(waiter))
      })
    })
  }

  /** Waits until the watermark is above `watermark`, and gives it; or ends as the stream does. */
  beyond(watermark: number): Effect.Effect<Offset, E> {
    return Effect.map(this.settled(Offset(watermark + 1)), () => Offset(this.watermark))
  }

  private insert(waiter: Waiter<E>): void {
    let low = this.waiters.length
    // Nearly always the newest offset: look from the back, then halve.
    if (low > 0 && this.waiters[low - 1]!.offset > waiter.offset) {
      let from = 0
      while (from < low) {
        const middle = (from + low) >>> 1
        if (this.waiters[middle]!.offset <= waiter.offset) from = middle + 1
        else low = middle
      }
    }
    this.waiters.splice(low, 0, waiter)
  }

  private abandon(waiter: Waiter<E>): void {
    if (waiter.resume === undefined) return
    waiter.resume = undefined
    this.abandoned++
    if (this.abandoned > 32 && this.abandoned * 2 > this.waiters.length) {
      this.waiters = this.waiters.filter((entry) => entry.resume !== undefined)
      this.abandoned = 0
    }
  }
}
