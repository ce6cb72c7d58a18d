/**
 * The one table that converts a failed call to an error of the client: by gRPC status and, if the
 * server sent them, by its structured details. Only this table decides which failures are
 * retryable.
 */
import type { TransportFailure } from "../../Transport.ts"
import {
  InvalidArgument,
  InvalidState,
  InvalidTable,
  InvalidToken,
  PermissionDenied,
  ProtocolViolation,
  Retryable,
  RetryableReason,
  SchemaMismatch,
  type StreamFailure,
  TlsFailure,
  Unsupported
} from "../../ZerobusError.ts"
import { tlsAdvice } from "../net/connector.ts"
import { scrub } from "../scrub.ts"
import { forEachField, MalformedMessage } from "../protobuf/reader.ts"

const names = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
] as const

/** The name of a gRPC status code. */
export const statusName = (code: number): string => names[code] ?? `status ${code}`

/** A call for a persistent stream; without an id it creates one. */
export interface PersistentCall {
  readonly streamId: string | undefined
}

/**
 * Converts a transport's failure to the client's error. `tableName` names the table in the message.
 * The `secrets` are removed from the server's text. Some statuses have another meaning for a
 * `persistent` stream.
 */
export const classify = (
  failure: TransportFailure,
  tableName: string,
  secrets: ReadonlyArray<string> = [],
  persistent?: PersistentCall
): StreamFailure => {
  switch (failure._tag) {
    case "Disconnected":
      return new Retryable({
        reason: RetryableReason.ConnectionLost({
          message: disconnected(scrub(failure.message, secrets))
        }),
        attempts: 1
      })
    case "Unreadable":
      return new ProtocolViolation({
        message: sentence(`The server broke the protocol: ${scrub(failure.message, secrets)}`)
      })
    case "TlsRefused":
      return new TlsFailure({
        message: `${sentence(
          `The TLS handshake was refused (${failure.code}): ${scrub(failure.message, secrets)}`
        )} ${tlsAdvice(failure.code)}`,
        code: failure.code
      })
    case "Status":
      return classifyStatus(failure, tableName, secrets, persistent)
  }
}

/** Prefixes of texts that mean the server was never reached. */
export const UNREACHED: ReadonlyArray<string> = [
  "connect E",
  "Name resolution failed",
  "Failed to connect"
]

const disconnected = (message: string): string =>
  UNREACHED.some((text) => message.startsWith(text))
    ? `${sentence(`No connection to the Zerobus server could be made: ${message}`)} Check the ` +
      `endpoint, and that the server runs.`
    : sentence(`The connection to the Zerobus server was lost: ${message}`)

/** Texts from other packages may or may not end with a full stop. */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

const classifyStatus = (
  failure: Extract<TransportFailure, { readonly _tag: "Status" }>,
  tableName: string,
  secrets: ReadonlyArray<string>,
  persistent: PersistentCall | undefined
): StreamFailure => {
  const status = statusName(failure.code)
  const words = failure.message === "" ? "" : `: ${scrub(failure.message, secrets)}`
  const said = sentence(`The server returned ${status}${words}`)
  const schema = failure.details === undefined ? undefined : schemaError(failure.details, secrets)
  if (schema !== undefined) {
    return new SchemaMismatch({
      message:
        schema.causes.length === 0
          ? `The table ${tableName} takes no records of this stream. ${said}`
          : `The records' schema does not fit ${tableName} (${schema.causes.join(", ")}). ${said}`,
      causes: schema.causes,
      errorCode: schema.errorCode
    })
  }
  const own = persistent && classifyPersistent(status, tableName, persistent, said)
  if (own !== undefined) return own
  switch (status) {
    case "UNAUTHENTICATED":
      return new InvalidToken({ message: `The credentials were refused for ${tableName}. ${said}` })
    case "PERMISSION_DENIED":
      return new PermissionDenied({
        message:
          `The service principal may not write to ${tableName}: it needs USE CATALOG, ` +
          `USE SCHEMA, SELECT and MODIFY. ${said}`
      })
    case "NOT_FOUND":
      return new InvalidTable({ message: `There is no table ${tableName}. ${said}`, tableName })
    case "UNIMPLEMENTED":
      return new Unsupported({ message: `The server does not support this. ${said}` })
    case "INVALID_ARGUMENT":
    case "OUT_OF_RANGE":
    case "FAILED_PRECONDITION":
      return new InvalidArgument({
        message: `The stream to ${tableName} was refused. ${said}`,
        path: []
      })
    default:
      return new Retryable({
        reason: RetryableReason.ServerUnavailable({
          message: `The server is unavailable. ${said}`,
          status
        }),
        attempts: 1
      })
  }
}

/** The special meaning of a status for a persistent stream; undefined when it has none. */
const classifyPersistent = (
  status: string,
  tableName: string,
  { streamId }: PersistentCall,
  said: string
): StreamFailure | undefined => {
  if (status === "UNIMPLEMENTED") {
    return new Unsupported({
      message: `The server has no persistent streams. Use createStream. ${said}`
    })
  }
  // Before the stream has an id, a status can only concern the table.
  if (streamId === undefined) return undefined
  if (status === "ABORTED") {
    const what = `The persistent stream ${streamId} was resumed on another connection.`
    return new InvalidState({
      message: `${what} Let only one process at a time write to a stream. ${said}`
    })
  }
  if (status !== "NOT_FOUND") return undefined
  const what = `There is no persistent stream ${streamId} of ${tableName} that can be resumed.`
  const advice = "It was retired, or belongs to another table or server: create a new one."
  return new InvalidArgument({ message: `${what} ${advice} ${said}`, path: ["streamId"] })
}

/** Reads a schema error from a serialized `google.rpc.Status`; `undefined` when it holds none. */
const schemaError = (
  details: Uint8Array,
  secrets: ReadonlyArray<string>
):
  | { readonly causes: ReadonlyArray<string>; readonly errorCode: string | undefined }
  | undefined => {
  try {
    for (const any of messages(details, 3)) {
      const type = text(messages(any, 1)[0])
      if (!type.endsWith("google.rpc.ErrorInfo")) continue
      const info = messages(any, 2)[0]
      if (info === undefined || text(messages(info, 1)[0]) !== "SCHEMA_VALIDATION_FAILED") continue
      const domain = text(messages(info, 2)[0])
      if (domain !== "" && domain !== "zerobus.databricks.com") continue
      const metadata = new Map(
        messages(info, 3).map((entry) => [text(messages(entry, 1)[0]), text(messages(entry, 2)[0])])
      )
      return {
        causes: (metadata.get("causes") ?? "")
          .split(",")
          .map((cause) => scrub(cause, secrets))
          .filter((cause) => cause !== ""),
        errorCode: /^[\w.-]{1,64}$/.exec(scrub(metadata.get("error_code") ?? "", secrets))?.[0]
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
  }
  return undefined
}

const messages = (bytes: Uint8Array, field: number): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  forEachField(bytes, 0, bytes.length, (number, _, start, end) => {
    if (number === field && start >= 0) found.push(bytes.subarray(start, end))
  })
  return found
}

const text = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? "" : Buffer.from(bytes).toString("utf8")
