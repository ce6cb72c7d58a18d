/**
 * Reads the acknowledged records of a log that are not in its table, for whoever wants them
 * elsewhere. It changes nothing, needs no lock, and works beside a running server.
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

/** What was read of a log. */
export interface Salvaged {
  readonly records: number
  /** The segments that records were read from, which `discard` drops. */
  readonly segments: ReadonlyArray<SegmentPlace>
  /** Whether segments were left out, because somebody ordered that they are discarded. */
  readonly ordered: boolean
  /** Where the log is damaged, as sentences; records behind such a place are not read. */
  readonly damage: ReadonlyArray<string>
}

/**
 * The logs of a data folder for a table of this name, in any case, and for the table that lies
 * there now: one whose folder was renamed has a log with its former name. A table that was made
 * anew has several.
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
 * Moves what waits in the shared log into the logs of its tables, where it can be discarded. A
 * server that runs has done so with what it cannot write.
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

/** The table in a folder; undefined when there is none, or its Delta log cannot be read. */
const tableAt = async (location: string) => {
  const delta = await openLog(location).catch(() => undefined)
  const id = delta?.snapshot.metadata?.id
  return delta === undefined || id === undefined ? undefined : { delta, id }
}

/**
 * What the table holds of a log. It is the one with the log's id, first looked for under the name
 * that the log has. What a damaged table holds cannot be told: then all records are salvaged.
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
 * Passes the acknowledged records of a log that are not in the table to `write`, each as one line
 * of JSON, segment by segment. Throws `TableMoved` when the server commits some of them meanwhile.
 */
export const salvage = async (
  dataFolder: string,
  log: FoundLog,
  write: (lines: string) => Promise<void>
): Promise<Salvaged> => {
  // Before anything is read: a segment that grows meanwhile is not the one that is noted here.
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
      // A segment whose records are all in the table is left to the server, which looks after them.
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

/** Passes the records of a table in the log that all tables share. */
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
 * The server wrote records into the table while they were salvaged, so that it needs no salvage.
 */
export class TableMoved extends Error {
  constructor(table: string) {
    super(
      `The server is writing the records of ${table} into the table, so nothing has to be salvaged.`
    )
  }
}

/**
 * Drops segments that were salvaged. Answers false when a running server has to do it, which it
 * does within a minute for a table that it does not serve, and never for one that it does.
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
