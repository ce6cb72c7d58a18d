/**
 * Whether a table may have the log that its id names. Other programs put tables into the data
 * folder, so an id can be anything, and a copy of a folder has the id of the original: with one log
 * for both, rows would go into the wrong one.
 */
import * as Path from "node:path"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { openLog } from "../delta/deltaLog.ts"
import type { TableRecord } from "../delta/tableFolder.ts"
import { TableRefused } from "../delta/writability.ts"
import { logIn, type OwnLogs } from "../log/logFolders.ts"
import { tableKey } from "./tableStore.ts"

type Named = Pick<TableRecord, "tableId"> & { readonly name: string }

/** Starts with a letter or a digit, so that it leads to no other folder. */
const folderName = /^[0-9A-Za-z][0-9A-Za-z._-]{0,199}$/

/** Whether two ids are one: file systems may tell no case. */
export const sameId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/**
 * Throws `TableRefused` for an id that is no name of a folder, and for one that another table has:
 * `served`, or one whose log names it. `waiting` is the table that records with this id in the
 * shared log are for; `logs` are those of single tables.
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
      "at most 200 letters, digits, dots, underscores and hyphens, a letter or digit first"
    throw new TableRefused(
      name,
      `its id ${JSON.stringify(tableId)} names no log here, which takes ${needed}`,
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
    `it has the id of ${original}, as a copy of a folder has, and would have its log`,
    "Move one of them out of the data folder."
  )

/** The table that the log with this id names, when it is another one that has the id too. */
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
    // A damaged table cannot tell its id, and its log waits for it.
    () => tableId
  )
  return id !== undefined && sameId(id, tableId) ? table : undefined
}
