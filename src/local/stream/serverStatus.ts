/**
 * The statuses with which the server refuses: gRPC statuses whose texts end with an error code and
 * an error state, as those of the service do.
 *
 * Publicly known codes are 4002 (offset not in sequence), 6002 (stream lifetime over) and 8001
 * (schema mismatch). The other codes are specific to this server: those of the service are not
 * documented, and clients must not parse the texts.
 */
import type { SchemaCause } from "../log/storageErrors.ts"
import { bytesField, concat, textField, varintField } from "../../internal/protobuf/writer.ts"

/** The status of a call that fails. */
export interface ServerStatus {
  /** The number of the gRPC status. */
  readonly code: number
  readonly message: string
  /** A serialized `google.rpc.Status` for `grpc-status-details-bin`. */
  readonly details?: Uint8Array | undefined
}

const status = (code: number, text: string, errorCode: number, state: number): ServerStatus => ({
  code,
  message: `${text.replace(/[.\s]+$/, "")}. Error Code: ${errorCode}, Error State: ${state}.`
})

/** INVALID_ARGUMENT for a request that breaks the protocol or a record that does not fit. */
export const invalidArgument = (text: string, errorCode: number, state = 1): ServerStatus =>
  status(3, text, errorCode, state)

/** DEADLINE_EXCEEDED for a client that does not continue in time. */
export const deadlineExceeded = (text: string): ServerStatus => status(4, text, 4011, 1)

/** NOT_FOUND for a table that does not exist. */
export const tableNotFound = (tableName: string): ServerStatus =>
  status(5, `The table ${printable(tableName)} does not exist`, 4004, 1)

/** NOT_FOUND for a persistent stream that does not exist, or no longer exists. */
export const streamNotFound = (text: string): ServerStatus => status(5, text, 4014, 1)

/** ABORTED for a persistent stream that another connection has taken over. */
export const aborted = (text: string): ServerStatus => status(10, text, 4015, 1)

/** PERMISSION_DENIED for a principal without the privileges. */
export const permissionDenied = (text: string): ServerStatus => status(7, text, 4003, 1)

/** RESOURCE_EXHAUSTED for a stream above its rate. */
export const rateExceeded = (text: string): ServerStatus => status(8, text, 4029, 1)

/** UNIMPLEMENTED for a feature that this server lacks. */
export const unimplemented = (text: string): ServerStatus => status(12, text, 4012, 1)

/** UNAVAILABLE for a stream that cannot continue, while a new one may succeed. */
export const unavailable = (text: string, errorCode: number, state = 1): ServerStatus =>
  status(14, text, errorCode, state)

/** UNAUTHENTICATED for a missing, expired or foreign token. */
export const unauthenticated = (text: string): ServerStatus => status(16, text, 4001, 1)

/**
 * INVALID_ARGUMENT with a structured schema error, for a descriptor that does not fit its table.
 * Without causes, for a table that this server cannot write any more.
 */
export const schemaMismatch = (text: string, causes: ReadonlyArray<SchemaCause>): ServerStatus => {
  const plain = invalidArgument(text, 8001)
  return { ...plain, details: schemaDetails(plain, causes) }
}

/** At most 200 characters of an untrusted name, without control characters. */
export const printable = (text: string): string => {
  const clean = text.replace(/[^\x20-\x7e]/g, "?")
  return clean.length > 200 ? `${clean.slice(0, 200)}...` : clean
}

/**
 * `google.rpc.Status { code, message, details: [Any(ErrorInfo { reason, domain, metadata })] }`.
 */
const schemaDetails = (plain: ServerStatus, causes: ReadonlyArray<SchemaCause>): Uint8Array => {
  const entry = (key: string, value: string) =>
    bytesField(3, concat([textField(1, key), textField(2, value)]))
  const info = concat([
    textField(1, "SCHEMA_VALIDATION_FAILED"),
    textField(2, "zerobus.databricks.com"),
    entry("causes", [...new Set(causes)].join(",")),
    entry("error_code", "8001")
  ])
  const any = concat([
    textField(1, "type.googleapis.com/google.rpc.ErrorInfo"),
    bytesField(2, info)
  ])
  return concat([varintField(1, plain.code), textField(2, plain.message), bytesField(3, any)])
}
