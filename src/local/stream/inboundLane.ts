/**
 * The requests of one stream in order, as a lane that a fault or a plan can stop. While it is
 * stopped, requests collect in a backlog. When it continues, they are delivered as if they had just
 * arrived.
 */
import type { Lane } from "./streamFaults.ts"

/** What a client sends: the bytes of a request, or the half-close. */
export type Inbound = Uint8Array | "halfClose"

/** The stream behind the lane. */
export interface InboundTarget {
  /** Handles a request or the half-close; it may stop the lane again. */
  readonly deliver: (item: Inbound) => void
  /** Called when the lane stops or continues, to pause or resume reading. */
  readonly laneChanged: () => void
}

/** The inbound lane of one stream, initially running. */
export class InboundLane implements Lane {
  private readonly target: InboundTarget
  /** Everything that arrived since the lane stopped; undefined while it runs. */
  private backlog: Array<Inbound> | undefined
  /** Continues with the request that waits for an owed acknowledgement to be decided. */
  private postponed: (() => void) | undefined

  constructor(target: InboundTarget) {
    this.target = target
  }

  get isStopped(): boolean {
    return this.backlog !== undefined
  }

  /** Adds the item to the backlog while the lane is stopped; returns false when the lane runs. */
  defer(item: Inbound): boolean {
    if (this.backlog === undefined) return false
    this.backlog.push(item)
    return true
  }

  stop(): void {
    this.backlog = []
    this.target.laneChanged()
  }

  go(proceed: () => void): void {
    const waiting = this.backlog ?? []
    this.backlog = undefined
    proceed()
    for (const item of waiting) this.target.deliver(item)
    this.target.laneChanged()
  }

  /** Stops before a request; `resume` continues with it. */
  postpone(proceed: () => void): void {
    this.stop()
    this.postponed = proceed
  }

  /** Whether the lane is stopped before a request. */
  get isPostponed(): boolean {
    return this.postponed !== undefined
  }

  /** Continues with the postponed request, if any, and then with the backlog. */
  resume(): void {
    const proceed = this.postponed
    if (proceed === undefined) return
    this.postponed = undefined
    this.go(proceed)
  }

  /** Drops everything, at the end of the stream. */
  drop(): void {
    this.backlog = undefined
    this.postponed = undefined
  }
}
