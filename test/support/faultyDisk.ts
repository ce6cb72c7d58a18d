/** A disk over the real files of this machine that fails or waits when a test requires it. */
import { type LogDisk, type LogFile, nodeDisk } from "../../src/internal/log/logDisk.ts"

/** The disk operations of a log. */
export type DiskOperation =
  | "create"
  | "write"
  | "datasync"
  | "truncate"
  | "remove"
  | "read"
  | "syncFolder"

/** A failure of the operating system. */
export const failure = (code: string): Error => Object.assign(new Error(code), { code })

/** Called before each operation. When it rejects, the operation fails with that error. */
export interface FaultyDisk extends LogDisk {
  before: (operation: DiskOperation, path: string) => Promise<void> | void
}

/** A disk without faults until `before` is set. */
export const faultyDisk = (): FaultyDisk => {
  const around = (path: string, file: LogFile): LogFile => ({
    ...file,
    read: async (buffer, length, position) => {
      await disk.before("read", path)
      return file.read(buffer, length, position)
    },
    write: async (parts, position) => {
      await disk.before("write", path)
      return file.write(parts, position)
    },
    datasync: async () => {
      await disk.before("datasync", path)
      return file.datasync()
    },
    truncate: async (bytes) => {
      await disk.before("truncate", path)
      return file.truncate(bytes)
    }
  })
  const disk: FaultyDisk = {
    ...nodeDisk,
    before: () => {},
    create: async (path) => {
      await disk.before("create", path)
      return around(path, await nodeDisk.create(path))
    },
    open: async (path, readOnly) => around(path, await nodeDisk.open(path, readOnly)),
    remove: async (path) => {
      await disk.before("remove", path)
      return nodeDisk.remove(path)
    },
    syncFolder: async (folder) => {
      await disk.before("syncFolder", folder)
      return nodeDisk.syncFolder(folder)
    }
  }
  return disk
}
