/**
 * Opens a spool: takes its lock, reads its files, and checks what it belongs to. Nothing is changed
 * until all of that has succeeded; then a torn end is cut off.
 */
import * as Path from "node:path"
import { segmentPath } from "../log/segmentFiles.ts"
import type { LogDisk } from "../log/logDisk.ts"
import { AcknowledgedFile } from "./acknowledgedFile.ts"
import { leftover, mismatch } from "./identity.ts"
import { SpoolFailure, spoolFailure } from "./spoolFailure.ts"
import { SpoolLog, type SpoolOptions } from "./spoolLog.ts"
import { acknowledgedPath, scanSpool, type SpoolFile } from "./spoolScan.ts"

/** Opens the spool of a folder, which is created if missing. Throws `SpoolFailure`. */
export const openSpool = async (options: SpoolOptions): Promise<SpoolLog> => {
  const { disk, folder, identity, sync } = options
  try {
    await disk.makeFolder(folder)
    const lock = await disk.lock(folder)
    try {
      const content = await scanSpool(disk, folder)
      const { acknowledged, files, header, next, unfinished } = content
      const problem =
        header === undefined
          ? leftover(identity, acknowledged)
          : mismatch(header, identity, acknowledged + 1 < next)
      if (problem !== undefined) {
        throw new SpoolFailure("Mismatch", `The spool ${folder} cannot be opened: ${problem}.`)
      }
      const last = files.at(-1)
      if (unfinished !== undefined) await disk.remove(segmentPath(folder, unfinished))
      if (last !== undefined) await disk.truncate(segmentPath(folder, last.file), last.bytes)
      if (sync === "group") await synchronise(disk, folder, files)
      const noted = await AcknowledgedFile.open(disk, acknowledgedPath(folder))
      return new SpoolLog(options, content, lock, noted.file)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw spoolFailure(error, "opening it", folder)
  }
}

/** Bytes that are rewritten in one go. */
const PIECE = 1024 * 1024

/**
 * Makes the files and their names durable. A killed process leaves groups that were written and not
 * synced, and one with `sync: "os"` synced nothing. Those groups will be sent, and the log
 * continues after them. The last file is rewritten: after a failed sync the system counts its bytes
 * as written, so the next sync succeeds without them.
 */
const synchronise = async (
  disk: LogDisk,
  folder: string,
  files: ReadonlyArray<SpoolFile>
): Promise<void> => {
  for (const { bytes, file } of files) {
    const open = await disk.open(segmentPath(folder, file), false)
    try {
      if (file === files.at(-1)!.file) {
        const piece = Buffer.allocUnsafeSlow(Math.min(bytes, PIECE))
        for (let at = 0; at < bytes; at += PIECE) {
          await open.write(
            [piece.subarray(0, await open.read(piece, Math.min(PIECE, bytes - at), at))],
            at
          )
        }
      }
      await open.datasync()
    } finally {
      await open.close()
    }
  }
  await disk.syncFolder(folder)
  await disk.syncFolder(Path.dirname(folder))
}
