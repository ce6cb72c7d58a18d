/**
 * Carries out the actions of a fault script on one stream: asks the script at every point, and proceeds, stops, lies, refuses or cuts.
 */
import type { FaultPoint, FaultScript, StruckAction } from "../faults/faultScript.ts"
import { type ServerStatus, unauthenticated } from "./serverStatus.ts"
import { ackResponse } from "./streamMessages.ts"

type BadAck = Extract<StruckAction, { readonly _tag: "BadAck" }>["kind"]

/** What a fault stops: what comes in, or the acknowledgements that go out. */
export interface Lane {
  readonly stop: () => void
  /** Goes on, first with what was due when it stopped. */
  readonly go: (proceed: () => void) => void
}

/** What the actions do to a stream. */
export interface FaultTarget {
  readonly script: FaultScript
  readonly connection: number
  readonly peer: { readonly write: (response: Uint8Array) => void; readonly revoke?: (() => void) | undefined }
  readonly after: (millis: number, callback: () => void) => void
  readonly isEnded: () => boolean
  readonly finish: (status: ServerStatus | undefined) => void
  readonly cut: (how: "reset" | "fin") => void
  readonly closeSoon: (graceMillis: number) => void
  /** The same in one message with the next acknowledgement. */
  readonly closeWithAck: (graceMillis: number) => void
  readonly badAck: (wrong: BadAck) => Uint8Array
}

/** What a stream has at a point. */
export interface AtPoint {
  readonly point: FaultPoint
  /** Records of a message. */
  readonly records?: number | undefined
  /** The wire offset that arrives, is durable or is to be acknowledged. */
  readonly offset?: number | undefined
  /** What a stop at this point stops. */
  readonly lane: Lane
  /** Takes back what counted already, where the script says that this never happened. */
  readonly skip?: (() => void) | undefined
  /** Goes on as if all was well, without doing it. */
  readonly lose?: (() => void) | undefined
}

/** Passes a point of a stream's life: does what the script says there, or else proceeds. */
export type Pass = (at: AtPoint, proceed: () => void) => void

/** Makes the function that a stream calls at its points. */
export const faultPasser =
  (target: FaultTarget): Pass =>
  ({ lane, lose = () => {}, offset, point, records = 0, skip = () => {} }, proceed) => {
    const action = target.script.next(point, target.connection, records, offset)
    switch (action?._tag) {
      case undefined:
        return proceed()
      case "Cut":
        return target.cut(action.how)
      case "Status":
        return target.finish(action)
      case "End":
        return target.finish(undefined)
      case "Hold":
        lane.stop()
        return target.script.hold(() => {
          if (!target.isEnded()) lane.go(proceed)
        })
      case "Delay":
        lane.stop()
        return target.after(action.millis, () => lane.go(proceed))
      case "Skip":
        return skip()
      case "Lose":
        return point === "message" ? lose() : proceed()
      case "CloseSignal":
        target.closeSoon(action.afterMillis)
        return proceed()
      case "BadAck":
        target.peer.write(target.badAck(action.kind))
        return proceed()
      case "Raw":
        target.peer.write(action.bytes)
        return proceed()
      case "AckAndClose":
        target.closeWithAck(action.afterMillis)
        return proceed()
      case "ExpireToken":
        target.peer.revoke?.()
        return target.finish(unauthenticated("The token has expired, fetch a new one"))
    }
  }

/** An acknowledgement that breaks the protocol, given the next wire offset and the highest acknowledged one. */
export const badAck = (wrong: BadAck, nextOffset: number, ackedUpTo: number): Uint8Array => {
  switch (wrong) {
    case "future":
      return ackResponse(nextOffset + 999)
    case "lower":
      return ackResponse(Math.max(0, ackedUpTo - 1))
    case "repeated":
      return ackResponse(Math.max(0, ackedUpTo))
    case "negative":
      return ackResponse(-1)
    case "missing":
      return ackResponse(undefined)
  }
}
