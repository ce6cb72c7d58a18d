/**
 * Checks who can access a data folder that existed before the server started.
 */
import * as Fs from "node:fs/promises"

/**
 * The warning for a folder that other users of the machine can access; undefined for one that only
 * its owner can access.
 */
export const modeWarning = async (folder: string): Promise<string | undefined> => {
  const { mode } = await Fs.stat(folder)
  if (process.platform === "win32" || (mode & 0o077) === 0) return undefined
  return (
    `Other users of this machine can access ${folder} (mode ${(mode & 0o777).toString(8)}). ` +
    `The mode is not changed. ` +
    `Run chmod 700 to restrict it, or start the server with --shared-files (sharedFiles) if ` +
    `others should read the tables.`
  )
}
