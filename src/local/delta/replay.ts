/**
 * Reads the state of a table from its log folder: the newest readable checkpoint, and the commits
 * after it.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { applyCommit, emptySnapshot, type Snapshot } from "./deltaActions.ts"
import { readCheckpoint } from "./deltaCheckpoint.ts"
import { isFolder } from "../../internal/log/plainFile.ts"
import { isBrokenMerge } from "./mergeMarks.ts"
import { checksumName, logFolder, readVersion } from "./versionFile.ts"

const commitName = /^\d{20}\.json$/
const checkpointName = /^(\d{20})\.checkpoint\.parquet$/
/**
 * Checkpoint names of other writers: one part of a multi-part checkpoint, or a v2 checkpoint with a
 * UUID.
 */
const partName = /^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$/
const v2Name = /^(\d{20})\.checkpoint\.[0-9a-f-]{36}\.(?:parquet|json)$/
/**
 * The number of versions read concurrently. They are applied one by one, but waiting for each file
 * separately takes longer.
 */
const readAtOnce = 32
/** The number of commits that a checkpoint is compared with. */
const lastCommits = 16

/** The log of a table cannot be replayed. */
export class LogDamaged extends Error {
  constructor(table: string, why: string) {
    super(`The Delta log of ${table} is damaged: ${why}.`)
  }
}

/** The version whose commit has this file name; undefined for other files. */
export const versionOf = (name: string): number | undefined =>
  commitName.test(name) ? Number(name.slice(0, 20)) : undefined

/** A complete checkpoint and its files. */
export interface FoundCheckpoint {
  readonly version: number
  readonly files: ReadonlyArray<string>
}

/** The complete checkpoints of a log folder, newest first. */
export const checkpointsIn = (names: ReadonlyArray<string>): ReadonlyArray<FoundCheckpoint> => {
  const found: Array<FoundCheckpoint> = []
  const parts = new Map<string, Array<string>>()
  for (const name of names.filter((each) => each.includes(".checkpoint.")).sort()) {
    const single = checkpointName.exec(name) ?? v2Name.exec(name)
    if (single !== null) found.push({ version: Number(single[1]), files: [name] })
    const part = partName.exec(name)
    if (part === null) continue
    const key = `${part[1]}.${part[3]}`
    const files = parts.get(key) ?? []
    files.push(name)
    parts.set(key, files)
    if (files.length === Number(part[3])) found.push({ version: Number(part[1]), files })
  }
  return found.sort((a, b) => b.version - a.version)
}

/** A state, and the version of the checkpoint that it was read from; -1 without one. */
export interface Replayed {
  readonly snapshot: Snapshot
  readonly lastCheckpoint: number
  /**
   * Whether a merge of ours does not fit the versions before it; `upkeep/brokenMerges.ts` repairs
   * it.
   */
  readonly hasBrokenMerges: boolean
  /** Whether the checkpoint lacks entries of the last commits before it. */
  readonly isDoubtful: boolean
}

/** Applies the text of the next version to a state. */
export type Apply = (snapshot: Snapshot, version: number, text: string) => void

/**
 * The state at a version (by default the latest), read without a checkpoint of that version itself.
 */
export const replay = async (
  table: string,
  names: ReadonlyArray<string>,
  end = Infinity,
  apply: Apply = applyCommit
): Promise<Replayed> => {
  const folder = logFolder(table)
  let snapshot: Snapshot = emptySnapshot()
  let lastCheckpoint = -1
  let hasBrokenMerges = false
  let isDoubtful = false
  for (const { files, version } of checkpointsIn(names)) {
    if (version >= end) continue
    try {
      snapshot = await readCheckpoint(folder, files, version)
      isDoubtful = !(await holdsLastCommits(table, names, snapshot))
      lastCheckpoint = version
      break
    } catch {
      // A damaged checkpoint costs only time as long as the commits before it exist. The loop below
      // detects missing ones.
      snapshot = emptySnapshot()
    }
  }
  const versions: Array<number> = []
  for (const name of names) {
    const version = versionOf(name)
    if (version !== undefined && version > lastCheckpoint && version <= end) versions.push(version)
  }
  versions.sort((a, b) => a - b)
  for (let start = 0; start < versions.length; start += readAtOnce) {
    const group = versions.slice(start, start + readAtOnce)
    const texts = await Promise.all(group.map((version) => readVersion(table, version)))
    group.forEach((version, index) => {
      if (version !== snapshot.version + 1)
        throw new LogDamaged(table, `version ${snapshot.version + 1} is missing`)
      try {
        hasBrokenMerges ||= isBrokenMerge(snapshot, texts[index]!)
        apply(snapshot, version, texts[index]!)
      } catch (error) {
        if (error instanceof SyntaxError)
          throw new LogDamaged(table, `version ${version} is not valid JSON`)
        throw error
      }
    })
  }
  return { snapshot, lastCheckpoint, hasBrokenMerges, isDoubtful }
}

/**
 * Whether the state of a checkpoint agrees with the files and transactions of the last commits
 * before it. It does not when a commit was replaced after the checkpoint was written.
 */
const holdsLastCommits = async (
  table: string,
  names: ReadonlyArray<string>,
  state: Snapshot
): Promise<boolean> => {
  const last = names
    .flatMap((name) => versionOf(name) ?? [])
    .filter((version) => version <= state.version && version > state.version - lastCommits)
    .sort((a, b) => a - b)
  const told = emptySnapshot()
  try {
    const texts = await Promise.all(last.map((version) => readVersion(table, version)))
    texts.forEach((text, index) => applyCommit(told, last[index]!, text))
  } catch {
    // Without readable commits, nothing contradicts the state.
    return true
  }
  const { files, transactions } = state
  return (
    [...told.files.keys()].every((key) => files.has(key)) &&
    ![...told.tombstones.keys()].some((key) => files.has(key)) &&
    [...told.transactions.values()].every(
      ({ appId, version }) => transactions.get(appId)?.version === version
    )
  )
}

/**
 * Deletes the checkpoints whose files differ from those in the commits before them, because a
 * commit was replaced after the checkpoint was written. A checkpoint stays when the commits to
 * compare it with are gone.
 */
export const removeFalseCheckpoints = async (table: string): Promise<void> => {
  const folder = logFolder(table)
  if (!(await isFolder(table)) || !(await isFolder(folder))) return
  const names = await Fs.readdir(folder)
  for (const { files, version } of checkpointsIn(names)) {
    const commits = await replay(table, names, version).catch(() => undefined)
    if (commits === undefined || commits.snapshot.version !== version) return
    const held = (await readCheckpoint(folder, files, version).catch(() => undefined))?.files
    // Readers skip a damaged checkpoint and may read an older one instead.
    if (held === undefined) continue
    const live = commits.snapshot.files
    if (held.size === live.size && [...held.keys()].every((key) => live.has(key))) return
    // `_last_checkpoint` is only a hint; readers without it list the folder.
    for (const name of ["_last_checkpoint", ...files]) {
      for (const each of [checksumName(name), name])
        await Fs.rm(Path.join(folder, each), { force: true })
    }
  }
}
