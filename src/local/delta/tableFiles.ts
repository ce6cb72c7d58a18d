/**
 * Finds the tables below a data folder, and reads the rows of one.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { readParquet } from "../parquet/parquetRows.ts"
import { partitionValue } from "./partitions.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { TableRecord } from "./tableFolder.ts"

/** The table folders below a data folder. */
export interface FoundTables {
  /** Names and paths: three levels below the data folder. */
  readonly tables: ReadonlyArray<readonly [name: string, path: string]>
  /** What has the place of a catalog, a schema or a table and is neither a folder nor a file: links, pipes and the like. */
  readonly strange: ReadonlyArray<string>
}

/** Finds the tables of a data folder. Links are not followed. */
export const tableFolders = async (folder: string): Promise<FoundTables> => {
  const tables: Array<readonly [string, string]> = []
  const strange: Array<string> = []
  const folders = async (path: string) => {
    const entries = (await Fs.readdir(path, { withFileTypes: true }))
      .filter((entry) => !entry.isFile() && !entry.name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) if (!entry.isDirectory()) strange.push(Path.join(path, entry.name))
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }
  for (const trash of await Fs.readdir(folder)) {
    if (trash.startsWith(".trash-")) await Fs.rm(Path.join(folder, trash), { recursive: true, force: true })
  }
  for (const catalog of await folders(folder)) {
    for (const schema of await folders(Path.join(folder, catalog))) {
      for (const table of await folders(Path.join(folder, catalog, schema))) {
        tables.push([`${catalog}.${schema}.${table}`, Path.join(folder, catalog, schema, table)])
      }
    }
  }
  return { tables, strange }
}

/** All committed rows of a table. */
export const readRows = async (record: TableRecord): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const log = await openLog(record.location)
  const rows: Array<Record<string, unknown>> = []
  const { columns } = record.definition
  for (const add of log?.snapshot.files.values() ?? []) {
    if (add.deletionVector !== undefined) {
      throw new StorageFailure({
        reason: "CorruptTable",
        message:
          `The table ${record.definition.name} has a file with deleted rows (a deletion vector), which is ` +
          "not read here. Read it with Spark, or let Spark purge it: REORG TABLE ... APPLY (PURGE)."
      })
    }
    const found = await readParquet(await readPlain(filePath(record.location, add.path)), columns)
    const partition = columns
      .filter((column) => Object.hasOwn(add.partitionValues, column.name))
      .map((column) => [column.name, partitionValue(column.type, add.partitionValues[column.name] ?? null)] as const)
    for (const row of found) {
      for (const [name, value] of partition) row[name] = value
      rows.push(row)
    }
  }
  return rows
}
