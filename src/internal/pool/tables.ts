/**
 * The tables of a pool: the stream of each, opened with its first record, and what happens after
 * one fails.
 *
 *   first record --> open --> its stream, which waits for slots by itself
 *                      ^         | fails
 *                      |         v
 *                      +-- resting: its records are handed back, calls fail with the cause
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { AckError, RecordAck } from "../../RecordAck.ts"
import type { StreamConfigurationOptions } from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { InvalidArgument, InvalidState, type StreamFailure } from "../../ZerobusError.ts"
import type { IngestError, ZerobusStream } from "../../ZerobusStream.ts"
import { Pooled, type Pooling } from "../engine/pooling.ts"
import type { StreamFace } from "../engine/streamCore.ts"
import { originOf } from "../engine/streamUnacked.ts"
import { SharedBudget, SharedZone } from "../landing/sharedZone.ts"
import { Answer } from "../userCode/answer.ts"
import { forkShieldedIn } from "../userCode/forkIn.ts"
import { shielded } from "../userCode/shield.ts"
import { Slot, Slots } from "./slots.ts"

/** How long calls for a failed table fail with its cause, in milliseconds. */
const REST = 10_000

/** What a pool is made of. */
export interface PoolParts<R> {
  /** The client, which opens the streams. */
  readonly zerobus: {
    readonly createStream: (
      table: TableProperties<any>,
      options: StreamConfigurationOptions<any, R>
    ) => Effect.Effect<ZerobusStream<any>, StreamFailure, Scope.Scope | R>
  }
  readonly maxOpen: number
  readonly idleMillis: number
  readonly maxInflightBytes: number
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** Options of each stream. */
  readonly stream: StreamConfigurationOptions<any, R>
}

/** Why a call accepts no record. */
type PoolFailure = IngestError | StreamFailure | InvalidState

/**
 * One call. It finds the table's stream when it runs and delegates to a call of that stream, which
 * `yield*` may answer without a pass through the fiber's run loop.
 */
class PoolIngest extends Effectable.Class<RecordAck, PoolFailure> {
  readonly #find: () => Effect.Effect<RecordAck, PoolFailure>

  constructor(find: () => Effect.Effect<RecordAck, PoolFailure>) {
    super()
    this.#find = find
  }

  asEffect(): Effect.Effect<RecordAck, PoolFailure> {
    return Effect.suspend(this.#find)
  }

  override [Symbol.iterator](): Effect.EffectIterator<Effect.Effect<RecordAck, PoolFailure>> {
    return Fiber.getCurrent() === undefined
      ? super[Symbol.iterator]()
      : this.#find()[Symbol.iterator]()
  }
}

/** The stream of a table with its core. */
interface Opened {
  readonly stream: ZerobusStream<any>
  readonly core: StreamFace<any>
  /** Whether a flush has reported its failure. */
  isTold: boolean
}

/** One table. */
interface Entry {
  /** The table as it was first used. */
  readonly table: TableProperties<any>
  /** Its stream, while it has one. */
  opened: Opened | undefined
  /** Set while its stream is being opened. */
  opening: Answer<Opened, StreamFailure> | undefined
  /** Why its latest stream ended, and until when calls fail with that. */
  failure: { readonly cause: StreamFailure; readonly until: number } | undefined
  /** Why records were left unacknowledged, until a flush reports it. */
  untold: StreamFailure | undefined
}

/** Whether a flush of the pool has to flush or report this table. */
const isDue = ({ opened, untold }: Entry): boolean =>
  untold !== undefined || opened?.core.zone.isEmpty === false

/** Opens a pool in the current scope. */
export const openPool = Effect.fnUntraced(function* <R>({
  idleMillis,
  maxInflightBytes,
  maxOpen,
  now,
  stream: options,
  zerobus
}: PoolParts<R>) {
  const context = yield* Effect.context<R>()
  const fork = yield* shielded(Effect.map(Effect.context<never>(), Effect.runForkWith))
  const budget = new SharedBudget(maxInflightBytes)
  const slots = new Slots({ maxOpen, idleMillis, now, fork })
  const entries = new Map<string, Entry>()
  // A separate scope, so that all tables are flushed in parallel, each with the full time.
  const inside = yield* Scope.make("parallel")
  let closed = false
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      closed = true
      return Effect.ensuring(
        Scope.close(inside, exit),
        Effect.sync(() => slots.endUnsafe())
      )
    })
  )

  /** What the pool provides to the stream of one table. */
  const pooling = (): Pooling => {
    let slot: Slot | undefined
    return {
      turns: budget.turns,
      makeZone: (parts) => new SharedZone(parts, budget, () => slot?.emptiedUnsafe()),
      slotOf: (zone) => (slot = new Slot(slots, zone))
    }
  }

  /** Handles the end of a table's stream: hands its unacknowledged records back. */
  const retire = (entry: Entry, opened: Opened, scope: Scope.Closeable): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { failure: cause } = opened.core
      entry.opened = undefined
      if (cause !== undefined) {
        entry.failure = { cause, until: now() + REST }
        if (!opened.isTold && !opened.core.zone.isEmpty) entry.untold = cause
      }
      return Scope.close(scope, Exit.void)
    })

  const openStream = (
    entry: Entry,
    scope: Scope.Closeable
  ): Effect.Effect<Opened, StreamFailure, R> =>
    Effect.gen(function* () {
      const stream = yield* zerobus.createStream(entry.table, options)
      const core = originOf(stream)?.core
      if (core === undefined) return yield* foreign
      const opened: Opened = { stream, core, isTold: false }
      const ended = Effect.andThen(
        core.finished.await,
        Effect.uninterruptible(retire(entry, opened, scope))
      )
      yield* forkShieldedIn(ended, scope, () => {})
      return opened
    }).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.provideService(Pooled, pooling()),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )

  /** Starts to open the stream of a table, in the context of the pool. */
  const beginOpening = (entry: Entry): Effect.Effect<Answer<Opened, StreamFailure>> =>
    Effect.gen(function* () {
      const opening = new Answer<Opened, StreamFailure>()
      entry.opening = opening
      const scope = yield* Scope.fork(inside)
      const answer = (exit: Exit.Exit<Opened, StreamFailure>): void => {
        if (opening.isDone) return
        entry.opening = undefined
        if (Exit.isSuccess(exit)) entry.opened = exit.value
        else entries.delete(entry.table.tableName)
        const ended = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        opening.doneUnsafe(ended ? Exit.fail(poolClosed()) : exit)
      }
      const opens = openStream(entry, scope).pipe(
        Effect.onExit((exit) => Effect.sync(() => answer(exit))),
        Effect.updateContext((_: Context.Context<never>) => context)
      )
      // In a closed scope it never starts.
      yield* forkShieldedIn(opens, scope, answer)
      return opening
    })

  /**
   * Opens the stream of a table, once for all callers that wait for it. Only the wait can be
   * interrupted.
   */
  const open = (entry: Entry): Effect.Effect<Opened, StreamFailure> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.suspend(() =>
          entry.opening === undefined ? beginOpening(entry) : Effect.succeed(entry.opening)
        ),
        (opening) => restore(opening.await)
      )
    )

  /** The entry of a table, or why its records are not accepted. */
  const entryOf = (
    table: TableProperties<any>
  ): Entry | InvalidArgument | InvalidState | StreamFailure => {
    if (closed) return poolClosed()
    if (typeof table?.tableName !== "string") return noTable()
    const known = entries.get(table.tableName)
    if (known === undefined) {
      const entry: Entry = {
        table,
        opened: undefined,
        opening: undefined,
        failure: undefined,
        untold: undefined
      }
      entries.set(table.tableName, entry)
      return entry
    }
    if (!isSame(known.table, table)) return otherFormat(table.tableName)
    // Receipts of a table fail before its stream is retired, and the next call must fail with the
    // same cause.
    const ended = known.opened?.core.failure
    if (ended !== undefined) return ended
    if (known.failure !== undefined && now() < known.failure.until) return known.failure.cause
    return known
  }

  const ingestLater = <A>(table: TableProperties<A>, record: A) => {
    const entry = entryOf(table)
    if ("_tag" in entry) return Effect.fail(entry)
    return entry.opened === undefined
      ? Effect.flatMap(open(entry), ({ stream }) => stream.ingestRecord(record))
      : entry.opened.stream.ingestRecord(record)
  }

  const ingest = <A>(
    table: TableProperties<A>,
    record: A
  ): Effect.Effect<RecordAck, PoolFailure> => {
    const entry = entries.get(table?.tableName)
    const opened = entry?.opened
    return opened !== undefined &&
      opened.core.failure === undefined &&
      entry!.table === table &&
      !closed
      ? opened.stream.ingestRecord(record)
      : ingestLater(table, record)
  }

  /**
   * Flushes one table. Fails once if the table has failed with unacknowledged records since its
   * last flush.
   */
  const flushTable = (entry: Entry): Effect.Effect<Exit.Exit<void, AckError>> => {
    const { opened, untold } = entry
    entry.untold = undefined
    if (opened === undefined)
      return Effect.succeed(untold === undefined ? Exit.void : Exit.fail(untold))
    const told = Effect.onError(opened.stream.flush, () =>
      Effect.sync(() => {
        opened.isTold = opened.core.failure !== undefined
        entry.untold = undefined
      })
    )
    return Effect.map(Effect.exit(told), (exit) =>
      untold === undefined ? exit : Exit.fail(untold)
    )
  }

  return {
    ingest: <A>(table: TableProperties<A>, record: A): Effect.Effect<RecordAck, PoolFailure> =>
      new PoolIngest(() => ingest(table, record)),
    flush: Effect.suspend((): Effect.Effect<void, AckError> => {
      const due = [...entries.values()].filter(isDue)
      const flushed = Effect.forEach(due, flushTable, { concurrency: "unbounded" })
      return Effect.flatMap(flushed, (exits) => exits.find(Exit.isFailure) ?? Effect.void)
    })
  }
})

/** Whether two tables of the same name take records of the same format, by the same rules. */
const isSame = (one: TableProperties<any>, other: TableProperties<any>): boolean =>
  one === other ||
  (one.recordType === other.recordType &&
    one.codec === other.codec &&
    (one.descriptor === other.descriptor ||
      (one.descriptor !== undefined &&
        other.descriptor !== undefined &&
        Buffer.compare(one.descriptor, other.descriptor) === 0)))

const poolClosed = (): InvalidState =>
  new InvalidState({ message: "The scope of the pool has closed, so it takes no more records." })

const noTable = (): InvalidArgument =>
  new InvalidArgument({
    message: "The first argument must be a table, made with TableProperties or Table.make.",
    path: ["table"]
  })

const otherFormat = (tableName: string): InvalidState =>
  new InvalidState({
    message:
      `The pool has records of ${tableName.slice(0, 200)} in another format or schema. ` +
      "Make the table once and use it for all its records."
  })

const foreign = new InvalidState({
  message: "The pool's streams do not come from Zerobus.layer or ZerobusLayer. Provide one of them."
})
