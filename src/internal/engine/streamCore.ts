/**
 * State shared by the parts of one stream: its table and options, the landing zone, the
 * acknowledgements, the connection state, and how it ended. Sender, receiver and supervisor update
 * it; the public stream reads it.
 *
 * A stream has one core. A stream with several lanes has one core per lane, and a face that stands
 * for all of them (`streamLanes.ts`). The public stream reads the face.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { Scheduler } from "effect/Scheduler"
import type { HeaderRecord } from "../../HeadersProvider.ts"
import type { ResolvedStreamOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { StreamClosed, type StreamFailure } from "../../ZerobusError.ts"
import { Acknowledgements } from "../receipts/acknowledgements.ts"
import type { Isolation, RefusalHabits } from "./isolation.ts"
import type { Pooling, StreamSlot } from "./pooling.ts"
import { FedZone } from "../landing/fedZone.ts"
import { LandingZone } from "../landing/landingZone.ts"
import type { StreamRpc } from "../protobuf/streamRpc.ts"
import type { FollowedTable } from "../follow/followedTable.ts"
import { rpcOf } from "./tableCheck.ts"
import type { LeftEntry } from "../spooledLog.ts"
import type { SpooledZone } from "./spooledZone.ts"
import { StateLog } from "../receipts/stateLog.ts"
import { makeTelemetry, type Telemetry } from "./telemetry.ts"
import type { Turns } from "../landing/turns.ts"
import { WaitLimit } from "../receipts/waitLimit.ts"
import { Answer } from "../userCode/answer.ts"
import { shield } from "../userCode/shield.ts"

/** Failures of a wait for durability. */
export type AckFailure = StreamFailure | StreamClosed

/** What a stream needs of its landing zone, or of those of all its lanes, apart from sessions. */
export type Intake<A> = Pick<
  LandingZone<A>,
  | "acceptedBytes"
  | "acceptedRecords"
  | "acknowledgedRecords"
  | "closeUnsafe"
  | "forceUnsafe"
  | "isEmpty"
  | "leftRecords"
  | "mustGiveWay"
  | "nextOffset"
  | "offerBatchUnsafe"
  | "offerUnsafe"
  | "refusedRecords"
  | "standInLineUnsafe"
  | "turnLine"
  | "usedBytes"
  | "usedRecords"
  | "waitUnsafe"
> & { readonly unackedUnsafe: () => ReadonlyArray<LeftEntry> }

/** What the public stream works on. */
export interface StreamFace<in out A> {
  readonly table: TableProperties<A>
  readonly options: ResolvedStreamOptions
  readonly clock: Clock.Clock
  /** Monotonic time of that clock in milliseconds. */
  readonly now: () => number
  /** Runs an effect in a new fiber. The caller has to end it. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The RPC of its sessions. */
  readonly rpc: StreamRpc
  readonly zone: Intake<A>
  readonly acks: Acknowledgements<AckFailure>
  /** Bounds waits for offsets by `flushTimeout`. */
  readonly waitLimit: WaitLimit
  readonly telemetry: Pick<Telemetry, "ended">
  readonly states: StateLog
  /** The stream that this is a lane of, or itself. */
  readonly whole: StreamFace<any>
  /**
   * What the receipt of the latest record waits for: the lane that took it, or the stream itself.
   */
  readonly receiver: StreamFace<any>
  /**
   * Called when the supervisor of the stream or of one of its lanes has ended. Returns true when
   * that decides how the stream ends.
   */
  readonly endedUnsafe: (
    lane: StreamCore<any>,
    outcome: Exit.Exit<never, AckFailure>,
    state: FinalState
  ) => boolean
  /** Its lanes; a stream with one lane lists itself. */
  readonly lanes: ReadonlyArray<StreamCore<any>>
  /**
   * Completed when `close` has flushed or failed to. Sessions then half-close and the supervisor
   * ends.
   */
  readonly closeRequested: Answer<void>
  /** Completed when the supervisor has ended and all waiters were resumed. */
  readonly finished: Answer<void>
  /** Its table, if the stream follows the table's columns. */
  followed: FollowedTable<A> | undefined
  /** The zone in front of its spool, if it has one. A lane has none. */
  spooled: SpooledZone<A> | undefined
  /** The id of a stream that gets none from the server. */
  readonly ownId: string
  /** The id of the stream: that of its first session, or `ownId`. */
  streamId: string | undefined
  /** The id that the server gave the latest session. */
  sessionId: string | undefined
  /** True when the stream refuses records: closing, closed or failed. */
  closing: boolean
  /**
   * True when the supervisor has ended: no session is open and none will be. `finished` completes a
   * little later.
   */
  ended: boolean
  /** The final failure, once there is one. */
  failure: StreamFailure | undefined
  /** Completed when the scope of the stream begins to close. */
  readonly leaving: Answer<void>
  /**
   * When refused records must be handled and the connection drained, once the scope closes;
   * milliseconds as of `now`.
   */
  leaveBy: number
  /** The latest reason for a recovery, for messages about a wait. */
  lastFailure: StreamFailure | undefined
}

/** State shared by the parts of a stream with one lane, or of one lane of several. */
export interface StreamCore<in out A> extends StreamFace<A> {
  readonly zone: LandingZone<A>
  /** Its place in a pool, which it needs to open a session; `undefined` outside of a pool. */
  readonly slot: StreamSlot | undefined
  /** True until the first offset of a persistent stream is known. */
  fresh: boolean
  /** The same zone, if a spool feeds it. */
  readonly fed: FedZone<A> | undefined
  readonly telemetry: Telemetry
  /** The headers of the latest session, which identify refused credentials. */
  headers: Redacted.Redacted<HeaderRecord>
  /**
   * Silence of earlier sessions since the last progress, in milliseconds: time with messages in
   * flight and nothing becoming durable.
   */
  silence: number
  /** The search for a refused record, while there is one. */
  isolation: Isolation | undefined
  /** How the server refuses, learned from earlier searches. */
  readonly habits: RefusalHabits
  /** Whether something became durable since the server last refused. */
  durableSinceRefusal: boolean
  /** Refused offsets since something became durable. */
  refusalsInRow: number
  /**
   * Log lines about refused records: when counting started, how many lines, and how many records
   * without a line.
   */
  readonly refusalLines: { since: number; count: number; unlogged: number }
}

/** How a stream ends. */
export type FinalState = "closed" | "failed"

/** The parts of every stream, whatever its lanes are. */
export const makeFaceParts = <A>(
  table: TableProperties<A>,
  options: ResolvedStreamOptions,
  rpc: StreamRpc,
  context: Context.Context<never>
) => {
  const clock = Context.get(context, Clock.Clock)
  const fork = Effect.runForkWith(shield(context))
  const scheduler = Context.get(context, Scheduler)
  const random = Context.get(context, Random.Random).nextDoubleUnsafe()
  const ownId = `stream-${table.tableName}-${Math.floor(random * 2 ** 32).toString(36)}`
  // Monotonic: setting the wall clock must not look like silence or uptime. Divided as a number,
  // because dividing bigints allocates another one.
  const now = () => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  const face = {
    table,
    options,
    clock,
    now,
    fork,
    rpc,
    waitLimit: new WaitLimit(options.flushTimeout, now, fork),
    closeRequested: new Answer<void>(),
    ownId,
    finished: new Answer<void>(),
    followed: undefined,
    spooled: undefined,
    streamId: undefined,
    sessionId: undefined,
    closing: false,
    ended: false,
    failure: undefined,
    leaving: new Answer<void>(),
    leaveBy: Infinity,
    lastFailure: undefined
  }
  return { face, scheduler }
}

/** The headers of a stream that has no session yet, or has ended. */
const NO_HEADERS = Redacted.make<HeaderRecord>({})

/** Further parts of a stream with one lane, or of one lane of several. */
export const makeLaneParts = (now: number) => ({
  headers: NO_HEADERS,
  silence: 0,
  isolation: undefined,
  habits: { inOrder: undefined, delay: undefined },
  durableSinceRefusal: false,
  refusalsInRow: 0,
  refusalLines: { since: now, count: 0, unlogged: 0 }
})

/** Makes the core of a stream that is not connected yet. `turns` are those of its client. */
export const makeStreamCore = <A>(
  table: TableProperties<A>,
  options: ResolvedStreamOptions,
  turns: Turns,
  rpc: StreamRpc = rpcOf(table),
  pooling?: Pooling
): Effect.Effect<StreamCore<A>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => coreIn(context, table, options, turns, rpc, pooling))
  )

const coreIn = <A>(
  context: Context.Context<never>,
  table: TableProperties<A>,
  options: ResolvedStreamOptions,
  turns: Turns,
  rpc: StreamRpc,
  pooling: Pooling | undefined
): StreamCore<A> => {
  const { face, scheduler } = makeFaceParts(table, options, rpc, context)
  const parts = { turns, codec: table.codec, limits: options, now: face.now, scheduler }
  const fed = options.spool === undefined ? undefined : new FedZone<A>(parts)
  const zone = fed ?? pooling?.makeZone(parts) ?? new LandingZone<A>(parts)
  const core: StreamCore<A> = {
    ...face,
    ...makeLaneParts(face.now()),
    fresh: rpc.name === "PersistentStream",
    zone,
    slot: pooling?.slotOf(zone),
    fed,
    telemetry: makeTelemetry(zone, { table: table.tableName }, () => streamIdOf(core), context),
    acks: new Acknowledgements<AckFailure>(scheduler),
    states: new StateLog("connecting"),
    endedUnsafe: (_, outcome, state) => {
      endStreamUnsafe(core, outcome, state)
      return true
    },
    lanes: [],
    whole: undefined as never,
    receiver: undefined as never
  }
  // Assigned, not defined as getters: getters would slow down an object that is read for each
  // record.
  Object.assign(core, { lanes: [core], whole: core, receiver: core })
  return core
}

/** Failures of waits and of a sink's records, with the stream that raised each. */
const raised = new WeakMap<object, StreamFace<any>>()

/** Records which stream raised an error. */
export const noteRaised = ({ whole }: StreamFace<any>, error: object): void =>
  void raised.set(error, whole)

/** Whether this stream raised the error. */
export const hasRaised = ({ whole }: StreamFace<any>, error: object): boolean =>
  raised.get(error) === whole

/** The id of a stream, constant over reconnects. It is known from the first session on. */
export const streamIdOf = ({ whole }: StreamFace<any>): string => whole.streamId ?? whole.ownId

/** The error of an operation on a stream that is closing or has ended. */
export const streamClosed = (core: StreamFace<any>, operation: string): StreamClosed =>
  new StreamClosed({ operation, cause: core.failure })

/** The offset that the stream gives out next. */
export const nextOffsetOf = ({ spooled, zone }: StreamFace<any>): number =>
  (spooled ?? zone).nextOffset

/** Offsets that the stream gave out and that are not settled. */
export const pendingOf = ({ spooled, zone }: StreamFace<any>): number =>
  spooled?.left ?? zone.usedRecords

/** Accepted records that are neither durable nor refused; with a spool a batch counts as one. */
export const leftOf = ({ spooled, zone }: StreamFace<any>): number =>
  spooled?.left ?? zone.leftRecords

/** Refuses records from now on and resumes callers that wait for room. */
export const refuseRecordsUnsafe = (core: StreamFace<any>): void => {
  core.closing = true
  core.zone.closeUnsafe()
  core.spooled?.closeUnsafe()
}

/** The outcome of waits on a closed stream. Shared, since creating an error is expensive. */
const closedOutcome = Exit.fail(new StreamClosed({ operation: "waitForOffset", cause: undefined }))

/** Ends the stream as closed or failed. Returns true when that decides how the stream ends. */
export const finishUnsafe = (
  core: StreamCore<any>,
  failure: StreamFailure | undefined
): boolean => {
  core.failure = core.failure ?? failure
  const outcome = core.failure === undefined ? closedOutcome : Exit.fail(core.failure as AckFailure)
  return endUnsafe(core, outcome, core.failure === undefined ? "closed" : "failed")
}

/** Ends the stream with an outcome; only the first call counts. */
export const endUnsafe = (
  core: StreamCore<any>,
  outcome: Exit.Exit<never, AckFailure>,
  state: FinalState
): boolean => {
  if (core.ended) return false
  core.ended = true
  // A program that keeps the ended stream for its records must not keep a token with it.
  core.headers = NO_HEADERS
  return core.whole.endedUnsafe(core, outcome, state)
}

/**
 * Ends the stream. Everything is settled before any waiter resumes, so that a resumed caller can
 * recreate the stream at once. All waiters resume, even when a step throws.
 */
export const endStreamUnsafe = (
  core: StreamFace<any>,
  outcome: Exit.Exit<never, AckFailure>,
  state: FinalState
): void => {
  core.acks.settleUnsafe(outcome)
  try {
    refuseRecordsUnsafe(core)
    core.telemetry.ended(core.zone.leftRecords)
  } finally {
    core.states.enterUnsafe(state)
    core.acks.endUnsafe(outcome, () => {
      core.waitLimit.endUnsafe()
      core.finished.doneUnsafe(Exit.void)
    })
  }
}
