/**
 * Files and folders that are on disk when the promise resolves.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/** A file has the name of a folder that is needed. */
export class NotAFolder extends Error {
  override readonly name = "NotAFolder"
}

/**
 * Makes a folder, and those above it that are missing. Node's own recursive way never ends where folders cannot be made although the
 * one above is there, such as in `/proc`.
 */
export const makeFolder = async (path: string, mode?: number): Promise<void> => {
  const make = async () => {
    try {
      await Fs.mkdir(path, { mode })
    } catch (error) {
      const found = await Fs.stat(path).catch(() => undefined)
      if (found?.isDirectory() === false) {
        throw new NotAFolder(`${path} is a file, where a folder is needed.`)
      }
      if (found === undefined) throw error
    }
  }
  try {
    await make()
  } catch (error) {
    const above = Path.dirname(path)
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error
    await makeFolder(above, mode)
    await make()
  }
}

/** Writes a whole file and waits for the disk. `flag` as of `open`, by default the file is replaced. */
export const writeSynced = async (path: string, content: string | Uint8Array, flag = "w"): Promise<void> => {
  const handle = await Fs.open(path, flag)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Replaces a file in one step: readers see the old content or the new one. `temporary` lies in the same folder. */
export const replaceSynced = async (path: string, temporary: string, content: string | Uint8Array): Promise<void> => {
  try {
    await writeSynced(temporary, content)
    await Fs.rename(temporary, path)
  } catch (error) {
    await Fs.rm(temporary, { force: true })
    throw error
  }
}

/** Makes new names in a folder durable. Platforms that cannot sync a folder (Windows) are left as they are. */
export const syncFolder = async (path: string): Promise<void> => {
  let handle: Fs.FileHandle
  try {
    handle = await Fs.open(path, "r")
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === "EISDIR" || code === "EPERM" || code === "EACCES") return
    throw error
  }
  try {
    await handle.sync()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== "EPERM" && code !== "EINVAL" && code !== "ENOTSUP") throw error
  } finally {
    await handle.close()
  }
}
