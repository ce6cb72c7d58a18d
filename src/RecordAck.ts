/**
 * The receipt of one ingest call.
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { Offset } from "./Offset.ts"
import type { FlushTimeout, StreamClosed, StreamFailure } from "./ZerobusError.ts"

/**
 * Why an offset did not become durable: what ended the stream, its closing, or the limit of the
 * wait.
 *
 * @since 0.1.0
 * @category errors
 */
export type AckError = StreamFailure | StreamClosed | FlushTimeout

/**
 * The receipt of one ingested record or batch. It costs nothing until it is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordAck {
  /** The position in the stream. */
  readonly offset: Offset
  /**
   * Waits until the record survives the process: with a spool until it is in the spool's log,
   * without one until it is durable. Fails as `await` does; with `Retryable` of reason
   * `SpoolUnavailable` when the log could not be written, which then does not hold the record.
   */
  readonly persisted: Effect.Effect<void, AckError>
  /**
   * Waits until the server has said that the record is durable, at most `flushTimeout`. Fails with
   * what ended the stream, with `StreamClosed`, or with `FlushTimeout`, after which the record may
   * still become durable. Many receipts may be awaited at once, in any order. With several lanes it
   * waits for its own record, whatever the other lanes have.
   */
  readonly await: Effect.Effect<Offset, AckError>
  /** How it stands now: `None` while it is neither durable nor failed. */
  readonly poll: Effect.Effect<Option.Option<Exit.Exit<Offset, StreamFailure | StreamClosed>>>
}
