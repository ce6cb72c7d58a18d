/**
 * The actions of a Delta log as plain data, how to read them from a commit file, and the state that
 * results from replaying them.
 */
import { Tombstones } from "./tombstones.ts"

/** Versions and table features that a reader or writer must support. */
export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: ReadonlyArray<string>
  readonly writerFeatures?: ReadonlyArray<string>
}
/** Schema and settings of the table. `createdTime` in milliseconds. */
export interface Metadata {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Record<string, string> }
  readonly schemaString: string
  readonly partitionColumns: ReadonlyArray<string>
  readonly configuration: Record<string, string>
  readonly createdTime?: number
}
/** Marks rows of a data file as deleted; see the Delta protocol, "Deletion Vectors". */
export interface DeletionVector {
  readonly storageType: string
  readonly pathOrInlineDv: string
  readonly offset?: number
  readonly sizeInBytes: number
  readonly cardinality: number
}
/**
 * Fields that other writers add to a file and that are preserved: row ids, clustering, deleted
 * rows.
 */
interface ForeignFileFields {
  readonly tags?: Record<string, string>
  readonly deletionVector?: DeletionVector
  readonly baseRowId?: number
  readonly defaultRowCommitVersion?: number
  readonly clusteringProvider?: string
}
/** A data file that belongs to the table. `filePath` resolves its `path`. */
export interface Add extends ForeignFileFields {
  readonly path: string
  readonly partitionValues: Record<string, string | null>
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  readonly stats?: string
}
/** A data file that no longer belongs to the table. */
export interface Remove extends ForeignFileFields {
  readonly path: string
  readonly deletionTimestamp?: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Record<string, string | null>
  readonly size?: number
}
/** The number of the last transaction of an application, for exactly-once commits. */
export interface Txn {
  readonly appId: string
  readonly version: number
  readonly lastUpdated?: number
}
/** Settings of a table feature, such as clustering. A removed domain has no settings. */
export interface DomainMetadata {
  readonly domain: string
  readonly configuration: string
  readonly removed: boolean
}
/** One line of a commit file. */
export type Action =
  | { readonly protocol: Protocol }
  | { readonly metaData: Metadata }
  | { readonly add: Add }
  | { readonly remove: Remove }
  | { readonly txn: Txn }
  | { readonly commitInfo: Record<string, unknown> }

/** Called when live files are added or removed. A file that is added again is removed first. */
export interface FileWatch {
  readonly added: (key: string, add: Add) => void
  readonly removed: (key: string, add: Add) => void
}

/**
 * The state of a table at one version. `files` and `tombstones` are keyed by `fileKey`. Sums over
 * all files that a commit needs are updated with each action: a commit must cost the same whether
 * the table has ten files or a hundred thousand.
 */
export interface Snapshot {
  version: number
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: ReadonlyMap<string, Add>
  /** Rows of the live files according to their statistics, without deleted ones. */
  rows: number
  /** Bytes of the live files. */
  bytes: number
  /** Observes the live files; at most one observer. */
  watch: FileWatch | undefined
  readonly tombstones: Tombstones
  readonly transactions: Map<string, Txn>
  readonly domains: Map<string, DomainMetadata>
  /**
   * The in-commit timestamp of the version, in milliseconds; undefined when its commit was not read
   * or has none.
   */
  inCommitTimestamp: number | undefined
  /**
   * When the version was committed, in milliseconds: the time in its commit, or the modification
   * time of the newest file when the commit was not read. Undefined when neither is known.
   */
  committedAt: number | undefined
  /** Kinds of actions that this module does not support. A checkpoint of ours would lose them. */
  readonly unknownActions: Set<string>
}

/** Actions that belong to a commit or a checkpoint, not to the state of the table. */
const transient = new Set(["commitInfo", "cdc", "checkpointMetadata", "sidecar"])

/**
 * Identifies a live entry of a table: its path, and its deletion vector if it has one. A commit
 * that deletes rows removes the entry of a path and adds another one for the same path, in any
 * order. A null field counts as absent, as in a line read from a commit.
 */
export const fileKey = ({
  deletionVector,
  path
}: {
  readonly path: string
  readonly deletionVector?: DeletionVector | null
}): string => {
  if (deletionVector === undefined || deletionVector === null) return path
  const { offset, pathOrInlineDv, storageType } = deletionVector
  return `${path}\n${storageType}${pathOrInlineDv}${typeof offset === "number" ? `@${offset}` : ""}`
}

/** The state before the first commit; its version is -1. */
export const emptySnapshot = (): Snapshot => ({
  version: -1,
  protocol: undefined,
  metadata: undefined,
  files: new Map(),
  rows: 0,
  bytes: 0,
  watch: undefined,
  tombstones: new Tombstones(),
  transactions: new Map(),
  domains: new Map(),
  inCommitTimestamp: undefined,
  committedAt: undefined,
  unknownActions: new Set()
})

/** Removes null fields: some writers write absent fields as null. */
const withoutNulls = <A extends object>(value: A): A => {
  if (!hasNull(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) as A
}

const hasNull = (value: object): boolean => {
  for (const field in value) if ((value as Record<string, unknown>)[field] === null) return true
  return false
}

/** An action's content without null fields, also inside its deletion vector. */
const normalised = (content: object): object => {
  const value: { readonly deletionVector?: DeletionVector } = withoutNulls(content)
  const { deletionVector } = value
  if (deletionVector === undefined) return value
  return { ...value, deletionVector: withoutNulls(deletionVector) }
}

// Some writers leave out empty fields.
const emptyAdd: Partial<Add> = { partitionValues: {} }
const emptyMetadata: Partial<Metadata> = { partitionColumns: [], configuration: {} }

const addFile = (snapshot: Snapshot, key: string, add: Add): void => {
  ;(snapshot.files as Map<string, Add>).set(key, add)
  snapshot.rows += rowsOf(add) ?? 0
  snapshot.bytes += add.size
  if (add.modificationTime > (snapshot.committedAt ?? -Infinity))
    snapshot.committedAt = add.modificationTime
  snapshot.watch?.added(key, add)
}

const removeFile = (snapshot: Snapshot, key: string): void => {
  const add = snapshot.files.get(key)
  if (add === undefined) return
  ;(snapshot.files as Map<string, Add>).delete(key)
  snapshot.rows -= rowsOf(add) ?? 0
  snapshot.bytes -= add.size
  snapshot.watch?.removed(key, add)
}

/**
 * Applies one action to a snapshot. A null field counts as absent. Unknown kinds of actions are
 * recorded and otherwise ignored, as the protocol allows.
 */
export const applyAction = (snapshot: Snapshot, action: Partial<Record<string, unknown>>): void => {
  for (const kind in action) {
    const content = action[kind]
    if (content === undefined || content === null) continue
    const value = normalised(content)
    switch (kind) {
      case "add": {
        const add = ("partitionValues" in value ? value : { ...emptyAdd, ...value }) as Add
        const key = fileKey(add)
        removeFile(snapshot, key)
        addFile(snapshot, key, add)
        snapshot.tombstones.delete(key)
        break
      }
      case "remove": {
        const remove = value as Remove
        const key = fileKey(remove)
        removeFile(snapshot, key)
        snapshot.tombstones.set(key, remove)
        break
      }
      case "txn":
        snapshot.transactions.set((value as Txn).appId, value as Txn)
        break
      case "metaData":
        snapshot.metadata = { ...emptyMetadata, ...value } as Metadata
        break
      case "protocol":
        snapshot.protocol = value as Protocol
        break
      case "domainMetadata": {
        const domain = value as DomainMetadata
        if (domain.removed) snapshot.domains.delete(domain.domain)
        else snapshot.domains.set(domain.domain, domain)
        break
      }
      default:
        if (!transient.has(kind)) snapshot.unknownActions.add(kind)
    }
  }
}

/** The times in a `commitInfo`, which any writer may have written. */
interface CommitTimes {
  readonly timestamp?: unknown
  readonly inCommitTimestamp?: unknown
}

/** Applies the text of one commit file. */
export const applyCommit = (snapshot: Snapshot, version: number, text: string): void => {
  snapshot.inCommitTimestamp = undefined
  let committedAt: number | undefined
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    const action = JSON.parse(line) as Record<string, unknown>
    applyAction(snapshot, action)
    const info = action["commitInfo"] as CommitTimes | undefined
    if (typeof info?.inCommitTimestamp === "number")
      snapshot.inCommitTimestamp = info.inCommitTimestamp
    if (typeof info?.timestamp === "number") committedAt = info.timestamp
  }
  snapshot.committedAt = snapshot.inCommitTimestamp ?? committedAt ?? snapshot.committedAt
  snapshot.version = version
}

/** Whether commits of the table must carry an in-commit timestamp. */
export const hasInCommitTimestamps = ({ metadata, protocol }: Snapshot): boolean =>
  (protocol?.writerFeatures ?? []).includes("inCommitTimestamp") &&
  metadata?.configuration["delta.enableInCommitTimestamps"]?.toLowerCase() === "true"

/**
 * Puts a `commitInfo` with the commit's time first, as in-commit timestamps require. The time is
 * the writer's, or `previous` (the time of the version before) plus one millisecond if that is
 * later.
 */
export const withInCommitTimestamp = (
  actions: ReadonlyArray<Action>,
  previous: number
): ReadonlyArray<Action> => {
  const info = actions.find((action) => "commitInfo" in action)?.commitInfo ?? {}
  const { timestamp } = info
  const inCommitTimestamp = Math.max(typeof timestamp === "number" ? timestamp : 0, previous + 1)
  return [
    { commitInfo: { ...info, inCommitTimestamp } },
    ...actions.filter((action) => !("commitInfo" in action))
  ]
}

/** `00000000000000000012`, the name of a version in the log folder. */
export const versionName = (version: number): string => String(version).padStart(20, "0")

/**
 * Rows of a live file according to its statistics, without the deleted ones; undefined when the
 * statistics lack the number.
 */
export const rowsOf = (add: Add): number | undefined => {
  const found = /"numRecords"\s*:\s*(\d+)/.exec(add.stats ?? "")
  return found === null ? undefined : Number(found[1]) - (add.deletionVector?.cardinality ?? 0)
}
