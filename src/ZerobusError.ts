/**
 * All failures of the client as one tagged union, `ZerobusError`.
 *
 * The message of each error says in full sentences what happened and what to do, and `isRetryable`
 * says whether a retry can help. No error contains a secret, a token, a header or the payload of a
 * record. Messages name offsets, sizes, columns and counts.
 *
 * The tag of an error is the name of its class, without a prefix.
 */
import * as Data from "effect/Data"

/**
 * The reason of a transient failure. `message` is a full sentence and never contains server headers
 * or payloads.
 *
 * @since 0.1.0
 * @category errors
 */
export type RetryableReason = Data.TaggedEnum<{
  /** An open connection ended or broke. */
  ConnectionLost: {
    /** What happened. */
    readonly message: string
  }
  /**
   * Opening a stream took longer than `recoveryTimeout`. The message names what it waited for:
   * headers, name resolution, TCP, proxy, TLS, HTTP/2 or the server's answer.
   */
  ConnectTimeout: {
    /** What happened. */
    readonly message: string
  }
  /** The server answered with a temporary status. */
  ServerUnavailable: {
    /** What happened. */
    readonly message: string
    /** The name of the gRPC status. */
    readonly status: string
  }
  /** Records were in flight and none became durable for `serverLackOfAckTimeout`. */
  AckTimeout: {
    /** What happened. */
    readonly message: string
  }
  /**
   * The OAuth endpoint could not be reached, answered 408, 429 or 5xx, or its answer was cut off;
   * or a headers provider failed with an error that is not the client's.
   */
  TokenServiceUnavailable: {
    /** What happened. */
    readonly message: string
    /** The pause that the endpoint requested, in milliseconds. */
    readonly retryAfterMillis?: number | undefined
  }
  /** The Unity Catalog could not be reached, or answered 408, 429 or 5xx. */
  CatalogUnavailable: {
    /** What happened. */
    readonly message: string
  }
  /** The disk or the folder of a spool failed. The record was not accepted. */
  SpoolUnavailable: {
    /** What happened. */
    readonly message: string
  }
}>

/**
 * Constructors of {@link RetryableReason}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const RetryableReason = Data.taggedEnum<RetryableReason>()

/**
 * Additional fields of errors from `withStream` and `sink`, which are reported after the stream has
 * ended.
 */
export interface OfStream {
  /**
   * Number of records that were not acknowledged when the stream ended. The message says where they
   * went.
   */
  readonly unacknowledged?: number | undefined
}

/** Fields of errors whose message is written where they occur. */
export interface Described extends OfStream {
  /** What happened and what to do, as full sentences. */
  readonly message: string
}

/**
 * A transient failure that recovery could not resolve: the retry budget is spent, or recovery is
 * off. Try again later.
 *
 * @since 0.1.0
 * @category errors
 */
export class Retryable extends Data.TaggedError("Retryable")<
  {
    /** Why it failed. */
    readonly reason: RetryableReason
    /** Number of attempts. */
    readonly attempts: number
  } & OfStream
> {
  /** True: trying again can help. */
  readonly isRetryable = true
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    return this.attempts > 1
      ? `${this.reason.message} Gave up after ${this.attempts} attempts.`
      : this.reason.message
  }
}

/**
 * The credentials were refused, or the token is not a valid header value.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidToken extends Data.TaggedError("InvalidToken")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The credentials are valid, but the service principal lacks a privilege on the table.
 *
 * @since 0.1.0
 * @category errors
 */
export class PermissionDenied extends Data.TaggedError("PermissionDenied")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The table name is malformed, or no such table exists.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidTable extends Data.TaggedError("InvalidTable")<
  {
    /** The name as it was given. */
    readonly tableName: string
    /** True when the catalog has no table with this name. */
    readonly isMissing?: boolean | undefined
  } & Described
> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The Zerobus endpoint or the workspace URL is malformed or not allowed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidEndpoint extends Data.TaggedError("InvalidEndpoint")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The TLS handshake was refused: certificate, host name, protocol or ALPN.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsFailure extends Data.TaggedError("TlsFailure")<
  {
    /** The error code of Node or OpenSSL, such as `DEPTH_ZERO_SELF_SIGNED_CERT`. */
    readonly code: string
  } & Described
> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * An option or a record is invalid. Found by the client or refused by the server.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidArgument extends Data.TaggedError("InvalidArgument")<
  {
    /**
     * Path of the invalid value: an option name, or a column path such as `["place", "lat"]`. Empty
     * when the server refused it.
     */
    readonly path: ReadonlyArray<string | number>
    /** The offset of the record or batch that the server refused. Undefined for anything else. */
    readonly offset?: number | undefined
  } & Described
> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The server's code for why a descriptor does not match its table. Unknown codes are kept.
 *
 * @since 0.1.0
 * @category errors
 */
export type SchemaMismatchCause =
  | "FIELD_NOT_IN_TABLE"
  | "MISSING_REQUIRED_COLUMN"
  | "FIELD_OUT_OF_ORDER"
  | "TYPE_INCOMPATIBLE"
  | "FIELD_COUNT_MISMATCH"
  | (string & {})

/**
 * The descriptor or the typed table does not match the table in the catalog. Without `causes`, the
 * table currently accepts no records, for example because another program added a constraint or its
 * folder is gone. The message gives the reason.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaMismatch extends Data.TaggedError("SchemaMismatch")<
  {
    /** What does not fit, by the service's words; empty for another reason. */
    readonly causes: ReadonlyArray<SchemaMismatchCause>
    /** The server's error code, such as `8001`, if any. */
    readonly errorCode?: string | undefined
  } & Described
> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * A record or batch exceeds the limit of one call. Sizes are in records, or in bytes of the encoded
 * request. For a batch, the size counts up to where encoding stopped.
 *
 * @since 0.1.0
 * @category errors
 */
export class PayloadTooLarge extends Data.TaggedError("PayloadTooLarge")<
  {
    /** What the call needs, in bytes or records. */
    readonly size: number
    /** The limit, in the same unit. */
    readonly limit: number
    /** The option that sets the limit. */
    readonly option: "maxPayloadBytes" | "maxInflightBytes" | "maxBatchRecords"
  } & OfStream
> {
  /** False: trying again does not help. */
  readonly isRetryable = false
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    const unit = this.option === "maxBatchRecords" ? "records" : "bytes"
    return (
      `The call needs at least ${this.size} ${unit}, above the limit of ${this.limit} ` +
      `(${this.option}). Split it into smaller calls.`
    )
  }
}

/**
 * The server does not implement the requested operation.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unsupported extends Data.TaggedError("Unsupported")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

const NO_ROOM = "The stream had no room and took nothing; call it again, or raise ingestTimeout."

/** Advice after a `FlushTimeout`, by operation. */
const TIMEOUT_ADVICE: { readonly [operation: string]: string } = {
  close:
    "The stream has ended; nothing was dropped: read getUnackedRecords, or pass the stream to " +
    "recreateStream.",
  ingestRecord: NO_ROOM,
  ingestRecords: NO_ROOM
}

/**
 * A flush, wait or close reached its time limit: the records stay queued or in flight. Or an ingest
 * call reached it while the stream had no room, and accepted nothing. No record was dropped.
 *
 * @since 0.1.0
 * @category errors
 */
export class FlushTimeout extends Data.TaggedError("FlushTimeout")<
  {
    /** The call that reached its limit. */
    readonly operation: "flush" | "close" | "waitForOffset" | "ingestRecord" | "ingestRecords"
    /** The time limit in milliseconds. */
    readonly timeoutMillis: number
    /** Number of offsets that were not durable when the limit was reached. */
    readonly pending: number
    /** The failure of the stream's last recovery, if any: the likely reason for the wait. */
    readonly lastFailure?: StreamFailure | undefined
  } & OfStream
> {
  /** True: trying again can help. */
  readonly isRetryable = true
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    const reason =
      this.lastFailure === undefined
        ? ""
        : ` The stream last recovered from: ${this.lastFailure.message}`
    const what =
      `${this.operation} reached its limit of ${this.timeoutMillis} ms with ` +
      `${this.pending} offsets not yet durable.`
    if (this.unacknowledged !== undefined) return what + reason
    const advice =
      TIMEOUT_ADVICE[this.operation] ?? "Nothing was dropped; call it again, or raise flushTimeout."
    return `${what} ${advice}${reason}`
  }
}

/**
 * The stream was closed or has failed. `cause` is the error that ended it, when one did.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamClosed extends Data.TaggedError("StreamClosed")<
  {
    /** The call that the stream refused or ended. */
    readonly operation: string
    /** The error that ended the stream; undefined for one that was closed. */
    readonly cause?: ZerobusError | undefined
  } & OfStream
> {
  /** Whether trying again can help: as for the error that ended the stream. */
  get isRetryable(): boolean {
    return this.cause?.isRetryable ?? false
  }
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    return this.cause === undefined
      ? `The stream is closed, so ${this.operation} could not complete. Open a new stream with ` +
          `createStream.`
      : `${this.operation} was called on a stream that ended with ${this.cause._tag}: ` +
          `${this.cause.message} ` +
          `Read getUnackedRecords, or pass the stream to recreateStream.`
  }
}

/**
 * The operation is not allowed in the current state of the stream or client: reading unacknowledged
 * records of an active stream, a second `recreateStream`, or a connection of a client whose layer
 * was closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidState extends Data.TaggedError("InvalidState")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The server violated the Zerobus protocol, so its acknowledgements can no longer be trusted.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolViolation extends Data.TaggedError("ProtocolViolation")<Described> {
  /** False: trying again does not help. */
  readonly isRetryable = false
}

/**
 * The errors that can end a stream or prevent it from opening.
 *
 * @since 0.1.0
 * @category errors
 */
export type StreamFailure =
  | Retryable
  | InvalidToken
  | PermissionDenied
  | InvalidTable
  | InvalidEndpoint
  | TlsFailure
  | InvalidArgument
  | SchemaMismatch
  | Unsupported
  | InvalidState
  | ProtocolViolation

/**
 * All failures of the client. The tag of an error is the name of its class, without a prefix:
 * `Effect.catchTag` handles one, `Effect.catchTags` several, `Match.tagsExhaustive` all.
 *
 * @example
 * const opened = zerobus.createStream(table).pipe(
 *   Effect.catchTag("InvalidTable", ({ tableName }) => Effect.die(`Create ${tableName} first.`)),
 *   Effect.catchTag("Retryable", ({ reason }) => Effect.die(`Not now: ${reason._tag}.`))
 * )
 *
 * @since 0.1.0
 * @category errors
 */
export type ZerobusError = StreamFailure | PayloadTooLarge | FlushTimeout | StreamClosed
