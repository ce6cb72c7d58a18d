/**
 * Who can get into a data folder that was there before the server.
 */
import * as Fs from "node:fs/promises"

/**
 * The warning for a folder that other users of the machine can get into; undefined for a closed
 * one.
 */
export const modeWarning = async (folder: string): Promise<string | undefined> => {
  const { mode } = await Fs.stat(folder)
  if (process.platform === "win32" || (mode & 0o077) === 0) return undefined
  return (
    `Other users of this machine can get into ${folder} (mode ${(mode & 0o777).toString(8)}), ` +
    `which is kept as it is. ` +
    `Type chmod 700 to close it, or start the server with --shared-files (sharedFiles) if ` +
    `others are to read the tables.`
  )
}
