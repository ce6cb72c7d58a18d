/**
 * Carries out the actions of a fault script on one stream: takes the due action from the script at
 * each point, and then proceeds, stops, sends something false, refuses or cuts.
 */
import type { FaultPoint } from "../faults/faultScript.ts"
import { type ServerStatus, unauthenticated } from "./serverStatus.ts"
import type { StreamContext } from "./streamContract.ts"
import { farAhead, type WirePlace } from "./streamWire.ts"

/** What a fault can stop: incoming requests, or outgoing acknowledgements. */
export interface Lane {
  readonly stop: () => void
  /** Continues, first with the step that was due when it stopped. */
  readonly go: (proceed: () => void) => void
}

/** The stream that faults strike. */
export interface StruckStream {
  /** The wire offsets of the next message and of the highest decided acknowledgement. */
  readonly intake: { readonly nextOffset: number; readonly acks: { readonly decidedUpTo: number } }
  /** Ends the call: with OK, or with a status. */
  readonly finish: (status: ServerStatus | undefined) => void
  /** Ends the stream by breaking its connection. */
  readonly cut: (how: "reset" | "fin") => void
  /** Sends a close signal, alone or with the next acknowledgement; ends after the grace. */
  readonly announceEnd: (graceMillis: number, withNextAck: boolean) => void
}

/** A point that a stream reached. */
export interface AtPoint {
  readonly point: FaultPoint
  /** The number of records of a message. */
  readonly records?: number | undefined
  /** The wire offset that arrives, is durable or is about to be acknowledged. */
  readonly offset?: number | undefined
  /** The lane that a hold or a delay stops. */
  readonly lane: Lane
  /** Reverts the counts when the script skips the next step. */
  readonly skip?: (() => void) | undefined
  /** Reports a message as received without storing it. */
  readonly lose?: (() => void) | undefined
  /** Makes the response to a resume name another offset than the committed one. */
  readonly shift?: ((by: number) => void) | undefined
}

/** Passes a point of a stream's life: carries out the script's action for it, or proceeds. */
export type Pass = (at: AtPoint, proceed: () => void) => void

/** Creates the function that a stream calls at its points. */
export const faultPasser =
  (
    { observer, peer, recorder, script, timers, wire }: Omit<StreamContext, "pass">,
    stream: StruckStream
  ): Pass =>
  (
    { lane, lose = nothing, offset, point, records = 0, shift = nothing, skip = nothing },
    proceed
  ) => {
    const action = script.next(point, recorder.number, records, offset)
    if (action !== undefined)
      observer.noted({ _tag: "FaultStruck", at: point, action: action._tag })
    switch (action?._tag) {
      case undefined:
        return proceed()
      case "Cut":
        return stream.cut(action.how)
      case "Status":
        return stream.finish(action)
      case "End":
        return stream.finish(undefined)
      case "Hold":
        lane.stop()
        return script.hold(() => {
          if (!timers.isEnded()) lane.go(proceed)
        })
      case "Delay":
        lane.stop()
        return void timers.after(action.millis, () => lane.go(proceed))
      case "Skip":
        return skip()
      case "Lose":
        return point === "message" ? lose() : proceed()
      case "CloseSignal":
        stream.announceEnd(action.afterMillis, false)
        return proceed()
      case "BadAck":
        if (action.kind === "future") recorder.falseAck(farAhead(placeOf(stream)))
        peer.write(wire.falseAck(action.kind, placeOf(stream)))
        return proceed()
      case "Raw":
        peer.write(action.bytes)
        return proceed()
      case "AckAndClose":
        stream.announceEnd(action.afterMillis, true)
        return proceed()
      case "Committed":
        shift(action.by)
        return proceed()
      case "ExpireToken":
        peer.revoke?.()
        return stream.finish(unauthenticated("The token has expired, fetch a new one"))
    }
  }

const nothing = () => {}

const placeOf = ({ intake }: StruckStream): WirePlace => ({
  next: intake.nextOffset,
  decided: intake.acks.decidedUpTo
})
