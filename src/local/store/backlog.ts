/**
 * Counts the rows of all tables that wait for a flush, and applies the limits that slow clients
 * down.
 *
 * The limits per table do not bound the sum over many tables, so there are also limits for the
 * whole store. A table that cannot be written does not count: it accepts no further rows, and its
 * streams end.
 */
import type { EngineLimits } from "./engineLimits.ts"

/** The rows of a table that wait for a flush. */
export interface Waiting {
  readonly rows: number
  readonly bytes: number
  /** When the oldest row arrived, in milliseconds; `Infinity` without rows. */
  readonly since: number
}

/** No rows wait. */
export const nothingWaits: Waiting = { rows: 0, bytes: 0, since: Infinity }

/** The backlog of one store. */
export class Backlog {
  private readonly limits: EngineLimits
  private readonly now: () => number
  private readonly tables = new Map<object, Waiting>()
  private rows = 0
  private bytes = 0
  /** The oldest row at the last `lookAtAge`. */
  private oldest = Infinity
  private readonly callbacks: Array<() => void> = []

  constructor(limits: EngineLimits, now: () => number) {
    this.limits = limits
    this.now = now
  }

  /** Updates what waits for a table. A table without rows is removed. */
  set(table: object, waiting: Waiting): void {
    const before = this.tables.get(table) ?? nothingWaits
    this.rows += waiting.rows - before.rows
    this.bytes += waiting.bytes - before.bytes
    if (waiting.rows > 0) this.tables.set(table, waiting)
    else this.tables.delete(table)
    // The table with the oldest row may be the one that was flushed.
    if (before.since <= this.oldest && waiting.since > before.since) this.lookAtAge()
    this.tellRoom()
  }

  /**
   * Finds the oldest row. Has to be called periodically, because rows age without any other call.
   */
  lookAtAge(): void {
    this.oldest = Infinity
    for (const { since } of this.tables.values()) this.oldest = Math.min(this.oldest, since)
    this.tellRoom()
  }

  /** Whether the waiting rows exceed the limits of the store. */
  get isFull(): boolean {
    const { maxTotalBytes, maxTotalRows, maxWaitMillis } = this.limits
    return (
      this.rows > maxTotalRows ||
      this.bytes > maxTotalBytes ||
      this.now() - this.oldest > maxWaitMillis
    )
  }

  /** Calls back once the backlog is below its limits. */
  onRoom(callback: () => void): void {
    if (this.isFull) this.callbacks.push(callback)
    else callback()
  }

  private tellRoom(): void {
    if (this.callbacks.length === 0 || this.isFull) return
    for (const callback of this.callbacks.splice(0)) callback()
  }
}

/** The backlog of one table. */
export class TableBacklog {
  private readonly store: Backlog
  private readonly limits: EngineLimits
  private waiting = nothingWaits
  private readonly callbacks: Array<() => void> = []

  constructor(store: Backlog, limits: EngineLimits) {
    this.store = store
    this.limits = limits
  }

  private get isTableFull(): boolean {
    const { bytes, rows } = this.waiting
    return rows > this.limits.maxPendingRows || bytes > this.limits.maxPendingBytes
  }

  /** Whether the waiting rows exceed the limits of the table or of the store. */
  get isFull(): boolean {
    return this.isTableFull || this.store.isFull
  }

  /** Updates what waits. */
  set(waiting: Waiting): void {
    this.waiting = waiting
    this.store.set(this, waiting)
    if (this.callbacks.length === 0 || this.isTableFull) return
    for (const callback of this.callbacks.splice(0)) this.onRoom(callback)
  }

  /** Calls back once the table and the store are below their limits. */
  onRoom(callback: () => void): void {
    if (this.isTableFull) this.callbacks.push(callback)
    else this.store.onRoom(callback)
  }
}
