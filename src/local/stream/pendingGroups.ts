/**
 * The received messages of one stream that are not ready to be acknowledged yet: the log groups
 * that they joined, in order, each with its records, bytes and durability. Terms as in
 * `serverStream.ts`.
 */
import type { Ticket } from "../store/tableStore.ts"

/** Consecutive messages of one stream in the same group of the log. */
export interface PendingGroup {
  /** The store's number of the group; undefined for a message that a fault discarded. */
  readonly ticket: Ticket | undefined
  /** When its first message was received, in milliseconds since the epoch. */
  readonly since: number
  messages: number
  records: number
  bytes: number
  durable: boolean
}

/** The pending groups of one stream, oldest first. */
export class PendingGroups {
  /** Bytes of the records in all groups. */
  bytes = 0
  /** The wire offset of the last message of the groups taken, or -1. */
  takenUpTo = -1
  private groups: Array<PendingGroup> = []

  get isEmpty(): boolean {
    return this.groups.length === 0
  }

  get oldest(): PendingGroup | undefined {
    return this.groups[0]
  }

  /**
   * Adds a message to the newest group; returns false when the message belongs to another group.
   */
  join(ticket: Ticket, records: number, bytes: number): boolean {
    const newest = this.groups[this.groups.length - 1]
    if (newest === undefined || newest.ticket !== ticket) return false
    newest.messages++
    newest.records += records
    newest.bytes += bytes
    this.bytes += bytes
    return true
  }

  /** Adds a group with its first message. A group without a ticket counts as durable. */
  start(ticket: Ticket | undefined, since: number, records: number, bytes: number): PendingGroup {
    const durable = ticket === undefined
    const group: PendingGroup = { ticket, since, messages: 1, records, bytes, durable }
    this.groups.push(group)
    this.bytes += bytes
    return group
  }

  /** Removes and returns the oldest group. */
  take(): PendingGroup {
    const group = this.groups.shift()!
    this.bytes -= group.bytes
    this.takenUpTo += group.messages
    return group
  }

  /** Drops all groups, when none of them can become durable any more. */
  drop(): void {
    this.groups = []
    this.bytes = 0
  }
}
