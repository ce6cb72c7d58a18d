/**
 * Makes the public stream over a core: opens it in the caller's scope, forks the supervisor, and closes it when the scope closes.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { HeadersProviderShape } from "../HeadersProvider.ts"
import { Offset } from "../Offset.ts"
import type { AckError } from "../RecordAck.ts"
import { resolve, type StreamConfigurationOptions } from "../StreamConfigurationOptions.ts"
import type { TableProperties } from "../TableProperties.ts"
import type { Transport } from "../Transport.ts"
import { type FlushTimeout, InvalidArgument, InvalidState, StreamClosed, type StreamFailure } from "../ZerobusError.ts"
import type { IngestError, SinkSummary, ZerobusStream } from "../ZerobusStream.ts"
import type { Message } from "./chunk.ts"
import { supervise } from "./supervisor.ts"
import { type AckFailure, makeStreamCore, refuseRecordsUnsafe, type StreamCore, streamClosed } from "./streamCore.ts"
import { awaitOffset, makeIngest, withinLimit } from "./streamIngest.ts"
import { checkTableName } from "./tableName.ts"
import { isMessage } from "./wire.ts"

/** The cores of live stream objects, for `recreateStream`. */
const origins = new WeakMap<object, Origin>()

interface Origin {
  readonly core: StreamCore<any>
  readonly options: StreamConfigurationOptions<any>
  /** Whether the unacknowledged records were handed back, by reading them or by recreating the stream. */
  handedBack: boolean
  recreated: boolean
}

/** Opens a stream in the current scope. */
export const openStream = <A>(
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  layerProvider: HeadersProviderShape
): Effect.Effect<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => openInOwnScope(restore, table, options, layerProvider, []))

/**
 * Opens a stream like an ended one, which hands over what it has left. Refused while that is active, and the second time; when the new
 * one does not open, or the caller gives up, the records stay with the ended one and it can be tried again.
 */
export const reopenStream = <A>(
  ended: ZerobusStream<A>,
  layerProvider: HeadersProviderShape
): Effect.Effect<ZerobusStream<A>, StreamFailure | InvalidState, Transport | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(takeOver(ended), ({ messages, options, table }) =>
      openInOwnScope(restore, table, options, layerProvider, messages).pipe(
        Effect.onExit((exit) => Effect.sync(() => tookOver(ended, exit)))
      )
    )
  )

/** Opens a stream; `adopted` messages go first. Only what `restore` is applied to can be interrupted. */
const openInOwnScope = <A>(
  restore: <X, E, R>(effect: Effect.Effect<X, E, R>) => Effect.Effect<X, E, R>,
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  layerProvider: HeadersProviderShape,
  adopted: ReadonlyArray<Message>
): Effect.Effect<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> =>
  Effect.gen(function* () {
    // A scope of its own: a stream that did not open, or was closed, leaves nothing in the caller's.
    const scope = yield* Scope.fork(yield* Scope.Scope)
    return yield* restore(open(table, options, layerProvider, adopted, scope)).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })

const open = Effect.fnUntraced(function* <A>(
  table: TableProperties<A>,
  options: StreamConfigurationOptions<A>,
  layerProvider: HeadersProviderShape,
  adopted: ReadonlyArray<Message>,
  scope: Scope.Closeable
): Effect.fn.Return<ZerobusStream<A>, StreamFailure, Transport | Scope.Scope> {
  yield* checkTableName(table.tableName)
  if (table.recordType !== "json" && table.recordType !== "proto") {
    return yield* new InvalidArgument({
      message: "The record type must be json or proto. Make the table with TableProperties or Table.make.",
      path: ["recordType"]
    })
  }
  if (table.recordType === "proto" && (table.descriptor?.length ?? 0) === 0) {
    return yield* new InvalidArgument({
      message: `The table ${table.tableName} takes protobuf records, but has no descriptor. Pass a serialized DescriptorProto.`,
      path: ["descriptor"]
    })
  }
  if (table.descriptor !== undefined && !isMessage(table.descriptor)) {
    return yield* new InvalidArgument({
      message: `The descriptor of ${table.tableName} is not a protobuf message. Pass a serialized DescriptorProto, not its text or base64.`,
      path: ["descriptor"]
    })
  }
  const resolved = resolve(options)
  if (Result.isFailure(resolved)) return yield* resolved.failure
  const core = yield* makeStreamCore(table, resolved.success)
  core.zone.adoptUnsafe(adopted)

  const opened = Deferred.makeUnsafe<void, StreamFailure>()
  yield* supervise(core, resolved.success.headersProvider ?? layerProvider, opened).pipe(
    // A defect must reach those who wait: nobody joins this fiber.
    Effect.onExit((exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        : Effect.sync(() => {
            core.ended = true
            core.acks.settleUnsafe(Exit.failCause(exit.cause))
            refuseRecordsUnsafe(core)
            core.acks.endUnsafe(Exit.failCause(exit.cause))
            Deferred.doneUnsafe(opened, Exit.failCause(exit.cause))
            Deferred.doneUnsafe(core.finished, Exit.void)
          })
    ),
    Effect.annotateLogs({ table: table.tableName }),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* Deferred.await(opened)

  const stream = makeStream(core, scope)
  const origin: Origin = { core, options, handedBack: false, recreated: false }
  origins.set(stream, origin)
  yield* Effect.addFinalizer(() => closeWithScope(core, origin, stream.streamId))
  return stream
})

/** What `recreateStream` needs of an ended stream; refused while it is active, and the second time. */
const takeOver = <A>(
  stream: ZerobusStream<A>
): Effect.Effect<
  {
    readonly table: TableProperties<A>
    readonly options: StreamConfigurationOptions<A>
    readonly messages: ReadonlyArray<Message>
  },
  InvalidState
> =>
  Effect.suspend(() => {
    const origin = origins.get(stream)
    if (origin === undefined)
      return Effect.fail(new InvalidState({ message: "Only streams of createStream can be recreated." }))
    if (!origin.core.ended) {
      return Effect.fail(new InvalidState({ message: "The stream is still active. Close it before it is recreated." }))
    }
    if (origin.recreated) {
      return Effect.fail(
        new InvalidState({ message: "The stream was recreated already; doing it again would send its records twice." })
      )
    }
    origin.recreated = true
    const messages = origin.core.zone.unackedUnsafe()
    return Effect.succeed({ table: stream.table, options: origin.options as StreamConfigurationOptions<A>, messages })
  })

/** Says how taking over ended, so that a failed recreate can be tried again. */
const tookOver = (stream: ZerobusStream<any>, exit: Exit.Exit<unknown, unknown>): void => {
  const origin = origins.get(stream)
  if (origin === undefined) return
  if (Exit.isSuccess(exit)) origin.handedBack = true
  else origin.recreated = false
}

const makeStream = <A>(core: StreamCore<A>, scope: Scope.Closeable): ZerobusStream<A> => {
  const { acks, zone } = core
  const streamId = core.sessionId ?? `stream-${core.table.tableName}`

  const { ingestRecord, ingestRecords, offerUnsafe } = makeIngest(core)

  /** Waits for what was accepted so far. An ended stream gives its outcome, whether or not something is left. */
  const flushed = (operation: "flush" | "close", millis: number) =>
    Effect.suspend((): Effect.Effect<void, AckError> => {
      if (core.ended) {
        return Effect.fail(core.failure ?? streamClosed(core, operation))
      }
      const target = zone.nextOffset - 1
      if (target <= acks.watermark) return core.failure === undefined ? Effect.void : Effect.fail(core.failure)
      return Effect.asVoid(withinLimit(core, acks.await(Offset(target)), operation, millis))
    })

  const close = makeClose(
    core,
    scope,
    Effect.suspend(() => flushed("close", core.options.flushTimeout))
  )

  const unacked = Effect.suspend(() => {
    if (!core.ended) {
      return Effect.fail(
        new InvalidState({
          message: "The stream is still active. Unacknowledged records can be read after close or failure."
        })
      )
    }
    return Effect.succeed(zone.unackedUnsafe())
  })
  const handBack = () => {
    const origin = origins.get(stream)
    if (origin !== undefined) origin.handedBack = true
  }
  const read = (payload: Uint8Array): A => core.table.codec.read(payload)

  const stream: ZerobusStream<A> = {
    table: core.table,
    streamId,
    sessionId: Effect.sync(() => core.sessionId ?? streamId),
    ingestRecord,
    ingestRecords,
    offerUnsafe,
    flush: Effect.withSpan(flushed("flush", core.options.flushTimeout), "ZerobusStream.flush", {
      attributes: { table: core.table.tableName, stream: streamId }
    }),
    close,
    waitForOffset: (offset) =>
      Effect.suspend((): Effect.Effect<Offset, AckError> =>
        !Number.isSafeInteger(offset) || offset < 0 || offset >= zone.nextOffset
          ? Effect.fail(
              new InvalidArgument({
                message: `The stream has not given out offset ${String(offset)} yet.`,
                path: ["offset"]
              })
            )
          : awaitOffset(core, offset)
      ),
    getUnackedRecords: Effect.map(unacked, (messages) => {
      handBack()
      return messages.flatMap((message) => message.payloads().map(read))
    }),
    getUnackedBatches: Effect.map(unacked, (messages) => {
      handBack()
      return messages.flatMap((message): ReadonlyArray<ReadonlyArray<A>> => {
        const records = message.payloads().map(read)
        return message.atomic ? [records] : records.map((record) => [record])
      })
    }),
    durableOffsets: Stream.paginate(-1, (seen: number) =>
      Effect.map(acks.beyond(seen), (offset) => [[offset], Option.some<number>(offset)] as const)
    ).pipe(Stream.catchCause((cause) => endOfStream(core, cause))),
    stateChanges: SubscriptionRef.changes(core.state).pipe(
      Stream.takeUntil((state) => state === "closed" || state === "failed")
    ),
    toSink: Sink.suspend(() => makeSink(core, stream))
  }
  return stream
}

/** An orderly close ends the stream of durable offsets; a failure fails it. */
const endOfStream = (core: StreamCore<any>, cause: Cause.Cause<AckFailure>): Stream.Stream<never, AckFailure> =>
  core.failure === undefined &&
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error._tag === "StreamClosed")
    ? Stream.empty
    : Stream.failCause(cause)

/**
 * `close` runs once, in a fiber of its own, so that a caller who gives up does not leave it half done; everybody gets the same
 * result. The fiber is bounded in time by the flush limit, and not tied to a scope, since a finalizer may be what calls it.
 */
const makeClose = (
  core: StreamCore<any>,
  scope: Scope.Closeable,
  flushed: Effect.Effect<void, AckError>
): Effect.Effect<void, AckError> => {
  let result: Deferred.Deferred<void, AckError> | undefined
  const start = Effect.suspend(() => {
    const done = Deferred.makeUnsafe<void, AckError>()
    result = done
    const wasFinished = core.ended
    refuseRecordsUnsafe(core)
    const closing = Effect.gen(function* () {
      const failure = core.failure
      const exit = wasFinished ? (failure === undefined ? Exit.void : Exit.fail(failure)) : yield* Effect.exit(flushed)
      Deferred.doneUnsafe(core.closeRequested, Exit.void)
      yield* Deferred.await(core.finished)
      // With records left the scope stays, since they are still to be read or handed to `onUnacked`.
      if (core.zone.isEmpty) yield* Scope.close(scope, Exit.void)
      Deferred.doneUnsafe(done, exit)
    })
    return Effect.as(Effect.forkDetach(closing, { startImmediately: true }), done)
  })
  // Only the waiting can be interrupted: once somebody has begun to close, the fiber that does it must be running.
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.suspend(() => (result === undefined ? start : Effect.succeed(result))),
      (done) => restore(Deferred.await(done))
    )
  )
}

/** The least time that an `onUnacked` handler gets, in milliseconds. */
const HANDLER_LIMIT = 5_000

/** Runs the user's handler; what goes wrong in it is logged, and a scope never waits for it longer than this. */
const handOver = (handler: Effect.Effect<void>, millis: number): Effect.Effect<void> =>
  Effect.timeoutOption(Effect.interruptible(handler), millis).pipe(
    Effect.flatMap((done) =>
      Option.isSome(done)
        ? Effect.void
        : Effect.logWarning("The onUnacked handler took too long and was interrupted", { limitMillis: millis })
    ),
    Effect.catchCause((cause) => Effect.logWarning("The onUnacked handler failed", { kinds: cause.reasons.map((reason) => reason._tag) }))
  )

/** The scope closes: flush within a bound, end the stream, and hand what is left to `onUnacked`. */
const closeWithScope = Effect.fnUntraced(function* (core: StreamCore<any>, origin: Origin, streamId: string) {
  const { onUnacked, scopeCloseTimeout } = core.options
  const { acks, table, zone } = core
  let timedOut: FlushTimeout | undefined
  if (!core.ended) {
    refuseRecordsUnsafe(core)
    const target = zone.nextOffset - 1
    const flush = yield* Effect.exit(withinLimit(core, acks.await(Offset(target)), "close", scopeCloseTimeout))
    if (Exit.isFailure(flush)) {
      const error = flush.cause.reasons.find(Cause.isFailReason)?.error
      if (error?._tag === "FlushTimeout") timedOut = error
    }
    Deferred.doneUnsafe(core.closeRequested, Exit.void)
  }
  // What comes after this finalizer interrupts the supervisor, which may still have to tell somebody.
  yield* Deferred.await(core.finished)
  const messages = zone.unackedUnsafe()
  if (messages.length === 0 || origin.handedBack) return
  const records = messages.flatMap((message) => message.payloads().map((payload) => table.codec.read(payload)))
  const cause = core.failure ?? timedOut ?? new StreamClosed({ operation: "close" })
  yield* onUnacked === undefined
    ? Effect.logWarning("A stream ended with records that were not acknowledged and that nobody read", {
        table: table.tableName,
        streamId,
        records: records.length,
        cause: cause.message
      })
    : handOver(
        Effect.suspend(() => onUnacked({ tableName: table.tableName, streamId, records, cause })),
        Math.max(scopeCloseTimeout, HANDLER_LIMIT)
      )
})

const makeSink = <A>(
  core: StreamCore<A>,
  stream: ZerobusStream<A>
): Sink.Sink<SinkSummary, A, never, IngestError | AckError> => {
  const bytesBefore = core.zone.acceptedBytes
  let records = 0
  let lastOffset = -1
  return Sink.forEachArray((batch: ReadonlyArray<A>) =>
    Effect.gen(function* () {
      for (const record of batch) {
        lastOffset = (yield* stream.ingestRecord(record)).offset
        records++
      }
    })
  ).pipe(
    Sink.mapEffect(() => (records === 0 ? Effect.void : stream.flush)),
    Sink.map((): SinkSummary => ({ records, bytes: core.zone.acceptedBytes - bytesBefore, lastOffset }))
  )
}
