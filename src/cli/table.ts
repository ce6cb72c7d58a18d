/**
 * `zerobus table create|list|show|snippet|alter|rewrite|register|salvage|drop`: works on tables of
 * the catalog at `DATABRICKS_WORKSPACE_URL`.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import type { UnityCatalogShape } from "../UnityCatalog.ts"
import { failed } from "./terminal/CommandFailed.ts"
import { print, printJson, visible } from "./terminal/print.ts"
import { count, counted } from "./terminal/progress.ts"
import { jsonFlag, localTableArgument, tableArgument, yesFlag } from "./terminal/sharedFlags.ts"
import { alter } from "./tableAlter.ts"
import { tableRegister } from "./tableRegister.ts"
import { rewrite } from "./tableRewrite.ts"
import { tableSalvage } from "./tableSalvage.ts"

/** The engines that `zerobus table snippet` supports. */
export const engines = ["duckdb", "pandas", "spark"] as const

/** Loaded by the commands that need them. */
const catalogUse = Effect.promise(() => import("./catalog.ts"))
const localTable = Effect.promise(() => import("./localTable.ts"))

const json = jsonFlag()

/** Creates a table and returns true, or false when an equal one exists. */
const createOrKeep = Effect.fnUntraced(function* (
  catalog: UnityCatalogShape,
  definition: TableDefinition
) {
  if (yield* catalog.createTable(definition)) return true
  const { name } = definition
  const { sameColumns } = yield* catalogUse
  const existing = yield* catalog.getTable(name)
  if (existing.problem !== undefined) return yield* failed(existing.problem)
  if (sameColumns(existing.definition, definition)) return false
  return yield* failed(
    `The table ${name} exists already with other columns. Choose another name, or drop that ` +
      `table and its data with: ` +
      `zerobus table drop ${name} --yes`
  )
})

const create = Command.make(
  "create",
  {
    definition: Argument.String("definition").pipe(
      Argument.withDescription(
        "catalog.schema.table(column TYPE [NOT NULL] [COMMENT '...'] [TAGS ('zerobus-rescue')], " +
          "...) [PARTITIONED BY (column, ...)]"
      )
    )
  },
  Effect.fn(function* (input) {
    const { definitionOf } = yield* Effect.promise(() => import("./local/tableDefinition.ts"))
    const definition = yield* definitionOf(input.definition)
    const { withCatalog } = yield* catalogUse
    const created = yield* withCatalog((catalog) => createOrKeep(catalog, definition))
    yield* print(
      created
        ? `Created ${definition.name} with ${counted(definition.columns.length, "column")}.`
        : `${definition.name} exists already with these columns.`
    )
  })
).pipe(
  Command.withDescription("Create a table, unless an equal one exists"),
  Command.withExamples([
    {
      command:
        "zerobus table create 'main.default.air_quality(device_name STRING, temp INT, humidity " +
        "BIGINT)'",
      description: "A table of three columns"
    },
    {
      command:
        "zerobus table create 'main.default.sales(day DATE NOT NULL, total DECIMAL(18,2)) " +
        "PARTITIONED BY (day)'",
      description: "A table with a folder for each day"
    }
  ])
)

const list = Command.make(
  "list",
  {
    schema: Argument.String("schema").pipe(
      Argument.withDescription("catalog.schema; default main.default"),
      Argument.withDefault("main.default")
    ),
    json
  },
  Effect.fn(function* (input) {
    const { withCatalog } = yield* catalogUse
    const tables = yield* withCatalog((catalog) =>
      Stream.runCollect(catalog.listTables(input.schema))
    )
    if (input.json) return yield* printJson(JSON.stringify(tables.map((table) => table.name)))
    if (tables.length === 0) return yield* print(`No tables in ${input.schema}.`)
    const width = tables.reduce((most, { name }) => Math.max(most, visible(name).length), 0)
    for (const { columnCount, name, problem } of tables) {
      const shown =
        problem === undefined ? counted(columnCount, "column") : `not served: ${problem}`
      yield* print(`${visible(name).padEnd(width)}  ${visible(shown)}`)
    }
  })
).pipe(
  Command.withDescription("List the tables of a schema"),
  Command.withExamples([
    { command: "zerobus table list", description: "Tables of main.default" },
    {
      command: "zerobus table list sales.raw --json",
      description: "Names of the tables of another schema"
    }
  ])
)

const show = Command.make(
  "show",
  { table: tableArgument(), json },
  Effect.fn(function* (input) {
    const { readTable } = yield* catalogUse
    const { localFolder, readLog } = yield* localTable
    const { shownTypeText } = yield* Effect.promise(
      () => import("../internal/columns/columnType.ts")
    )
    const { rescueTag } = yield* Effect.promise(() => import("../internal/columns/rescueTag.ts"))
    const table = yield* readTable(input.table)
    const folder = localFolder(table)
    const live = folder === undefined ? undefined : yield* readLog(folder)
    const { columns, comment, name, partitionColumns = [] } = table.definition
    if (input.json) {
      const size =
        live === undefined
          ? {}
          : { version: live.version, files: live.files, rows: live.rows, bytes: live.bytes }
      return yield* printJson(
        JSON.stringify({
          name,
          columns: columns.map((column) => ({
            name: column.name,
            type: shownTypeText(column.type),
            nullable: column.nullable,
            ...(column.defaultSql === undefined ? {} : { default: column.defaultSql }),
            ...(column.rescue === true ? { tags: [rescueTag] } : {})
          })),
          partitionColumns,
          location: table.location ?? "",
          ...(table.problem === undefined ? {} : { problem: table.problem }),
          ...(table.persistentStreams.length === 0
            ? {}
            : { persistentStreams: table.persistentStreams }),
          ...size
        })
      )
    }
    const width = Math.max(...columns.map((column) => column.name.length))
    const lines = [
      name + (comment === undefined ? "" : `: ${comment}`),
      ...(table.problem === undefined ? [] : [`not served: ${table.problem}`]),
      ...columns.map(
        (column) =>
          `  ${column.name.padEnd(width)}  ` +
          `${shownTypeText(column.type)}${column.nullable ? "" : " NOT NULL"}` +
          (column.defaultSql === undefined ? "" : ` DEFAULT ${column.defaultSql}`) +
          (column.rescue === true ? ` TAGS ('${rescueTag}')` : "") +
          (column.comment === undefined ? "" : `  -- ${column.comment}`)
      ),
      ...(partitionColumns.length > 0 ? [`partitioned by ${partitionColumns.join(", ")}`] : []),
      `location ${folder ?? table.location ?? "unknown"}`,
      ...table.persistentStreams.map(
        ({ committedOffset, recordType, retiredAt, streamId }) =>
          `persistent stream ${streamId}: ${recordType === "json" ? "JSON" : "protobuf"}, ` +
          (committedOffset < 0
            ? "nothing committed"
            : `committed up to offset ${committedOffset}`) +
          (retiredAt === undefined ? "" : ", retired")
      ),
      ...(live === undefined
        ? []
        : [
            `version ${live.version}, ${counted(live.files, "file")}, ` +
              `${counted(live.rows, "row")}, ${count(live.bytes)} bytes`
          ])
    ]
    yield* print(lines.map(visible).join("\n"))
  })
).pipe(
  Command.withDescription(
    "Show a table: columns, place, and for local tables version, files and rows"
  ),
  Command.withExamples([
    { command: "zerobus table show main.default.orders", description: "For people" },
    { command: "zerobus table show main.default.orders --json", description: "For programs" }
  ])
)

const snippetOf = Command.make(
  "snippet",
  {
    table: localTableArgument,
    engine: Flag.Literals("for", engines).pipe(
      Flag.withDescription("Engine to read the table with; default duckdb"),
      Flag.withDefault("duckdb")
    )
  },
  Effect.fn(function* (input) {
    const { readTable } = yield* catalogUse
    const { liveTable } = yield* localTable
    const { snippet } = yield* Effect.promise(() => import("./snippets.ts"))
    const table = yield* readTable(input.table)
    const { folder, live } = yield* liveTable(table)
    const { columns, name } = table.definition
    const { filesProblem } = yield* Effect.promise(() => import("./deltaQuery.ts"))
    const problem = input.engine === "spark" ? undefined : filesProblem({ name, columns, live })
    if (problem !== undefined) return yield* failed(problem)
    yield* print(snippet(input.engine, { name, columns, live }, folder))
  })
).pipe(
  Command.withDescription(
    "Print code that reads a table of the local server: DuckDB, pandas (delta-rs) or Spark"
  ),
  Command.withExamples([
    { command: "zerobus table snippet main.default.orders", description: "SQL of DuckDB" },
    {
      command: "zerobus table snippet main.default.orders --for spark",
      description: "Code for Spark"
    }
  ])
)

const drop = Command.make(
  "drop",
  {
    table: tableArgument(),
    yes: yesFlag("Really drop the table; without it nothing happens")
  },
  Effect.fn(function* (input) {
    const { withCatalog } = yield* catalogUse
    if (!input.yes) {
      const { definition } = yield* withCatalog((catalog) => catalog.getTable(input.table))
      return yield* failed(
        `This drops ${definition.name} and all its data. If you mean it, add --yes.`
      )
    }
    yield* withCatalog((catalog) => catalog.dropTable(input.table))
    yield* print(`Dropped ${input.table}.`)
  })
).pipe(
  Command.withDescription("Drop a table with all its data"),
  Command.withExamples([
    {
      command: "zerobus table drop main.default.orders",
      description: "Prints what would be dropped"
    },
    { command: "zerobus table drop main.default.orders --yes", description: "Drops it" }
  ])
)

/** The command. */
export const table = Command.make("table").pipe(
  Command.withDescription(
    "Create, list, show, alter, rewrite, register, salvage and drop tables of the catalog at " +
      "DATABRICKS_WORKSPACE_URL"
  ),
  Command.withExamples([
    {
      command: "zerobus table create 'main.default.orders(id BIGINT, note STRING)'",
      description: "Creates a table"
    },
    {
      command: "zerobus table show main.default.orders",
      description: "Its columns, files and rows"
    }
  ]),
  Command.withSubcommands([
    create,
    list,
    show,
    snippetOf,
    alter,
    rewrite,
    tableRegister,
    tableSalvage,
    drop
  ])
)
