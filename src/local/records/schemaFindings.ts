/**
 * The findings when the schema of a stream is compared with the columns of its table.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { literalValue } from "../../internal/columns/defaultLiteral.ts"
import type { SchemaCause } from "../log/storageErrors.ts"

/** One finding: the cause as a code of the service, and a sentence. */
export interface SchemaFinding {
  readonly cause: SchemaCause
  readonly message: string
}

/** The most findings reported for one schema. */
export const maxFindings = 20

/** Whether the server writes a default value when a record omits the column. */
export const hasLiteral = ({ defaultSql, type }: ColumnDefinition): boolean => {
  const literal = defaultSql === undefined ? undefined : literalValue(type, defaultSql)
  return literal !== undefined && literal.value !== null
}

/** An untrusted name for a message: only a plain name, truncated. */
export const printable = (name: string): string =>
  /^[A-Za-z_]\w*$/.test(name) ? name.slice(0, 64) : "(unprintable)"
