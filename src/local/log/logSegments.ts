/**
 * The segment files of a table's log on disk: their names, and reading them all after a restart.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { isFolder, openPlain, readPlain } from "../../internal/log/plainFile.ts"
import { readSegment, type RecordsFrame } from "../../internal/log/logFrames.ts"
import { StorageFailure } from "./storageErrors.ts"

/** The file name of a segment. */
export const segmentName = (number: number): string => `${String(number).padStart(12, "0")}.log`
const segmentPattern = /^(\d{12})\.log$/

/** A segment found on disk. */
export interface FoundSegment {
  readonly number: number
  readonly frames: ReadonlyArray<RecordsFrame>
}

/**
 * Reads all segments of a log folder in order, one at a time. A torn end of the last one is cut off; damage anywhere else
 * throws a `StorageFailure` with reason `CorruptLog`.
 */
export const readSegments = async function* (folder: string, table: string): AsyncGenerator<FoundSegment> {
  const numbers = await segmentNumbers(folder)
  for (const [index, number] of numbers.entries()) {
    const path = Path.join(folder, segmentName(number))
    const file = await readPlain(path)
    const content = readSegment(file)
    const last = index === numbers.length - 1
    if (content.wholeBytes < file.length) {
      if (!last || !content.tailIsTorn) {
        throw new StorageFailure({
          reason: "CorruptLog",
          message:
            `The log ${path} of table ${table} is damaged at byte ${content.wholeBytes} of ${file.length}, ` +
            `inside records that had been acknowledged. Restore the file from a backup, or move it away to give up its records.`
        })
      }
      await cut(path, content.wholeBytes)
    }
    yield { number, frames: content.frames }
  }
}

const cut = async (path: string, size: number): Promise<void> => {
  const handle = await openPlain(path, Fs.constants.O_RDWR)
  try {
    await handle.truncate(size)
  } finally {
    await handle.close()
  }
}

/** The numbers of the segments in a folder, ascending; none when there is no folder. */
export const segmentNumbers = async (folder: string): Promise<ReadonlyArray<number>> => {
  if (!(await isFolder(folder))) return []
  const names = await Fs.readdir(folder)
  return names
    .flatMap((name) => segmentPattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}
