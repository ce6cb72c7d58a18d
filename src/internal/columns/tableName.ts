/**
 * The rule for table names, checked before a name becomes a header, a form field or a path.
 */
import * as Effect from "effect/Effect"
import { InvalidTable } from "../../ZerobusError.ts"

// ASCII only: Node truncates code points above U+00FF to their low byte in headers, which could
// address another table.
const name = /^[A-Za-z0-9_]{1,255}\.[A-Za-z0-9_]{1,255}\.[A-Za-z0-9_]{1,255}$/

/** Whether the text is `catalog.schema.table` of ASCII letters, digits and underscores. */
export const isTableName = (text: string): boolean => name.test(text)

/** Succeeds for a legal name, else fails with `InvalidTable`. */
export const checkTableName = (tableName: string): Effect.Effect<void, InvalidTable> =>
  isTableName(tableName)
    ? Effect.void
    : Effect.fail(
        new InvalidTable({
          message:
            `${JSON.stringify(tableName.slice(0, 200))} is not a table name: give ` +
            `catalog.schema.table, each of ASCII letters, digits and underscores.`,
          tableName: tableName.slice(0, 200)
        })
      )
