/**
 * Undoes merges of ours that no longer fit the log, because another writer replaced an earlier
 * version that merged or added their files. The rows of such a merge would be in the table twice,
 * or reappear after their deletion.
 *
 * The correct state is the table without the broken merges: each file that they removed is live,
 * unless another commit removed it or it was created by a merge that was replaced.
 */
import { replay, type Apply } from "../delta/replay.ts"
import {
  type Action,
  type Add,
  applyCommit,
  fileKey,
  type Remove,
  type Snapshot
} from "../delta/deltaActions.ts"
import type { DeltaLog } from "../delta/deltaLog.ts"
import { filePath } from "../delta/filePaths.ts"
import { logFolder } from "../delta/versionFile.ts"
import { lstatOf } from "../../internal/log/plainFile.ts"
import { isBrokenMerge, isMergedAgain } from "../delta/mergeMarks.ts"
import * as Fs from "node:fs/promises"

const operation = "UNDO OPTIMIZE"
const engineInfo = "effect-zerobus"

/** The actions of a commit that matter here. */
interface Line {
  readonly add?: Add
  readonly remove?: Remove
  readonly commitInfo?: { readonly operation?: unknown; readonly engineInfo?: unknown }
}

/** The table without the broken merges. */
interface SoundState {
  readonly snapshot: Snapshot
  /** The files that broken merges created. */
  readonly undone: ReadonlySet<string>
  /** Whether another writer removed or replaced one of them. */
  readonly isUsed: boolean
}

const soundState = async (log: DeltaLog): Promise<SoundState> => {
  const undone = new Set<string>()
  let isUsed = false
  const apply: Apply = (snapshot, version, text) => {
    const lines = text.split("\n").filter((line) => line.trim() !== "")
    const actions = lines.map((line) => JSON.parse(line) as Line)
    const removes = actions.flatMap(({ remove }) => remove ?? [])
    if (!isBrokenMerge(snapshot, text)) {
      const isOurs = actions.some(
        ({ commitInfo: info }) => info?.operation === operation && info.engineInfo === engineInfo
      )
      if (!isOurs && removes.some((remove) => undone.has(fileKey(remove)))) isUsed = true
      applyCommit(snapshot, version, text)
      return
    }
    for (const { add } of actions) if (add) undone.add(fileKey(add))
    // A file that is neither live nor removed was added by a version that was replaced.
    const gone = removes.filter((remove) => {
      const key = fileKey(remove)
      return (
        !snapshot.files.has(key) &&
        !snapshot.tombstones.has(key) &&
        !isMergedAgain(remove) &&
        !undone.has(key)
      )
    })
    applyCommit(
      snapshot,
      version,
      gone.map((remove) => JSON.stringify({ add: addOf(remove) })).join("\n")
    )
  }
  const { snapshot } = await replay(
    log.table,
    await Fs.readdir(logFolder(log.table)),
    log.snapshot.version,
    apply
  )
  return { snapshot, undone, isUsed }
}

/** A file as it was before a merge removed it, without statistics. */
const addOf = ({ deletionTimestamp = 0, partitionValues = {}, path, size = 0 }: Remove): Add => ({
  path,
  partitionValues,
  size,
  modificationTime: deletionTimestamp,
  dataChange: false
})

/**
 * Undoes broken merges with one commit that changes no data. Returns a sentence when that is not
 * possible. `now` in milliseconds.
 */
export const undoBrokenMerges = async (log: DeltaLog, now: number): Promise<string | undefined> => {
  if (!log.hasBrokenMerges) return undefined
  const { isUsed, snapshot: sound, undone } = await soundState(log)
  const removed = [...log.snapshot.files].filter(([key]) => !sound.files.has(key))
  const added = [...sound.files]
    .filter(([key]) => !log.snapshot.files.has(key))
    .map(([, add]) => add)
  log.hasBrokenMerges = false
  if (removed.length === 0 && added.length === 0) return undefined
  const stays = (why: string): string =>
    `Another writer replaced a version of ${log.table} before files were merged, so that rows ` +
    `may be there twice; ${why}. ` +
    "Compare the table with an earlier version."
  if (isUsed || removed.some(([key]) => !undone.has(key)))
    return stays("others have changed the merged files since")
  for (const { path } of added) {
    if ((await lstatOf(filePath(log.table, path))) === undefined)
      return stays("the files from before are deleted")
  }
  await log.commit((snapshot) => {
    const isCurrent = removed.every(([key]) => snapshot.files.has(key))
    return isCurrent
      ? undoActions(
          removed.map(([, add]) => add),
          added,
          now
        )
      : undefined
  })
  return undefined
}

const undoActions = (
  removed: ReadonlyArray<Add>,
  added: ReadonlyArray<Add>,
  now: number
): ReadonlyArray<Action> => [
  {
    commitInfo: {
      timestamp: now,
      operation,
      operationParameters: {},
      operationMetrics: {
        numRemovedFiles: String(removed.length),
        numAddedFiles: String(added.length)
      },
      isBlindAppend: false,
      engineInfo
    }
  },
  ...removed.map(({ partitionValues, path, size }): Action => ({
    remove: {
      path,
      deletionTimestamp: now,
      dataChange: false,
      extendedFileMetadata: true,
      partitionValues,
      size
    }
  })),
  ...added.map((add): Action => ({ add: { ...add, dataChange: false } }))
]
