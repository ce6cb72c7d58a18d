/**
 * The protocol rules that a single request can break, as pure checks. `serverStream.ts` checks the
 * order of requests; the store checks whether records fit their table.
 */
import {
  invalidArgument,
  printable,
  schemaMismatch,
  type ServerStatus,
  streamNotFound,
  tableNotFound,
  unavailable,
  unimplemented
} from "./serverStatus.ts"
import type { OpenFailure } from "./streamContract.ts"
import {
  ARROW_RECORDS,
  AVRO_RECORDS,
  type CreateRequest,
  type IngestRequest,
  type RecordKind,
  type ResumeRequest
} from "./streamMessages.ts"
import type { LogFormat } from "../log/logFrames.ts"

/** The problem of a create request on a call with `tableName` in its header. */
export const createProblem = (
  request: CreateRequest,
  tableName: string,
  persistent = false
): ServerStatus | undefined => {
  if (request.tableName === undefined || request.tableName === "") {
    return invalidArgument("The create request names no table (table_name)", 4006)
  }
  if (request.tableName !== tableName) {
    const named = printable(request.tableName)
    const text =
      `The create request names ${named}, the header x-databricks-zerobus-table-name ` +
      `${tableName}`
    return invalidArgument(text, 4006, 2)
  }
  return recordTypeProblem(request, persistent)
}

/** The problem of a resume request. */
export const resumeProblem = (request: ResumeRequest): ServerStatus | undefined =>
  request.streamId === undefined || request.streamId === ""
    ? invalidArgument("The resume request names no stream (stream_id)", 4006)
    : recordTypeProblem(request, true)

const recordTypeProblem = (
  { _tag, descriptor, recordType }: CreateRequest | ResumeRequest,
  persistent: boolean
): ServerStatus | undefined => {
  const request = _tag === "Create" ? "create request" : "resume request"
  if (recordType === ARROW_RECORDS) return undefined
  if (recordType === AVRO_RECORDS) {
    if (persistent) return unimplemented("Persistent streams take no Avro records")
    if (descriptor !== undefined && descriptor.length > 0) return undefined
    return invalidArgument(
      `A stream of Avro records needs avro_schema_json in its ${request}`,
      4006,
      4
    )
  }
  if (recordType !== 1 && recordType !== 2) {
    const known = "record_type: PROTO 1, JSON 2, AVRO 4"
    return invalidArgument(`The ${request} gives no known record type (${known})`, 4006, 3)
  }
  if (recordType === 1 && (descriptor === undefined || descriptor.length === 0)) {
    return invalidArgument(
      `A stream of protobuf records needs descriptor_proto in its ${request}`,
      4006,
      4
    )
  }
  return undefined
}

/** How the records of an accepted first request are encoded. */
export const formatOf = ({ descriptor, recordType }: CreateRequest | ResumeRequest): LogFormat => {
  if (recordType === 1) return { _tag: "Proto", descriptor: descriptor! }
  if (recordType === AVRO_RECORDS) return { _tag: "Avro", schema: descriptor! }
  return recordType === ARROW_RECORDS ? { _tag: "Arrow", schema: descriptor! } : { _tag: "Json" }
}

/**
 * The problem of an ingest request, given the stream's kind of records, the expected offset and the
 * limit in bytes.
 */
export const ingestProblem = (
  request: IngestRequest,
  kind: RecordKind,
  offset: number,
  maxRecordBytes: number
): ServerStatus | undefined => {
  if (request.offset !== offset) {
    const got =
      request.offset === undefined
        ? "none"
        : request.offset < 0
          ? "a negative one"
          : String(request.offset)
    return invalidArgument(`Non-incremental offset: expected ${offset}, got ${got}`, 4002)
  }
  if (request.kind === "None") return invalidArgument("The request holds no record", 4007)
  if (request.kind !== kind) {
    return invalidArgument(
      `The stream takes ${kind} records, the request holds ${request.kind}`,
      4007,
      2
    )
  }
  if (request.count === 0) return invalidArgument("The batch is empty", 4007, 3)
  if (request.recordBytes > maxRecordBytes) {
    const text =
      `The request holds ${request.recordBytes} bytes of records, above the limit of ` +
      `${maxRecordBytes}`
    return invalidArgument(text, 4008)
  }
  return undefined
}

/** The status for a stream that cannot be opened, given the failure of the store. */
export const openProblem = (failure: OpenFailure, tableName: string): ServerStatus => {
  switch (failure._tag) {
    case "StreamRefused":
      return failure.reason === "OtherKind"
        ? invalidArgument(failure.message, 4006, 8)
        : streamNotFound(failure.message)
    case "TableNotFound":
      return tableNotFound(tableName)
    case "SchemaRejected":
      return failure.causes.length === 0
        ? invalidArgument(failure.message, 8001)
        : schemaMismatch(failure.message, failure.causes)
    case "StorageFailure":
      // For a schema error, clients end the stream without treating one of its records as bad.
      if (failure.reason === "TableRefused") return schemaMismatch(failure.message, [])
      return unavailable(
        `The server could not open the table ${tableName}. ${failure.message}`,
        5001,
        2
      )
  }
}
