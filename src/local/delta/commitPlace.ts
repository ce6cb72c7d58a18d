/**
 * Where the rows of a log segment are in the table: the commit that holds them, and whether its files
 * are still there.
 *
 * Other writers can undo a commit. One that checks for a version and then renames its own file onto that
 * name can replace a version file of ours. A VACUUM below the retention can delete a data file that no
 * commit names yet. So the server keeps a log segment until a later look finds everything in place.
 */
import * as Fs from "node:fs/promises"
import { type Add, fileKey, type Txn } from "./deltaActions.ts"
import type { DeltaLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { identityOf, readVersion, type SeenVersion } from "./versionFile.ts"

/** The log entries of some rows. Commits carry the range, so that one is found by it. */
export interface RowRange {
  readonly appId: string
  readonly firstSequence: number
  readonly lastSequence: number
}

/** A commit of rows, and the paths of those of its data files that were live when it was looked at. */
export interface CommitPlace {
  readonly seen: SeenVersion
  readonly paths: ReadonlyArray<string>
}

/** The commit of a range, or several that hold its parts. `lost` are their live files that are missing on disk. */
export interface FoundCommit {
  /** Undefined when the commit is too old to be found, but a later state of the table includes it. */
  readonly place: CommitPlace | undefined
  readonly lost: ReadonlyArray<Add>
}

/** How a commit names its range, in `operationParameters` of its `commitInfo`. */
export const rangeParameters = ({ appId, firstSequence, lastSequence }: RowRange): Record<string, string> => ({
  queryId: appId,
  firstEpochId: String(firstSequence),
  epochId: String(lastSequence)
})

/** Whether the version is still the same file, and the data files exist. A false answer needs `commitFinder`. */
export const isInPlace = async (table: string, { paths, seen }: CommitPlace): Promise<boolean> => {
  if ((await identityOf(table, seen.version)) !== seen.identity) return false
  for (const path of paths) if (!(await exists(filePath(table, path)))) return false
  return true
}

/** Finds the commit of a range; undefined when not all of its rows are in the table. */
export type CommitFinder = (range: RowRange) => Promise<FoundCommit | undefined>

/**
 * Finds the commit that holds a range, newest first, or the commits whose ranges make it up. Reads commit
 * files and not the cached state, because a file may have been replaced; a finder reads each file once.
 */
export const commitFinder = (log: DeltaLog): CommitFinder => {
  const { snapshot, table } = log
  const commits = new Map<number, Promise<VersionFile | undefined>>()
  const read = (version: number, appId: string): Promise<VersionFile | undefined> => {
    const known = commits.get(version)
    if (known !== undefined) return known
    const reading = readCommit(table, version, appId)
    commits.set(version, reading)
    return reading
  }
  /** Of several commits, the newest comes first. */
  const found = async (newest: OurVersion, ...others: ReadonlyArray<OurVersion>): Promise<FoundCommit> => {
    const adds = [newest, ...others].flatMap(({ commit }) => commit.adds)
    const live = adds.filter((add) => snapshot.files.has(fileKey(add)))
    const lost: Array<Add> = []
    for (const add of live) if (!(await exists(filePath(table, add.path)))) lost.push(add)
    const { identity, version } = newest
    return { place: { seen: { version, identity }, paths: live.map(({ path }) => path) }, lost }
  }
  const foundParts = async (parts: ReadonlyArray<OurVersion>, range: RowRange): Promise<FoundCommit | undefined> => {
    const [newest, ...others] = partsOf(parts, range)
    return newest === undefined ? undefined : found(newest, ...others)
  }
  return async (range) => {
    const { appId, firstSequence, lastSequence } = range
    const parts: Array<OurVersion> = []
    if ((snapshot.transactions.get(appId)?.version ?? 0) < lastSequence) return undefined
    for (let version = snapshot.version; version >= 0; version--) {
      const file = await read(version, appId)
      // Older commits were deleted, so a checkpoint covers them, and its `txn` counts.
      if (file === undefined) return { place: undefined, lost: [] }
      const { commit, identity } = file
      if (commit === undefined) continue
      const ours = { version, identity, commit }
      if (commit.first <= firstSequence && commit.last >= lastSequence) return found(ours)
      if (commit.txn < firstSequence) break
      parts.push(ours)
    }
    return foundParts(parts, range)
  }
}

/** The versions whose ranges make up a range without a gap, newest first; none when they do not. */
const partsOf = (
  versions: ReadonlyArray<OurVersion>,
  { firstSequence, lastSequence }: RowRange
): ReadonlyArray<OurVersion> => {
  const parts: Array<OurVersion> = []
  for (let end = lastSequence; end >= firstSequence;) {
    const part = versions.find(({ commit }) => commit.first <= end && end <= commit.last)
    if (part === undefined) return []
    parts.push(part)
    end = part.commit.first - 1
  }
  return parts.sort((a, b) => b.version - a.version)
}

/** A version's file: what tells it from another one, and our commit, if it holds one. */
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
}

const readCommit = async (table: string, version: number, appId: string): Promise<VersionFile | undefined> => {
  const identity = await identityOf(table, version)
  const text = identity === undefined ? undefined : await orMissing(readVersion(table, version))
  if (identity === undefined || text === undefined) return undefined
  return { identity, commit: text.includes(appId) ? commitOf(text, appId) : undefined }
}

const commitOf = (text: string, appId: string): OurCommit | undefined => {
  let txn: number | undefined
  let range: { readonly first: number; readonly last: number } | undefined
  const adds: Array<Add> = []
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    const action = JSON.parse(line) as {
      readonly add?: Add
      readonly txn?: Txn
      readonly commitInfo?: { readonly operationParameters?: Readonly<Record<string, unknown>> }
    }
    if (action.add) adds.push(action.add)
    if (action.txn?.appId === appId) txn = action.txn.version
    const parameters = action.commitInfo?.operationParameters
    // Earlier builds named no beginning: their commits follow one another without a gap.
    if (parameters?.["queryId"] === appId) {
      range = { first: Number(parameters["firstEpochId"] ?? 0), last: Number(parameters["epochId"]) }
    }
  }
  return txn === undefined ? undefined : { txn, adds, ...(range ?? { first: 0, last: txn }) }
}

const exists = async (path: string): Promise<boolean> => (await orMissing(Fs.lstat(path))) !== undefined

const orMissing = async <A>(work: Promise<A>): Promise<A | undefined> => {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
