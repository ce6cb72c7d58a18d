/**
 * The Delta log of one table: replay, put-if-absent commits that survive power loss and other
 * writers, checkpoints.
 *
 * A commit is a fully written and synced temporary file that is hard-linked to its version name:
 * linking fails when the name exists, so two writers can never both own a version. Where hard links
 * do not work, an exclusive create takes their place. What goes into a commit is the caller's
 * business; checkpoint files are written by `deltaCheckpoint.ts`.
 */
import { randomUUID } from "node:crypto"
import { linkSync, rmSync } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import {
  type Action,
  applyCommit,
  emptySnapshot,
  hasInCommitTimestamps,
  type Snapshot,
  versionName,
  withInCommitTimestamp
} from "./deltaActions.ts"
import { forgetExpired, lostByCheckpoint, writeCheckpoint } from "./deltaCheckpoint.ts"
import {
  makeFolder,
  makeFoldersIn,
  type Readers,
  syncFolder,
  writeNew,
  writeSynced
} from "../../internal/log/durableFile.ts"
import { isFolder } from "../../internal/log/plainFile.ts"
import { LogDamaged, replay, versionOf } from "./replay.ts"
import { propertiesOf } from "./tableProperties.ts"
import {
  identityOf,
  identityOfFile,
  logFolder,
  readVersion,
  type SeenVersion
} from "./versionFile.ts"

export { LogDamaged, removeFalseCheckpoints } from "./replay.ts"
export { isLatest, logFolder, type SeenVersion } from "./versionFile.ts"

const fewestCommitsBetweenCheckpoints = 10
/**
 * A checkpoint holds the whole state. When one is written after so much of a share of the state as
 * commits, all checkpoints together take in proportion to the commits, and a start reads few
 * commits beside the state.
 */
const checkpointShare = 40
/** How many of the latest versions that it found or committed a log watches. */
const watchedVersions = 16

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT"

/**
 * Replays the log of a table folder. Answers undefined when there is no table; throws when the log
 * has a gap or is damaged, and `NotAFile` or `NotAFolder` when a link or a special file has the
 * name of a folder or of a version. `readers` of the files that are written.
 */
export const openLog = async (
  table: string,
  readers: Readers = "owner"
): Promise<DeltaLog | undefined> => {
  const folder = logFolder(table)
  if (!(await isFolder(table)) || !(await isFolder(folder))) return undefined
  const names = await Fs.readdir(folder)
  const recent = await latestVersions(table, names)
  const { hasBrokenMerges, isDoubtful, lastCheckpoint, snapshot } = await replay(table, names)
  if (snapshot.version < 0) return undefined
  if (snapshot.metadata === undefined || snapshot.protocol === undefined) {
    throw new LogDamaged(table, "it has no metaData or no protocol action")
  }
  const log = new DeltaLog(table, snapshot, lastCheckpoint, readers, recent)
  log.hasBrokenMerges = hasBrokenMerges
  log.isDoubtful = isDoubtful
  return log
}

/** The latest versions that a log of these files holds. */
const latestVersions = async (
  table: string,
  names: ReadonlyArray<string>
): Promise<ReadonlyArray<SeenVersion>> => {
  const versions = names.flatMap((name) => versionOf(name) ?? []).sort((a, b) => a - b)
  return Promise.all(
    versions.slice(-watchedVersions).map(async (version) => ({
      version,
      identity: (await identityOf(table, version)) ?? ""
    }))
  )
}

/** Code of `TableChanged`; it survives the way out of a worker thread. */
export const tableChanged = "TABLE_CHANGED"

/**
 * Another writer changed what the table asks of its writers, or replaced the table, while a commit
 * was made. Nothing was committed; the caller reads the table anew.
 */
export class TableChanged extends Error {
  readonly code = tableChanged
  constructor(table: string) {
    super(`Another writer changed the schema, the settings or the protocol of ${table}.`)
  }
}

/**
 * Creates the log of a new table with its first commit. Answers undefined when another process
 * created it first.
 */
export const createLog = async (
  table: string,
  actions: ReadonlyArray<Action>,
  readers: Readers = "owner"
): Promise<DeltaLog | undefined> => {
  await makeFolder(table, readers)
  await syncFolder(Path.dirname(table))
  await makeFoldersIn(table, [Path.basename(logFolder(table))], readers)
  const log = new DeltaLog(table, emptySnapshot(), -1, readers)
  return (await log.tryCommit(actions)) ? log : undefined
}

/**
 * An open log. Not for use from two flows at the same time; other processes may commit whenever
 * they like.
 */
export class DeltaLog {
  readonly table: string
  readonly snapshot: Snapshot
  /** Who may read the files that are written. */
  readonly readers: Readers
  private lastCheckpoint: number
  /** The file of the snapshot's version; undefined before the first look. */
  private identity: string | undefined
  /**
   * Whether merges of ours that were read do not fit the versions before them, and nobody has taken
   * them back.
   */
  hasBrokenMerges = false
  /** Whether the checkpoint that was read may be false: `removeFalseCheckpoints` tells. */
  isDoubtful = false
  /**
   * Whether the last commit has got its name, also when it failed afterwards: then its files must
   * stay.
   */
  isNamed = false
  /** The latest versions that were found at the opening or committed here. */
  private recent: ReadonlyArray<SeenVersion>

  constructor(
    table: string,
    snapshot: Snapshot,
    lastCheckpoint: number,
    readers: Readers,
    recent: ReadonlyArray<SeenVersion> = []
  ) {
    this.table = table
    this.readers = readers
    this.snapshot = snapshot
    this.lastCheckpoint = lastCheckpoint
    this.recent = recent
    const last = recent[recent.length - 1]
    if (last?.version === snapshot.version && last.identity !== "") this.identity = last.identity
  }

  /**
   * Commits what `build` answers for the current state, again for each version that somebody else
   * took first. When `build` answers undefined there is nothing left to do. Throws `TableChanged`
   * when the other writer changed the metadata or the protocol, or put another table in the folder.
   * A commit gets its name after `ready`: the data files that it names are on disk then.
   */
  async commit(
    build: (snapshot: Snapshot) => ReadonlyArray<Action> | undefined,
    ready?: Promise<unknown>
  ): Promise<number> {
    const { metadata, protocol } = this.snapshot
    // A commit that fails before it waits tells its own reason.
    ready?.catch(() => {})
    for (;;) {
      const actions = build(this.snapshot)
      if (actions === undefined) return this.snapshot.version
      if (await this.tryCommit(actions, ready)) return this.snapshot.version
      await this.refresh()
      if (rulesText(this.snapshot) !== rulesText({ metadata, protocol }))
        throw new TableChanged(this.table)
    }
  }

  /**
   * Tries to take the next version. False when it exists already; the snapshot is then out of date.
   */
  async tryCommit(actions: ReadonlyArray<Action>, ready?: Promise<unknown>): Promise<boolean> {
    const version = this.snapshot.version + 1
    const folder = logFolder(this.table)
    const target = Path.join(folder, `${versionName(version)}.json`)
    const text = (await this.timed(actions)).map((action) => `${JSON.stringify(action)}\n`).join("")
    const temporary = Path.join(folder, `.tmp-${randomUUID()}.json`)
    let identity: string | undefined
    this.isNamed = false
    try {
      const onDisk = await writeNew(temporary, text, this.readers)
      // Beside the data files: each takes its time on the disk, and the commit has no name before
      // all are there.
      await Promise.all([onDisk(), ready])
      // Before the link: afterwards the name may lead to another writer's file already.
      identity = await identityOfFile(temporary)
      if (version > 0 && !(await this.isCurrent())) throw new TableChanged(this.table)
      try {
        linkSync(temporary, target)
        this.isNamed = true
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === "EEXIST") return false
        // No hard links on this file system: an exclusive create is the next best put-if-absent.
        if (
          code !== "EPERM" &&
          code !== "ENOTSUP" &&
          code !== "EOPNOTSUPP" &&
          code !== "ENOSYS" &&
          code !== "EMLINK"
        )
          throw error
        if (!(await createExclusive(target, text, this.readers))) return false
        this.isNamed = true
        identity = await identityOfFile(target)
      }
    } finally {
      rmSync(temporary, { force: true })
    }
    await syncFolder(folder)
    applyCommit(this.snapshot, version, text)
    this.identity = identity
    this.recent = [...this.recent.slice(1 - watchedVersions), { version, identity: identity ?? "" }]
    return true
  }

  /** The actions as the table wants them with regard to the time of their commit. */
  private async timed(actions: ReadonlyArray<Action>): Promise<ReadonlyArray<Action>> {
    const { inCommitTimestamp, version } = this.snapshot
    if (!hasInCommitTimestamps(this.snapshot)) return actions
    const previous = inCommitTimestamp ?? (await this.timeOf(version))
    if (previous === undefined)
      throw new LogDamaged(this.table, `version ${version} has no in-commit timestamp`)
    return withInCommitTimestamp(actions, previous)
  }

  /** The in-commit timestamp of a version whose state came from a checkpoint. */
  private async timeOf(version: number): Promise<number | undefined> {
    const commit = emptySnapshot()
    try {
      applyCommit(commit, version, await readVersion(this.table, version))
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    return commit.inCommitTimestamp
  }

  /**
   * Looks for what other writers have done: reads their versions, and answers whether this still is
   * the table that was opened. It is not when the file of the current version is gone or was
   * replaced, as after a table was dropped and made anew, nor when an earlier version was replaced:
   * then the state holds actions that the table does not have.
   */
  async look(): Promise<boolean> {
    if (!(await this.isCurrent())) return false
    for (const { identity, version } of this.recent) {
      const now = await identityOf(this.table, version)
      // Writers delete old commits, and what they held stays in the state.
      if (now !== undefined && now !== identity) return false
    }
    this.identity ??= await identityOf(this.table, this.snapshot.version)
    await this.refresh()
    return true
  }

  /** Whether the file of the snapshot's version is the one that was read. */
  private async isCurrent(): Promise<boolean> {
    const now = await identityOf(this.table, this.snapshot.version)
    // Writers delete old commits: a version that was opened from its checkpoint may have none.
    if (now === undefined)
      return this.lastCheckpoint === this.snapshot.version && !(await this.isPassed())
    return this.identity === undefined || this.identity === now
  }

  /**
   * Whether later versions are there without the next one, whose name is free because writers have
   * deleted it: a commit of that name is below their checkpoint, and nobody reads it.
   */
  private async isPassed(): Promise<boolean> {
    const next = this.snapshot.version + 1
    const names = await Fs.readdir(logFolder(this.table))
    const later = names.filter((name) => Number(/^\d{20}(?=\.)/.exec(name)?.[0] ?? -1) >= next)
    return later.length > 0 && !later.includes(`${versionName(next)}.json`)
  }

  /** The version that was looked at last, and its file. */
  get seen(): SeenVersion {
    return { version: this.snapshot.version, identity: this.identity ?? "" }
  }

  /** Reads versions that others have written since. */
  async refresh(): Promise<void> {
    for (;;) {
      const version = this.snapshot.version + 1
      if ((await identityOf(this.table, version)) === undefined) return
      let text: string
      try {
        text = await readVersion(this.table, version)
      } catch (error) {
        if (isMissing(error)) return
        throw error
      }
      applyCommit(this.snapshot, version, text)
      this.identity = await identityOf(this.table, version)
    }
  }

  /**
   * Writes a checkpoint when enough commits have passed since the last one: as many as the table
   * asks for, or else more the larger the state is, tombstones included.
   */
  async checkpointIfDue(now: number): Promise<boolean> {
    const { files, metadata, tombstones, version } = this.snapshot
    const step =
      propertiesOf(metadata).checkpointInterval ??
      Math.max(
        fewestCommitsBetweenCheckpoints,
        Math.floor((files.size + tombstones.size) / checkpointShare)
      )
    if (version - Math.max(this.lastCheckpoint, 0) < step) return false
    if (!this.mayCheckpoint()) {
      this.lastCheckpoint = this.snapshot.version
      return false
    }
    await this.checkpoint(now)
    return true
  }

  /**
   * Whether a checkpoint of ours carries all that the state holds, in the form that the table
   * wants.
   */
  private mayCheckpoint(): boolean {
    const policy = this.snapshot.metadata?.configuration["delta.checkpointPolicy"] ?? "classic"
    return policy === "classic" && lostByCheckpoint(this.snapshot).length === 0
  }

  /**
   * Writes a checkpoint of the current version without what is expired, and points
   * `_last_checkpoint` at it.
   */
  async checkpoint(now: number): Promise<void> {
    forgetExpired(this.snapshot, now)
    await writeCheckpoint(logFolder(this.table), this.snapshot, this.readers)
    this.lastCheckpoint = this.snapshot.version
  }
}

/** What a table asks of its writers, as text to compare. */
const rulesText = ({ metadata, protocol }: Pick<Snapshot, "metadata" | "protocol">): string =>
  JSON.stringify([metadata, protocol])

const createExclusive = async (path: string, text: string, readers: Readers): Promise<boolean> => {
  try {
    await writeSynced(path, text, readers)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
}
