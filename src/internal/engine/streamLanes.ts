/**
 * A stream with several lanes: one core per lane, each with its own landing zone, supervisor and
 * sessions, and a face that stands for all of them.
 *
 *   program --> face --> LanesZone --> zone of a lane --> its supervisor --> its sessions
 *                 ^                                            |
 *                 +---- settled by all, states, the end -------+
 *
 * Each lane recovers, rotates and searches for refused records independently. When one fails
 * permanently, the others half-close and drain. The stream ends when all lanes have ended, with the
 * cause of the first failure. Waiters resume only then.
 *
 * With a spool, its log feeds all lanes. The face owns the log.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { ResolvedStreamOptions } from "../../StreamConfigurationOptions.ts"
import type { StreamState } from "../../StreamState.ts"
import type { TableProperties } from "../../TableProperties.ts"
import type { StreamFailure } from "../../ZerobusError.ts"
import type { Turns } from "../landing/turns.ts"
import { LaneAcknowledgements, LanesAcknowledgements } from "../lanes/laneReceipts.ts"
import { followLoad, LaneSlot } from "../lanes/autoLanes.ts"
import { LanesZone } from "../lanes/lanesZone.ts"
import { SpooledLanes } from "../lanes/spooledLanes.ts"
import { StateLog } from "../receipts/stateLog.ts"
import { forkShieldedIn } from "../userCode/forkIn.ts"
import {
  type AckFailure,
  endStreamUnsafe,
  makeFaceParts,
  makeLaneParts,
  type StreamCore,
  type StreamFace,
  streamIdOf
} from "./streamCore.ts"
import { openSpool } from "./spoolAccess.ts"
import { rpcOf } from "./tableCheck.ts"
import { makeTelemetry } from "./telemetry.ts"

/** How many lanes start to open within a second. */
const OPENINGS_PER_SECOND = 64

/** Makes the face of a stream with several lanes. No lane is connected yet. */
export const makeLanes = Effect.fnUntraced(function* <A>(
  table: TableProperties<A>,
  options: ResolvedStreamOptions,
  turns: Turns,
  ended: StreamFace<A> | undefined
) {
  const context = yield* Effect.context<never>()
  const { face, scheduler } = makeFaceParts(table, options, rpcOf(table), context)
  const { now } = face
  const { autoLanes, laneKey } = options
  const zone = new LanesZone<A>({
    lanes: options.lanes,
    active: autoLanes ? lanesOf(ended) : undefined,
    laneKey,
    turns,
    codec: table.codec,
    limits: options,
    now,
    scheduler
  })
  const acks = new LanesAcknowledgements<AckFailure>(() => zone.settledByAll, scheduler)
  const states = new StateLog("connecting")
  const { refusalLines } = makeLaneParts(now())
  let open = zone.lanes.length
  /** How the stream ends, once a lane has failed. */
  let failed: Exit.Exit<never, AckFailure> | undefined
  let failedLane: StreamCore<A> | undefined

  const endedUnsafe: StreamFace<A>["endedUnsafe"] = (lane, outcome, state) => {
    const decides = state === "failed" && failed === undefined
    if (decides) {
      failed = outcome
      failedLane = lane
      whole.closeRequested.doneUnsafe(Exit.void)
    }
    if (--open > 0) return decides
    whole.ended = true
    whole.failure = failedLane?.failure
    for (const other of lanes) other.failure = whole.failure
    endStreamUnsafe(whole, failed ?? outcome, failed === undefined ? "closed" : "failed")
    return decides || failed === undefined
  }

  const slots = autoLanes ? zone.lanes.map(() => new LaneSlot()) : []
  for (const slot of slots.slice(0, zone.active)) slot.grantUnsafe()
  const lanes = zone.lanes.map((laneZone): StreamCore<A> => {
    const series = { table: table.tableName, lane: String(laneZone.index) }
    const laneAcks = new LaneAcknowledgements(laneZone.offsets, acks, scheduler)
    return {
      ...face,
      ...makeLaneParts(now()),
      rpc: rpcOf(table),
      fresh: false,
      zone: laneZone,
      slot: slots[laneZone.index],
      fed: undefined,
      telemetry: makeTelemetry(laneZone, series, () => streamIdOf(whole), context),
      acks: laneAcks,
      states: new LaneStates((state) => {
        zone.setSessionUnsafe(laneZone.index, isConnected(state))
        if (!whole.ended)
          states.enterUnsafe(together(autoLanes ? lanes.slice(0, zone.active) : lanes, autoLanes))
      }),
      endedUnsafe,
      refusalLines,
      get lanes() {
        return lanes
      },
      get whole() {
        return whole
      },
      get receiver() {
        return lanes[laneZone.index]!
      }
    }
  })
  acks.setLanes(lanes.map((lane) => lane.acks as LaneAcknowledgements<AckFailure>))

  const whole: StreamFace<A> = {
    ...face,
    zone,
    acks,
    telemetry: {
      ended: () => lanes.forEach((lane) => lane.telemetry.ended(lane.zone.leftRecords))
    },
    states,
    endedUnsafe,
    lanes,
    get whole() {
      return whole
    },
    get receiver() {
      return lanes[zone.takenBy]!
    }
  }
  const { spool } = options
  if (spool !== undefined) yield* openSpool(whole, new SpooledLanes(zone, laneKey), spool)
  return whole
})

/** The initial number of lanes of a stream that takes over the records of an ended one. */
const lanesOf = (ended: StreamFace<any> | undefined): number =>
  ended?.zone instanceof LanesZone ? Math.max(ended.zone.active, ended.zone.lanesInUse) : 1

/**
 * Adjusts the number of lanes to the load until the stream closes, if the stream is configured so.
 */
export const followedLoad = (
  { closeRequested, lanes, now, zone }: StreamFace<any>,
  scope: Scope.Scope
): Effect.Effect<void> => {
  const slots = lanes.flatMap(({ slot }) => (slot instanceof LaneSlot ? [slot] : []))
  return zone instanceof LanesZone && slots.length > 0
    ? forkShieldedIn(followLoad(zone, slots, now, closeRequested), scope, () => {})
    : Effect.void
}

/** Delays the opening of a lane, so that the server does not get all of them at once. */
export const inItsTime = <E, R>(
  { closeRequested, lanes }: StreamFace<any>,
  lane: StreamCore<any>,
  opening: Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> => {
  const index = lanes.indexOf(lane)
  if (index <= 0) return opening
  const wait = Effect.sleep((index * 1000) / OPENINGS_PER_SECOND)
  return Effect.andThen(Effect.raceFirst(wait, closeRequested.await), opening)
}

/** Annotations of the log lines of a lane. */
export const annotationsOf = (
  { lanes, table }: StreamFace<any>,
  lane: StreamCore<any>
): Record<string, unknown> =>
  lanes.length === 1
    ? { table: table.tableName }
    : { table: table.tableName, lane: lanes.indexOf(lane) }

/**
 * Waits until all lanes are open. Then it takes over the unacknowledged records of an ended stream
 * with several lanes, which are sent at once. Fails when a lane failed in the meantime, even one
 * that was open before.
 */
export const openedTogether = Effect.fnUntraced(function* (
  stream: StreamFace<any>,
  openings: ReadonlyArray<Effect.Effect<void, StreamFailure>>,
  ended: StreamFace<any> | undefined
) {
  for (const opened of openings) yield* opened
  // With a spool the stream is open whatever its lanes are, and it reads unacknowledged records
  // from the spool.
  if (!(stream.zone instanceof LanesZone) || stream.spooled !== undefined) return
  if (stream.lanes.some((lane) => lane.ended)) {
    yield* stream.finished.await
    if (stream.failure !== undefined) return yield* stream.failure
  }
  if (ended?.zone instanceof LanesZone) stream.zone.adoptUnsafe(ended.zone)
})

/** The states of a lane. Each change updates the state of its stream. */
class LaneStates extends StateLog {
  private readonly entered: (state: StreamState) => void

  constructor(entered: (state: StreamState) => void) {
    super("connecting")
    this.entered = entered
  }

  override enterUnsafe(state: StreamState): void {
    super.enterUnsafe(state)
    this.entered(state)
  }
}

const isConnected = (state: StreamState): boolean =>
  state === "replaying" || state === "open" || state === "paused"

/** The state of a stream is the first of these that one of its lanes has. */
const precedence: ReadonlyArray<StreamState> = [
  "connecting",
  "recovering",
  "waiting",
  "replaying",
  "paused",
  "open"
]

/**
 * Combines the states of lanes into that of their stream. An idle lane does not count; nor does one
 * that is being added while others have sessions.
 */
const together = (lanes: ReadonlyArray<StreamCore<any>>, grows: boolean): StreamState => {
  const states = lanes.map((lane) => lane.states.current)
  const added = grows && states.some(isConnected)
  return (
    precedence.find((state) => states.includes(state) && !(added && state === "connecting")) ??
    "idle"
  )
}
