/**
 * The receipt of one ingest call.
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { Offset } from "./Offset.ts"
import type { FlushTimeout, StreamClosed, StreamFailure } from "./ZerobusError.ts"

/**
 * Why an offset is not known to be durable: the failure that ended the stream, `StreamClosed`, or
 * the time limit of the wait.
 *
 * @since 0.1.0
 * @category errors
 */
export type AckError = StreamFailure | StreamClosed | FlushTimeout

/**
 * The receipt of one ingested record or batch. It uses no resources until one of its effects runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordAck {
  /** The position in the stream. */
  readonly offset: Offset
  /**
   * Waits until the record survives the process. With a spool, that is when it is in the spool's
   * log; without one, when it is durable. Fails like `await`, and with `Retryable` of reason
   * `SpoolUnavailable` when the log could not be written and does not contain the record.
   */
  readonly persisted: Effect.Effect<void, AckError>
  /**
   * Waits until the server has acknowledged the record as durable, at most `flushTimeout`. Fails
   * with the error that ended the stream, with `StreamClosed`, or with `FlushTimeout`; after a
   * timeout the record may still become durable. Many receipts may be awaited at once, in any
   * order. With several lanes it waits only for its own record.
   */
  readonly await: Effect.Effect<Offset, AckError>
  /** The current result: `None` while the record is neither durable nor failed. */
  readonly poll: Effect.Effect<Option.Option<Exit.Exit<Offset, StreamFailure | StreamClosed>>>
}
