/**
 * The places of a table's records in the files of the shared log, and how to read them.
 */
import { FRAME_PREFIX, frameEnd } from "../../internal/log/frames.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { segmentPath } from "../../internal/log/segmentFiles.ts"
import { type LogFormat, peekRecords, type RecordsFrame, recordsOf } from "./logFrames.ts"
import { StorageFailure } from "./storageErrors.ts"

/** Consecutive complete frames in a file. */
export interface Place {
  readonly file: number
  readonly start: number
  end: number
}

/** Adds frames to places. Frames directly after the last place extend it. */
export const addPlace = (places: Array<Place>, file: number, start: number, end: number): void => {
  const last = places[places.length - 1]
  if (last !== undefined && last.file === file && last.end === start) last.end = end
  else places.push({ file, start, end })
}

/** The total bytes of places. */
export const bytesAt = (places: ReadonlyArray<Place>): number =>
  places.reduce((sum, { end, start }) => sum + end - start, 0)

/**
 * Reads the records at these places. Unreadable frames are skipped, and the caller has to count the
 * records; with `all` they throw a `StorageFailure`. `formatOf` returns the format of a writer in a
 * file.
 */
export const readPlaces = async (
  folder: string,
  places: ReadonlyArray<Place>,
  formatOf: (file: number, writer: number) => LogFormat | undefined,
  all = false
): Promise<ReadonlyArray<RecordsFrame>> => {
  const frames: Array<RecordsFrame> = []
  for (let first = 0; first < places.length;) {
    const { file: number } = places[first]!
    let end = first
    while (places[end]?.file === number) end++
    const file = await nodeDisk.open(segmentPath(folder, number), true).catch(orGone)
    if (all && file === undefined) throw unreadable(folder, number)
    try {
      for (const { end: to, start } of file === undefined ? [] : places.slice(first, end)) {
        const bytes = Buffer.allocUnsafeSlow(to - start)
        const length = await file!.read(bytes, bytes.length, start)
        const whole = readFrames(
          bytes.subarray(0, length),
          (writer) => formatOf(number, writer),
          frames
        )
        if (all && whole < bytes.length) throw unreadable(folder, number)
      }
    } finally {
      await file?.close()
    }
    first = end
  }
  return frames
}

const orGone = (error: unknown): undefined => {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
}

const unreadable = (folder: string, file: number): StorageFailure =>
  new StorageFailure({
    reason: "CorruptLog",
    message:
      `Acknowledged records in ${segmentPath(folder, file)} cannot be read. Restore the ` +
      `file from a backup.`
  })

/**
 * Appends the records of complete frames to `frames`. Returns the number of bytes of those frames.
 */
const readFrames = (
  bytes: Buffer,
  formatOf: (writer: number) => LogFormat | undefined,
  frames: Array<RecordsFrame>
): number => {
  let at = 0
  for (let end = frameEnd(bytes, at); end >= 0; end = frameEnd(bytes, at)) {
    const body = bytes.subarray(at + FRAME_PREFIX, end)
    const found = peekRecords(body)
    const format = found === undefined ? undefined : formatOf(found.writer)
    if (found !== undefined && format === undefined) return at
    if (found !== undefined) {
      const { position, sequence } = found
      frames.push({ sequence, format: format!, records: recordsOf(body), position })
    }
    at = end
  }
  return at
}
