/**
 * The requests of one stream, in order, as a lane that a fault or a plan stops: while it is stopped
 * they collect in a backlog, and once it goes on they are delivered as if they had just arrived.
 */
import type { Lane } from "./streamFaults.ts"

/** What arrives from a client: the bytes of a request, or the half-close. */
export type Inbound = Uint8Array | "halfClose"

/** The stream behind the lane. */
export interface InboundTarget {
  /** Takes what arrived; it may stop the lane again. */
  readonly deliver: (item: Inbound) => void
  /** The lane stopped or runs again, which decides whether the client is read. */
  readonly laneChanged: () => void
}

/** The inbound lane of one stream. It runs at first. */
export class InboundLane implements Lane {
  private readonly target: InboundTarget
  /** What arrived since the lane stopped; undefined while it runs. */
  private backlog: Array<Inbound> | undefined
  /** Continues with the request that waits until an owed acknowledgement was decided. */
  private postponed: (() => void) | undefined

  constructor(target: InboundTarget) {
    this.target = target
  }

  get isStopped(): boolean {
    return this.backlog !== undefined
  }

  /** Keeps what arrived while the lane is stopped; false when the lane runs. */
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

  /** Stops in front of a request; `resume` continues with it. */
  postpone(proceed: () => void): void {
    this.stop()
    this.postponed = proceed
  }

  /** Whether the lane is stopped in front of a request. */
  get isPostponed(): boolean {
    return this.postponed !== undefined
  }

  /** Continues with the postponed request, if there is one, and then with the backlog. */
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
