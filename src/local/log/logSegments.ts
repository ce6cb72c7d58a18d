/**
 * Reads the log of a table after a restart.
 */
import { type FileEnd, scanFrames } from "../../internal/log/frames.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import {
  DamagedLog,
  readSegmentFiles,
  segmentNumbers as numbersIn,
  segmentPath
} from "../../internal/log/segmentFiles.ts"
import { FramesReader, type RecordsFrame, type TableLogHeader } from "./logFrames.ts"
import { StorageFailure } from "./storageErrors.ts"

/** A segment found on disk. */
export interface FoundSegment {
  readonly number: number
  readonly frames: ReadonlyArray<RecordsFrame>
}

/**
 * Reads all segments of a log folder in order, one at a time. A torn end of the last segment is
 * truncated; damage anywhere else throws a `StorageFailure` with reason `CorruptLog`.
 */
export const readSegments = async function* (
  folder: string,
  table: string
): AsyncGenerator<FoundSegment> {
  let reader = new FramesReader()
  try {
    const files = readSegmentFiles<TableLogHeader>(nodeDisk, folder, true, (content, body, end) =>
      reader.read(content, body, end)
    )
    for await (const { number } of files) {
      const { frames } = reader
      reader = new FramesReader()
      yield { number, frames }
    }
  } catch (error) {
    if (!(error instanceof DamagedLog)) throw error
    throw new StorageFailure({
      reason: "CorruptLog",
      message:
        `The log ${error.path} of table ${table} is damaged at byte ${error.byte} of ` +
        `${error.bytes}, ` +
        `inside records that had been acknowledged. Restore the file from a backup, or move it ` +
        `away to give up its records.`
    })
  }
}

/** Reads the complete frames in the first bytes of a file; none when the file does not exist. */
export const readFrames = async (
  folder: string,
  { bytes, file }: FileEnd
): Promise<ReadonlyArray<RecordsFrame>> => {
  const reader = new FramesReader()
  try {
    const content = (await nodeDisk.readFile(segmentPath(folder, file))).subarray(0, bytes)
    scanFrames(content, (body, end) => reader.read(content, body, end))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
  return reader.frames
}

/** The numbers of the segments in a folder, ascending; none when the folder does not exist. */
export const segmentNumbers = (folder: string): Promise<ReadonlyArray<number>> =>
  numbersIn(nodeDisk, folder)
