/**
 * Deletes commits that are older than the table's log retention, and checkpoints of ours that no
 * version needs.
 *
 * Every version within the retention stays readable.
 *
 * A commit is deleted when it is older than both the retention and an hour, and a later checkpoint
 * is as old and readable. The hour protects other writers: one that has read a version writes the
 * next version name, and must not find it free.
 *
 * A checkpoint of ours is deleted together with the commits before that readable checkpoint. It is
 * deleted earlier when it is older than an hour, is not one of the two newest, is not named by
 * `_last_checkpoint`, and all commits since the previous checkpoint exist. One checkpoint per
 * thirtieth of the retention stays, so that old versions can be read without replaying everything,
 * and so that commits can be deleted up to it. Checkpoints of other writers are never deleted.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { lstatOf, readPlain } from "../../internal/log/plainFile.ts"
import { versionName } from "../delta/deltaActions.ts"
import { readCheckpoint } from "../delta/deltaCheckpoint.ts"
import { type DeltaLog, logFolder } from "../delta/deltaLog.ts"
import { checkpointsIn, type FoundCheckpoint, versionOf } from "../delta/replay.ts"
import { propertiesOf } from "../delta/tableProperties.ts"
import { isOwnParquet } from "../parquet/fileFooter.ts"

const hour = 3600 * 1000
/** The retention is divided into this many periods; one checkpoint of each stays. */
const periods = 30
/** The number of newest checkpoints of ours that always stay. */
const newest = 2

/** The log folder during one clean-up. */
class LogFiles {
  readonly folder: string
  private readonly now: number
  private readonly times = new Map<string, number>()
  private readonly readable = new Map<number, boolean>()

  constructor(folder: string, now: number) {
    this.folder = folder
    this.now = now
  }

  /** When a file was written, in milliseconds; infinity for a missing file. */
  async time(name: string): Promise<number> {
    let time = this.times.get(name)
    if (time === undefined) {
      time = (await lstatOf(Path.join(this.folder, name)))?.mtimeMs ?? Infinity
      this.times.set(name, time)
    }
    return time
  }

  /** Whether all these files are older than `age` milliseconds. */
  async areOlder(names: ReadonlyArray<string>, age: number): Promise<boolean> {
    for (const name of names) if ((await this.time(name)) >= this.now - age) return false
    return true
  }

  /** Whether the state can be read from a checkpoint. */
  async isReadable({ files, version }: FoundCheckpoint): Promise<boolean> {
    let answer = this.readable.get(version)
    if (answer === undefined) {
      const state = await readCheckpoint(this.folder, files, version).catch(() => undefined)
      answer = state?.metadata !== undefined && state.protocol !== undefined
      this.readable.set(version, answer)
    }
    return answer
  }

  /** Whether this server wrote a checkpoint. */
  async isOurs({ files, version }: FoundCheckpoint): Promise<boolean> {
    const [file, ...others] = files
    if (others.length > 0 || file !== `${versionName(version)}.checkpoint.parquet`) return false
    return isOwnParquet(await readPlain(Path.join(this.folder, file)).catch(() => new Uint8Array()))
  }

  async remove(names: ReadonlyArray<string>): Promise<void> {
    for (const name of names) await Fs.rm(Path.join(this.folder, name), { force: true })
  }
}

/**
 * Deletes at most `atMost` commits, and checkpoints of ours. `now` in milliseconds. Returns the
 * number of files.
 */
export const cleanUpLog = async (log: DeltaLog, now: number, atMost: number): Promise<number> => {
  const { expiredLogCleanup, logRetention } = propertiesOf(log.snapshot.metadata)
  if (!expiredLogCleanup || logRetention === Infinity) return 0
  const retention = Math.max(hour, logRetention)
  const folder = logFolder(log.table)
  const names = await Fs.readdir(folder)
  const files = new LogFiles(folder, now)
  const checkpoints = checkpointsIn(names).toReversed()
  const versions = names.flatMap((name) => versionOf(name) ?? []).sort((a, b) => a - b)
  const commits = await removeCommits(files, versions, checkpoints, retention, atMost)
  const left = { versions: versions.slice(commits.removed), checkpoints: commits.checkpoints }
  const pointer = await lastCheckpoint(folder)
  // An unreadable pointer may name any checkpoint.
  const early = pointer === undefined ? 0 : await removeCheckpoints(files, left, pointer, retention)
  return commits.removed + (checkpoints.length - commits.checkpoints.length) + early
}

/** The version that `_last_checkpoint` names; undefined when it cannot be read. */
const lastCheckpoint = async (folder: string): Promise<number | undefined> => {
  try {
    const { version } = JSON.parse(
      (await readPlain(Path.join(folder, "_last_checkpoint"))).toString("utf8")
    ) as {
      readonly version?: unknown
    }
    return typeof version === "number" ? version : undefined
  } catch {
    return undefined
  }
}

/**
 * Deletes expired commits. Returns their number and the remaining checkpoints. Versions and
 * checkpoints are given oldest first.
 */
const removeCommits = async (
  files: LogFiles,
  versions: ReadonlyArray<number>,
  checkpoints: ReadonlyArray<FoundCheckpoint>,
  retention: number,
  atMost: number
): Promise<{ readonly removed: number; readonly checkpoints: ReadonlyArray<FoundCheckpoint> }> => {
  const nameOf = (version: number): string => `${versionName(version)}.json`
  let base: FoundCheckpoint | undefined
  for (const checkpoint of checkpoints.toReversed()) {
    const below = versions.filter((version) => version < checkpoint.version)
    if (below.length === 0) break
    if (!(await files.areOlder(checkpoint.files, retention))) continue
    // The age of the commits is checked too: copied files may have times in any order, and a recent
    // version before the base would be lost.
    if (!(await files.areOlder(below.map(nameOf), retention))) continue
    // Without the commits before it, nothing can replace the checkpoint.
    if (!(await files.isReadable(checkpoint))) continue
    base = checkpoint
    break
  }
  if (base === undefined) return { removed: 0, checkpoints }
  let removed = 0
  // Oldest first: wherever the process ends, the remaining commits have no gap, and the base and
  // all later commits stay.
  for (const version of versions) {
    if (version >= base.version || removed === atMost) break
    await files.remove([nameOf(version)])
    removed++
  }
  const left: Array<FoundCheckpoint> = []
  const end = versions[removed]
  for (const checkpoint of checkpoints) {
    // If the round ended at its limit, versions before the base still have their commits, and this
    // checkpoint may be needed to read them.
    const needed =
      checkpoint.version >= base.version || end === undefined || checkpoint.version >= end - 1
    if (
      needed ||
      !(await files.areOlder(checkpoint.files, retention)) ||
      !(await files.isOurs(checkpoint))
    ) {
      left.push(checkpoint)
    } else await files.remove(checkpoint.files)
  }
  return { removed, checkpoints: left }
}

/**
 * Deletes checkpoints of ours that no version needs. Versions and checkpoints are given oldest
 * first. Returns the number of deleted checkpoints.
 */
const removeCheckpoints = async (
  files: LogFiles,
  {
    checkpoints,
    versions
  }: {
    readonly checkpoints: ReadonlyArray<FoundCheckpoint>
    readonly versions: ReadonlyArray<number>
  },
  pointer: number,
  retention: number
): Promise<number> => {
  const period = Math.max(hour, retention / periods)
  const periodOf = async (checkpoint: FoundCheckpoint | undefined): Promise<number> =>
    checkpoint === undefined
      ? Infinity
      : Math.floor((await files.time(checkpoint.files[0]!)) / period)
  const commitsSince = firstOfRun(versions)
  // The previous checkpoint, or the beginning of the log.
  let before: FoundCheckpoint | "beginning" | undefined =
    versions[0] === 0 ? "beginning" : undefined
  let removed = 0
  for (const [index, checkpoint] of checkpoints.entries()) {
    const { version } = checkpoint
    // Without a previous checkpoint, versions are read from this one.
    const from = before === undefined ? -Infinity : before === "beginning" ? 0 : before.version + 1
    const mayGo =
      index < checkpoints.length - newest &&
      version !== pointer &&
      (await files.areOlder(checkpoint.files, hour)) &&
      (await periodOf(checkpoint)) === (await periodOf(checkpoints[index + 1])) &&
      (commitsSince.get(version) ?? Infinity) <= from &&
      (typeof before !== "object" || (await files.isReadable(before))) &&
      (await files.isOurs(checkpoint))
    if (mayGo) {
      await files.remove(checkpoint.files)
      removed++
    } else before = checkpoint
  }
  return removed
}

/** For each version, the first version of its run without a gap. */
const firstOfRun = (versions: ReadonlyArray<number>): ReadonlyMap<number, number> => {
  const firsts = new Map<number, number>()
  let first = -1
  versions.forEach((version, index) => {
    if (index === 0 || versions[index - 1] !== version - 1) first = version
    firsts.set(version, first)
  })
  return firsts
}
