/**
 * Reads the files of a spool: which offsets are there, whether any are missing, and the latest
 * position. It changes nothing.
 */
import * as Path from "node:path"
import type { LogDisk } from "../log/logDisk.ts"
import { readSegmentFiles, segmentPath } from "../log/segmentFiles.ts"
import { readAcknowledged } from "./acknowledgedFile.ts"
import {
  type Entry,
  makeEntry,
  offsetsOf,
  type Position,
  readEntry,
  readPosition,
  skipRecords
} from "./entries.ts"
import type { SpoolHeader } from "./identity.ts"
import { damaged, SpoolFailure } from "./spoolFailure.ts"

/** A file of a spool. */
export interface SpoolFile {
  readonly file: number
  /** Its first offset. */
  readonly first: number
  /** Bytes that belong to the log. */
  bytes: number
}

/** The content of a spool. */
export interface SpoolContent {
  readonly files: Array<SpoolFile>
  /** The header of the newest file; `undefined` for a spool without files. */
  readonly header: SpoolHeader | undefined
  /** The number of a file whose creation was interrupted. */
  readonly unfinished: number | undefined
  /** Everything up to this offset is acknowledged. */
  readonly acknowledged: number
  /** The next offset. */
  readonly next: number
  readonly position: Position | undefined
  /** Records that are not acknowledged, and their bytes with tags and lengths. */
  readonly waiting: { readonly records: number; readonly bytes: number }
}

/** The file that stores what is acknowledged. */
export const acknowledgedPath = (folder: string): string => Path.join(folder, "acknowledged")

/** The file that stores the progress of a repair, while one runs. */
export const repairingPath = (folder: string): string => Path.join(folder, "repairing")

/** Reads the content of a spool. Throws `SpoolFailure` when something is damaged or missing. */
export const scanSpool = async (disk: LogDisk, folder: string): Promise<SpoolContent> => {
  const files: Array<SpoolFile> = []
  if ((await disk.list(folder)).includes(Path.basename(repairingPath(folder)))) {
    throw new SpoolFailure(
      "Damaged",
      `A repair of the spool ${folder} was interrupted. Run zerobus spool repair ${folder} ` +
        `--yes again.`
    )
  }
  const noted = await readAcknowledged(disk, acknowledgedPath(folder))
  const entry = makeEntry()
  let header: SpoolHeader | undefined
  let unfinished: number | undefined
  let position: Position | undefined
  let inFile: Position | undefined
  /** First offset and next offset of the current file. */
  let first = -1
  let next = -1
  let broken = -1
  const waiting = { records: 0, bytes: 0 }
  const each = (content: Buffer, body: number, end: number): void => {
    inFile = readPosition(content, body, end) ?? inFile
    if (!readEntry(content, body, end, entry)) return
    if (first < 0) first = next = entry.offset
    if (entry.offset !== next && broken < 0) broken = body
    next = entry.offset + offsetsOf(entry)
    if (next > noted + 1) countWaiting(waiting, entry, noted + 1)
  }
  const found = readSegmentFiles<SpoolHeader>(disk, folder, false, each, {
    reuse: true,
    isSettled: (following) => isSettled(following, noted)
  })
  let expected = -1
  for await (const file of found) {
    const path = segmentPath(folder, file.number)
    if (file.header === undefined) {
      unfinished = file.number
      continue
    }
    if (file.header.format !== "zerobus-spool") {
      throw new SpoolFailure(
        "Mismatch",
        `${folder} is not a spool: ${path} is a log of another kind. Use another folder.`
      )
    }
    if (![1, 2, 3].includes(file.header.version)) {
      throw new SpoolFailure(
        "Mismatch",
        `The spool ${folder} was written by a newer version. Open it with that one.`
      )
    }
    if (first >= 0 && first !== file.header.first) broken = 0
    if (broken >= 0) throw damaged(path, broken, file.content.length)
    if (expected > file.header.first) throw damaged(path, 0, file.content.length)
    // After a power loss without syncing, only acknowledged records may be missing.
    if (expected >= 0 && file.header.first > expected && file.header.first > noted + 1) {
      throw new SpoolFailure(
        "Damaged",
        `The spool ${folder} has no file with the offsets ${expected} to ` +
          `${file.header.first - 1}, before ${path}. ` +
          `Nothing was changed. Put the file back, or let zerobus spool repair ${folder} keep ` +
          `what can be read.`
      )
    }
    header = file.header
    // A header holds the latest position before its file, even where a file in between is missing.
    position = inFile ?? positionOf(header) ?? position
    files.push({ file: file.number, first: header.first, bytes: file.content.length })
    expected = next < 0 ? header.first : next
    first = next = -1
    inFile = undefined
  }
  const acknowledged = Math.max(noted, (files[0]?.first ?? 0) - 1)
  return {
    files,
    header,
    unfinished,
    acknowledged,
    next: Math.max(expected, acknowledged + 1),
    position,
    waiting
  }
}

/**
 * Whether everything before the file with this header is acknowledged. A power loss may bring an
 * older file back without the next one, which states where it ends. The header holds the position
 * before it.
 */
export const isSettled = ({ first }: SpoolHeader, acknowledged: number): boolean =>
  first <= acknowledged + 1

/** Counts the records of an entry from offset `first` on. */
const countWaiting = (
  waiting: { records: number; bytes: number },
  entry: Entry,
  first: number
): void => {
  if (!entry.atomic && first > entry.offset) skipRecords(entry, first - entry.offset)
  waiting.records += entry.records
  waiting.bytes += entry.end - entry.start
}

const positionOf = ({ position }: SpoolHeader): Position | undefined =>
  position === undefined
    ? undefined
    : { offset: position.offset, bytes: Uint8Array.from(Buffer.from(position.bytes, "base64")) }

/** The absolute path of a spool's folder. */
export const resolvePath = (path: string): string => Path.resolve(path)
