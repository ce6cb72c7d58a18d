/**
 * The types of table columns as plain data, with their three written forms: SQL text, Unity
 * Catalog's `type_text` and `type_name`, and the JSON form of a type that Unity Catalog and the
 * Delta log use.
 *
 * Reading SQL lives in `columnTypeParser.ts`, the scalar types in `scalarTypes.ts`, names and
 * limits in `columnNames.ts`. Whether a type can travel in a protobuf message is the business of
 * `descriptor.ts`.
 */
import * as Result from "effect/Result"
import { decimalProblem, maxColumns, maxDepth, unsupportedType } from "./columnNames.ts"
import { isObject, Refusal, refuse } from "./columnRules.ts"
import { rescueTag } from "./rescueTag.ts"
import type { ScalarTag } from "./scalarTypes.ts"
import { isScalar, scalarTag, scalarTypes } from "./scalarTypes.ts"
import { withTextLengths } from "./textLength.ts"

export { definitionProblem } from "./columnRules.ts"
export {
  parseColumns,
  parseColumnType,
  parseTableDefinition,
  parseTables
} from "./columnTypeParser.ts"

/** The length of a STRING that Spark calls CHAR or VARCHAR, in characters (code points). */
export interface TextLength {
  readonly kind: "CHAR" | "VARCHAR"
  readonly length: number
}

/**
 * A type of single values: a scalar or a DECIMAL. The length of a text is a rule for its writers
 * and no part of its type.
 */
export type SimpleType =
  | { readonly _tag: Exclude<ScalarTag, "String"> }
  | { readonly _tag: "String"; readonly textLength?: TextLength | undefined }
  | { readonly _tag: "Decimal"; readonly precision: number; readonly scale: number }

/**
 * The type of a column, or of a part of one.
 *
 * @since 0.1.0
 * @category models
 */
export type ColumnType =
  | SimpleType
  | { readonly _tag: "Array"; readonly element: ColumnType; readonly containsNull: boolean }
  | {
      readonly _tag: "Map"
      readonly key: ColumnType
      readonly value: ColumnType
      readonly valueContainsNull: boolean
    }
  | { readonly _tag: "Struct"; readonly fields: ReadonlyArray<ColumnDefinition> }

/**
 * A column of a table or a field of a struct. `nullable` is what the table allows, not what a
 * program sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface ColumnDefinition {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly comment?: string | undefined
  /**
   * The SQL expression whose value is written where a record omits the column; set by other writers
   * of a table.
   */
  readonly defaultSql?: string | undefined
  /**
   * Whether the column has the Unity Catalog tag `zerobus-rescue`: what JSON records have beyond
   * the columns of the table goes there. A nullable VARIANT of the table itself, one at most.
   */
  readonly rescue?: boolean | undefined
  /**
   * The column's 0-based position in the catalog, where dropped columns leave gaps. Default: its
   * index in the list.
   */
  readonly position?: number | undefined
}

/**
 * A table as it is created: its full name and its columns in order.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableDefinition {
  /** `catalog.schema.table`. */
  readonly name: string
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly partitionColumns?: ReadonlyArray<string> | undefined
  readonly comment?: string | undefined
}

/** What a text of a type holds beside the types. */
interface TextParts {
  /** The lengths of texts. */
  readonly lengths?: true
  /** NOT NULL of the fields of STRUCTs. */
  readonly required?: true
}

const textOf = (type: ColumnType, parts: TextParts): string => {
  if (isScalar(type)) {
    const { length, kind } =
      (parts.lengths && type._tag === "String" ? type.textLength : undefined) ?? {}
    return kind === undefined ? scalarTypes[type._tag].text : `${kind.toLowerCase()}(${length})`
  }
  const inner = (part: ColumnType): string => textOf(part, parts)
  const required = ({ nullable }: ColumnDefinition) =>
    parts.required && !nullable ? " NOT NULL" : ""
  switch (type._tag) {
    case "Decimal":
      return `decimal(${type.precision},${type.scale})`
    case "Array":
      return `array<${inner(type.element)}>`
    case "Map":
      return `map<${inner(type.key)},${inner(type.value)}>`
    case "Struct":
      return `struct<${type.fields.map((field) => `${field.name}:${inner(field.type)}${required(field)}`).join(",")}>`
  }
}

/**
 * The lower-case text of a type, such as `array<struct<a:int>>`. Nullability and the lengths of
 * texts are not in it.
 */
export const typeText = (type: ColumnType): string => textOf(type, {})

/** The same with the lengths of texts, such as `varchar(10)`: Unity Catalog's `type_text`. */
export const fullTypeText = (type: ColumnType): string => textOf(type, { lengths: true })

/** That with the NOT NULL of fields, for people: `struct<a:int NOT NULL>`. */
export const shownTypeText = (type: ColumnType): string =>
  textOf(type, { lengths: true, required: true })

/** The name of a type as in Unity Catalog's `type_name`: `INT`, `LONG`, `DECIMAL`, `STRUCT`, ... */
export const typeName = (type: ColumnType): string =>
  isScalar(type) ? scalarTypes[type._tag].name : type._tag.toUpperCase()

const dataTypeJson = (type: ColumnType): unknown => {
  if (isScalar(type)) return scalarTypes[type._tag].json
  switch (type._tag) {
    case "Decimal":
      return `decimal(${type.precision},${type.scale})`
    case "Array":
      return {
        type: "array",
        elementType: dataTypeJson(type.element),
        containsNull: type.containsNull
      }
    case "Map":
      return {
        type: "map",
        keyType: dataTypeJson(type.key),
        valueType: dataTypeJson(type.value),
        valueContainsNull: type.valueContainsNull
      }
    case "Struct":
      return { type: "struct", fields: type.fields.map(toTypeJson) }
  }
}

/**
 * The JSON form of a column: `{ name, type, nullable, metadata }`. The comment and the tag go into
 * the metadata; defaults and lengths of texts do not.
 */
export const toTypeJson = (column: ColumnDefinition): unknown => ({
  name: column.name,
  type: dataTypeJson(column.type),
  nullable: column.nullable,
  metadata: {
    ...(column.comment === undefined ? {} : { comment: column.comment }),
    ...(column.rescue === true ? { [rescueTag]: true } : {})
  }
})

const readName = (text: string): ColumnType => {
  const decimal = /^decimal(?:\(\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?\))?$/i.exec(text)
  if (decimal !== null) {
    const precision = Number(decimal[1] ?? 10)
    const scale = Number(decimal[2] ?? 0)
    const problem = decimalProblem(precision, scale)
    return problem === undefined ? { _tag: "Decimal", precision, scale } : refuse(problem)
  }
  const tag = scalarTag(text)
  return tag === undefined
    ? refuse(unsupportedType(/^[A-Za-z_]*/.exec(text)?.[0] ?? ""))
    : { _tag: tag }
}

const flag = (json: unknown): boolean => json === undefined || json === true

const readField = (json: unknown, depth: number): ColumnDefinition => {
  if (!isObject(json) || typeof json["name"] !== "string")
    return refuse("A struct field in the type JSON has no name.")
  const metadata = isObject(json["metadata"]) ? json["metadata"] : {}
  const { comment, CURRENT_DEFAULT: defaultSql, __CHAR_VARCHAR_TYPE_STRING: lengths } = metadata
  const type = readType(json["type"], depth)
  return {
    name: json["name"],
    type: typeof lengths === "string" ? withTextLengths(type, lengths) : type,
    nullable: flag(json["nullable"]),
    ...(typeof comment === "string" ? { comment } : {}),
    ...(typeof defaultSql === "string" ? { defaultSql } : {}),
    ...(metadata[rescueTag] === true ? { rescue: true } : {})
  }
}

const readType = (json: unknown, depth: number): ColumnType => {
  if (depth > maxDepth) return refuse(`The type is nested deeper than ${maxDepth} levels.`)
  if (typeof json === "string") return readName(json)
  if (!isObject(json)) return refuse("The type JSON is neither a type name nor an object.")
  // A whole column may stand where its type is expected: unwrap it.
  if (typeof json["name"] === "string") return readType(json["type"], depth + 1)
  switch (json["type"]) {
    case "array":
      return {
        _tag: "Array",
        element: readType(json["elementType"], depth + 1),
        containsNull: flag(json["containsNull"])
      }
    case "map":
      return {
        _tag: "Map",
        key: readType(json["keyType"], depth + 1),
        value: readType(json["valueType"], depth + 1),
        valueContainsNull: flag(json["valueContainsNull"])
      }
    case "struct": {
      const fields = json["fields"]
      if (!Array.isArray(fields)) return refuse("A struct in the type JSON has no list of fields.")
      if (fields.length > maxColumns) return refuse(`A struct has more than ${maxColumns} fields.`)
      return { _tag: "Struct", fields: fields.map((field) => readField(field, depth + 1)) }
    }
    default:
      return refuse("The type JSON is none of array, map, struct or a type name.")
  }
}

/**
 * The JSON form of a column with all that Spark notes in its metadata: the comment, the default,
 * and the lengths of texts.
 */
export const toFullTypeJson = (column: ColumnDefinition): unknown => {
  const { defaultSql, type } = column
  const json = toTypeJson(column) as { readonly metadata: object }
  const lengths = fullTypeText(type)
  return {
    ...json,
    metadata: {
      ...json.metadata,
      ...(defaultSql === undefined ? {} : { CURRENT_DEFAULT: defaultSql }),
      ...(lengths === typeText(type) ? {} : { __CHAR_VARCHAR_TYPE_STRING: lengths })
    }
  }
}

/**
 * Reads the JSON form of a whole column, with what its metadata says. The failure is a sentence for
 * the user.
 */
export const fromColumnJson = (json: unknown): Result.Result<ColumnDefinition, string> =>
  reading(() => readField(json, 0))

/**
 * Reads the JSON form of a type, or of a whole column, whose type is taken then. Absent nullability
 * flags mean nullable. The failure is a sentence for the user.
 */
export const fromTypeJson = (json: unknown): Result.Result<ColumnType, string> =>
  reading(() => readType(json, 0))

const reading = <A>(read: () => A): Result.Result<A, string> => {
  try {
    return Result.succeed(read())
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
