/**
 * What makes a stream one of a pool: a zone within the pool's budget, and a slot that it needs for
 * every session. Lanes whose number follows the load have slots as well.
 *
 *   records wait --> takeSlot --> the pool admits --> attempts and sessions --+
 *        ^                                                                    |
 *        +--- the pool dismisses the stream; or it pauses, or is idle: leaves +
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import { InvalidArgument } from "../../ZerobusError.ts"
import type { LandingZone, ZoneParts } from "../landing/landingZone.ts"
import type { Turns } from "../landing/turns.ts"
import type { StreamCore } from "./streamCore.ts"
import type { Answer } from "../userCode/answer.ts"

/** The place of a stream in a pool. */
export interface StreamSlot {
  /** Whether the stream may open a session: it was admitted, and its visit is not over. */
  readonly isHeld: boolean
  /** Whether the pool dismissed the stream since it was last admitted. */
  readonly isDismissed: boolean
  /** Whether the stream enters only when it has something to send. */
  readonly needsRecord: boolean
  /** Joins the line, and completes once the stream is admitted. */
  readonly enter: Effect.Effect<void>
  /** Completes when the stream is to end its session. */
  readonly dismissed: Answer<void>
  /** A session is open: the pool may dismiss the stream from now on. */
  readonly openedUnsafe: () => void
  /** The session has ended. */
  readonly closedUnsafe: () => void
  /**
   * Gives the slot back or leaves the line; does nothing without either. Only while no session is
   * open.
   */
  readonly leaveUnsafe: () => void
}

/** What a pool provides to the stream of one table. */
export interface Pooling {
  readonly turns: Turns
  readonly makeZone: <A>(parts: ZoneParts<A>) => LandingZone<A>
  readonly slotOf: (zone: LandingZone<any>) => StreamSlot
}

/** The pool of the stream that an effect opens; `undefined` outside of a pool. */
export const Pooled: Context.Reference<Pooling | undefined> = Context.Reference<
  Pooling | undefined
>("effect-zerobus/internal/Pooled", { defaultValue: () => undefined })

/** Waits without a connection for something to send and then for a slot, or for the close. */
export const takeSlot = (core: StreamCore<any>, slot: StreamSlot): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (slot.isHeld) return Effect.void
    slot.leaveUnsafe()
    // A lane that is added has not lost a connection.
    const first = core.states.current === "connecting" || !slot.needsRecord
    core.states.enterUnsafe("idle")
    const { zone } = core
    // Records that were sent before and are not acknowledged count as something to send.
    const record = Effect.suspend(() =>
      zone.isEmpty && slot.needsRecord ? zone.awaitNext : Effect.void
    )
    const admitted = Effect.andThen(record, slot.enter)
    return Effect.andThen(
      Effect.raceFirst(admitted, core.closeRequested.await),
      Effect.sync(() => core.states.enterUnsafe(first ? "connecting" : "recovering"))
    )
  })

/**
 * Waits until a lane loses its slot. A lane that rests after a failure starts over with its next
 * slot. Streams of a pool give their slots back themselves.
 */
export const withdrawn = (slot: StreamSlot | undefined): Effect.Effect<void> =>
  slot === undefined || slot.needsRecord ? Effect.never : slot.dismissed.await

/** Why streams with these options cannot be part of a pool. */
export const unpooled = ({
  lanes = 1,
  recovery,
  spool
}: Pick<StreamConfigurationOptions, "lanes" | "recovery" | "spool">):
  | InvalidArgument
  | undefined => {
  const refuse = (option: string, why: string) =>
    new InvalidArgument({ message: `${why}: leave the option ${option} out.`, path: [option] })
  if (recovery === false)
    return refuse("recovery", "The streams of a pool share slots and need recovery")
  if (spool !== undefined) {
    return refuse("spool", "A spool belongs to one table, so the streams of a pool have none")
  }
  return lanes === 1
    ? undefined
    : refuse("lanes", "A stream of a pool has one slot, and so one lane")
}
