/**
 * The logs below a data folder: which there are, for which tables, and the order to discard one.
 *
 * A log is discarded by naming its segments in a file beside them. Whoever owns the data folder at
 * that moment deletes them: a running server, or the command itself. A segment that was made anew
 * since, or that got records, is kept.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { replaceSynced, syncFolder } from "../../internal/log/durableFile.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { readHeader, segmentPath } from "../../internal/log/segmentFiles.ts"
import type { TableLogHeader } from "./logFrames.ts"
import { segmentNumbers } from "./logSegments.ts"

/** Where the logs of a data folder lie. */
const logsFolder = (dataFolder: string): string => Path.join(dataFolder, ".wal")

/** Where the log that all tables share lies. No table has this id. */
export const sharedFolder = (dataFolder: string): string =>
  Path.join(logsFolder(dataFolder), "_shared")

/** Where the own log of a table lies, if it has one. */
export const walFolder = (dataFolder: string, tableId: string): string =>
  Path.join(logsFolder(dataFolder), tableId)

/** The ids that have a folder for a log of their own below a data folder, without case. */
export interface OwnLogs {
  readonly has: (tableId: string) => boolean
}

/** Lists them once, for those who open many tables. */
export const ownLogs = async (dataFolder: string): Promise<OwnLogs> => {
  const names = await Fs.readdir(logsFolder(dataFolder)).catch(none)
  const known = new Set(names.map((name) => name.toLowerCase()))
  return { has: (tableId) => known.has(tableId.toLowerCase()) }
}

/**
 * What becomes of acknowledged records in the log of a table that takes none, and how they are
 * taken out.
 */
export const logAdvice = (table: string): string =>
  `Acknowledged records stay in its log until then; to take them out: zerobus table salvage ` +
  `${table} --to FILE ` +
  "(with --discard to drop them there)."

/**
 * A segment as it was read: its random mark and its size tell it from another one of the same
 * number.
 */
export interface SegmentPlace {
  readonly number: number
  readonly mark: string
  readonly bytes: number
}

/** The log of one table, with at least one segment. */
export interface FoundLog {
  readonly folder: string
  readonly tableId: string
  /** The table's name as the log has it; undefined when its first segment cannot be read. */
  readonly table: string | undefined
  readonly bytes: number
}

const headerOf = async (
  path: string
): Promise<{ readonly header: TableLogHeader | undefined; readonly bytes: number }> => ({
  header: await readHeader<TableLogHeader>(nodeDisk, path),
  bytes: (await Fs.lstat(path)).size
})

/**
 * The log of the table with this id; undefined when it has no segments. One that cannot be opened
 * tells neither name nor bytes.
 */
export const logIn = async (dataFolder: string, tableId: string): Promise<FoundLog | undefined> => {
  const folder = walFolder(dataFolder, tableId)
  let table: string | undefined
  let bytes = 0
  const numbers = await segmentNumbers(folder)
  for (const number of numbers) {
    const segment = await headerOf(segmentPath(folder, number)).catch(() => undefined)
    table ??= segment?.header?.table
    bytes += segment?.bytes ?? 0
  }
  return numbers.length === 0 ? undefined : { folder, tableId, table, bytes }
}

/** The logs of single tables in a data folder that have segments. */
export const logsIn = async (dataFolder: string): Promise<ReadonlyArray<FoundLog>> => {
  const found: Array<FoundLog> = []
  const entries = await Fs.readdir(logsFolder(dataFolder), { withFileTypes: true }).catch(none)
  for (const entry of entries.filter((each) => each.isDirectory() && each.name !== "_shared")) {
    const log = await logIn(dataFolder, entry.name)
    if (log !== undefined) found.push(log)
  }
  return found
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT"

const gone = (error: unknown): undefined => {
  if (!isMissing(error)) throw error
}

const none = (error: unknown): ReadonlyArray<never> => {
  if (!isMissing(error)) throw error
  return []
}

const orderFile = (folder: string): string => Path.join(folder, "discard.json")

/** Orders that these segments of a log are discarded. */
export const orderDiscard = async (
  folder: string,
  segments: ReadonlyArray<SegmentPlace>
): Promise<void> => {
  await replaceSynced(
    orderFile(folder),
    `${orderFile(folder)}-${randomUUID()}`,
    JSON.stringify({ segments })
  )
  await syncFolder(folder)
}

/** Whether somebody ordered that segments of a log are discarded. */
export const isDiscardOrdered = (folder: string): Promise<boolean> =>
  Fs.access(orderFile(folder)).then(
    () => true,
    () => false
  )

const isSegment = (value: unknown): value is SegmentPlace =>
  typeof value === "object" &&
  value !== null &&
  "number" in value &&
  "mark" in value &&
  "bytes" in value

/** The segments that were ordered to be discarded; none without an order. */
export const discardOrder = async (folder: string): Promise<ReadonlyArray<SegmentPlace>> => {
  const text = await readPlain(orderFile(folder)).catch(gone)
  if (text === undefined) return []
  const { segments } = JSON.parse(text.toString("utf8")) as {
    readonly segments: ReadonlyArray<unknown>
  }
  return segments.filter(isSegment)
}

/** Whether two places are of one segment in the same state. */
export const isSamePlace = (one: SegmentPlace, other: SegmentPlace): boolean =>
  one.number === other.number && one.mark === other.mark && one.bytes === other.bytes

/**
 * Deletes the segments of a log that were ordered to be discarded, and answers how many. Only for
 * the owner of the data folder, and only while nobody writes the log.
 */
export const discardOrdered = async (folder: string): Promise<number> => {
  if (!(await isDiscardOrdered(folder))) return 0
  let discarded = 0
  for (const segment of await discardOrder(folder)) {
    const { number } = segment
    const path = segmentPath(folder, number)
    const found = await headerOf(path).catch(gone)
    if (found === undefined) continue
    if (!isSamePlace({ number, mark: found.header?.mark ?? "", bytes: found.bytes }, segment))
      continue
    await Fs.rm(path)
    discarded++
  }
  await syncFolder(folder)
  await Fs.rm(orderFile(folder), { force: true })
  return discarded
}
