/**
 * Which offsets of a stream the server refused, and why: merged ranges, so that many neighbours
 * cost as much as one.
 */
import { InvalidArgument } from "../../ZerobusError.ts"

/** Most causes kept; older refusals get a general message. */
const KEPT_CAUSES = 1_000

/** A range of refused offsets, inclusive. */
export interface OffsetRange {
  readonly from: number
  to: number
}

/** The refused offsets of one stream, in rising order. */
export class RefusedOffsets {
  private readonly ranges: Array<OffsetRange> = []
  private readonly causes = new Map<number, InvalidArgument>()

  /** Adds an offset above those that were added before. */
  add(offset: number, cause: InvalidArgument): void {
    extend(this.ranges, offset)
    this.causes.set(offset, cause)
    if (this.causes.size > KEPT_CAUSES) this.causes.delete(this.causes.keys().next().value!)
  }

  /** Why the offset was refused; `undefined` when it was not. */
  causeOf(offset: number): InvalidArgument | undefined {
    const kept = this.causes.get(offset)
    if (kept !== undefined || !this.has(offset)) return kept
    const message =
      `The server refused the record at offset ${offset}. ` +
      `Its message is kept only for the last ${KEPT_CAUSES} refusals.`
    return new InvalidArgument({ message, path: [], offset })
  }

  /** How many of the offsets in these ranges were refused. */
  countIn(ranges: ReadonlyArray<OffsetRange>): number {
    let count = 0
    let next = 0
    for (const { from, to } of ranges) {
      while (next < this.ranges.length && this.ranges[next]!.to < from) next++
      for (let i = next; i < this.ranges.length && this.ranges[i]!.from <= to; i++) {
        const refused = this.ranges[i]!
        count += Math.min(to, refused.to) - Math.max(from, refused.from) + 1
      }
    }
    return count
  }

  private has(offset: number): boolean {
    let low = 0
    let high = this.ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ranges[middle]!.to < offset) low = middle + 1
      else high = middle
    }
    return low < this.ranges.length && this.ranges[low]!.from <= offset
  }
}

/** Adds an offset above all those in the ranges. */
export const extend = (ranges: Array<OffsetRange>, offset: number): void => {
  const last = ranges[ranges.length - 1]
  if (last !== undefined && last.to === offset - 1) last.to = offset
  else ranges.push({ from: offset, to: offset })
}
