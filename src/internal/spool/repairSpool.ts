/**
 * Repairs a damaged spool. Files up to the last damaged place are rewritten with their readable
 * content, and the old ones are moved to a folder inside the spool. Nothing is deleted.
 *
 *   new files in repair/ --> "repairing" lists all moves --> old files to damaged-N/
 *                                                                 |
 *                                                 done <-- new files to the spool
 *
 * Offsets of a stream have no gaps, so records before lost ones get higher offsets. An interrupted
 * repair is completed by the next one. Until then the spool cannot be opened.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { replaceSynced, syncFolder } from "../log/durableFile.ts"
import { lockFolder } from "../log/folderLock.ts"
import { type LogDisk, nodeDisk } from "../log/logDisk.ts"
import { lstatOf, readPlain } from "../log/plainFile.ts"
import { segmentName } from "../log/segmentFiles.ts"
import { SegmentWriter } from "../log/segmentWriter.ts"
import { type DamagedSpool, OffsetLine, surveySpool, walkSegment } from "./damagedSpool.ts"
import { recordEnd } from "../protobuf/envelope.ts"
import { EntryBuffer, keyAt, offsetsOf, type Position } from "./entries.ts"
import type { SpoolHeader } from "./identity.ts"
import { SpoolFailure, spoolFailure } from "./spoolFailure.ts"
import { repairingPath } from "./spoolScan.ts"

/** Bytes of a rewritten group. */
const GROUP_BYTES = 4 * 1024 * 1024

/** The moves of a repair, by file name. */
interface Moves {
  /** The folder for the old files. */
  readonly aside: string
  readonly old: ReadonlyArray<string>
  readonly fresh: ReadonlyArray<string>
}

/** The result of a repair. */
export interface Repaired {
  /** The damage; `undefined` for a repair that completed an interrupted one. */
  readonly found: DamagedSpool | undefined
  /** The folder with the old files, and their names; `undefined` when nothing was damaged. */
  readonly aside: string | undefined
  readonly setAside: ReadonlyArray<string>
}

const freshFolder = (folder: string): string => Path.join(folder, "repair")

/** Lists the damage without changing anything. Throws `SpoolFailure`. */
export const examineSpool = async (folder: string): Promise<DamagedSpool> => {
  try {
    return await surveySpool(nodeDisk, folder)
  } catch (error) {
    throw spoolFailure(error, "reading it", folder)
  }
}

/** Whether a repair was interrupted. */
export const isRepairing = async (folder: string): Promise<boolean> =>
  (await lstatOf(repairingPath(folder))) !== undefined

/** Repairs a spool that no other process holds. Throws `SpoolFailure`. */
export const repairSpool = async (folder: string): Promise<Repaired> => {
  try {
    const lock = await lockFolder(folder)
    try {
      if (await isRepairing(folder)) return { ...(await move(folder)), found: undefined }
      const found = await surveySpool(nodeDisk, folder)
      if (found.upTo < 0) return { found, aside: undefined, setAside: [] }
      refusePersistent(folder, found)
      const fresh = await writeFresh(nodeDisk, folder, found)
      const old = found.segments.slice(0, Math.max(found.upTo, fresh.upTo) + 1)
      const moves: Moves = {
        aside: await freeName(folder),
        old: old.map(({ number }) => segmentName(number)),
        fresh: fresh.names
      }
      const path = repairingPath(folder)
      await replaceSynced(path, `${path}.new`, JSON.stringify(moves))
      await syncFolder(folder)
      return { ...(await move(folder)), found }
    } finally {
      await lock.release()
    }
  } catch (error) {
    throw spoolFailure(error, "repairing it", folder)
  }
}

/**
 * Refuses a spool of a persistent stream that has lost offsets. A repair gives the records before a
 * lost one higher offsets, and the server skips offsets that it has stored already. If all waiting
 * records are readable, each keeps its offset.
 */
const refusePersistent = (folder: string, { lost, segments }: DamagedSpool): void => {
  const streamId = segments.find(({ header }) => header?.streamId !== undefined)?.header?.streamId
  if (streamId === undefined || lost.length === 0) return
  throw new SpoolFailure(
    "Damaged",
    `The spool ${folder} belongs to the persistent stream ${streamId}, whose records keep their ` +
      `offsets, and some of them are lost. ` +
      `Restore the files from a backup; or move the folder away, and go on with a new stream.`
  )
}

/** The first free name of `damaged-1`, `damaged-2`, ... */
const freeName = async (folder: string): Promise<string> => {
  for (let n = 1; ; n++) {
    if ((await lstatOf(Path.join(folder, `damaged-${n}`))) === undefined) return `damaged-${n}`
  }
}

/** Makes the remaining moves of a repair. Each is made once, however often this runs. */
const move = async (folder: string): Promise<Omit<Repaired, "found">> => {
  const {
    aside: name,
    fresh,
    old
  } = JSON.parse((await readPlain(repairingPath(folder))).toString("utf8")) as Moves
  const aside = Path.join(folder, name)
  const from = freshFolder(folder)
  await Fs.mkdir(aside, { recursive: true, mode: 0o700 })
  // A new file may have the name of an old one, which has been moved by then.
  for (const file of old) {
    if ((await lstatOf(Path.join(aside, file))) !== undefined) continue
    await Fs.rename(Path.join(folder, file), Path.join(aside, file))
  }
  await syncFolder(aside)
  for (const file of fresh) {
    if ((await lstatOf(Path.join(from, file))) === undefined) continue
    await Fs.rename(Path.join(from, file), Path.join(folder, file))
  }
  await syncFolder(folder)
  await Fs.rm(from, { recursive: true, force: true })
  await Fs.rm(repairingPath(folder))
  await syncFolder(folder)
  return { aside, setAside: old }
}

/**
 * Writes the readable content of the damaged files, and of those before them, to new files. They
 * are numbered from one below the first file on. If no lower number is free, everything is
 * rewritten after the last file.
 */
const writeFresh = async (
  disk: LogDisk,
  folder: string,
  found: DamagedSpool
): Promise<{ readonly names: ReadonlyArray<string>; readonly upTo: number }> => {
  const { acknowledged, next, offsets, offsetsUpTo, segments } = found
  const { header } = segments.findLast((segment) => segment.header !== undefined) ?? {}
  const keyed = segments.some((segment) => segment.header?.version === 3)
  if (header === undefined) {
    throw new SpoolFailure(
      "Damaged",
      `No file of the spool ${folder} names the table of its records. Restore one from ` +
        `a backup, or move the folder away.`
    )
  }
  const [oldest, newest] = [segments[0]!.number, segments.at(-1)!.number]
  const below = oldest > 0
  const upTo = below ? found.upTo : segments.length - 1
  const following = segments[upTo + 1]?.header?.first ?? next
  let offset = following - (below ? offsetsUpTo : offsets)
  const target = freshFolder(folder)
  await Fs.rm(target, { recursive: true, force: true })
  await disk.makeFolder(target)

  const names: Array<string> = []
  const entries = new EntryBuffer()
  let first = offset
  let position: Position | undefined
  /** The latest position before the open file. */
  let noted: SpoolHeader["position"]
  const writer = new SegmentWriter<SpoolHeader>({
    disk,
    folder: target,
    first: below ? oldest - 1 : newest + 1,
    before: undefined,
    sync: true,
    header: () => {
      const { mark: _, before: __, ...rest } = header
      return { ...rest, ...(keyed ? { version: 3 } : {}), first, position: noted }
    },
    begun: (file) => names.push(segmentName(file))
  })
  const write = async (): Promise<void> => {
    entries.seal()
    if (entries.frames.size > 0) await writer.write(entries.frames)
    entries.clear(2 * GROUP_BYTES)
  }
  const line = new OffsetLine(acknowledged + 1)
  for (let index = 0; index <= upTo; index++) {
    first = offset
    const before = segments[index]!.header?.position
    if (before !== undefined)
      position = { offset: before.offset, bytes: Buffer.from(before.bytes, "base64") }
    noted =
      position === undefined
        ? undefined
        : { offset: position.offset, bytes: Buffer.from(position.bytes).toString("base64") }
    await walkSegment(disk, folder, segments, index, {
      entry: async (entry) => {
        if (!line.take(entry)) return
        const { atomic, buffer, end, records } = entry
        if (atomic) entries.batch(offset, records, buffer, entry.start, end, keyAt(entry, 0))
        else {
          for (let at = entry.start, n = 0; at < end; n++) {
            const after = recordEnd(buffer, at)
            entries.single(offset + n, buffer, at, after, keyAt(entry, n))
            at = after
          }
        }
        offset += offsetsOf(entry)
        if (entries.size >= GROUP_BYTES) await write()
      },
      position: (read) => {
        position = read
        entries.position(read)
      }
    })
    await write()
    await writer.end()
  }
  return { names, upTo }
}
