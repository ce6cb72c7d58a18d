/**
 * The owner's side of a shard: one stream at a time that ingests the shard's batches in order of
 * arrival.
 *
 * A stream is opened for the first batch and replaced when it has ended. Records that were not
 * durable are returned to the senders with the reason. Batches in the message storage stay here
 * instead and come first in the next stream, in order.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { RecordAck } from "../RecordAck.ts"
import type {
  InvalidArgument,
  PayloadTooLarge,
  StreamFailure,
  ZerobusError
} from "../ZerobusError.ts"
import type { ZerobusStream } from "../ZerobusStream.ts"
import type { Outcome } from "./shardProtocol.ts"

/** A batch received for the shard. */
export interface ShardBatch {
  readonly payloads: ReadonlyArray<Uint8Array>
  /** Whether the message storage holds it until it has a reply. */
  readonly stored: boolean
  readonly reply: (outcome: Outcome) => Effect.Effect<void>
}

/** A batch that the stream has accepted fully or in part. */
interface Taken {
  readonly batch: ShardBatch
  /** The receipt of each record, or why the stream refused it. */
  readonly receipts: ReadonlyArray<RecordAck | InvalidArgument | PayloadTooLarge>
  /** Why the stream did not accept the others. */
  readonly failure: ZerobusError | undefined
}

export type OpenShardStream = Effect.Effect<ZerobusStream<Uint8Array>, StreamFailure, Scope.Scope>

/** Pause before stored batches are retried, after the stream's own retries have failed. */
const pause = Schedule.jittered(
  Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])
)

const pauses = Schedule.toStepWithSleep(pause)

const isReceipt = (receipt: Taken["receipts"][number]): receipt is RecordAck => "poll" in receipt

/** The cause of a closed stream, else the error itself. */
const reasonOf = (error: ZerobusError): ZerobusError =>
  (error._tag === "StreamClosed" && error.cause) || error

/** Ingests a batch. Fails when the stream has ended. */
const take = (stream: ZerobusStream<Uint8Array>, batch: ShardBatch) =>
  Effect.gen(function* () {
    const receipts: Array<Taken["receipts"][number]> = []
    let failure: ZerobusError | undefined
    while (receipts.length < batch.payloads.length && failure === undefined) {
      const taken = yield* Effect.result(stream.ingestRecord(batch.payloads[receipts.length]!))
      if (taken._tag === "Success") receipts.push(taken.success)
      else if (
        taken.failure._tag === "InvalidArgument" ||
        taken.failure._tag === "PayloadTooLarge"
      ) {
        receipts.push(taken.failure)
      } else if (taken.failure._tag !== "FlushTimeout") return yield* taken.failure
      else if (!batch.stored) failure = taken.failure
    }
    return { batch, receipts, failure } satisfies Taken
  })

/**
 * Waits until the accepted records of a batch are durable or refused, and replies. Fails when the
 * stream has ended before.
 */
const finish = (stream: ZerobusStream<Uint8Array>, { batch, failure, receipts }: Taken) =>
  Effect.gen(function* () {
    const last = receipts.findLast(isReceipt)
    let late: ZerobusError | undefined
    if (last !== undefined) {
      const wait = stream.waitForOffset(last.offset)
      yield* batch.stored
        ? Effect.retry(wait, { while: ({ _tag }) => _tag === "FlushTimeout" })
        : Effect.catchTag(wait, "FlushTimeout", (timeout) => Effect.sync(() => (late = timeout)))
    }
    const refused: Array<Outcome["refused"][number]> = []
    let settled = receipts.length
    for (const [index, receipt] of receipts.entries()) {
      const exit: Option.Option<Exit.Exit<unknown, ZerobusError>> = isReceipt(receipt)
        ? yield* receipt.poll
        : Option.some(Exit.fail(receipt))
      if (Option.isNone(exit)) settled = Math.min(settled, index)
      else if (Exit.isFailure(exit.value)) {
        const reason = exit.value.cause.reasons[0]
        if (reason?._tag === "Fail") refused.push({ index, error: reason.error })
      }
    }
    yield* batch.reply({ settled, refused, failure: late ?? failure })
  })

/** Ingests the batches of the queue, through one stream after another. Never returns. */
export const feedStreams = (
  batches: Queue.Dequeue<ShardBatch>,
  open: OpenShardStream
): Effect.Effect<never> =>
  Effect.gen(function* () {
    /** Waits before stored batches are retried, longer each time. Reset after a reply. */
    let wait: Effect.Success<typeof pauses> | undefined
    /** Batches without a reply, in order of arrival. The last one may be ingested only in part. */
    let unfinished: Array<ShardBatch> = []

    const feed = (stream: ZerobusStream<Uint8Array>) =>
      Effect.gen(function* () {
        const again = unfinished.slice()
        const taken = yield* Queue.unbounded<Taken>()
        const feeding = Effect.gen(function* () {
          for (const batch of again) yield* Queue.offer(taken, yield* take(stream, batch))
          while (true) {
            const batch = yield* Queue.take(batches)
            unfinished.push(batch)
            yield* Queue.offer(taken, yield* take(stream, batch))
          }
        })
        const finishing = Effect.gen(function* () {
          while (true) {
            yield* finish(stream, yield* Queue.take(taken))
            unfinished.shift()
            wait = undefined
          }
        })
        return yield* Effect.raceFirst(feeding, finishing)
      })

    while (true) {
      if (unfinished.length === 0) unfinished.push(yield* Queue.take(batches))
      const ended = reasonOf(yield* Effect.flip(Effect.scoped(Effect.flatMap(open, feed))))
      unfinished.push(...(yield* Queue.clear(batches)))
      const stored = unfinished.filter((batch) => batch.stored)
      for (const batch of unfinished) {
        if (!batch.stored) yield* batch.reply({ settled: 0, refused: [], failure: ended })
      }
      unfinished = stored
      if (stored.length === 0) continue
      yield* Effect.logWarning(
        "The stream of a shard has ended; its stored batches are tried again",
        ended
      )
      wait ??= yield* pauses
      yield* Effect.ignore(wait(undefined))
    }
  })
