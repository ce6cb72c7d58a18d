/**
 * Checks that SQL is a single read-only statement, with DuckDB's own parser.
 *
 * Preparing a statement is too late for the check: DuckDB creates the folder of an EXPORT DATABASE
 * when it prepares one. Its parser counts VALUES, FROM, DESCRIBE, SUMMARIZE and SHOW as SELECT. It
 * does not count EXPLAIN, which with ANALYZE runs the explained statement.
 */
import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api"

type Duckdb = typeof import("@duckdb/node-api")

/** The SQL is not a single read-only statement. The message says what to do. */
export class NotReading extends Error {
  override readonly name = "NotReading"
}

/** The statements of the SQL, not prepared. Throws `NotReading` when there are none. */
export const statementsOf = async (connection: DuckDBConnection, sql: string) => {
  try {
    return await connection.extractStatements(sql)
  } catch (error) {
    // The binding's error for a text without a statement.
    if (!(error instanceof Error) || error.message !== "Error in native callback") throw error
    throw new NotReading("The SQL holds no statement.")
  }
}

const comments = String.raw`(?:\s|--[^\n]*\n|/\*(?:(?!\*/)[\s\S])*\*/)*`
/** An EXPLAIN and the statement that it explains. */
const explain = new RegExp(
  String.raw`^${comments}explain\b(?:\s+analyze\b|\s*\(\s*(?:analyze|format)\b[^()]*\))?([\s\S]*)$`,
  "i"
)

/** Whether the SQL is a single SELECT. Nothing is prepared or run. */
const isSelect = async (connection: DuckDBConnection, sql: string): Promise<boolean> => {
  const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [sql])
  const parsed = JSON.parse(String(reader.getRows()[0]?.[0])) as {
    readonly error: boolean
    readonly statements?: ReadonlyArray<unknown>
  }
  return !parsed.error && parsed.statements?.length === 1
}

/** Prepares the only statement of the SQL. Throws `NotReading` when it is not read-only. */
export const prepareReading = async (
  duckdb: Duckdb,
  connection: DuckDBConnection,
  sql: string
): Promise<DuckDBPreparedStatement> => {
  const found = await statementsOf(connection, sql)
  if (found.count > 1) {
    throw new NotReading(
      `The SQL holds ${found.count} statements, and zerobus query runs one. Run them one by ` +
        `one; a PIVOT becomes one ` +
        "with an IN list of its values. To run several at once, add --allow-writes."
    )
  }
  const explained = explain.exec(sql)?.[1]
  if (await isSelect(connection, explained ?? sql)) {
    const statement = await found.prepare(0)
    const { EXPLAIN, SELECT } = duckdb.StatementType
    if (statement.statementType === (explained === undefined ? SELECT : EXPLAIN)) return statement
  }
  throw new NotReading(
    "The SQL is not a statement that reads: SELECT, VALUES, FROM, DESCRIBE, SUMMARIZE, SHOW, or " +
      "EXPLAIN of one of them. " +
      "To run it, add --allow-writes."
  )
}
