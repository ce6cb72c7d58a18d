/**
 * Lists the refused tables and the logs without a table in a data folder, for the catalog. Read
 * from disk each time, so that the list is current.
 */
import * as Result from "effect/Result"
import * as Path from "node:path"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { openLog } from "../delta/deltaLog.ts"
import { definitionOf } from "../delta/tableFolder.ts"
import { type FoundLog, logAdvice, logsIn } from "../log/logFolders.ts"
import type { StorageFailure } from "../log/storageErrors.ts"
import type { UnservedTable } from "./tableStore.ts"

/** A table that was found and cannot be opened. */
export interface RefusedTable {
  readonly name: string
  readonly location: string
  readonly failure: StorageFailure
}

/** A refused table, with everything that can be read from it. */
const refusedTable = async (
  { failure, location, name }: RefusedTable,
  logs: ReadonlyArray<FoundLog>
): Promise<UnservedTable> => {
  const metadata = await openLog(location).then(
    (log) => log?.snapshot.metadata,
    () => undefined
  )
  const isNamed = ({ table }: FoundLog) =>
    table === undefined || table.toLowerCase() === name.toLowerCase()
  const hasLog = logs.some(
    (log) => isNamed(log) && (metadata === undefined || metadata.id === log.tableId)
  )
  const reason =
    failure.reason === "TableRefused"
      ? failure.message
      : `The table ${name} cannot be opened. ${failure.message}`
  return {
    name,
    tableId: metadata?.id,
    location,
    definition:
      metadata === undefined ? undefined : Result.getOrUndefined(definitionOf(name, metadata)),
    problem: hasLog ? `${reason} ${logAdvice(name)}` : reason
  }
}

/** A log without a table in the folder. */
const lonelyLog = (
  dataFolder: string,
  { bytes, folder, table, tableId }: FoundLog
): UnservedTable => {
  const name = table !== undefined && tableNameProblem(table) === undefined ? table : "unknown"
  return {
    name,
    tableId,
    location: name === "unknown" ? folder : Path.join(dataFolder, ...name.split(".")),
    definition: undefined,
    problem:
      `The log ${folder} holds ${bytes} bytes of acknowledged records of ${name}, and the table ` +
      `with its id is gone. ` +
      `To take them out: zerobus table salvage ${name} --to FILE (with --discard to drop them ` +
      `there).`
  }
}

/**
 * The refused tables, and the logs that belong neither to them nor to a served table. When the id
 * of a refused table cannot be read, a log that names the table counts as its log.
 */
export const unservedIn = async (
  dataFolder: string,
  served: ReadonlySet<string>,
  refused: Iterable<RefusedTable>
): Promise<ReadonlyArray<UnservedTable>> => {
  const logs = (await logsIn(dataFolder)).filter(({ tableId }) => !served.has(tableId))
  const found = await Promise.all([...refused].map((table) => refusedTable(table, logs)))
  const ids = new Set(found.map(({ tableId }) => tableId))
  const unread = new Set(
    found.filter(({ tableId }) => tableId === undefined).map(({ name }) => name.toLowerCase())
  )
  const lonely = logs.filter(
    ({ table, tableId }) =>
      !ids.has(tableId) && !(table !== undefined && unread.has(table.toLowerCase()))
  )
  return [...found, ...lonely.map((log) => lonelyLog(dataFolder, log))]
}
