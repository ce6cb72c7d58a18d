/**
 * Checks whether a table may use the log that its id names. Other programs put tables into the data
 * folder, so an id can be any text. A copy of a folder has the id of the original; with one log for
 * both, rows would go into the wrong table.
 */
import * as Path from "node:path"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { openLog } from "../delta/deltaLog.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import { TableRefused } from "../delta/writability.ts"
import { logIn, type OwnLogs } from "../log/logFolders.ts"
import { tableKey } from "./tableStore.ts"

type Named = Pick<TableRecord, "tableId"> & { readonly name: string }

/** Starts with a letter or a digit, so that it cannot lead to another folder. */
const folderName = /^[0-9A-Za-z][0-9A-Za-z._-]{0,199}$/

/** Whether two ids are equal, ignoring case because file systems may ignore it. */
export const sameId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/**
 * Throws `TableRefused` for an id that is not a valid folder name, and for an id that another table
 * has: the table `served`, or the one named in the log. `waiting` is the table name of records with
 * this id in the shared log; `logs` are the logs of single tables.
 */
export const checkTableId = async (
  dataFolder: string,
  { name, tableId }: Named,
  served: string | undefined,
  waiting: string | undefined,
  logs: OwnLogs
): Promise<void> => {
  if (!folderName.test(tableId)) {
    const needed =
      "at most 200 letters, digits, dots, underscores and hyphens, starting with a letter or digit"
    throw new TableRefused(
      name,
      `its id ${JSON.stringify(tableId)} cannot name a log folder, which may have ${needed}`,
      moveOut
    )
  }
  if (served !== undefined) throw copyOf(name, served)
  const own = logs.has(tableId) ? await logIn(dataFolder, tableId) : undefined
  const original = await namedByLog(dataFolder, { name, tableId }, own?.table ?? waiting)
  if (original !== undefined) throw copyOf(name, original)
}

const moveOut = "Move its folder out of the data folder."

const copyOf = (name: string, original: string): TableRefused =>
  new TableRefused(
    name,
    `it has the id of ${original}, like a copied folder, and both would write to the same log`,
    "Move one of them out of the data folder."
  )

/** The table named in the log with this id, when it is another table that has the same id. */
const namedByLog = async (
  dataFolder: string,
  { name, tableId }: Named,
  table: string | undefined
): Promise<string | undefined> => {
  if (
    table === undefined ||
    tableKey(table) === tableKey(name) ||
    tableNameProblem(table) !== undefined
  )
    return undefined
  const id = await openLog(Path.join(dataFolder, ...table.split("."))).then(
    (log) => log?.snapshot.metadata?.id,
    // The id of a damaged table cannot be read. It counts as equal, so that the log is kept for
    // that table.
    () => tableId
  )
  return id !== undefined && sameId(id, tableId) ? table : undefined
}
