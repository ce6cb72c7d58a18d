/**
 * Reads table definitions from the files people have: a `.proto` file, the JSON of a table or of a Spark schema, or SQL text.
 *
 * Everything in the file is data. Imports of a `.proto` file are not followed and nothing of it is executed.
 */
import * as Result from "effect/Result"
import protobuf from "protobufjs"
import { readCatalogTable } from "../../internal/columns/tableDescription.ts"
import { maxDepth, tableNameProblem } from "../../internal/columns/columnNames.ts"
import { definitionProblem, isObject, Refusal, refuse } from "../../internal/columns/columnRules.ts"
import type { ColumnDefinition, ColumnType, TableDefinition } from "../../internal/columns/columnType.ts"
import { fromTypeJson, parseTableDefinition } from "../../internal/columns/columnType.ts"

/** The kinds of files a definition can be read from. */
export type SourceFormat = "proto" | "json" | "sql"

/** Longest file that is read, in characters. */
export const maxSource = 8 * 1024 * 1024

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
        `The field ${path} has the type ${/^\w{1,40}$/.test(type) ? type : "of another file"}, which no column has. Use int32, int64, float, double, bool, string, bytes or a message.`
      )
  }
}

const columnsOf = (
  message: protobuf.Type,
  path: string,
  around: ReadonlyArray<protobuf.Type>
): ReadonlyArray<ColumnDefinition> => {
  if (around.includes(message))
    return refuse(`The message ${message.name} contains itself. A table cannot hold recursive records.`)
  if (around.length > maxDepth) return refuse(`The message ${message.name} is nested deeper than ${maxDepth} levels.`)
  const within = [...around, message]
  return message.fieldsArray.map((field): ColumnDefinition => {
    const at = path === "" ? field.name : `${path}.${field.name}`
    const resolved = field.resolvedType
    if (resolved instanceof protobuf.Enum)
      return refuse(`The field ${at} is an enum, which no column has. Use int32 or string.`)
    const inner: ColumnType =
      resolved instanceof protobuf.Type
        ? { _tag: "Struct", fields: columnsOf(resolved, at, within) }
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

const readProto = (text: string, tableName: string): TableDefinition => {
  let root: protobuf.Root
  try {
    root = protobuf.parse(text, { keepCase: true, alternateCommentMode: true, preferTrailingComment: false }).root
    root.resolveAll()
  } catch (error) {
    // The parser's text quotes the file, which is the user's own, but it may hold anything: only its first line is kept.
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
  // Helper messages beside the record's may be used by it; the record is the one that no other uses.
  const used = new Set(messages.flatMap((message) => message.fieldsArray.map((field) => field.resolvedType)))
  const candidates = messages.filter((message) => !used.has(message))
  const record = more === undefined ? only : candidates.length === 1 ? candidates[0] : undefined
  if (record === undefined)
    return refuse("The .proto file has several messages. Leave the one that describes the table's records.")
  const comment = record.comment
  return {
    name: tableName,
    columns: columnsOf(record, "", []),
    ...(comment === null || comment === "" ? {} : { comment })
  }
}

const readJson = (text: string, tableName: string | undefined): Result.Result<TableDefinition, string> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return Result.fail("The file is not JSON.")
  }
  if (!isObject(json)) return Result.fail("The JSON is no object.")
  const full =
    typeof json["full_name"] === "string"
      ? json["full_name"]
      : [json["catalog_name"], json["schema_name"], json["name"]].join(".")
  const name = tableName ?? full
  if (Array.isArray(json["columns"])) {
    const problem = tableNameProblem(name)
    return problem === undefined
      ? Result.map(readCatalogTable(name, json), (table) => table.definition)
      : Result.fail(problem)
  }
  if (tableName === undefined) return Result.fail("A schema has no table name. Give one with --table.")
  return Result.flatMap(fromTypeJson(json), (type) =>
    type._tag === "Struct"
      ? Result.succeed({ name: tableName, columns: type.fields })
      : Result.fail(
          'The JSON is no struct. Give a Spark schema ({ type: "struct", fields }) or a table of the catalog\'s API.'
        )
  )
}

/** Reads a definition. `tableName` is needed for `.proto` files and bare schemas, and wins over the name in the file elsewhere. */
export const readTableSource = (
  format: SourceFormat,
  text: string,
  tableName: string | undefined
): Result.Result<TableDefinition, string> => {
  if (text.length > maxSource) return Result.fail(`The file is longer than ${maxSource} characters.`)
  try {
    const read =
      format === "sql"
        ? Result.map(parseTableDefinition(text), (definition) =>
            tableName === undefined ? definition : { ...definition, name: tableName }
          )
        : format === "json"
          ? readJson(text, tableName)
          : Result.succeed(
              readProto(text, tableName ?? refuse("A .proto file has no table name. Give one with --table."))
            )
    return Result.flatMap(read, (definition) => {
      const problem = definitionProblem(definition)
      return problem === undefined ? Result.succeed(definition) : Result.fail(problem)
    })
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
