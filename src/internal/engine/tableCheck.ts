/**
 * What a table must be before a stream is opened to it: its name, the type of its records and their
 * descriptor.
 */
import * as Effect from "effect/Effect"
import type { TableProperties } from "../../TableProperties.ts"
import { InvalidArgument, type InvalidTable } from "../../ZerobusError.ts"
import { checkTableName } from "../columns/tableName.ts"
import { isMessage } from "../protobuf/reader.ts"

/** Fails for what is not a table, also where the caller's types are not checked. */
export const checkTable = (table: TableProperties<any>): Effect.Effect<void, InvalidArgument | InvalidTable> => {
  if (typeof table !== "object" || table === null) {
    return refused(["table"], "The first argument must be a table, made with TableProperties or Table.make.")
  }
  return Effect.andThen(checkTableName(table.tableName), checkRecords(table))
}

const checkRecords = ({
  descriptor,
  recordType,
  tableName
}: TableProperties<any>): Effect.Effect<void, InvalidArgument> => {
  if (recordType !== "json" && recordType !== "proto") {
    return refused(
      ["recordType"],
      "The record type must be json or proto. Make the table with TableProperties or Table.make."
    )
  }
  if (recordType === "proto" && (descriptor?.length ?? 0) === 0) {
    return refused(
      ["descriptor"],
      `The table ${tableName} takes protobuf records, but has no descriptor. Pass a serialized DescriptorProto.`
    )
  }
  if (descriptor !== undefined && !isMessage(descriptor)) {
    return refused(
      ["descriptor"],
      `The descriptor of ${tableName} is not a protobuf message. Pass a serialized DescriptorProto, not its text or base64.`
    )
  }
  return Effect.void
}

const refused = (path: ReadonlyArray<string>, message: string): Effect.Effect<never, InvalidArgument> =>
  Effect.fail(new InvalidArgument({ message, path }))
