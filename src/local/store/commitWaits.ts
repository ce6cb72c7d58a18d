/**
 * Who waits for log groups to be committed, in a store that acknowledges records only once they are
 * in the table.
 */
import type { StorageFailure } from "../log/storageErrors.ts"
import type { DurableCallback } from "../log/sharedLog.ts"

/** The waits of one table. */
export class CommitWaits {
  private committed = 0
  private waiting: Array<{ readonly group: number; readonly callback: DurableCallback }> = []

  /** Whether everything up to this group is in the table. */
  has(group: number): boolean {
    return group <= this.committed
  }

  add(group: number, callback: DurableCallback): void {
    if (this.has(group)) callback(undefined)
    else this.waiting.push({ group, callback })
  }

  /** Everything up to this group is in the table. */
  reach(group: number): void {
    this.committed = group
    const told = this.waiting.filter((each) => this.has(each.group))
    this.waiting = this.waiting.filter((each) => !this.has(each.group))
    for (const { callback } of told) callback(undefined)
  }

  /** Nothing more is committed. */
  fail(failure: StorageFailure): void {
    const told = this.waiting
    this.waiting = []
    for (const { callback } of told) callback(failure)
  }
}
