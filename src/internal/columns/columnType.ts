/**
 * The types of table columns as plain data, with their three written forms: SQL text, Unity
 * Catalog's `type_text` and `type_name`, and the JSON form of types in Unity Catalog and the Delta
 * log.
 *
 * The SQL parser is in `columnTypeParser.ts`, the scalar types in `scalarTypes.ts`, names and
 * limits in `columnNames.ts`. `descriptor.ts` decides whether a type can travel in a protobuf
 * message.
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

/**
 * The length of a STRING that Spark calls CHAR or VARCHAR, in characters (code points).
 *
 * @inline
 */
export interface TextLength {
  /** Spark's name of the type. */
  readonly kind: "CHAR" | "VARCHAR"
  /** The most characters of a value. */
  readonly length: number
}

/**
 * A type of single values: a scalar or a DECIMAL. The length of a text is a rule for writers and
 * not a part of its type.
 *
 * @inline
 */
export type SimpleType =
  | { readonly _tag: Exclude<ScalarTag, "String"> }
  | {
      readonly _tag: "String"
      /** The bound of a CHAR or VARCHAR; default none. */
      readonly textLength?: TextLength | undefined
    }
  | {
      readonly _tag: "Decimal"
      /** Digits in all, 1 to 38. */
      readonly precision: number
      /** Digits after the point. */
      readonly scale: number
    }

/**
 * The type of a column, or of a part of one.
 *
 * @since 0.1.0
 * @category models
 */
export type ColumnType =
  | SimpleType
  | {
      readonly _tag: "Array"
      /** The type of an element. */
      readonly element: ColumnType
      /** Whether elements may be null. */
      readonly containsNull: boolean
    }
  | {
      readonly _tag: "Map"
      /** The type of a key. */
      readonly key: ColumnType
      /** The type of a value. */
      readonly value: ColumnType
      /** Whether values may be null. */
      readonly valueContainsNull: boolean
    }
  | {
      readonly _tag: "Struct"
      /** The fields, in order. */
      readonly fields: ReadonlyArray<ColumnDefinition>
    }

/**
 * A column of a table or a field of a struct. `nullable` is what the table allows, not what a
 * program sends.
 *
 * @since 0.1.0
 * @category models
 */
export interface ColumnDefinition {
  /** The column's name, as in the catalog. */
  readonly name: string
  /** The column's type. */
  readonly type: ColumnType
  /** Whether the table allows null. */
  readonly nullable: boolean
  /** The column's comment in the catalog. */
  readonly comment?: string | undefined
  /**
   * The SQL expression whose value is written where a record omits the column. Other writers of the
   * table set it.
   */
  readonly defaultSql?: string | undefined
  /**
   * Whether the column has the Unity Catalog tag `zerobus-rescue`: it takes what JSON records have
   * beyond the columns of the table. It must be a nullable VARIANT column of the table itself, and
   * there is at most one.
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
  /** The columns, in the order of the table. */
  readonly columns: ReadonlyArray<ColumnDefinition>
  /** Names of the columns that the table is partitioned by; default none. */
  readonly partitionColumns?: ReadonlyArray<string> | undefined
  /** The table's comment in the catalog. */
  readonly comment?: string | undefined
}

/** Optional parts of a type's text. */
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
      return `struct<${type.fields
        .map((field) => `${field.name}:${inner(field.type)}${required(field)}`)
        .join(",")}>`
  }
}

/**
 * The lower-case text of a type, such as `array<struct<a:int>>`, without nullability and lengths of
 * texts.
 */
export const typeText = (type: ColumnType): string => textOf(type, {})

/**
 * The text of a type with the lengths of texts, such as `varchar(10)`: Unity Catalog's `type_text`.
 */
export const fullTypeText = (type: ColumnType): string => textOf(type, { lengths: true })

/**
 * The text of a type with lengths and the NOT NULL of fields, for display:
 * `struct<a:int NOT NULL>`.
 */
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
 * The JSON form of a column: `{ name, type, nullable, metadata }`. The metadata holds the comment
 * and the tag, but not defaults and lengths of texts.
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
  // A whole column may appear where its type is expected: unwrap it.
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
      return refuse("The type JSON is neither an array, a map, a struct nor a type name.")
  }
}

/**
 * The JSON form of a column with all metadata that Spark stores: the comment, the default, and the
 * lengths of texts.
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
 * Reads the JSON form of a whole column, including its metadata. The failure is a sentence for the
 * user.
 */
export const fromColumnJson = (json: unknown): Result.Result<ColumnDefinition, string> =>
  reading(() => readField(json, 0))

/**
 * Reads the JSON form of a type. For a whole column it returns the column's type. Missing
 * nullability flags mean nullable. The failure is a sentence for the user.
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
