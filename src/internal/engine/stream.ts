/**
 * Makes the public stream over a core: opens it in the caller's scope, forks the supervisor, and
 * closes it when the scope closes.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { HeadersProviderShape } from "../../HeadersProvider.ts"
import { Offset } from "../../Offset.ts"
import type { AckError } from "../../RecordAck.ts"
import { resolve, type StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { clientClosed, type Transport } from "../../Transport.ts"
import { InvalidArgument, type InvalidState, type StreamFailure } from "../../ZerobusError.ts"
import type {
  IngestError,
  PersistentStream,
  SinkSummary,
  ZerobusStream
} from "../../ZerobusStream.ts"
import { LandingZone } from "../landing/landingZone.ts"
import { guarded } from "./sessionHeaders.ts"
import { closeOnce, closeWithScope, spentOf } from "./streamClose.ts"
import { forkSupervisor, supervise } from "./supervisor.ts"
import {
  type AckFailure,
  makeStreamCore,
  nextOffsetOf,
  noteRaised,
  type StreamCore,
  type StreamFace,
  streamClosed,
  streamIdOf
} from "./streamCore.ts"
import { followTable } from "../follow/followedTable.ts"
import { openSpool } from "./spoolAccess.ts"
import { type Intake, makeSpooledIngest, spoolFlushed } from "./streamSpool.ts"
import { annotationsOf, followedLoad, inItsTime, makeLanes, openedTogether } from "./streamLanes.ts"
import { outsideHandler } from "./streamRefused.ts"
import { awaitSettled, makeIngest, waitLimited } from "./streamIngest.ts"
import { extend, type OffsetRange } from "../receipts/refusedOffsets.ts"
import { Pooled, unpooled } from "./pooling.ts"
import {
  leaveScope,
  Originated,
  type Origin,
  type Persistence,
  readable,
  takeOver,
  tookOver,
  unackedPayloads
} from "./streamUnacked.ts"
import { Turns } from "../landing/turns.ts"
import { withProtocol } from "../tableForm.ts"
import { checkFit, checkTable, rpcOf, settingsOf } from "./tableCheck.ts"
import { persistentRpc } from "../protobuf/streamRpc.ts"
import { Answer } from "../userCode/answer.ts"
import { forkNeighbour } from "../userCode/neighbours.ts"
import { shielded, traced } from "../userCode/shield.ts"

/** What the streams of one client share. */
export interface Client {
  /** Provides headers to streams without a headers provider of their own. */
  readonly provider: HeadersProviderShape
  readonly turns: Turns
  /** Fails with `InvalidState` once the scope of the client's layer has ended. */
  readonly whileOpen: Effect.Effect<void, InvalidState>
}

/**
 * Makes what the streams of a new client share; it ends with the scope. `provider` is that of its
 * layer.
 */
export const makeClient = Effect.fnUntraced(function* (
  provider: HeadersProviderShape
): Effect.fn.Return<Client, never, Scope.Scope> {
  let open = true
  yield* Effect.addFinalizer(() => Effect.sync(() => void (open = false)))
  return {
    provider: guarded(provider, Context.empty()),
    turns: new Turns(),
    whileOpen: Effect.suspend(() => (open ? Effect.void : clientClosed))
  }
})

/** Opens a stream in the current scope. */
export const openStream = <A>(
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  client: Client
): Effect.Effect<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => openInOwnScope(restore, { table, options, client }))

/** Opens a persistent stream in the current scope: a new one, or the one with this id. */
export const openPersistentStream = <A>(
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  client: Client,
  persistence: Persistence
): Effect.Effect<PersistentStream<A>, StreamFailure, Transport | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(
      openInOwnScope(restore, { table, options, client, persistence }),
      (stream) => stream as PersistentStream<A>
    )
  )

/**
 * Opens a stream like an ended one, which hands over its unacknowledged records. Refused while that
 * one is active, and the second time. When the new stream does not open, or the caller is
 * interrupted, the records stay with the ended one and the call can be repeated.
 */
export const reopenStream = <A>(
  ended: ZerobusStream<A>,
  client: Client
): Effect.Effect<ZerobusStream<A>, StreamFailure | InvalidState, Transport | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(takeOver(ended), (left) =>
      openInOwnScope(restore, { ...left, client }).pipe(
        Effect.onExit((exit) => tookOver(ended, exit))
      )
    )
  )

/** What a stream is opened with. The unacknowledged records of `ended` are sent first. */
interface StreamOpening<A> {
  readonly table: TableProperties<A>
  readonly options: StreamConfigurationOptions<A>
  readonly client: Client
  readonly ended?: StreamFace<A> | undefined
  readonly persistence?: Persistence | undefined
}

/** Holds the core of a stream once it exists. */
interface Prepared {
  core: StreamFace<any> | undefined
}

/**
 * Waits until the stream has released its spool. This effect outlives the opening, so it holds
 * nothing else of it.
 */
const spoolClosedOf = (prepared: Prepared): Effect.Effect<void> =>
  Effect.suspend(() => prepared.core?.spooled?.closed.await ?? Effect.void)

/** Opens a stream. Only effects that `restore` is applied to can be interrupted. */
const openInOwnScope = <A>(
  restore: <X, E, R>(effect: Effect.Effect<X, E, R>) => Effect.Effect<X, E, R>,
  opening: StreamOpening<A>
): Effect.Effect<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> =>
  Effect.gen(function* () {
    const caller = yield* Scope.Scope
    const { onRefused, onUnacked } = opening.options
    const prepared: Prepared = { core: undefined }
    const spoolClosed = spoolClosedOf(prepared)
    // A separate scope: a stream that did not open, or was closed, leaves nothing in the caller's
    // scope.
    const scope = yield* forkNeighbour(caller, {
      // A handler may send to a stream that was opened before.
      lets: onRefused === undefined && onUnacked === undefined,
      // The next stream must find the lock of the spool released.
      after: spoolClosed
    })
    return yield* restore(open(opening, scope, caller, prepared)).pipe(
      Effect.provideService(Scope.Scope, scope),
      // The supervisor may be closing the scope already, and then `Scope.close` does not wait for
      // it.
      Effect.onExit((exit) =>
        Exit.isSuccess(exit) ? Effect.void : Effect.andThen(Scope.close(scope, exit), spoolClosed)
      )
    )
  })

const open = Effect.fnUntraced(function* <A>(
  { client, ended, options, persistence, table: unloaded }: StreamOpening<A>,
  scope: Scope.Closeable,
  caller: Scope.Scope,
  prepared: Prepared
): Effect.fn.Return<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> {
  yield* checkTable(unloaded)
  const given = yield* withProtocol(unloaded)
  yield* checkFit(given, options, persistence !== undefined)
  const resolved = resolve(options)
  if (Result.isFailure(resolved)) return yield* resolved.failure
  const settings = settingsOf(given, resolved.success, persistence !== undefined)
  const followed = yield* followTable(given, settings)
  const table = followed?.table ?? given
  const rpc = persistence === undefined ? rpcOf(table) : persistentRpc(table, persistence.streamId)
  const pooling = yield* Pooled
  const outside = pooling === undefined ? undefined : unpooled(options)
  if (outside !== undefined) return yield* outside
  const core =
    settings.lanes > 1
      ? yield* makeLanes(table, settings, client.turns, ended)
      : yield* makeSingleLane(
          yield* makeStreamCore(table, settings, pooling?.turns ?? client.turns, rpc, pooling),
          persistence,
          ended
        )
  prepared.core = core
  for (const each of [core, ...core.lanes]) each.followed = followed

  const origin: Origin = { core, scope, options, handedBack: "nothing", recreated: false }
  const leave = Effect.suspend(() => (core.ended ? leaveScope(origin) : Effect.void))
  // A stream with a spool takes records before the server is reached, once its offsets are known.
  // So does a stream of a pool, whose tables take turns.
  const opensLater =
    pooling !== undefined || (core.spooled !== undefined && core.lanes[0]?.fresh === false)
  const openings: Array<Effect.Effect<void, StreamFailure>> = []
  for (const lane of core.lanes) {
    const opened = new Answer<void, StreamFailure>()
    if (opensLater || lane.slot?.isHeld === false) opened.doneUnsafe(Exit.void)
    const supervised = supervise(lane, settings.headersProvider ?? client.provider, opened)
    const annotated = Effect.annotateLogs(
      inItsTime(core, lane, supervised),
      annotationsOf(core, lane)
    )
    // A handler may open streams outside of the pool.
    const unrelated =
      pooling === undefined ? annotated : Effect.provideService(annotated, Pooled, undefined)
    yield* forkSupervisor(lane, unrelated, opened, scope, leave)
    openings.push(opened.await)
  }
  yield* openedTogether(core, openings, ended)
  yield* followedLoad(core, scope)

  const made = new OpenStream(core, origin)
  const stream =
    persistence === undefined
      ? made
      : Object.assign(made, { resumedAt: Offset(nextOffsetOf(core)) })
  yield* Effect.addFinalizer((exit) => {
    const interrupted = Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)
    return shielded(
      closeWithScope(core, origin, stream.streamId, { interrupted, spent: spentOf(caller) })
    )
  })
  return stream
})

/**
 * Prepares the core of a stream with one lane: adopts the unacknowledged records of an ended one,
 * and opens its spool.
 */
const makeSingleLane = Effect.fnUntraced(function* <A>(
  core: StreamCore<A>,
  persistence: Persistence | undefined,
  ended: StreamFace<A> | undefined
) {
  const adopted =
    ended?.spooled === undefined && ended?.zone instanceof LandingZone
      ? ended.zone.unackedUnsafe()
      : []
  const [oldest] = adopted
  if (persistence !== undefined && oldest !== undefined) {
    core.fresh = false
    core.zone.nextOffset = oldest.offset
    core.acks.watermark = oldest.offset - 1
  }
  core.zone.adoptUnsafe(adopted)
  const { fed, options } = core
  if (fed !== undefined) yield* openSpool(core, fed, options.spool!)
  return core
})

/**
 * The public stream over a core. Members that programs seldom read are made on reading, so that an
 * open stream holds little more than its core.
 */
class OpenStream<A> extends Originated implements ZerobusStream<A> {
  readonly table: TableProperties<A>
  readonly streamId: string
  readonly ingestRecord: ZerobusStream<A>["ingestRecord"]
  readonly ingestRecords: ZerobusStream<A>["ingestRecords"]
  readonly offerUnsafe: ZerobusStream<A>["offerUnsafe"]
  // Private at run time: streams are often logged, and the core holds credentials and records.
  readonly #core: StreamFace<A>
  readonly #origin: Origin
  readonly #makeIntake: (() => Intake<A>) | undefined

  constructor(core: StreamFace<A>, origin: Origin) {
    super(origin)
    this.table = core.table
    this.streamId = streamIdOf(core)
    const spooled = core.spooled === undefined ? undefined : makeSpooledIngest(core, core.spooled)
    const { ingestRecord, ingestRecords, offerUnsafe } = spooled ?? makeIngest(core)
    this.ingestRecord = ingestRecord
    this.ingestRecords = ingestRecords
    this.offerUnsafe = offerUnsafe
    this.#core = core
    this.#origin = origin
    this.#makeIntake = spooled?.makeIntake
  }

  get sessionId(): Effect.Effect<string> {
    return Effect.sync(() => this.#core.sessionId ?? this.streamId)
  }

  get flush(): Effect.Effect<void, AckError> {
    const core = this.#core
    return traced(
      outsideHandler(core, "flush", flushedAll(core, "flush")),
      "ZerobusStream.flush",
      attributesOf(this)
    )
  }

  get close(): Effect.Effect<void, AckError> {
    const core = this.#core
    const closing = closeOnce(
      this.#origin,
      Effect.suspend(() => flushedAll(core, "close"))
    )
    return outsideHandler(core, "close", traced(closing, "ZerobusStream.close", attributesOf(this)))
  }

  get waitForOffset(): ZerobusStream<A>["waitForOffset"] {
    const core = this.#core
    return (offset) =>
      Effect.suspend((): Effect.Effect<Offset, AckError> =>
        !Number.isSafeInteger(offset) || offset < 0 || offset >= nextOffsetOf(core)
          ? Effect.fail(
              new InvalidArgument({
                message: `The stream has not given out offset ${String(offset)} yet.`,
                path: ["offset"]
              })
            )
          : awaitSettled(core, offset)
      )
  }

  get getUnackedRecords(): ZerobusStream<A>["getUnackedRecords"] {
    return Effect.map(readable(this.#core, this.#origin), ({ records }) => records)
  }

  get getUnackedBatches(): ZerobusStream<A>["getUnackedBatches"] {
    return Effect.map(readable(this.#core, this.#origin), ({ batches }) => batches)
  }

  get getUnackedPayloads(): ZerobusStream<A>["getUnackedPayloads"] {
    return unackedPayloads(this.#core, this.#origin)
  }

  get durableOffsets(): ZerobusStream<A>["durableOffsets"] {
    const core = this.#core
    return Stream.paginate(-1, (seen: number) =>
      Effect.map(
        core.acks.beyond(seen),
        (offset) => [[offset], Option.some<number>(offset)] as const
      )
    ).pipe(Stream.catchCause((cause) => endOfStream(core, cause)))
  }

  get stateChanges(): ZerobusStream<A>["stateChanges"] {
    return this.#core.states.changes
  }

  get toSink(): ZerobusStream<A>["toSink"] {
    return Sink.suspend(() =>
      makeSink(this.#core, this.flush, this.#makeIntake?.() ?? oneByOne(this))
    )
  }
}

/** The attributes of the spans of a stream's calls. */
const attributesOf = ({ streamId, table }: ZerobusStream<any>) => ({
  table: table.tableName,
  stream: streamId
})

/**
 * Waits for everything accepted so far. An ended stream returns its outcome, whether or not it has
 * unacknowledged records.
 */
const flushed = (
  core: StreamFace<any>,
  operation: "flush" | "close"
): Effect.Effect<void, AckError> =>
  Effect.withFiber((fiber): Effect.Effect<void, AckError> => {
    if (core.ended) {
      return Effect.fail(core.failure ?? streamClosed(core, operation))
    }
    const target = nextOffsetOf(core) - 1
    if (target <= core.acks.watermark)
      return core.failure === undefined ? Effect.void : Effect.fail(core.failure)
    return waitLimited(core, fiber, operation, (limit) =>
      core.acks.settled(Offset(target), limit)
    ).pipe(
      Effect.mapError((error) =>
        error._tag === "StreamClosed" && error.cause === undefined
          ? streamClosed(core, operation)
          : error
      ),
      Effect.asVoid
    )
  })

/**
 * Like `flushed`, after pending writes of the spool have succeeded or failed. Records of a failed
 * write take no offset.
 */
const flushedAll = (
  core: StreamFace<any>,
  operation: "flush" | "close"
): Effect.Effect<void, AckError> =>
  core.spooled === undefined
    ? flushed(core, operation)
    : Effect.andThen(spoolFlushed(core, operation), flushed(core, operation))

/** An orderly close ends the stream of durable offsets; a failure fails it. */
const endOfStream = (
  core: StreamFace<any>,
  cause: Cause.Cause<AckFailure>
): Stream.Stream<never, AckFailure> =>
  core.failure === undefined &&
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error._tag === "StreamClosed")
    ? Stream.empty
    : Stream.failCause(cause)

const oneByOne = <A>(stream: ZerobusStream<A>): Intake<A> => ({
  take: (records, note) =>
    Effect.gen(function* () {
      for (const record of records) note((yield* stream.ingestRecord(record)).offset)
    }),
  settled: Effect.void
})

const makeSink = <A>(
  core: StreamFace<A>,
  flush: Effect.Effect<void, AckError>,
  intake: Intake<A>
): Sink.Sink<SinkSummary, A, never, IngestError | AckError> => {
  const zone = core.spooled ?? core.zone
  const bytesBefore = zone.acceptedBytes
  /**
   * The offsets of its records: few ranges, unless other callers ingest into the stream at the same
   * time.
   */
  const taken: Array<OffsetRange> = []
  let records = 0
  let lastOffset = -1
  const raising = <E extends IngestError>(effect: Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.tapError(effect, (error) => Effect.sync(() => noteRaised(core, error)))
  const note = (offset: number): void => {
    lastOffset = offset
    extend(taken, offset)
    records++
  }
  return Sink.forEachArray((batch: ReadonlyArray<A>) => raising(intake.take(batch, note))).pipe(
    Sink.mapEffect(() =>
      records === 0 ? Effect.void : Effect.andThen(raising(intake.settled), flush)
    ),
    Sink.map((): SinkSummary => {
      const refused = core.acks.refusedIn(taken)
      return {
        records: records - refused,
        refused,
        bytes: zone.acceptedBytes - bytesBefore,
        lastOffset
      }
    })
  )
}
