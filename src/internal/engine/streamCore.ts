/**
 * What the parts of one stream share: its table and options, the landing zone, the acknowledgements, the state, and how it ended.
 * Sender, receiver and supervisor work on it; the public stream reads it.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
import { ephemeralRpc, type StreamRpc } from "../protobuf/streamRpc.ts"
import type { SpooledZone } from "./spooledZone.ts"
import { StateLog } from "./stateLog.ts"
import { makeTelemetry, type Telemetry } from "./telemetry.ts"
import type { Turns } from "../landing/turns.ts"
import { WaitLimit } from "../receipts/waitLimit.ts"
import { Answer } from "../userCode/answer.ts"
import { shielded } from "../userCode/shield.ts"

/** What a waiter for durability can be told. */
export type AckFailure = StreamFailure | StreamClosed

/** Shared by the parts of one stream. */
export interface StreamCore<in out A> {
  readonly table: TableProperties<A>
  readonly options: ResolvedStreamOptions
  readonly clock: Clock.Clock
  /** Monotonic time of that clock in milliseconds. */
  readonly now: () => number
  /** The RPC of its sessions. */
  readonly rpc: StreamRpc
  /** Set while it is not known which offset a persistent stream gives out first. */
  fresh: boolean
  readonly zone: LandingZone<A>
  /** Its place in a pool, without which it may open no session; `undefined` for a stream of its own. */
  readonly slot: StreamSlot | undefined
  /** The same zone, when a spool feeds it. */
  readonly fed: FedZone<A> | undefined
  readonly acks: Acknowledgements<AckFailure>
  /** Bounds waits for offsets by `flushTimeout`. */
  readonly waitLimit: WaitLimit
  readonly telemetry: Telemetry
  readonly states: StateLog
  /** Completed when `close` has flushed, or given up: sessions half-close and the supervisor ends. */
  readonly closeRequested: Deferred.Deferred<void>
  /** Completed when the supervisor has ended and everybody was told. */
  readonly finished: Answer<void>
  /** The way of its records through a spool, if it has one. */
  spooled: SpooledZone<A> | undefined
  /** A name for a stream that the server gives none. */
  readonly ownId: string
  /** The id of the stream: that of its first session, or `ownId`. */
  streamId: string | undefined
  /** The id that the server gave the latest session. */
  sessionId: string | undefined
  /** The headers of the latest session, to say which credentials were refused. */
  headers: Redacted.Redacted<HeaderRecord>
  /** Set when the stream refuses records: closing, closed or failed. */
  closing: boolean
  /** Set when the supervisor has ended: no session is open and none will be. `finished` completes a little later. */
  ended: boolean
  /** The final failure, once there is one. */
  failure: StreamFailure | undefined
  /** Failures of waits and of a sink's records, to be told from those of other streams. */
  readonly raised: WeakSet<object>
  /**
   * How long the sessions before this one were open with something in flight and nothing becoming durable, in milliseconds, since the
   * last progress.
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
  /** Log lines about refused records: since when they are counted, how many there were, and what has none. */
  readonly refusalLines: { since: number; count: number; unlogged: number }
  /** Completed when the scope of the stream begins to close. */
  readonly leaving: Deferred.Deferred<void>
  /** When refused records and the connection have to be done with then; milliseconds, as `now` gives them. */
  leaveBy: number
  /** The latest reason for a recovery, for messages about what is being waited for. */
  lastFailure: StreamFailure | undefined
}

/** Makes the core of a stream that is not connected yet; `turns` are those of its client. */
export const makeStreamCore = Effect.fnUntraced(function* <A>(
  table: TableProperties<A>,
  options: ResolvedStreamOptions,
  turns: Turns,
  rpc: StreamRpc = ephemeralRpc(table),
  pooling?: Pooling
) {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const context = yield* Effect.context<never>()
  const fork = yield* shielded(Effect.map(Effect.context<never>(), Effect.runForkWith))
  const scheduler = Context.get(context, Scheduler)
  const ownId = `stream-${table.tableName}-${Math.floor((yield* Random.next) * 2 ** 32).toString(36)}`
  // Monotonic: a wall clock that is set must not look like silence, or like uptime.
  // Divided as a number: a division of two bigints makes a third one.
  const now = () => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)
  const parts = { turns, codec: table.codec, limits: options, now, scheduler }
  const fed = options.spool === undefined ? undefined : new FedZone<A>(parts)
  const zone = fed ?? pooling?.makeZone(parts) ?? new LandingZone<A>(parts)
  const core: StreamCore<A> = {
    table,
    options,
    clock,
    now,
    rpc,
    fresh: rpc.name === "PersistentStream",
    zone,
    slot: pooling?.slot,
    fed,
    telemetry: makeTelemetry(zone, table.tableName, () => streamIdOf(core), context),
    acks: new Acknowledgements<AckFailure>(scheduler),
    waitLimit: new WaitLimit(options.flushTimeout, now, fork),
    states: new StateLog("connecting"),
    closeRequested: Deferred.makeUnsafe(),
    ownId,
    finished: new Answer(),
    spooled: undefined,
    streamId: undefined,
    sessionId: undefined,
    headers: Redacted.make({}),
    closing: false,
    ended: false,
    failure: undefined,
    raised: new WeakSet(),
    silence: 0,
    isolation: undefined,
    habits: { inOrder: undefined, delay: undefined },
    durableSinceRefusal: false,
    refusalsInRow: 0,
    refusalLines: { since: now(), count: 0, unlogged: 0 },
    leaving: Deferred.makeUnsafe(),
    leaveBy: Infinity,
    lastFailure: undefined
  }
  return core
})

/** The id of a stream, the same over reconnects; it is known from the first session on. */
export const streamIdOf = (core: StreamCore<any>): string => core.streamId ?? core.ownId

/** The error of an operation on a stream that takes no more of them. */
export const streamClosed = (core: StreamCore<any>, operation: string): StreamClosed =>
  new StreamClosed({ operation, cause: core.failure })

/** The offset that the stream gives out next. */
export const nextOffsetOf = ({ spooled, zone }: StreamCore<any>): number => (spooled ?? zone).nextOffset

/** Records that the stream took and that are neither durable nor refused; with a spool a batch counts as one. */
export const leftOf = ({ spooled, zone }: StreamCore<any>): number => spooled?.left ?? zone.leftRecords

/** Refuses records from now on and answers those who wait for room. */
export const refuseRecordsUnsafe = (core: StreamCore<any>): void => {
  core.closing = true
  core.zone.closeUnsafe()
  core.spooled?.closeUnsafe()
}

/** Ends the stream, closed or failed, and answers everybody. */
export const finishUnsafe = (core: StreamCore<any>, failure: StreamFailure | undefined): void => {
  core.failure = core.failure ?? failure
  const outcome = Exit.fail((core.failure ?? streamClosed(core, "waitForOffset")) as AckFailure)
  endUnsafe(core, outcome, core.failure === undefined ? "closed" : "failed")
}

/**
 * Ends the stream, once: everything is settled before anybody is woken, so that a woken caller can
 * recreate the stream at once. Everybody is answered, whatever goes wrong on the way.
 */
export const endUnsafe = (
  core: StreamCore<any>,
  outcome: Exit.Exit<never, AckFailure>,
  state: "closed" | "failed"
): void => {
  if (core.ended) return
  core.ended = true
  // Whoever keeps the ended stream for its records keeps no token with it.
  core.headers = Redacted.make({})
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
