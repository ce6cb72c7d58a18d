/**
 * The Delta log of one table: replay, put-if-absent commits that survive power loss and concurrent
 * writers, and checkpoints.
 *
 * A commit is a completely written and synced temporary file that is hard-linked to its version
 * name. Linking fails when the name exists, so two writers can never both own a version. On file
 * systems without hard links, an exclusive create is used instead. The caller decides what a commit
 * contains; `deltaCheckpoint.ts` writes checkpoint files.
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
 * A checkpoint is due once the number of commits reaches this fraction (1/40) of the state's
 * entries. A checkpoint writes the whole state, so this keeps the total cost of checkpoints
 * proportional to the number of commits, and a start reads few commits in addition to the
 * checkpoint.
 */
const checkpointShare = 40
/** The number of latest versions whose files a log checks for replacement. */
const watchedVersions = 16

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT"

/**
 * Replays the log of a table folder. Returns undefined when there is no table. Throws `LogDamaged`
 * when the log has a gap or is damaged, and `NotAFile` or `NotAFolder` when a link or a special
 * file has the name of a folder or of a version. `readers` may read the files that are written.
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

/** The latest versions among these log files. */
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

/** The code of `TableChanged`. It identifies the error after it has passed a thread boundary. */
export const tableChanged = "TABLE_CHANGED"

/**
 * Another writer changed the schema, the settings or the protocol of the table, or replaced the
 * table, during a commit. Nothing was committed; the caller has to read the table again.
 */
export class TableChanged extends Error {
  readonly code = tableChanged
  constructor(table: string) {
    super(`Another writer changed the schema, the settings or the protocol of ${table}.`)
  }
}

/**
 * Creates the log of a new table with its first commit. Returns undefined when another process
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

/** An open log. Calls must not overlap; other processes may commit at any time. */
export class DeltaLog {
  readonly table: string
  readonly snapshot: Snapshot
  /** Who may read the files that are written. */
  readonly readers: Readers
  private lastCheckpoint: number
  /** The file of the snapshot's version; undefined before the first look. */
  private identity: string | undefined
  /**
   * Whether the log holds merges of ours that do not fit the versions before them and are not
   * repaired yet.
   */
  hasBrokenMerges = false
  /** Whether the checkpoint that was read may be wrong; `removeFalseCheckpoints` decides. */
  isDoubtful = false
  /**
   * Whether the last commit got its version name, even if it failed afterwards. Its data files must
   * then stay.
   */
  isNamed = false
  /** The latest versions that were found when opening or committed here. */
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
   * Commits the actions that `build` returns for the current state. Builds them again each time
   * another writer takes the version first. Does nothing when `build` returns undefined. Throws
   * `TableChanged` when another writer changed the metadata or the protocol, or put another table
   * into the folder. A commit gets its name after `ready` has resolved, when the data files that it
   * names are on disk.
   */
  async commit(
    build: (snapshot: Snapshot) => ReadonlyArray<Action> | undefined,
    ready?: Promise<unknown>
  ): Promise<number> {
    const { metadata, protocol } = this.snapshot
    // A commit that fails before it awaits `ready` reports its own reason.
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
      // Syncs the commit and the data files in parallel. The commit gets no name before all are on
      // disk.
      await Promise.all([onDisk(), ready])
      // Before the link: afterwards, another writer may have replaced the file of that name.
      identity = await identityOfFile(temporary)
      if (version > 0 && !(await this.isCurrent())) throw new TableChanged(this.table)
      try {
        linkSync(temporary, target)
        this.isNamed = true
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === "EEXIST") return false
        // Without hard links, an exclusive create is the next best put-if-absent.
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

  /** The actions, with an in-commit timestamp if the table requires one. */
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
   * Reads the versions of other writers, and returns whether this is still the table that was
   * opened. It is another table when the file of the current version is gone or was replaced, for
   * example after a table was dropped and created again. When an earlier version was replaced, the
   * state holds actions that the table no longer has, so this returns false too.
   */
  async look(): Promise<boolean> {
    if (!(await this.isCurrent())) return false
    for (const { identity, version } of this.recent) {
      const now = await identityOf(this.table, version)
      // Writers delete old commits; their actions stay in the state.
      if (now !== undefined && now !== identity) return false
    }
    this.identity ??= await identityOf(this.table, this.snapshot.version)
    await this.refresh()
    return true
  }

  /** Whether the file of the snapshot's version is the one that was read. */
  private async isCurrent(): Promise<boolean> {
    const now = await identityOf(this.table, this.snapshot.version)
    // Writers delete old commits, so a version that was opened from its checkpoint may have no
    // commit file.
    if (now === undefined)
      return this.lastCheckpoint === this.snapshot.version && !(await this.isPassed())
    return this.identity === undefined || this.identity === now
  }

  /**
   * Whether later versions exist while the next one does not, because other writers deleted it. A
   * commit with its name would be older than their checkpoint, and no reader would see it.
   */
  private async isPassed(): Promise<boolean> {
    const next = this.snapshot.version + 1
    const names = await Fs.readdir(logFolder(this.table))
    const later = names.filter((name) => Number(/^\d{20}(?=\.)/.exec(name)?.[0] ?? -1) >= next)
    return later.length > 0 && !later.includes(`${versionName(next)}.json`)
  }

  /** The latest version that was read, and its file. */
  get seen(): SeenVersion {
    return { version: this.snapshot.version, identity: this.identity ?? "" }
  }

  /** Reads the versions that other writers have added. */
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
   * Writes a checkpoint when enough commits followed the last one: the number that the table sets,
   * or a number that grows with the state, tombstones included.
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
   * Whether a checkpoint of ours would hold the complete state, and the table's policy allows its
   * form.
   */
  private mayCheckpoint(): boolean {
    const policy = this.snapshot.metadata?.configuration["delta.checkpointPolicy"] ?? "classic"
    return policy === "classic" && lostByCheckpoint(this.snapshot).length === 0
  }

  /**
   * Writes a checkpoint of the current version without expired entries, and points
   * `_last_checkpoint` at it.
   */
  async checkpoint(now: number): Promise<void> {
    forgetExpired(this.snapshot, now)
    await writeCheckpoint(logFolder(this.table), this.snapshot, this.readers)
    this.lastCheckpoint = this.snapshot.version
  }
}

/** The rules that a table sets for its writers, as text to compare. */
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
