/**
 * `zerobus query`: runs SQL over tables on this machine, with DuckDB when it is installed.
 *
 * The tables are those whose full names appear in the SQL. Records acknowledged within the last
 * second may not be committed yet, so a query may not see them.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { CommandFailed, exitFix, failed } from "./terminal/CommandFailed.ts"
import { print, printJson, remark, visibleLines } from "./terminal/print.ts"
import { jsonFlag } from "./terminal/sharedFlags.ts"
import type { QueryTable } from "./deltaQuery.ts"

const mostRows = 1000

const deltaQuery = Effect.promise(() => import("./deltaQuery.ts"))

const queryTable = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<QueryTable, CommandFailed> {
  const { readTable } = yield* Effect.promise(() => import("./catalog.ts"))
  const { liveTable } = yield* Effect.promise(() => import("./localTable.ts"))
  const table = yield* readTable(name)
  const { live } = yield* liveTable(table)
  return { name: table.definition.name, columns: table.definition.columns, live }
})

/**
 * DuckDB's error on separate lines, because it points into the SQL. A missing table also gets a
 * hint.
 */
const refusal = (error: unknown): CommandFailed => {
  const said = visibleLines(error instanceof Error ? error.message : String(error))
  const message = said.startsWith("Catalog Error: Table with name")
    ? `${said}\n\nName tables in full, such as main.default.flights.`
    : said
  return new CommandFailed({ message, exitCode: exitFix })
}

/** The command. */
export const query = Command.make(
  "query",
  {
    sql: Argument.String("sql").pipe(
      Argument.withDescription("SQL of DuckDB; tables by their full names, catalog.schema.table")
    ),
    json: jsonFlag("Print one JSON object per row"),
    allowWrites: Flag.Boolean("allow-writes").pipe(
      Flag.withDescription(
        "Run any statements, also those that write files; without it one that reads"
      ),
      Flag.withoutNegation,
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ allowWrites, json, sql }) {
    const { installDuckdb, loadDuckdb, namesIn, runQuery, tableText, withReadableFiles } =
      yield* deltaQuery
    const duckdb = yield* Effect.promise(loadDuckdb)
    if (duckdb === undefined)
      return yield* failed(`Queries need DuckDB, which is not installed. Run: ${installDuckdb}`)
    const found = yield* Effect.forEach(namesIn(sql), (name) => Effect.result(queryTable(name)))
    const tables = found.flatMap((one) => (Result.isSuccess(one) ? [one.success] : []))
    const refused = found.find(Result.isFailure)
    if (tables.length === 0 && refused !== undefined) return yield* refused.failure
    const result = yield* Effect.tryPromise({
      try: () =>
        withReadableFiles(tables, (readable) =>
          runQuery(duckdb, readable, sql, { limit: mostRows, writes: allowWrites })
        ),
      catch: refusal
    })
    if (result.columns.length === 0) return
    const cut = `The first ${mostRows} rows are shown; use LIMIT, or aggregate.`
    if (json) {
      yield* Effect.forEach(result.json, (row) => printJson(row), { discard: true })
      if (result.rows.length === mostRows) yield* remark(cut)
      return
    }
    yield* print(tableText(result))
    if (result.rows.length === mostRows) yield* print(cut)
  })
).pipe(
  Command.withDescription(
    "Query tables of the local server with SQL (DuckDB). The SQL can read every file that you " +
      "can: run only what you trust"
  ),
  Command.withExamples([
    {
      command: "zerobus query 'SELECT count(*) FROM main.default.flights'",
      description: "Rows of a table"
    },
    {
      command: "zerobus query 'SELECT * FROM main.default.flights LIMIT 5' --json",
      description: "Rows as JSON, which zerobus ingest reads"
    }
  ])
)
