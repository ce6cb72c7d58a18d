/**
 * Checks a table before a stream opens (its name, record type and descriptor), and chooses how its
 * records travel.
 */
import * as Effect from "effect/Effect"
import type {
  ResolvedStreamOptions,
  StreamConfigurationOptions
} from "../../StreamConfigurationOptions.ts"
import type { TableProperties } from "../../TableProperties.ts"
import { InvalidArgument, type InvalidTable } from "../../ZerobusError.ts"
import { checkTableName } from "../columns/tableName.ts"
import { isMessage } from "../protobuf/reader.ts"
import { ephemeralRpc, type StreamRpc } from "../protobuf/streamRpc.ts"

/** Fails for a value that is not a table, for callers without type checks. */
export const checkTable = (
  table: TableProperties<any>
): Effect.Effect<void, InvalidArgument | InvalidTable> => {
  if (typeof table !== "object" || table === null) {
    return refused(
      ["table"],
      "The first argument must be a table, made with TableProperties or Table.make."
    )
  }
  return Effect.andThen(checkTableName(table.tableName), checkRecords(table))
}

const checkRecords = ({
  codec,
  descriptor,
  recordType,
  tableName
}: TableProperties<any>): Effect.Effect<void, InvalidArgument> => {
  if (recordType === "arrow") {
    return (codec?.protocol ?? codec?.loadProtocol) !== undefined && descriptor !== undefined
      ? Effect.void
      : refused(
          ["recordType"],
          `The table ${tableName} was not made with ArrowTable. Use ArrowTable.make, or ` +
            `Table.make with the format "arrow".`
        )
  }
  if (recordType === "avro") {
    return typeof codec?.write === "function" && (descriptor?.length ?? 0) > 0
      ? Effect.void
      : refused(
          ["recordType"],
          `The table ${tableName} has no Avro schema. Make it with AvroTable.make.`
        )
  }
  if (recordType !== "json" && recordType !== "proto") {
    return refused(
      ["recordType"],
      "The record type must be json, proto, avro or arrow. " +
        "Make the table with TableProperties, Table.make, AvroTable or ArrowTable."
    )
  }
  if (recordType === "proto" && (descriptor?.length ?? 0) === 0) {
    return refused(
      ["descriptor"],
      `The table ${tableName} takes protobuf records, but has no descriptor. Pass a serialized ` +
        `DescriptorProto.`
    )
  }
  if (descriptor !== undefined && !isMessage(descriptor)) {
    return refused(
      ["descriptor"],
      `The descriptor of ${tableName} is not a protobuf message. Pass a serialized ` +
        `DescriptorProto, not its text or base64.`
    )
  }
  return Effect.void
}

/** Fails for options that streams of Arrow batches and of Avro records do not support. */
export const checkFit = (
  { codec, recordType }: TableProperties<any>,
  { onSchemaChange }: StreamConfigurationOptions<any>,
  persistent: boolean
): Effect.Effect<void, InvalidArgument> => {
  if (recordType !== "arrow" && recordType !== "avro") return Effect.void
  const records = recordType === "arrow" ? "Arrow batches" : "Avro records"
  if (persistent) {
    return refused(
      ["recordType"],
      `A persistent stream takes no ${records}. Use createStream, or another record type.`
    )
  }
  // Rows of a typed table wait as protobuf, which fits a table with further columns.
  if (codec.protocol?.gathers === true || onSchemaChange !== "reopen") return Effect.void
  return refused(
    ["onSchemaChange"],
    `A stream of ${records} does not follow the columns of its table yet: leave the option ` +
      `onSchemaChange out.`
  )
}

const refused = (
  path: ReadonlyArray<string>,
  message: string
): Effect.Effect<never, InvalidArgument> => Effect.fail(new InvalidArgument({ message, path }))

/** The RPC of the ephemeral sessions to a table. */
export const rpcOf = (table: TableProperties<any>): StreamRpc =>
  table.codec.protocol?.rpc(table) ?? ephemeralRpc(table)

/** The settings of a stream to a table. */
export const settingsOf = (
  { codec }: TableProperties<any>,
  settings: ResolvedStreamOptions,
  persistent: boolean
): ResolvedStreamOptions => {
  // One record is several requests, each within the limits of its protocol.
  if (codec.protocol?.gathers === false) {
    return { ...settings, coalesceRecords: 1, maxPayloadBytes: Number.MAX_SAFE_INTEGER }
  }
  // A committed offset counts whole messages, so each call of a persistent stream is one message.
  return persistent ? { ...settings, coalesceRecords: 1 } : settings
}
