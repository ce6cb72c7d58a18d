/**
 * Stores the offset up to which the records of a spool are acknowledged, in a file of two slots
 * that are written in turn. A slot torn by a crash leaves the other one intact. Most writes are not
 * synced: after a power loss, an older value only causes records to be sent again. A value that
 * makes log files obsolete is synced before they are deleted. Otherwise a power loss could leave an
 * older value and bring an older file back, and the log would look as if files were missing.
 */
import { crc32 } from "node:zlib"
import * as Path from "node:path"
import type { LogDisk, LogFile } from "../log/logDisk.ts"

const slotBytes = 32

interface Slot {
  readonly count: number
  readonly offset: number
}

/** The file, open for writing. */
export class AcknowledgedFile {
  private readonly disk: LogDisk
  private readonly path: string
  private file: LogFile | undefined
  private count: number
  private offset: number
  /** Whether the file's name and its latest write are certainly on disk. */
  private isNamed = false
  private isSynced = false
  private hasFailed = false

  private constructor(disk: LogDisk, path: string, { count, offset }: Slot) {
    this.disk = disk
    this.path = path
    this.count = count
    this.offset = offset
  }

  /** Reads the offset; -1 when there is none. The first write creates the file. */
  static async open(
    disk: LogDisk,
    path: string
  ): Promise<{ readonly file: AcknowledgedFile; readonly offset: number }> {
    const slot = await read(disk, path)
    return { file: new AcknowledgedFile(disk, path, slot), offset: slot.offset }
  }

  /**
   * Stores that everything up to an offset is acknowledged. Do not call it again before it has
   * ended.
   */
  async write(offset: number): Promise<void> {
    const file = await this.opened()
    this.isSynced = false
    this.offset = offset
    const slot = Buffer.alloc(slotBytes)
    // A failed write may have left a torn slot, so the next write goes to that slot and not to the
    // other.
    const count = this.count + 1
    slot.writeDoubleLE(count, 8)
    slot.writeDoubleLE(offset, 16)
    slot.writeUInt32LE(crc32(slot.subarray(8)), 0)
    await file.write([slot], (count % 2) * slotBytes)
    this.count = count
  }

  /** Resolves when the latest write is on disk. Do not call it before that write has ended. */
  async synchronise(): Promise<void> {
    if (this.isSynced || this.count === 0) return
    // After a failed sync, the system may count lost bytes as written.
    if (this.hasFailed) await this.write(this.offset)
    const file = await this.opened()
    this.hasFailed = true
    await file.datasync()
    if (!this.isNamed) await this.disk.syncFolder(Path.dirname(this.path))
    this.hasFailed = false
    this.isNamed = this.isSynced = true
  }

  async close(): Promise<void> {
    await this.file?.close()
    this.file = undefined
  }

  private async opened(): Promise<LogFile> {
    this.file ??= await this.disk.open(this.path, false).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error
      return this.disk.create(this.path)
    })
    return this.file
  }
}

/** The offset up to which records are acknowledged; -1 when none is. */
export const readAcknowledged = async (disk: LogDisk, path: string): Promise<number> =>
  (await read(disk, path)).offset

const read = async (disk: LogDisk, path: string): Promise<Slot> => {
  const bytes = await disk.readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    return Buffer.alloc(0)
  })
  return [0, slotBytes]
    .flatMap((at): Array<Slot> => {
      const slot = bytes.subarray(at, at + slotBytes)
      const whole = slot.length === slotBytes && crc32(slot.subarray(8)) === slot.readUInt32LE(0)
      return whole ? [{ count: slot.readDoubleLE(8), offset: slot.readDoubleLE(16) }] : []
    })
    .reduce((latest, slot) => (slot.count > latest.count ? slot : latest), { count: 0, offset: -1 })
}
