/**
 * What leaves a table while the server runs: expired data files of our merges, then expired parts
 * of the log.
 */
import type { DeltaLog } from "../delta/deltaLog.ts"
import { removeExpiredFiles } from "./expiredFiles.ts"
import { cleanUpLog } from "./logCleanUp.ts"

const interval = 3600 * 1000
/** Files of one round: the flush of another table waits behind it. */
const atMost = 20_000

/** When the log of a table was cleaned up last. */
const lastRounds = new WeakMap<DeltaLog, number>()

/**
 * Removes what is expired, once an hour, or with every call while there is more than one round
 * takes. Answers how many files went.
 */
export const removeExpired = async (log: DeltaLog, now: number): Promise<number> => {
  if (now - (lastRounds.get(log) ?? -Infinity) < interval) return 0
  // Before the work: a round that fails is tried again in an hour and not with every flush.
  lastRounds.set(log, now)
  // What the table asks for counts as of now, and nothing of another table in its folder goes.
  if (!(await log.look())) return 0
  const files = await removeExpiredFiles(log, now, atMost)
  const entries = await cleanUpLog(log, now, atMost)
  if (files >= atMost || entries >= atMost) lastRounds.delete(log)
  return files + entries
}
