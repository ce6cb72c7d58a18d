/**
 * What is found when the schema of a stream is compared with the columns of its table.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { literalValue } from "../../internal/columns/defaultLiteral.ts"
import type { SchemaCause } from "../log/storageErrors.ts"

/** One finding: the cause in the service's words, and a sentence. */
export interface SchemaFinding {
  readonly cause: SchemaCause
  readonly message: string
}

/** Findings of one schema; further ones are left out. */
export const maxFindings = 20

/** Whether the server writes a value of its own where a record omits the column. */
export const hasLiteral = ({ defaultSql, type }: ColumnDefinition): boolean => {
  const literal = defaultSql === undefined ? undefined : literalValue(type, defaultSql)
  return literal !== undefined && literal.value !== null
}

/** A name out of a foreign schema as it may stand in a message: a plain name, cut short. */
export const printable = (name: string): string =>
  /^[A-Za-z_]\w*$/.test(name) ? name.slice(0, 64) : "(unprintable)"
