/**
 * The names and limits of the column model: legal identifiers of tables and columns, the number of
 * columns, and the depth of nesting.
 *
 * The scalar types are in `scalarTypes.ts`, the types in `columnType.ts`, and the SQL parser in
 * `columnTypeParser.ts`.
 */

/** Most columns a table may have. */
export const maxColumns = 2_000

/** Deepest nesting of arrays, maps and structs in one column. */
export const maxDepth = 100

/** Largest precision of a DECIMAL, in digits. */
export const maxPrecision = 38

/** Why a type of other systems cannot be a column here, with an alternative. */
export const unsupportedType = (word: string): string => {
  const name = word.toUpperCase()
  if (name === "VARCHAR" || name === "CHAR" || name === "CHARACTER")
    return `${name} is not supported. Use STRING.`
  if (name === "INTERVAL") return `INTERVAL is not supported. Use BIGINT or STRING.`
  return (
    `${/^[A-Z_][A-Z0-9_]{0,63}$/.test(name) ? name : "The type"} is not a supported column ` +
    `type.`
  )
}

/**
 * Whether a name can be a column or a struct field: ASCII letters, digits and underscore, no
 * leading digit. `__proto__` is excluded: as a key it would change the object's prototype.
 */
export const isName = (name: string): boolean =>
  name.length <= 255 && name !== "__proto__" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/** Why a name cannot be used; `undefined` when it can. The name is quoted as a string literal. */
export const nameProblem = (what: string, name: string): string | undefined =>
  isName(name)
    ? undefined
    : `The ${what} ${JSON.stringify(name.slice(0, 64))} is not allowed. Use ASCII letters, ` +
      `digits and underscores, ` +
      `not starting with a digit, at most 255 characters.`

/**
 * Whether a text can be a part of a table's name. Like a column's name, but a leading digit is
 * allowed.
 */
export const isTablePart = (part: string): boolean => /^[A-Za-z0-9_]{1,255}$/.test(part)

/** Why a table name does not consist of three legal parts; `undefined` when it does. */
export const tableNameProblem = (name: string): string | undefined => {
  const parts = name.split(".")
  if (parts.length !== 3) {
    return (
      `The table name ${JSON.stringify(name.slice(0, 128))} has ${parts.length} parts. ` +
      `Write catalog.schema.table.`
    )
  }
  const illegal = parts.find((part) => !isTablePart(part))
  return illegal === undefined
    ? undefined
    : `The table name part ${JSON.stringify(illegal.slice(0, 64))} is not allowed. Use ASCII ` +
        `letters, digits and underscores, at most 255.`
}

/**
 * Why the name of a table cannot be a folder name on every system; `undefined` when it can. Windows
 * reserves some names for devices, in any case. Only a server that stores tables needs this.
 */
export const deviceNameProblem = (name: string): string | undefined => {
  const device = name.split(".").find((part) => /^(?:con|prn|aux|nul|com\d|lpt\d)$/i.test(part))
  return device === undefined
    ? undefined
    : `The table name part ${JSON.stringify(device)} is not allowed: ` +
        "Windows reserves this name for a device. Use another one."
}

/** Why a precision and scale do not form a DECIMAL; `undefined` when they do. */
export const decimalProblem = (precision: number, scale: number): string | undefined =>
  Number.isInteger(precision) &&
  Number.isInteger(scale) &&
  precision >= 1 &&
  precision <= maxPrecision &&
  scale >= 0 &&
  scale <= precision
    ? undefined
    : `DECIMAL(${precision},${scale}) is not allowed. The precision is 1 to ${maxPrecision} and ` +
      `the scale 0 to the precision.`
