/**
 * Code that reads a local table with other engines.
 *
 * DuckDB gets the list of live files, because its Delta extension would have to be downloaded. The
 * view shows one version and must be created again for a later one. The other engines read the
 * Delta log themselves.
 */
import type { QueryTable } from "./deltaQuery.ts"
import { tableSelect } from "./deltaQuery.ts"
import type { engines } from "./table.ts"

/** The code for one engine that reads the table in this folder. */
export const snippet = (
  engine: (typeof engines)[number],
  table: QueryTable,
  folder: string
): string => {
  const name = table.name.split(".").at(-1) ?? table.name
  switch (engine) {
    case "duckdb":
      return (
        `-- ${table.name} at version ${table.live.version}\nCREATE OR REPLACE VIEW ` +
        `"${name}" AS ${tableSelect(table)};`
      )
    case "pandas":
      return (
        `# pip install deltalake pandas pyarrow\nfrom deltalake import DeltaTable\n${name} ` +
        `= DeltaTable(${JSON.stringify(folder)}).to_pandas()`
      )
    case "spark":
      return (
        `# a session with the package io.delta:delta-spark\n${name} = ` +
        `spark.read.format("delta").load(${JSON.stringify(folder)})`
      )
  }
}
