/**
 * Callbacks that wait for log groups to be committed, for a store that acknowledges records only
 * once they are in the table.
 */
import type { StorageFailure } from "../log/storageErrors.ts"
import type { DurableCallback } from "../log/sharedLog.ts"

/** The waiting callbacks of one table. */
export class CommitWaits {
  private committed = 0
  private waiting: Array<{ readonly group: number; readonly callback: DurableCallback }> = []

  /** Whether all groups up to this one are in the table. */
  has(group: number): boolean {
    return group <= this.committed
  }

  add(group: number, callback: DurableCallback): void {
    if (this.has(group)) callback(undefined)
    else this.waiting.push({ group, callback })
  }

  /** Marks all groups up to this one as committed, and calls back. */
  reach(group: number): void {
    this.committed = group
    const told = this.waiting.filter((each) => this.has(each.group))
    this.waiting = this.waiting.filter((each) => !this.has(each.group))
    for (const { callback } of told) callback(undefined)
  }

  /** Fails all waiting callbacks. */
  fail(failure: StorageFailure): void {
    const told = this.waiting
    this.waiting = []
    for (const { callback } of told) callback(failure)
  }
}
