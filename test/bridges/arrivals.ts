/** The rows of a table in the order of their arrival. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ZerobusLocal } from "effect-zerobus/testing"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { filePath } from "../../src/local/delta/filePaths.ts"
import { readParquet } from "../../src/local/parquet/parquetRows.ts"

/** A row as the server's own reader returns it. */
export type Row = Readonly<Record<string, unknown>>

/**
 * All acknowledged rows, version by version. A reader of the latest version returns the files in
 * any order, because the server merges small files. The commit of a merge adds no rows.
 */
export const arrivals = Effect.fn(function* (table: string) {
  const local = yield* ZerobusLocal
  yield* local.flush(table)
  const { definition, location } = Option.getOrThrow(yield* local.getTable(table))
  const log = join(location, "_delta_log")
  const versions = readdirSync(log).filter((name) => /^\d+\.json$/.test(name))
  const rows: Array<Row> = []
  for (const name of versions.sort()) {
    for (const line of readFileSync(join(log, name), "utf8").trim().split("\n")) {
      const { add } = JSON.parse(line) as {
        readonly add?: { readonly path: string; readonly dataChange: boolean }
      }
      if (add?.dataChange !== true) continue
      const bytes = readFileSync(filePath(location, add.path))
      rows.push(...(yield* Effect.promise(() => readParquet(bytes, definition.columns))))
    }
  }
  return rows
})
