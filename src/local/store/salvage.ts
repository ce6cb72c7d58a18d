/**
 * Reads the acknowledged records of a log that are not in its table, to export them. Reading
 * changes nothing, needs no lock, and works while a server is running.
 */
import * as Fs from "node:fs/promises"
import { lockFolder } from "../../internal/log/folderLock.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { DamagedLog, readSegmentFiles, segmentPath } from "../../internal/log/segmentFiles.ts"
import {
  type CommitFinder,
  commitFinder,
  nothingFound,
  type RowRange
} from "../delta/commitPlace.ts"
import { openLog } from "../delta/deltaLog.ts"
import { tableFolders } from "../log/tableFolders.ts"
import {
  discardOrder,
  discardOrdered,
  type FoundLog,
  isSamePlace,
  logsIn,
  orderDiscard,
  type SegmentPlace,
  sharedFolder,
  walFolder
} from "../log/logFolders.ts"
import { findRows } from "../log/foundRows.ts"
import { bytesAt, readPlaces } from "../log/placedRows.ts"
import { moveOutFound } from "../log/ownLog.ts"
import { openSharedLog } from "../log/sharedLog.ts"
import {
  FramesReader,
  type LogFormat,
  type RecordsFrame,
  type TableLogHeader
} from "../log/logFrames.ts"
import { segmentNumbers } from "../log/logSegments.ts"
import { recordTexts, type RecordTexts } from "../records/recordText.ts"
import { framesIn, rangeOf } from "./recovery.ts"
import { sameId } from "./tableIds.ts"
import { appIdOf, tableKey } from "./tableStore.ts"

export type { FoundLog } from "../log/logFolders.ts"

/** The result of reading a log. */
export interface Salvaged {
  readonly records: number
  /** The segments that records were read from; `discard` drops them. */
  readonly segments: ReadonlyArray<SegmentPlace>
  /** Whether segments were skipped because an order to discard them exists. */
  readonly ordered: boolean
  /** Where the log is damaged, as sentences. Records after a damaged place are not read. */
  readonly damage: ReadonlyArray<string>
}

/**
 * The logs of a data folder that belong to a table of this name (case-insensitive) or to the table
 * that has the name now. A table whose folder was renamed has a log with its former name; a table
 * that was created again has several logs.
 */
export const logsOf = async (
  dataFolder: string,
  table: string
): Promise<ReadonlyArray<FoundLog>> => {
  await separateLogs(dataFolder)
  const there = (await tableFolders(dataFolder)).tables.find(
    ([name]) => tableKey(name) === tableKey(table)
  )
  const idThere = there && (await tableAt(there[1]))?.id
  const isFor = (log: { readonly table: string | undefined; readonly tableId: string }): boolean =>
    (idThere !== undefined && sameId(log.tableId, idThere)) ||
    (log.table !== undefined && tableKey(log.table) === tableKey(table))
  const own = (await logsIn(dataFolder)).filter(isFor)
  const { tables } = await findRows(sharedFolder(dataFolder), false)
  const shared = [...tables.values()].filter(({ owner }) => isFor(owner))
  const others = shared.filter(({ owner }) => own.every(({ tableId }) => tableId !== owner.tableId))
  return [
    ...own,
    ...others.map(({ owner, parts }) => ({
      folder: walFolder(dataFolder, owner.tableId),
      tableId: owner.tableId,
      table: owner.table,
      bytes: bytesAt(parts.flatMap(({ places }) => places))
    }))
  ]
}

/**
 * Moves the records of the shared log into the logs of their tables, where they can be discarded. A
 * running server has already moved the records that it cannot write.
 */
const separateLogs = async (dataFolder: string): Promise<void> => {
  if ((await segmentNumbers(sharedFolder(dataFolder))).length === 0) return
  const lock = await lockFolder(dataFolder).catch(() => undefined)
  if (lock === undefined) return
  try {
    const shared = await openSharedLog(dataFolder, () => 0)
    await moveOutFound(shared, dataFolder)
    await shared.close()
  } finally {
    await lock.release()
  }
}

/** The table in a folder; undefined when there is none or its Delta log cannot be read. */
const tableAt = async (location: string) => {
  const delta = await openLog(location).catch(() => undefined)
  const id = delta?.snapshot.metadata?.id
  return delta === undefined || id === undefined ? undefined : { delta, id }
}

/**
 * Finds the records of a log in its table. The table is the one with the log's id; the name in the
 * log is tried first. The content of a damaged table is unknown, so all its records are salvaged.
 */
const finderOf = async (
  dataFolder: string,
  { table = "", tableId }: FoundLog
): Promise<CommitFinder> => {
  const { tables } = await tableFolders(dataFolder)
  const isNamed = ([name]: readonly [name: string, path: string]) =>
    tableKey(name) === tableKey(table)
  for (const [, location] of [
    ...tables.filter(isNamed),
    ...tables.filter((each) => !isNamed(each))
  ]) {
    const found = await tableAt(location)
    if (found !== undefined && sameId(found.id, tableId)) return commitFinder(found.delta)
  }
  return nothingFound
}

/**
 * Passes the acknowledged records of a log that are not in the table to `write`, segment by
 * segment, each record as one line of JSON. Throws `TableMoved` when the server commits some of
 * them at the same time.
 */
export const salvage = async (
  dataFolder: string,
  log: FoundLog,
  write: (lines: string) => Promise<void>
): Promise<Salvaged> => {
  // Before anything is read: a segment that grows during the read differs from the one recorded
  // here.
  const sizes = await sizesOf(log.folder)
  const segments: Array<SegmentPlace> = []
  const damage: Array<string> = []
  let records = 0
  const passed: Array<RowRange> = []
  const discarded = await discardOrder(log.folder)
  let ordered = false
  let reader = new FramesReader()
  const appId = appIdOf(log.tableId)
  const find = await finderOf(dataFolder, log)
  const pass = async (frames: ReadonlyArray<RecordsFrame>): Promise<void> => {
    const range = rangeOf(appId, frames)
    if (range === undefined) return
    const texts = new Map<LogFormat, RecordTexts>()
    const missing = (await find(range)).filter((part) => part.missing !== undefined)
    for (const { firstSequence, lastSequence } of missing)
      passed.push({ appId, firstSequence, lastSequence })
    for (const frame of missing.flatMap((part) => framesIn(frames, part))) {
      const textsOf = texts.get(frame.format) ?? recordTexts(frame.format)
      texts.set(frame.format, textsOf)
      const lines = frame.records.flatMap(textsOf)
      await write(lines.map((line) => `${line}\n`).join(""))
      records += lines.length
    }
  }
  try {
    const files = readSegmentFiles<TableLogHeader>(
      nodeDisk,
      log.folder,
      false,
      (content, body, end) => reader.read(content, body, end)
    )
    for await (const { header, number } of files) {
      const { frames } = reader
      const before = records
      reader = new FramesReader()
      const place = { number, mark: header?.mark ?? "", bytes: sizes.get(number) ?? 0 }
      if (discarded.some((each) => isSamePlace(each, place))) {
        ordered = true
        continue
      }
      await pass(frames)
      // The server deletes a segment whose records are all in the table.
      if (records > before) segments.push(place)
    }
    await passShared(dataFolder, log.tableId, pass)
  } catch (error) {
    // A server deletes segments whose records are in the table.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new TableMoved(log.table ?? "")
    if (!(error instanceof DamagedLog)) throw error
    damage.push(error.message)
    await pass(reader.frames)
  }
  const findNow = await finderOf(dataFolder, log)
  for (const range of passed) {
    if ((await findNow(range)).some(({ missing }) => missing === undefined))
      throw new TableMoved(log.table ?? "")
  }
  return { records, segments, ordered, damage }
}

/** Passes the records of a table in the shared log. */
const passShared = async (
  dataFolder: string,
  tableId: string,
  pass: (frames: ReadonlyArray<RecordsFrame>) => Promise<void>
): Promise<void> => {
  const folder = sharedFolder(dataFolder)
  const { files, tables } = await findRows(folder, false)
  for (const { firstSequence, places } of tables.get(tableId)?.parts ?? []) {
    const frames = await readPlaces(
      folder,
      places,
      (file, writer) => files.get(file)?.get(writer)?.format
    )
    await pass(frames.filter(({ sequence }) => sequence >= firstSequence))
  }
}

const sizesOf = async (folder: string): Promise<ReadonlyMap<number, number>> => {
  const sizes = new Map<number, number>()
  for (const number of await segmentNumbers(folder)) {
    const found = await Fs.lstat(segmentPath(folder, number)).catch(() => undefined)
    if (found !== undefined) sizes.set(number, found.size)
  }
  return sizes
}

/**
 * The server wrote records into the table while they were salvaged, so nothing has to be salvaged.
 */
export class TableMoved extends Error {
  constructor(table: string) {
    super(
      `The server is writing the records of ${table} into the table, so nothing has to be salvaged.`
    )
  }
}

/**
 * Drops segments that were salvaged. Returns false when a running server has to do it: within a
 * minute for a table that it does not serve, never for one that it serves.
 */
export const discard = async (
  dataFolder: string,
  log: FoundLog,
  segments: ReadonlyArray<SegmentPlace>
): Promise<boolean> => {
  await orderDiscard(log.folder, segments)
  const lock = await lockFolder(dataFolder).catch(() => undefined)
  if (lock === undefined) return false
  try {
    await discardOrdered(log.folder)
    return true
  } finally {
    await lock.release()
  }
}
