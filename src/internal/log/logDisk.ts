/**
 * The disk operations of a log, as an interface, with an implementation for the machine's own
 * files. Tests and the simulation use other disks.
 */
import * as Fs from "node:fs/promises"
import { makeFolder, syncFolder } from "./durableFile.ts"
import { type FolderLock, lockFolder } from "./folderLock.ts"
import { isFolder, openPlain, readPlain } from "./plainFile.ts"

const { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC } = Fs.constants

/** An open file. */
export interface LogFile {
  /** Its file descriptor, if it has one. */
  readonly fd?: number | undefined
  /**
   * Reads up to `length` bytes from `position` into the start of `buffer`. Returns the number of
   * bytes read, fewer only at the end of the file.
   */
  readonly read: (buffer: Uint8Array, length: number, position: number) => Promise<number>
  /** Writes all bytes of the parts, one after another, from `position` on. */
  readonly write: (parts: ReadonlyArray<Uint8Array>, position: number) => Promise<void>
  /** Resolves when everything written is on disk (`fdatasync`). */
  readonly datasync: () => Promise<void>
  readonly truncate: (bytes: number) => Promise<void>
  /** Whether the file has been deleted: what is written to it is lost with the process. */
  readonly isDeleted: () => Promise<boolean>
  readonly close: () => Promise<void>
}

/** The files of one machine, or of a test. Errors are those of Node, with a `code`. */
export interface LogDisk {
  /** Creates a file, replacing one of that name. */
  readonly create: (path: string) => Promise<LogFile>
  /** Opens a file that exists, to read and, unless `readOnly`, to write. */
  readonly open: (path: string, readOnly: boolean) => Promise<LogFile>
  /**
   * Reads a whole file, into `buffer` if it fits. The buffer belongs to the caller and is
   * overwritten.
   */
  readonly readFile: (path: string, buffer?: Buffer) => Promise<Buffer>
  /** The names in a folder; empty when there is no such folder. */
  readonly list: (folder: string) => Promise<ReadonlyArray<string>>
  /** Removes a file, if it exists. */
  readonly remove: (path: string) => Promise<void>
  readonly truncate: (path: string, bytes: number) => Promise<void>
  /** Makes a folder and missing ones above it. */
  readonly makeFolder: (folder: string) => Promise<void>
  /** Makes new names in a folder durable. */
  readonly syncFolder: (folder: string) => Promise<void>
  /** Keeps other processes out of a folder. Rejects with `FolderLocked`. */
  readonly lock: (folder: string) => Promise<FolderLock>
}

const nodeFile = (handle: Fs.FileHandle): LogFile => ({
  fd: handle.fd,
  read: async (buffer, length, position) => {
    let done = 0
    while (done < length) {
      const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  },
  write: async (parts, position) => {
    let left = parts.filter(({ length }) => length > 0)
    for (let at = position; left.length > 0;) {
      const { bytesWritten } = await handle.writev(left, at)
      at += bytesWritten
      left = behind(left, bytesWritten)
    }
  },
  datasync: () => handle.datasync(),
  truncate: (bytes) => handle.truncate(bytes),
  isDeleted: async () => (await handle.stat()).nlink === 0,
  close: () => handle.close()
})

/** The rest of parts after their first bytes were written. */
const behind = (parts: ReadonlyArray<Uint8Array>, written: number): Array<Uint8Array> => {
  const left: Array<Uint8Array> = []
  let done = written
  for (const part of parts) {
    if (done < part.length) left.push(part.subarray(done))
    done = Math.max(0, done - part.length)
  }
  return left
}

/** The files of this machine. */
export const nodeDisk: LogDisk = {
  create: async (path) => nodeFile(await openPlain(path, O_RDWR | O_CREAT | O_TRUNC)),
  open: async (path, readOnly) => nodeFile(await openPlain(path, readOnly ? O_RDONLY : O_RDWR)),
  readFile: async (path, buffer) => {
    if (buffer === undefined) return readPlain(path)
    const handle = await openPlain(path, O_RDONLY)
    try {
      if ((await handle.stat()).size > buffer.length) return await handle.readFile()
      return buffer.subarray(0, await nodeFile(handle).read(buffer, buffer.length, 0))
    } finally {
      await handle.close()
    }
  },
  list: async (folder) => ((await isFolder(folder)) ? Fs.readdir(folder) : []),
  remove: (path) => Fs.rm(path, { force: true }),
  truncate: async (path, bytes) => {
    const handle = await openPlain(path, O_RDWR)
    try {
      await handle.truncate(bytes)
    } finally {
      await handle.close()
    }
  },
  makeFolder: async (folder) => void (await makeFolder(folder)),
  syncFolder,
  lock: (folder) => lockFolder(folder)
}
