/**
 * What the parts of one stream share: its table and options, the landing zone, the
 * acknowledgements, the state, and how it ended. Sender, receiver and supervisor work on it; the
 * public stream reads it.
 *
 * A stream has one core. With several lanes it has one per lane, and a face that stands for all of
 * them (`streamLanes.ts`): what the public stream reads.
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

/** What a waiter for durability can be told. */
export type AckFailure = StreamFailure | StreamClosed

/**
 * What a stream needs of its landing zone, or of those of its lanes together, beyond its sessions.
 */
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
  /** Runs an effect in a fiber of its own. Whoever starts it has to end it. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  /** The RPC of its sessions. */
  readonly rpc: StreamRpc
  readonly zone: Intake<A>
  readonly acks: Acknowledgements<AckFailure>
  /** Bounds waits for offsets by `flushTimeout`. */
  readonly waitLimit: WaitLimit
  readonly telemetry: Pick<Telemetry, "ended">
  readonly states: StateLog
  /** The stream that it is a lane of, or itself. */
  readonly whole: StreamFace<any>
  /**
   * What the receipt of the latest record waits for: the lane that took it, or the stream itself.
   */
  readonly receiver: StreamFace<any>
  /**
   * The supervisor of the stream, or of one of its lanes, has ended; true when that decides how the
   * stream ends.
   */
  readonly endedUnsafe: (
    lane: StreamCore<any>,
    outcome: Exit.Exit<never, AckFailure>,
    state: FinalState
  ) => boolean
  /** Its lanes; itself when it has one. */
  readonly lanes: ReadonlyArray<StreamCore<any>>
  /**
   * Completed when `close` has flushed, or given up: sessions half-close and the supervisor ends.
   */
  readonly closeRequested: Answer<void>
  /** Completed when the supervisor has ended and everybody was told. */
  readonly finished: Answer<void>
  /** Its table, when it follows the columns of that. */
  followed: FollowedTable<A> | undefined
  /** The way of its records through a spool, if it has one; a lane has none of its own. */
  spooled: SpooledZone<A> | undefined
  /** A name for a stream that the server gives none. */
  readonly ownId: string
  /** The id of the stream: that of its first session, or `ownId`. */
  streamId: string | undefined
  /** The id that the server gave the latest session. */
  sessionId: string | undefined
  /** Set when the stream refuses records: closing, closed or failed. */
  closing: boolean
  /**
   * Set when the supervisor has ended: no session is open and none will be. `finished` completes a
   * little later.
   */
  ended: boolean
  /** The final failure, once there is one. */
  failure: StreamFailure | undefined
  /** Completed when the scope of the stream begins to close. */
  readonly leaving: Answer<void>
  /**
   * When refused records and the connection have to be done with then; milliseconds, as `now` gives
   * them.
   */
  leaveBy: number
  /** The latest reason for a recovery, for messages about what is being waited for. */
  lastFailure: StreamFailure | undefined
}

/** Shared by the parts of a stream with one lane, or of one lane of several. */
export interface StreamCore<in out A> extends StreamFace<A> {
  readonly zone: LandingZone<A>
  /**
   * Its place in a pool, without which it may open no session; `undefined` for a stream of its own.
   */
  readonly slot: StreamSlot | undefined
  /** Set while it is not known which offset a persistent stream gives out first. */
  fresh: boolean
  /** The same zone, when a spool feeds it. */
  readonly fed: FedZone<A> | undefined
  readonly telemetry: Telemetry
  /** The headers of the latest session, to say which credentials were refused. */
  headers: Redacted.Redacted<HeaderRecord>
  /**
   * How long the sessions before this one were open with something in flight and nothing becoming
   * durable, in milliseconds, since the last progress.
   */
  silence: number
  /** The search for a refused record, while there is one. */
  isolation: Isolation | undefined
  /** How the server refuses, as far as searches have shown. */
  readonly habits: RefusalHabits
  /** Whether something became durable since the server last refused. */
  durableSinceRefusal: boolean
  /** Refused offsets since something was durable. */
  refusalsInRow: number
  /**
   * Log lines about refused records: since when they are counted, how many there were, and what has
   * none.
   */
  readonly refusalLines: { since: number; count: number; unlogged: number }
}

/** How a stream ends. */
export type FinalState = "closed" | "failed"

/** What every stream has, whatever its lanes are. */
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
  // Monotonic: a wall clock that is set must not look like silence, or like uptime.
  // Divided as a number: a division of two bigints makes a third one.
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

/** Those of a stream that has no session yet, or has ended. */
const NO_HEADERS = Redacted.make<HeaderRecord>({})

/** What a stream with one lane has besides, or one lane of several. */
export const makeLaneParts = (now: number) => ({
  headers: NO_HEADERS,
  silence: 0,
  isolation: undefined,
  habits: { inOrder: undefined, delay: undefined },
  durableSinceRefusal: false,
  refusalsInRow: 0,
  refusalLines: { since: now, count: 0, unlogged: 0 }
})

/** Makes the core of a stream that is not connected yet; `turns` are those of its client. */
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
  // Set and not got: a getter would make the object slow, and it is read for each record.
  Object.assign(core, { lanes: [core], whole: core, receiver: core })
  return core
}

/** Failures of waits and of a sink's records, with the stream that raised each. */
const raised = new WeakMap<object, StreamFace<any>>()

/** Notes that a stream has raised an error, to be told from those of other streams. */
export const noteRaised = ({ whole }: StreamFace<any>, error: object): void =>
  void raised.set(error, whole)

/** Whether this stream has raised the error. */
export const hasRaised = ({ whole }: StreamFace<any>, error: object): boolean =>
  raised.get(error) === whole

/** The id of a stream, the same over reconnects; it is known from the first session on. */
export const streamIdOf = ({ whole }: StreamFace<any>): string => whole.streamId ?? whole.ownId

/** The error of an operation on a stream that takes no more of them. */
export const streamClosed = (core: StreamFace<any>, operation: string): StreamClosed =>
  new StreamClosed({ operation, cause: core.failure })

/** The offset that the stream gives out next. */
export const nextOffsetOf = ({ spooled, zone }: StreamFace<any>): number =>
  (spooled ?? zone).nextOffset

/** Offsets that the stream gave out and that are not settled. */
export const pendingOf = ({ spooled, zone }: StreamFace<any>): number =>
  spooled?.left ?? zone.usedRecords

/**
 * Records that the stream took and that are neither durable nor refused; with a spool a batch
 * counts as one.
 */
export const leftOf = ({ spooled, zone }: StreamFace<any>): number =>
  spooled?.left ?? zone.leftRecords

/** Refuses records from now on and answers those who wait for room. */
export const refuseRecordsUnsafe = (core: StreamFace<any>): void => {
  core.closing = true
  core.zone.closeUnsafe()
  core.spooled?.closeUnsafe()
}

/** What a closed stream answers those who wait: one for all, since an error is costly to make. */
const closedOutcome = Exit.fail(new StreamClosed({ operation: "waitForOffset", cause: undefined }))

/** The supervisor has ended, closed or failed; true when that decides how the stream ends. */
export const finishUnsafe = (
  core: StreamCore<any>,
  failure: StreamFailure | undefined
): boolean => {
  core.failure = core.failure ?? failure
  const outcome = core.failure === undefined ? closedOutcome : Exit.fail(core.failure as AckFailure)
  return endUnsafe(core, outcome, core.failure === undefined ? "closed" : "failed")
}

/** The supervisor has ended; only the first time counts. */
export const endUnsafe = (
  core: StreamCore<any>,
  outcome: Exit.Exit<never, AckFailure>,
  state: FinalState
): boolean => {
  if (core.ended) return false
  core.ended = true
  // Whoever keeps the ended stream for its records keeps no token with it.
  core.headers = NO_HEADERS
  return core.whole.endedUnsafe(core, outcome, state)
}

/**
 * Ends the stream: everything is settled before anybody is woken, so that a woken caller can
 * recreate the stream at once. Everybody is answered, whatever goes wrong on the way.
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
