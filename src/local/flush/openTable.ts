/**
 * Opens a table at start-up, before it is served: reads its log, repairs it after a crash, and
 * finds the rows that the write-ahead log holds.
 */
import { commitFinder, type FoundRange, lastNumber, streamOffset } from "../delta/commitPlace.ts"
import { type DeltaLog, openLog, removeFalseCheckpoints } from "../delta/deltaLog.ts"
import { sizeOf } from "../delta/tableSize.ts"
import { checkPlace, refusalOf } from "../delta/writability.ts"
import type { Readers } from "../../internal/log/durableFile.ts"
import { placeProblem } from "../log/tableFolders.ts"
import { undoBrokenMerges } from "../upkeep/brokenMerges.ts"
import { sweepOrphans } from "../upkeep/sweepOrphans.ts"
import type { LocatedRows, PreparedTable, PrepareJob } from "./flusher.ts"

/**
 * Reads the log of the table in a folder; undefined when there is none. The next look detects
 * versions that are replaced during the read.
 */
export const openTable = async (
  folder: string,
  name: string,
  readers: Readers
): Promise<DeltaLog | undefined> => {
  try {
    if (placeProblem(folder)?.kind !== undefined) checkPlace(name, folder)
    return await readLog(folder, readers)
  } catch (error) {
    throw refusalOf(name, error)
  }
}

const readLog = async (folder: string, readers: Readers): Promise<DeltaLog | undefined> => {
  let log = await openLog(folder, readers)
  if (log?.isDoubtful === true) {
    await removeFalseCheckpoints(folder)
    log = await openLog(folder, readers)
  }
  return log
}

/** Undoes broken merges, deletes files that no commit names, and finds rows. */
export const prepareTable = async (
  log: DeltaLog,
  { appId, now, ranges, streams }: PrepareJob
): Promise<PreparedTable> => {
  await undoBrokenMerges(log, now)
  await sweepOrphans(log)
  const committed = await lastNumber(log, appId)
  const find = commitFinder(log)
  const found: Array<ReadonlyArray<LocatedRows>> = []
  for (const range of ranges) found.push((await find({ ...range, appId })).map(located))
  const offsets = new Map<string, number>()
  for (const streamId of streams) offsets.set(streamId, await streamOffset(log, streamId))
  return { ...sizeOf(log.snapshot), committed, offsets, found }
}

const located = ({ firstSequence, lastSequence, missing, place }: FoundRange): LocatedRows => ({
  firstSequence,
  lastSequence,
  place,
  missing:
    missing === undefined ? "none" : place === undefined && !missing.isPartial ? "all" : "some"
})
