/**
 * Removes expired data from a table while the server runs: first data files of our merges, then
 * parts of the log.
 */
import type { DeltaLog } from "../delta/deltaLog.ts"
import { removeExpiredFiles } from "./expiredFiles.ts"
import { cleanUpLog } from "./logCleanUp.ts"

const interval = 3600 * 1000
/** The most files of one round, because flushes of other tables wait for it. */
const atMost = 20_000

/** When each log was last cleaned up. */
const lastRounds = new WeakMap<DeltaLog, number>()

/**
 * Removes expired files once an hour, or with every call while more remain than one round removes.
 * Returns the number of removed files.
 */
export const removeExpired = async (log: DeltaLog, now: number): Promise<number> => {
  if (now - (lastRounds.get(log) ?? -Infinity) < interval) return 0
  // Set before the work, so that a failed round is retried in an hour instead of with every flush.
  lastRounds.set(log, now)
  // Uses the table's current properties, and deletes nothing if another table is in the folder.
  if (!(await log.look())) return 0
  const files = await removeExpiredFiles(log, now, atMost)
  const entries = await cleanUpLog(log, now, atMost)
  if (files >= atMost || entries >= atMost) lastRounds.delete(log)
  return files + entries
}
