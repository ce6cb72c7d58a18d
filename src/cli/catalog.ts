/**
 * The catalog of `DATABRICKS_WORKSPACE_URL`, as the commands use it. Failures carry a message for
 * users.
 */
import * as Effect from "effect/Effect"
import type { TableDefinition } from "../internal/columns/columnType.ts"
import { toTypeJson } from "../internal/columns/columnType.ts"
import {
  type CatalogTable,
  UnityCatalog,
  UnityCatalogLayer,
  type UnityCatalogShape
} from "../UnityCatalog.ts"
import type { StreamFailure } from "../ZerobusError.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import { missingSetting } from "./terminal/missingSetting.ts"

/** Runs `use` with the catalog of `DATABRICKS_WORKSPACE_URL`. */
export const withCatalog = <A>(
  use: (catalog: UnityCatalogShape) => Effect.Effect<A, StreamFailure | CommandFailed>
): Effect.Effect<A, CommandFailed> =>
  UnityCatalog.use(use).pipe(
    Effect.provide(UnityCatalogLayer),
    Effect.mapError((error) =>
      error._tag === "ConfigError" ? missingSetting(error) : because(error)
    )
  )

/** Reads a table. When it does not exist, the message names the command that creates one. */
export const readTable = (name: string): Effect.Effect<CatalogTable, CommandFailed> =>
  withCatalog((catalog) =>
    Effect.catchTag(catalog.getTable(name), "InvalidTable", ({ isMissing, message }) =>
      Effect.fail(
        failed(isMissing === true ? `${message} Create it with zerobus table create.` : message)
      )
    )
  )

/** Whether two tables have the same columns and partitions. */
export const sameColumns = (one: TableDefinition, other: TableDefinition): boolean => {
  const text = (definition: TableDefinition) =>
    JSON.stringify([definition.columns.map(toTypeJson), definition.partitionColumns ?? []])
  return text(one) === text(other)
}
