/**
 * The names and limits of the column model: which identifiers a table and a column may have, how many columns and how much
 * nesting are allowed, and how each scalar type is called in SQL, in Unity Catalog and in the JSON form of a type.
 *
 * Leaves the types themselves to `columnType.ts` and the reading of SQL text to `columnTypeParser.ts`.
 */

/** Most columns a table may have. */
export const maxColumns = 2_000

/** Deepest nesting of arrays, maps and structs in one column. */
export const maxDepth = 100

/** Largest precision of a DECIMAL, in digits. */
export const maxPrecision = 38

/** The tags of the types that have no parameters. */
export type ScalarTag =
  | "Boolean"
  | "TinyInt"
  | "SmallInt"
  | "Int"
  | "BigInt"
  | "Float"
  | "Double"
  | "String"
  | "Binary"
  | "Date"
  | "Timestamp"
  | "TimestampNtz"
  | "Variant"

interface ScalarNames {
  readonly text: string
  readonly name: string
  readonly json: string
  readonly aliases: ReadonlyArray<string>
}

/** For each scalar: `text` as in `type_text`, `name` as in `type_name`, `json` as in `type_json`, and further SQL spellings. */
export const scalarNames: { readonly [K in ScalarTag]: ScalarNames } = {
  Boolean: { text: "boolean", name: "BOOLEAN", json: "boolean", aliases: ["bool"] },
  TinyInt: { text: "tinyint", name: "BYTE", json: "byte", aliases: ["byte"] },
  SmallInt: { text: "smallint", name: "SHORT", json: "short", aliases: ["short"] },
  Int: { text: "int", name: "INT", json: "integer", aliases: ["integer"] },
  BigInt: { text: "bigint", name: "LONG", json: "long", aliases: ["long"] },
  Float: { text: "float", name: "FLOAT", json: "float", aliases: ["real"] },
  Double: { text: "double", name: "DOUBLE", json: "double", aliases: [] },
  String: { text: "string", name: "STRING", json: "string", aliases: [] },
  Binary: { text: "binary", name: "BINARY", json: "binary", aliases: [] },
  Date: { text: "date", name: "DATE", json: "date", aliases: [] },
  Timestamp: { text: "timestamp", name: "TIMESTAMP", json: "timestamp", aliases: ["timestamp_ltz"] },
  TimestampNtz: { text: "timestamp_ntz", name: "TIMESTAMP_NTZ", json: "timestamp_ntz", aliases: [] },
  Variant: { text: "variant", name: "VARIANT", json: "variant", aliases: [] }
}

const scalarTags = Object.keys(scalarNames) as ReadonlyArray<ScalarTag>

const tagsByWord = new Map<string, ScalarTag>(
  scalarTags.flatMap((tag) =>
    [scalarNames[tag].text, scalarNames[tag].json, ...scalarNames[tag].aliases].map((word) => [word, tag] as const)
  )
)

/** The scalar a word stands for (`bigint`, `long`, `LONG`), or `undefined` when it is none. Case does not matter. */
export const scalarTag = (word: string): ScalarTag | undefined => tagsByWord.get(word.toLowerCase())

/** Why a type that exists elsewhere cannot be a column here, with the way out. */
export const unsupportedType = (word: string): string => {
  const name = word.toUpperCase()
  if (name === "VARCHAR" || name === "CHAR" || name === "CHARACTER") return `${name} is not supported. Use STRING.`
  if (name === "INTERVAL") return `INTERVAL is not supported. Use BIGINT or STRING.`
  return `${/^[A-Z_][A-Z0-9_]{0,63}$/.test(name) ? name : "The type"} is not a supported column type.`
}

/**
 * Whether a name can be a column or a struct field: ASCII letters, digits and underscore, no leading digit. `__proto__` is none: as a
 * key it would change what an object is.
 */
export const isName = (name: string): boolean =>
  name.length <= 255 && name !== "__proto__" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/** Why a name cannot be used, or `undefined` when it can. The name is shown as a string literal. */
export const nameProblem = (what: string, name: string): string | undefined =>
  isName(name)
    ? undefined
    : `The ${what} ${JSON.stringify(name.slice(0, 64))} is not allowed. Use ASCII letters, digits and underscores, ` +
      `not starting with a digit, at most 255 characters.`

/** Whether a text can be a part of a table's name: as a column's, but a leading digit is allowed. */
export const isTablePart = (part: string): boolean => /^[A-Za-z0-9_]{1,255}$/.test(part)

/** Why a table name is not three legal parts, or `undefined` when it is. */
export const tableNameProblem = (name: string): string | undefined => {
  const parts = name.split(".")
  if (parts.length !== 3) {
    return `The table name ${JSON.stringify(name.slice(0, 128))} has ${parts.length} parts. Write catalog.schema.table.`
  }
  const illegal = parts.find((part) => !isTablePart(part))
  return illegal === undefined
    ? undefined
    : `The table name part ${JSON.stringify(illegal.slice(0, 64))} is not allowed. Use ASCII letters, digits and underscores, at most 255.`
}

/** Why a precision and scale make no DECIMAL, or `undefined` when they do. */
export const decimalProblem = (precision: number, scale: number): string | undefined =>
  Number.isInteger(precision) &&
  Number.isInteger(scale) &&
  precision >= 1 &&
  precision <= maxPrecision &&
  scale >= 0 &&
  scale <= precision
    ? undefined
    : `DECIMAL(${precision},${scale}) is not allowed. The precision is 1 to ${maxPrecision} and the scale 0 to the precision.`
