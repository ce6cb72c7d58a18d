/**
 * Files and folders that are on disk when the promise resolves.
 */
import { closeSync, fchmodSync, fsync, openSync, rmSync, writeFile, writeFileSync } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"
import { isFolder, NotAFolder, openNew } from "./plainFile.ts"

/**
 * Who may read new files and folders: only the owner, or all users of the machine. Only the owner
 * may write.
 */
export type Readers = "owner" | "everyone"

const fileMode: Readonly<Record<Readers, number>> = { owner: 0o600, everyone: 0o644 }
const folderMode: Readonly<Record<Readers, number>> = { owner: 0o700, everyone: 0o755 }

/** Makes one folder, regardless of the process's umask. */
const makeOne = async (path: string, readers: Readers): Promise<void> => {
  await Fs.mkdir(path, { mode: folderMode[readers] })
  if (readers === "everyone") await Fs.chmod(path, folderMode[readers])
}

/**
 * Makes a folder, and missing ones above it; a link to a folder counts as a folder. Returns whether
 * it was missing. Node's recursive `mkdir` never ends where folders cannot be created although the
 * parent exists, such as in `/proc`.
 */
export const makeFolder = async (path: string, readers: Readers = "owner"): Promise<boolean> => {
  const make = async (): Promise<boolean> => {
    try {
      await makeOne(path, readers)
    } catch (error) {
      const found = await Fs.stat(path).catch(() => undefined)
      if (found?.isDirectory() === false) {
        throw new NotAFolder(
          `${path} is a file, where a folder is needed`,
          "Choose another folder."
        )
      }
      if (found === undefined) throw error
      return false
    }
    await syncFolder(Path.dirname(path))
    return true
  }
  try {
    return await make()
  } catch (error) {
    const above = Path.dirname(path)
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error
    await makeFolder(above, readers)
    return make()
  }
}

/**
 * Makes nested folders below an existing one, on disk with their names. Returns the path of the
 * last. Rejects with `NotAFolder` when a name belongs to a link or anything else.
 */
export const makeFoldersIn = async (
  folder: string,
  names: ReadonlyArray<string>,
  readers: Readers = "owner"
): Promise<string> => {
  let path = folder
  for (const name of names) {
    const above = path
    path = Path.join(above, name)
    if (await isFolder(path)) continue
    try {
      await makeOne(path, readers)
    } catch (error) {
      // Something else created the name in the meantime, perhaps not as a folder.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !(await isFolder(path))) throw error
    }
    await syncFolder(above)
  }
  return path
}

/**
 * Content up to this size is written on the calling thread: that is faster than handing it to
 * another thread.
 */
const smallBytes = 256 * 1024

/**
 * Writes a new file. Returns a function that waits for the disk, to be called once. Fails with
 * `EEXIST` if the name exists. The file is deleted when either step fails.
 */
export const writeNew = async (
  path: string,
  content: string | Uint8Array,
  readers: Readers = "owner"
): Promise<() => Promise<void>> => {
  const fd = await openNew(path, fileMode[readers])
  const step = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      closeSync(fd)
      rmSync(path, { force: true })
      throw error
    }
  }
  await step(async () => {
    if (readers === "everyone") fchmodSync(fd, fileMode[readers])
    if (content.length <= smallBytes) writeFileSync(fd, content)
    else await writeAll(fd, content)
  })
  return async () => {
    await step(() => synced(fd))
    closeSync(fd)
  }
}

/** Writes a new file and waits for the disk. Fails as `writeNew` does. */
export const writeSynced = async (
  path: string,
  content: string | Uint8Array,
  readers: Readers = "owner"
): Promise<void> => {
  const onDisk = await writeNew(path, content, readers)
  await onDisk()
}

const synced = promisify(fsync)
const writeAll = promisify(writeFile) as (fd: number, content: string | Uint8Array) => Promise<void>

/**
 * Replaces a file atomically: readers see the old content or the new one. `temporary` is a new name
 * in the same folder.
 */
export const replaceSynced = async (
  path: string,
  temporary: string,
  content: string | Uint8Array,
  readers: Readers = "owner"
): Promise<void> => {
  await writeSynced(temporary, content, readers)
  try {
    await Fs.rename(temporary, path)
  } catch (error) {
    await Fs.rm(temporary, { force: true })
    throw error
  }
}

/**
 * Makes new names in a folder durable. Does nothing on platforms that cannot sync a folder
 * (Windows).
 */
export const syncFolder = async (path: string): Promise<void> => {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "EISDIR" || code === "EPERM" || code === "EACCES") return
    throw error
  }
  try {
    await synced(fd)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== "EPERM" && code !== "EINVAL" && code !== "ENOTSUP") throw error
  } finally {
    closeSync(fd)
  }
}
