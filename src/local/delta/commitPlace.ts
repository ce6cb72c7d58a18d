/**
 * Finds the rows of a log segment in the table: the commit that holds them, and whether its files
 * still exist.
 *
 * Other writers can undo a commit. A writer that checks for a version and then renames its own file
 * onto that name can replace our version file. A VACUUM with a shorter time than the retention can
 * delete a data file that no commit names yet. The server therefore keeps a log segment until a
 * later look finds everything in place.
 */
import { lstatSync } from "node:fs"
import {
  type Action,
  type Add,
  fileKey,
  type Remove,
  type Snapshot,
  type Txn
} from "./deltaActions.ts"
import { appIdPrefix } from "./deltaCheckpoint.ts"
import type { DeltaLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { propertiesOf } from "./tableProperties.ts"
import { identityOf, readVersion, type SeenVersion } from "./versionFile.ts"

/** The range of log entries of some rows. Commits carry it, so that they can be found by it. */
export interface RowRange {
  readonly appId: string
  readonly firstSequence: number
  readonly lastSequence: number
}

/**
 * Commits of some rows, and the paths of their data files that were live at the time of the look.
 */
export interface CommitPlace {
  readonly commits: ReadonlyArray<SeenVersion>
  readonly paths: ReadonlyArray<string>
}

/** The rows of a range that the table lacks. */
export interface MissingRows {
  /** Live files that held some of the rows and no longer exist on disk. */
  readonly lost: ReadonlyArray<Add>
  /** Whether rows of a partition are missing; takes its `partitionKey`. */
  readonly isMissing: (partition: string) => boolean
  /** Whether the table has some rows of the range. */
  readonly isPartial: boolean
  /**
   * Whether the lost files also held rows of other ranges. A lost file may then have held no row of
   * this range.
   */
  readonly isShared: boolean
}

/** A range of log entries that were committed together, or that are not in the table. */
export interface FoundRange {
  readonly firstSequence: number
  readonly lastSequence: number
  /** Undefined when no commit of the range can be found. */
  readonly place: CommitPlace | undefined
  /**
   * Undefined when all rows are in the table. If `place` is undefined too, the commits were deleted
   * and a checkpoint includes the rows.
   */
  readonly missing: MissingRows | undefined
}

/**
 * The range of a commit in the `operationParameters` of its `commitInfo`. A partial commit holds
 * the rows of some partitions only.
 */
export const rangeParameters = (
  { appId, firstSequence, lastSequence }: RowRange,
  isPartial: boolean
): Record<string, string> => ({
  queryId: appId,
  firstEpochId: String(firstSequence),
  epochId: String(lastSequence),
  ...(isPartial ? { partial: "true" } : {})
})

/** Identifies a partition of a table. */
export const partitionKey = (values: Add["partitionValues"]): string =>
  JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)))

/**
 * Whether the versions are still the same files, and the data files exist. If false, `commitFinder`
 * has to find what is missing.
 */
export const isInPlace = async (
  table: string,
  { commits, paths }: CommitPlace
): Promise<boolean> => {
  for (const { identity, version } of commits)
    if ((await identityOf(table, version)) !== identity) return false
  for (const path of paths) if (!exists(filePath(table, path))) return false
  return true
}

/**
 * The number of the last commit of an application; 0 without one. If the table lets such numbers
 * expire, another writer's checkpoint may lack ours. It is then read from the commits, as long as
 * they exist.
 */
export const lastNumber = async (log: DeltaLog, appId: string): Promise<number> =>
  (await txnVersion(log, appId)) ?? 0

/** The version of an application's last transaction; undefined without one. */
const txnVersion = async (
  { snapshot, table }: DeltaLog,
  appId: string
): Promise<number | undefined> => {
  const known = snapshot.transactions.get(appId)
  if (known !== undefined) return known.version
  if (propertiesOf(snapshot.metadata).transactionRetention === undefined) return undefined
  for (let version = snapshot.version; version >= 0; version--) {
    const file = await readCommit(table, version, appId)
    if (file === undefined) return undefined
    if (file.commit !== undefined) return file.commit.txn
  }
  return undefined
}

/**
 * The application id in Delta's `txn` action that carries the last offset of a persistent stream.
 * It is committed together with the rows.
 */
const streamAppId = (streamId: string): string => `${appIdPrefix}stream-${streamId}`

/** The last offset of a persistent stream whose rows are in the table; -1 without any. */
export const streamOffset = async (log: DeltaLog, streamId: string): Promise<number> =>
  (await txnVersion(log, streamAppId(streamId))) ?? -1

/**
 * The `txn` actions for a commit of rows up to these offsets, one per persistent stream. The offset
 * of a stream never decreases.
 */
export const streamActions = (
  { transactions }: Snapshot,
  streams: ReadonlyMap<string, number>,
  now: number
): ReadonlyArray<Action> =>
  [...streams].map(([streamId, offset]) => {
    const appId = streamAppId(streamId)
    const version = Math.max(offset, transactions.get(appId)?.version ?? -1)
    return { txn: { appId, version, lastUpdated: now } }
  })

/** Finds the place of each part of a range, in order. */
export type CommitFinder = (range: RowRange) => Promise<ReadonlyArray<FoundRange>>

/** The finder of a table that has no rows of ours. */
export const nothingFound: CommitFinder = async (range) => [absent(range)]

const absent = ({ firstSequence, lastSequence }: Omit<RowRange, "appId">): FoundRange => ({
  firstSequence,
  lastSequence,
  place: undefined,
  missing: { lost: [], isMissing: () => true, isPartial: false, isShared: false }
})

/**
 * Finds the commits of a range. A commit holds all rows of its own range. A partial commit is the
 * exception: it replaces lost files of an older commit. Ranges are nested or disjoint: a log file
 * found at a start holds the entries of one commit, some of them, or those of several commits.
 *
 * Reads commit files instead of the cached state, because a file may have been replaced. A finder
 * reads each file once.
 */
export const commitFinder = (log: DeltaLog): CommitFinder => {
  const { snapshot, table } = log
  const files = new Map<number, Promise<VersionFile | undefined>>()
  const read = (version: number, appId: string): Promise<VersionFile | undefined> => {
    const known = files.get(version)
    if (known !== undefined) return known
    const reading = readCommit(table, version, appId)
    files.set(version, reading)
    return reading
  }
  /**
   * The commits that may hold entries of a range, newest first, and whether older commits were
   * deleted.
   */
  const commitsOf = async ({ appId, firstSequence, lastSequence }: RowRange) => {
    const commits: Array<OurVersion> = []
    for (let version = snapshot.version; version >= 0; version--) {
      const file = await read(version, appId)
      if (file === undefined) return { commits, isCut: true }
      const { commit, identity } = file
      if (commit === undefined) continue
      if (commit.txn < firstSequence) break
      commits.push({ version, identity, commit })
      if (!commit.isPartial && commit.first <= firstSequence && lastSequence <= commit.last) break
    }
    return { commits, isCut: false }
  }
  return async (range) => {
    const committed = await lastNumber(log, range.appId)
    if (committed < range.firstSequence) return [absent(range)]
    const { commits, isCut } = await commitsOf(range)
    // A checkpoint covers deleted commits, so the number in the state counts for them.
    const covered = isCut ? committed : 0
    const replaced = new Set(
      commits.flatMap(({ commit }) => (commit.isPartial ? commit.removed : []))
    )
    const found: Array<FoundRange> = []
    for (const piece of piecesOf(range, [
      ...commits.map(({ commit }) => commit),
      { first: 1, last: covered }
    ])) {
      const covering = commits.filter(
        ({ commit }) => commit.first <= piece.firstSequence && piece.lastSequence <= commit.last
      )
      const whole = covering.findIndex(({ commit }) => !commit.isPartial)
      const holders = whole < 0 ? covering : covering.slice(0, whole + 1)
      const isCommitted = whole >= 0 || piece.lastSequence <= covered
      const known = new Set<string>()
      const missing = new Set<string>()
      const lost: Array<Add> = []
      const paths: Array<string> = []
      for (const { commit } of holders) {
        // For each partition, the newest commit counts.
        const adds = commit.adds.map((add) => ({ add, key: partitionKey(add.partitionValues) }))
        const told = adds.filter(({ key }) => !known.has(key))
        for (const { add, key } of told) {
          known.add(key)
          if (!snapshot.files.has(fileKey(add))) {
            if (replaced.has(add.path)) missing.add(key)
          } else if (exists(filePath(table, add.path))) paths.push(add.path)
          else {
            missing.add(key)
            lost.push(add)
          }
        }
      }
      const seen = holders.map(({ identity, version }) => ({ identity, version }))
      found.push({
        ...piece,
        place: seen.length === 0 ? undefined : { commits: seen, paths },
        missing:
          isCommitted && missing.size === 0
            ? undefined
            : {
                lost,
                isMissing: (key) => missing.has(key) || (!isCommitted && !known.has(key)),
                isPartial: isCommitted || known.size > 0,
                isShared: holders.some(
                  ({ commit }) =>
                    commit.first < range.firstSequence || range.lastSequence < commit.last
                )
              }
      })
    }
    return found
  }
}

/** The range, split where other ranges begin or end. */
const piecesOf = (
  { firstSequence, lastSequence }: RowRange,
  others: ReadonlyArray<{ readonly first: number; readonly last: number }>
): ReadonlyArray<{ readonly firstSequence: number; readonly lastSequence: number }> => {
  const cuts = others.flatMap(({ first, last }) => [first, last + 1])
  const inside = cuts.filter((cut) => firstSequence < cut && cut <= lastSequence)
  const starts = [...new Set([firstSequence, ...inside])].sort((a, b) => a - b)
  return starts.map((start, index) => ({
    firstSequence: start,
    lastSequence: (starts[index + 1] ?? lastSequence + 1) - 1
  }))
}

/** The file of a version: its identity, and our commit, if it holds one. */
interface VersionFile {
  readonly identity: string
  readonly commit: OurCommit | undefined
}

/** A version that holds a commit of ours. */
interface OurVersion {
  readonly version: number
  readonly identity: string
  readonly commit: OurCommit
}

/** A commit of ours: its number, the range of its rows and its files. */
interface OurCommit {
  readonly txn: number
  readonly first: number
  readonly last: number
  readonly adds: ReadonlyArray<Add>
  /** The paths that it removed. */
  readonly removed: ReadonlyArray<string>
  /** Whether it holds the rows of some partitions only, to replace lost files. */
  readonly isPartial: boolean
}

const readCommit = async (
  table: string,
  version: number,
  appId: string
): Promise<VersionFile | undefined> => {
  const identity = await identityOf(table, version)
  const text = identity === undefined ? undefined : await orMissing(readVersion(table, version))
  if (identity === undefined || text === undefined) return undefined
  return { identity, commit: text.includes(appId) ? commitOf(text, appId) : undefined }
}

const commitOf = (text: string, appId: string): OurCommit | undefined => {
  let txn: number | undefined
  let range: { readonly first: number; readonly last: number } | undefined
  let isMarked = false
  const adds: Array<Add> = []
  const removed: Array<string> = []
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    const action = JSON.parse(line) as {
      readonly add?: Add
      readonly remove?: Remove
      readonly txn?: Txn
      readonly commitInfo?: { readonly operationParameters?: Readonly<Record<string, unknown>> }
    }
    if (action.add) adds.push(action.add)
    if (action.remove) removed.push(action.remove.path)
    if (action.txn?.appId === appId) txn = action.txn.version
    const parameters = action.commitInfo?.operationParameters
    // Earlier builds wrote no start of the range: their commits follow each other without a gap.
    if (parameters?.["queryId"] === appId) {
      range = {
        first: Number(parameters["firstEpochId"] ?? 0),
        last: Number(parameters["epochId"])
      }
      isMarked = parameters["partial"] === "true"
    }
  }
  if (txn === undefined) return undefined
  // Earlier builds did not mark partial commits, but only partial commits removed files.
  const isPartial = isMarked || removed.length > 0
  return { txn, adds, removed, isPartial, ...(range ?? { first: 0, last: txn }) }
}

/** A synchronous call, for the same reason as in `identityOfFile`. */
const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined

const orMissing = async <A>(work: Promise<A>): Promise<A | undefined> => {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
