/**
 * Adjusts the number of lanes to the load. All lanes exist from the start. A lane may have a
 * session only while it holds its slot.
 *
 *   each second: measure --> LanePace --> more: slots are granted, sessions open
 *                                     --> fewer: the other lanes get no records,
 *                                                each gives up its slot once it is empty
 *
 * No record moves between lanes: the lane that took it sends it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Answer } from "../userCode/answer.ts"
import { LanePace } from "./lanePace.ts"
import type { LanesZone } from "./lanesZone.ts"

/** Milliseconds between two measurements, and between two lanes that open. */
const PERIOD = 1000
const APART = 15

/** The right of a lane to have a session. */
export class LaneSlot {
  /** A lane opens its session before it has a record. */
  readonly needsRecord = false
  isHeld = false
  isDismissed = false
  dismissed = new Answer<void>()
  private granted = new Answer<void>()

  get enter(): Effect.Effect<void> {
    return Effect.suspend(() => this.granted.await)
  }

  grantUnsafe(): void {
    if (this.isHeld) return
    this.isHeld = true
    this.isDismissed = false
    this.dismissed = new Answer()
    this.granted.doneUnsafe(Exit.void)
  }

  dismissUnsafe(): void {
    if (!this.isHeld) return
    this.isHeld = false
    this.isDismissed = true
    this.granted = new Answer()
    this.dismissed.doneUnsafe(Exit.void)
  }

  // A lane keeps its slot whatever its sessions do.
  openedUnsafe(): void {}
  closedUnsafe(): void {}
  leaveUnsafe(): void {}
}

/** Opens and closes lanes according to the load, until the stream closes. */
export const followLoad = Effect.fnUntraced(function* (
  zone: LanesZone<any>,
  slots: ReadonlyArray<LaneSlot>,
  now: () => number,
  closing: Answer<void>
) {
  const pace = new LanePace(zone.active, slots.length)
  /** Sleeps, or returns early once the stream closes. */
  const sleep = (millis: number) => Effect.raceFirst(Effect.sleep(millis), closing.await)
  for (;;) {
    const [from, waitedBefore, bytesBefore] = [now(), zone.waitedMillis, zone.settledBytes]
    yield* sleep(PERIOD)
    if (closing.isDone) return
    const millis = Math.max(1, now() - from)
    const lanes = pace.next({
      waited: (zone.waitedMillis - waitedBefore) / millis,
      bytes: ((zone.settledBytes - bytesBefore) * 1000) / millis,
      open: zone.lanes.slice(0, zone.active).every(({ hasSession }) => hasSession)
    })
    zone.setActiveUnsafe(lanes)
    for (const [index, slot] of slots.entries()) {
      if (index >= lanes) {
        if (zone.lanes[index]!.isEmpty) slot.dismissUnsafe()
      } else if (!slot.isHeld) {
        slot.grantUnsafe()
        yield* sleep(APART)
        if (closing.isDone) return
      }
    }
  }
})
