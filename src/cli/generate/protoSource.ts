/**
 * Reads a table definition from the text of a `.proto` file.
 *
 * This is the only module that imports protobufjs. Loading its parser takes longer than most
 * commands run, so this module is loaded only when there is a `.proto` file to read. Imports in the
 * file are not followed.
 */
import * as Result from "effect/Result"
import protobuf from "protobufjs"
import { maxDepth } from "../../internal/columns/columnNames.ts"
import { Refusal, refuse } from "../../internal/columns/columnRules.ts"
import type {
  ColumnDefinition,
  ColumnType,
  TableDefinition
} from "../../internal/columns/columnType.ts"

const scalarOf = (type: string, path: string): ColumnType => {
  switch (type) {
    case "double":
      return { _tag: "Double" }
    case "float":
      return { _tag: "Float" }
    case "int32":
      return { _tag: "Int" }
    case "int64":
      return { _tag: "BigInt" }
    case "bool":
      return { _tag: "Boolean" }
    case "string":
      return { _tag: "String" }
    case "bytes":
      return { _tag: "Binary" }
    default:
      return refuse(
        `The field ${path} has the type ${/^\w{1,40}$/.test(type) ? type : "of another file"}, ` +
          `which no column has. Use int32, int64, float, double, bool, string, bytes or a message.`
      )
  }
}

/**
 * Most fields of a table, including those of nested messages. A message that is used twice counts
 * twice: a few lines of definitions that each use the next one twice, sixty levels deep, would
 * expand to 2^60 fields.
 */
const maxFields = 100_000

const columnsOf = (
  message: protobuf.Type,
  path: string,
  around: ReadonlyArray<protobuf.Type>,
  fields: { count: number }
): ReadonlyArray<ColumnDefinition> => {
  if (around.includes(message))
    return refuse(
      `The message ${message.name} contains itself. A table cannot hold recursive records.`
    )
  if (around.length > maxDepth)
    return refuse(`The message ${message.name} is nested deeper than ${maxDepth} levels.`)
  fields.count += message.fieldsArray.length
  if (fields.count > maxFields) {
    const limit = maxFields.toLocaleString("en-US")
    return refuse(
      `The table would have more than ${limit} fields, because the messages contain each other. ` +
        `Leave ` +
        `fields out of the .proto file.`
    )
  }
  const within = [...around, message]
  return message.fieldsArray.map((field): ColumnDefinition => {
    const at = path === "" ? field.name : `${path}.${field.name}`
    const resolved = field.resolvedType
    if (resolved instanceof protobuf.Enum)
      return refuse(`The field ${at} is an enum, which no column has. Use int32 or string.`)
    const inner: ColumnType =
      resolved instanceof protobuf.Type
        ? { _tag: "Struct", fields: columnsOf(resolved, at, within, fields) }
        : scalarOf(field.type, at)
    const type: ColumnType =
      field instanceof protobuf.MapField
        ? { _tag: "Map", key: scalarOf(field.keyType, at), value: inner, valueContainsNull: true }
        : field.repeated
          ? { _tag: "Array", element: inner, containsNull: true }
          : inner
    const comment = field.comment
    return {
      name: field.name,
      type,
      nullable: !field.required,
      ...(comment === null || comment === "" ? {} : { comment }),
      ...(path === "" ? { position: field.id - 1 } : {})
    }
  })
}

const tableOf = (text: string, tableName: string): TableDefinition => {
  let root: protobuf.Root
  try {
    root = protobuf.parse(text, {
      keepCase: true,
      alternateCommentMode: true,
      preferTrailingComment: false
    }).root
    root.resolveAll()
  } catch (error) {
    // The parser's message quotes the file, which may contain anything. Only its first line is
    // kept.
    const why =
      error instanceof Error
        ? error.message
            .split("\n")[0]!
            .replace(/[^\x20-\x7e]/g, "?")
            .slice(0, 160)
        : "unknown"
    return refuse(`The .proto file cannot be read: ${why}. Imports are not followed.`)
  }
  const messages: Array<protobuf.Type> = []
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Type) messages.push(nested)
      else if (nested instanceof protobuf.Namespace) visit(nested)
    }
  }
  visit(root)
  const [only, more] = messages
  if (only === undefined) return refuse("The .proto file has no message.")
  // The file may define helper messages for the record. The record is the message that no other
  // message uses.
  const used = new Set(
    messages.flatMap((message) => message.fieldsArray.map((field) => field.resolvedType))
  )
  const candidates = messages.filter((message) => !used.has(message))
  const record = more === undefined ? only : candidates.length === 1 ? candidates[0] : undefined
  if (record === undefined)
    return refuse(
      "The .proto file has several messages. Leave the one that describes the table's records."
    )
  const comment = record.comment
  return {
    name: tableName,
    columns: columnsOf(record, "", [], { count: 0 }),
    ...(comment === null || comment === "" ? {} : { comment })
  }
}

/** Reads the message of a `.proto` text that describes the records. The failure is a sentence. */
export const readProto = (
  text: string,
  tableName: string
): Result.Result<TableDefinition, string> => {
  try {
    return Result.succeed(tableOf(text, tableName))
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
