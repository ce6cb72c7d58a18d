/**
 * Reads table definitions from common file formats: a `.proto` file, the JSON of a table or of a
 * Spark schema, or SQL.
 *
 * The file is treated as data: imports of a `.proto` file are not followed, and nothing is
 * executed.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readCatalogTable } from "../../internal/columns/tableDescription.ts"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { definitionProblem, isObject } from "../../internal/columns/columnRules.ts"
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { fromTypeJson, parseTableDefinition } from "../../internal/columns/columnType.ts"

/** The file formats a definition can be read from. */
export type SourceFormat = "proto" | "json" | "sql"

/** Maximum length of a file, in characters. */
export const maxSource = 8 * 1024 * 1024

const readJson = (
  text: string,
  tableName: string | undefined
): Result.Result<TableDefinition, string> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return Result.fail("The file is not JSON.")
  }
  if (!isObject(json)) return Result.fail("The JSON is not an object.")
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
  if (tableName === undefined)
    return Result.fail("A schema has no table name. Give one with --table.")
  return Result.flatMap(fromTypeJson(json), (type) =>
    type._tag === "Struct"
      ? Result.succeed({ name: tableName, columns: type.fields })
      : Result.fail(
          'The JSON is not a struct. Give a Spark schema ({ type: "struct", fields }) or a table ' +
            "of the catalog's API."
        )
  )
}

const readSql = (
  text: string,
  tableName: string | undefined
): Result.Result<TableDefinition, string> =>
  Result.map(parseTableDefinition(text), (definition) =>
    tableName === undefined ? definition : { ...definition, name: tableName }
  )

const fromProto = Effect.fnUntraced(function* (
  text: string,
  tableName: string | undefined
): Effect.fn.Return<TableDefinition, string> {
  if (tableName === undefined)
    return yield* Effect.fail("A .proto file has no table name. Give one with --table.")
  const { readProto } = yield* Effect.promise(() => import("./protoSource.ts"))
  return yield* Effect.fromResult(readProto(text, tableName))
})

/**
 * Reads a definition. The failure is a sentence. `tableName` is required for `.proto` files and
 * bare schemas. In other files it overrides the name.
 */
export const readTableSource = Effect.fnUntraced(function* (
  format: SourceFormat,
  text: string,
  tableName: string | undefined
): Effect.fn.Return<TableDefinition, string> {
  if (text.length > maxSource)
    return yield* Effect.fail(`The file is longer than ${maxSource} characters.`)
  const definition =
    format === "proto"
      ? yield* fromProto(text, tableName)
      : yield* Effect.fromResult(
          format === "json" ? readJson(text, tableName) : readSql(text, tableName)
        )
  const problem = definitionProblem(definition)
  return problem === undefined ? definition : yield* Effect.fail(problem)
})
