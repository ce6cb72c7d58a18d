/**
 * Files and folders that are on disk when the promise resolves.
 */
import * as Fs from "node:fs/promises"

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
