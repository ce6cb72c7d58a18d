/**
 * The logs in a data folder: lists them with their tables, and handles orders to discard one.
 *
 * An order to discard a log is a file next to its segments that names them. The owner of the data
 * folder deletes the segments: a running server, or the command itself. A segment that was created
 * again or received records after the order is kept.
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

/** The folder of all logs in a data folder. */
const logsFolder = (dataFolder: string): string => Path.join(dataFolder, ".wal")

/** The folder of the log that all tables share. No table has this id. */
export const sharedFolder = (dataFolder: string): string =>
  Path.join(logsFolder(dataFolder), "_shared")

/** The folder of a table's own log, if it has one. */
export const walFolder = (dataFolder: string, tableId: string): string =>
  Path.join(logsFolder(dataFolder), tableId)

/** The ids of tables that have their own log folder in a data folder, ignoring case. */
export interface OwnLogs {
  readonly has: (tableId: string) => boolean
}

/** Lists the ids once, for callers that open many tables. */
export const ownLogs = async (dataFolder: string): Promise<OwnLogs> => {
  const names = await Fs.readdir(logsFolder(dataFolder)).catch(none)
  const known = new Set(names.map((name) => name.toLowerCase()))
  return { has: (tableId) => known.has(tableId.toLowerCase()) }
}

/**
 * The advice about acknowledged records in the log of a table that cannot be written: where they
 * are, and how to export them.
 */
export const logAdvice = (table: string): string =>
  `Acknowledged records stay in its log until then; to take them out: zerobus table salvage ` +
  `${table} --to FILE ` +
  "(with --discard to drop them there)."

/**
 * A segment as it was read. Its random mark and its size distinguish it from another segment with
 * the same number.
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
  /** The table's name in the log; undefined when no segment header can be read. */
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
 * The log of the table with this id; undefined when it has no segments. A segment that cannot be
 * opened contributes neither name nor bytes.
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

/** Writes the order to discard these segments of a log. */
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

/** Whether an order to discard segments of a log exists. */
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

/** The segments in the order to discard; none without an order. */
export const discardOrder = async (folder: string): Promise<ReadonlyArray<SegmentPlace>> => {
  const text = await readPlain(orderFile(folder)).catch(gone)
  if (text === undefined) return []
  const { segments } = JSON.parse(text.toString("utf8")) as {
    readonly segments: ReadonlyArray<unknown>
  }
  return segments.filter(isSegment)
}

/** Whether two places are the same segment in the same state. */
export const isSamePlace = (one: SegmentPlace, other: SegmentPlace): boolean =>
  one.number === other.number && one.mark === other.mark && one.bytes === other.bytes

/**
 * Deletes the segments that the order to discard names, and returns their number. Only for the
 * owner of the data folder, and only while no writer uses the log.
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
