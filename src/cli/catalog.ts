/**
 * The catalog that the environment names, as the commands use it. A failure is a sentence for users.
 */
import * as Effect from "effect/Effect"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import { toTypeJson } from "../internal/columns/columnType.ts"
import { type CatalogTable, UnityCatalog, UnityCatalogLayer, type UnityCatalogShape } from "../UnityCatalog.ts"
import type { StreamFailure } from "../ZerobusError.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"

/** What to do when the environment lacks a setting, or has one that cannot be read. The value is not repeated. */
export const missingSetting = (error: { readonly message: string }): CommandFailed => {
  // The error names the place as `at ["ZEROBUS"]["FLUSH_TIMEOUT"]`.
  const names = [...error.message.matchAll(/\bat ((?:\["[A-Z][A-Z0-9_]*"\])+)/g)].map(([, path = ""]) =>
    path.slice(2, -2).replaceAll('"]["', "_")
  )
  return failed(
    `${names.length === 0 ? "A setting" : [...new Set(names)].join(", ")} is not set, or its value cannot be used. The environment needs ` +
      "ZEROBUS_SERVER_ENDPOINT, DATABRICKS_WORKSPACE_URL, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; " +
      "`zerobus local` prints them for a local server."
  )
}

/** Uses the catalog of `DATABRICKS_WORKSPACE_URL`. */
export const withCatalog = <A>(
  use: (catalog: UnityCatalogShape) => Effect.Effect<A, StreamFailure | CommandFailed>
): Effect.Effect<A, CommandFailed> =>
  UnityCatalog.use(use).pipe(
    Effect.provide(UnityCatalogLayer),
    Effect.mapError((error) => (error._tag === "ConfigError" ? missingSetting(error) : because(error)))
  )

/** Reads a table that is there to be used. */
export const readTable = (name: string): Effect.Effect<CatalogTable, CommandFailed> =>
  withCatalog((catalog) =>
    Effect.catchTag(catalog.getTable(name), "InvalidTable", ({ isMissing, message }) =>
      Effect.fail(failed(isMissing === true ? `${message} zerobus table create makes a table.` : message))
    )
  )

/** Whether two tables have the same columns and partitions. */
export const sameColumns = (one: TableDefinition, other: TableDefinition): boolean => {
  const text = (definition: TableDefinition) =>
    JSON.stringify([definition.columns.map(toTypeJson), definition.partitionColumns ?? []])
  return text(one) === text(other)
}
