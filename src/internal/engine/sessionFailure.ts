/**
 * Why a session could not be opened or has ended: the failure for the stream, and facts that the
 * supervisor decides by.
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import type { HeaderRecord } from "../../HeadersProvider.ts"
import type { Rpc, TransportFailure } from "../../Transport.ts"
import {
  ProtocolViolation,
  Retryable,
  RetryableReason,
  type StreamFailure
} from "../../ZerobusError.ts"
import { classify } from "../grpc/grpcStatus.ts"
import { secretsIn } from "./sessionHeaders.ts"

/** Why a session could not be opened, or ended. */
export class SessionFailure extends Data.TaggedError("SessionFailure")<{
  readonly failure: StreamFailure
  /** True when the server refused the credentials, so that other credentials may help. */
  readonly rejected: boolean
  /**
   * True when the server ended the call with OK. This is expected only during a pause or a close.
   */
  readonly orderly: boolean
  /**
   * True when the status may concern a record in flight: INVALID_ARGUMENT, OUT_OF_RANGE or a schema
   * mismatch.
   */
  readonly refusal: boolean
}> {}

/** Makes a session failure from a failure of the stream. */
export const failed = (
  failure: StreamFailure,
  options: Partial<Record<"rejected" | "orderly" | "refusal", boolean>> = {}
): SessionFailure =>
  new SessionFailure({ failure, rejected: false, orderly: false, refusal: false, ...options })

/** A failed call: its table, its RPC and its headers. */
interface FailedCall {
  readonly table: { readonly tableName: string }
  /** `resumes` is the id of an existing persistent stream. */
  readonly rpc: { readonly name: Rpc; readonly resumes: string | undefined }
  readonly headers: Redacted.Redacted<HeaderRecord>
}

/** INVALID_ARGUMENT and OUT_OF_RANGE. */
const REFUSALS: ReadonlySet<number> = new Set([3, 11])

/** The server broke the protocol. */
export const violation = (message: string) => failed(new ProtocolViolation({ message }))

/** The server ended the call with OK, as it does for every stream that closes. */
const orderlyEnd = failed(
  new Retryable({
    reason: RetryableReason.ConnectionLost({ message: "The server ended the stream." }),
    attempts: 1
  }),
  { orderly: true }
)

/**
 * Converts the end of a call to the failure of its session. Without an error the call ended with
 * OK.
 */
export const fromTransport = (
  call: FailedCall,
  error: TransportFailure | undefined
): SessionFailure => {
  if (error === undefined) return orderlyEnd
  const { headers, rpc, table } = call
  const persistent =
    rpc.name === "PersistentStream" || rpc.name === "RetireStream"
      ? { streamId: rpc.resumes }
      : undefined
  const failure = classify(error, table.tableName, secretsIn(Redacted.value(headers)), persistent)
  return failed(failure, {
    rejected: failure._tag === "InvalidToken" || failure._tag === "PermissionDenied",
    refusal:
      error._tag === "Status" && (REFUSALS.has(error.code) || failure._tag === "SchemaMismatch")
  })
}

/** The reason for another attempt after a rotation ended a session that made no progress. */
export const unusedRotation = new SessionFailure({
  failure: new Retryable({
    reason: RetryableReason.ConnectionLost({
      message:
        "The server ended the connection by an announced rotation before it acknowledged anything."
    }),
    attempts: 1
  }),
  rejected: false,
  orderly: true,
  refusal: false
})
