/**
 * The own log of a single table, in a separate folder. It holds records that the table cannot
 * accept, so that they keep no file of the shared log and can be salvaged or discarded. Servers
 * before the shared log wrote all records there.
 */
import * as Path from "node:path"
import { makeFoldersIn } from "../../internal/log/durableFile.ts"
import { FrameBuffer } from "../../internal/log/frames.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { segmentNumbers } from "../../internal/log/segmentFiles.ts"
import { SegmentWriter } from "../../internal/log/segmentWriter.ts"
import {
  type LogFormat,
  type RecordsFrame,
  type TableLogHeader,
  writeFormat,
  writeRecords
} from "./logFrames.ts"
import { walFolder } from "./logFolders.ts"
import type { FoundTable } from "./foundRows.ts"
import type { LogOwner } from "./sharedFrames.ts"
import type { SharedLog } from "./sharedLog.ts"
import { storageFailure } from "./storageErrors.ts"

/**
 * Moves all records that a start found in the shared log, and that no table took over, into the own
 * logs of their tables. If the disk is full, the records stay in place, and the next start moves
 * them.
 */
export const moveOutFound = async (shared: SharedLog, dataFolder: string): Promise<void> => {
  for (const [tableId, found] of shared.found) {
    await moveOut(shared, dataFolder, tableId, found).catch((error: unknown) => {
      if (!isFull(error)) throw error
    })
  }
}

const isFull = (error: unknown): boolean =>
  storageFailure(error, "moving records", "the log of their table").reason === "DiskFull"

const moveOut = async (
  shared: SharedLog,
  dataFolder: string,
  tableId: string,
  { owner, parts }: FoundTable
): Promise<void> => {
  const folder = walFolder(dataFolder, tableId)
  const numbers = await segmentNumbers(nodeDisk, folder)
  const places = parts.flatMap((part) => part.places)
  const first = parts[0]?.firstSequence ?? 0
  const last = parts[parts.length - 1]?.lastSequence ?? 0
  const frames = (await shared.readBack({ places }, true)).filter(
    ({ sequence }) => sequence >= first
  )
  await writeOwn(folder, (numbers[numbers.length - 1] ?? 0) + 1, owner, frames)
  shared.found.delete(tableId)
  for (const part of parts) await shared.release(part, part.places)
  await shared.disown(tableId, last)
}

/** Writes records into a new segment of a table's own log, and waits for the disk. */
export const writeOwn = async (
  folder: string,
  number: number,
  { table, tableId }: LogOwner,
  records: ReadonlyArray<RecordsFrame>
): Promise<void> => {
  await makeFoldersIn(Path.dirname(folder), [Path.basename(folder)])
  const writer = new SegmentWriter<TableLogHeader>({
    disk: nodeDisk,
    folder,
    first: number,
    before: undefined,
    sync: true,
    header: () => ({ version: 1, table, tableId }),
    begun: () => {}
  })
  const frames = new FrameBuffer()
  const writers = new Map<LogFormat, number>()
  for (const { format, position, records: content, sequence } of records) {
    let id = writers.get(format)
    if (id === undefined) {
      writers.set(format, (id = writers.size + 1))
      writeFormat(frames, id, format)
    }
    writeRecords(frames, id, sequence, content, position)
  }
  await writer.write(frames)
  // An empty group after the records proves that they were durable, in case they are damaged later.
  await writer.write(new FrameBuffer(0))
  await writer.end()
}
