/**
 * Up to which offset the records of a spool are acknowledged, in a file of two slots that are written in turn. A slot that a crash has
 * torn leaves the other. It is written and not synchronised: after a power loss an older value only means that more is sent again.
 */
import { crc32 } from "node:zlib"
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

  private constructor(disk: LogDisk, path: string, count: number) {
    this.disk = disk
    this.path = path
    this.count = count
  }

  /** Reads the offset, -1 when there is none. The file is made with the first write. */
  static async open(
    disk: LogDisk,
    path: string
  ): Promise<{ readonly file: AcknowledgedFile; readonly offset: number }> {
    const { count, offset } = await read(disk, path)
    return { file: new AcknowledgedFile(disk, path, count), offset }
  }

  /** Notes that everything up to an offset is acknowledged. Not to be called again before it has ended. */
  async write(offset: number): Promise<void> {
    this.file ??= await this.disk.open(this.path, false).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error
      return this.disk.create(this.path)
    })
    const slot = Buffer.alloc(slotBytes)
    slot.writeDoubleLE(++this.count, 8)
    slot.writeDoubleLE(offset, 16)
    slot.writeUInt32LE(crc32(slot.subarray(8)), 0)
    await this.file.write([slot], (this.count % 2) * slotBytes)
  }

  async close(): Promise<void> {
    await this.file?.close()
    this.file = undefined
  }
}

/** The offset up to which records are acknowledged, -1 when none is. */
export const readAcknowledged = async (disk: LogDisk, path: string): Promise<number> => (await read(disk, path)).offset

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
