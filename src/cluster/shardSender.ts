/**
 * Collects records for shards and sends them to the owners, one batch per shard at a time.
 *
 * While a batch is in flight, new records of its shard wait for the next one. A batch is sent again
 * until its owner has replied, even when the shard moves several times, so that records of a shard
 * leave this process in order. There is no other limit on waiting records: each belongs to a call
 * that waits for it.
 */
import * as Cause from "effect/Cause"
import type * as ClusterError from "effect/cluster/ClusterError"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Retryable, RetryableReason, StreamClosed, type ZerobusError } from "../ZerobusError.ts"
import type { Outcome } from "./shardProtocol.ts"

/** A record that waits for its batch or is part of it. */
export interface Waiting {
  /** Tag, length and payload. */
  readonly content: Uint8Array
  /** Whether it succeeds once the message storage contains it. */
  readonly stored: boolean
  readonly done: (exit: Exit.Exit<void, ZerobusError>) => void
}

export interface SenderOptions {
  readonly maxRecords: number
  readonly maxBytes: number
  /** Time limit of one batch in milliseconds. */
  readonly timeout: number
  /** How long closing waits for batches in flight, in milliseconds. */
  readonly closeTimeout: number
}

type SendError =
  | ClusterError.MailboxFull
  | ClusterError.AlreadyProcessingMessage
  | ClusterError.PersistenceError
  | ClusterError.EntityNotAssignedToRunner

/** Sends a batch to the owner of a shard. Without an outcome, the batch was stored. */
export type SendBatch = (
  shard: number,
  records: Uint8Array,
  stored: boolean
) => Effect.Effect<Outcome | undefined, SendError>

/** The owner did not process the batch, or stopped while processing it. */
class Unprocessed extends Data.TaggedError("Unprocessed") {}

const pause = Schedule.jittered(Schedule.min([Schedule.exponential(20), Schedule.spaced(1000)]))

/** The records of one shard, in order. Those of the batch in flight come first. */
class Line {
  readonly waiting: Array<Waiting> = []
  readonly filled = Latch.makeUnsafe(false)
  sending = false

  push(record: Waiting): void {
    this.waiting.push(record)
    this.filled.openUnsafe()
  }

  /** The next batch: at least one record, all of them stored or none. */
  next({ maxBytes, maxRecords }: SenderOptions): ReadonlyArray<Waiting> {
    const { stored } = this.waiting[0]!
    let bytes = 0
    let count = 0
    for (const record of this.waiting) {
      bytes += record.content.length
      if (count === maxRecords || record.stored !== stored || (count > 0 && bytes > maxBytes)) break
      count++
    }
    return this.waiting.slice(0, count)
  }
}

const closed = Exit.fail(new StreamClosed({ operation: "ingest" }))

const lateReply = (timeout: number): Retryable => {
  const message =
    `The owner of the record's shard did not reply within ${timeout} ms (timeout). ` +
    "The record may still become durable."
  return new Retryable({ reason: RetryableReason.AckTimeout({ message }), attempts: 1 })
}

/** The failure for the records of a batch, from the cluster's error. */
const failureOf = (
  cause: Cause.Cause<SendError | Retryable | Unprocessed>
): Exit.Exit<void, ZerobusError> => {
  const reason = cause.reasons.find(Cause.isFailReason)?.error
  if (reason === undefined) return Exit.failCause(cause as Cause.Cause<never>)
  if (reason._tag === "Retryable") return Exit.fail(reason)
  if (reason._tag !== "PersistenceError") return closed
  const message =
    "The cluster's message storage failed, so the record may not be stored. Ingest it again."
  return Exit.fail(
    new Retryable({ reason: RetryableReason.SpoolUnavailable({ message }), attempts: 1 })
  )
}

/** Completes each record of a batch. */
const settle = (
  batch: ReadonlyArray<Waiting>,
  exit: Exit.Exit<Outcome | undefined, SendError | Retryable | Unprocessed>
): void => {
  const failed = Exit.isFailure(exit) ? failureOf(exit.cause) : closed
  const outcome = Exit.isSuccess(exit)
    ? (exit.value ?? { settled: batch.length, refused: [] })
    : undefined
  const rest = outcome?.failure === undefined ? failed : Exit.fail(outcome.failure)
  const refused = new Map(outcome?.refused.map(({ error, index }) => [index, error]))
  batch.forEach((record, index) => {
    const refusal = refused.get(index)
    if (refusal !== undefined) record.done(Exit.fail(refusal))
    else record.done(index < (outcome?.settled ?? 0) ? Exit.void : rest)
  })
}

/** Accepts a record for a shard. Returns `false` once the sender is closed. */
export type Accept = (shard: number, record: Waiting) => boolean

/** Creates a sender that is closed with the scope. */
export const makeSender = Effect.fnUntraced(function* (send: SendBatch, options: SenderOptions) {
  const lines = new Map<number, Line>()
  const workers = yield* Scope.make()
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const idle = Latch.makeUnsafe(true)
  let isClosed = false
  let busy = 0

  const sendUntilProcessed = (shard: number, batch: ReadonlyArray<Waiting>) => {
    const records = Buffer.concat(batch.map(({ content }) => content))
    return Effect.suspend(() => send(shard, records, batch[0]!.stored)).pipe(
      // A runner that stops interrupts requests that it has not processed.
      Effect.catchCause((cause): Effect.Effect<never, SendError | Unprocessed> =>
        Cause.hasInterrupts(cause) ? Effect.fail(new Unprocessed()) : Effect.failCause(cause)
      ),
      Effect.tapError(({ _tag: reason }) =>
        Effect.logDebug("The owner of a shard did not take a batch", {
          shard,
          records: batch.length,
          reason
        })
      ),
      Effect.retry({
        schedule: pause,
        while: ({ _tag }: SendError | Unprocessed) =>
          _tag === "Unprocessed" || _tag === "MailboxFull" || _tag === "AlreadyProcessingMessage"
      }),
      Effect.timeoutOrElse({
        duration: Duration.millis(options.timeout),
        orElse: () => Effect.fail(lateReply(options.timeout))
      })
    )
  }

  const work = (shard: number, line: Line) =>
    Effect.forever(
      Effect.gen(function* () {
        yield* line.filled.await
        const batch = line.next(options)
        const exit = yield* Effect.exit(sendUntilProcessed(shard, batch))
        settle(line.waiting.splice(0, batch.length), exit)
        if (line.waiting.length > 0) return
        line.filled.closeUnsafe()
        line.sending = false
        if (--busy === 0) idle.openUnsafe()
      })
    )

  const accept: Accept = (shard, record) => {
    if (isClosed) return false
    let line = lines.get(shard)
    if (line === undefined) {
      lines.set(shard, (line = new Line()))
      Fiber.runIn(run(work(shard, line)), workers)
    }
    if (!line.sending) {
      line.sending = true
      busy++
      idle.closeUnsafe()
    }
    line.push(record)
    return true
  }

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isClosed = true
      yield* Effect.timeoutOption(idle.await, options.closeTimeout)
      yield* Scope.close(workers, Exit.void)
      for (const { waiting } of lines.values())
        waiting.splice(0).forEach(({ done }) => done(closed))
    })
  )
  return accept
})
