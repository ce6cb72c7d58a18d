/**
 * The actions of a Delta log as plain data, reading them from a commit file, and the state that follows from replaying them.
 */

/** Versions and table features a reader or writer must know. */
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
/** A data file that belongs to the table. `path` is relative and percent-encoded. */
export interface Add {
  readonly path: string
  readonly partitionValues: Record<string, string | null>
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  readonly stats?: string
}
/** A data file that no longer belongs to the table. */
export interface Remove {
  readonly path: string
  readonly deletionTimestamp?: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Record<string, string | null>
  readonly size?: number
}
/** How far an application has written, for exactly-once commits. */
export interface Txn {
  readonly appId: string
  readonly version: number
  readonly lastUpdated?: number
}
/** One line of a commit file. */
export type Action =
  | { readonly protocol: Protocol }
  | { readonly metaData: Metadata }
  | { readonly add: Add }
  | { readonly remove: Remove }
  | { readonly txn: Txn }
  | { readonly commitInfo: Record<string, unknown> }

/** The state of a table at one version. */
export interface Snapshot {
  version: number
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: Map<string, Add>
  readonly tombstones: Map<string, Remove>
  readonly transactions: Map<string, Txn>
}

/** The state before the first commit; its version is -1. */
export const emptySnapshot = (): Snapshot => ({
  version: -1,
  protocol: undefined,
  metadata: undefined,
  files: new Map(),
  tombstones: new Map(),
  transactions: new Map()
})

/** Applies one action to a snapshot. Unknown actions are ignored, as the protocol allows for older readers. */
export const applyAction = (snapshot: Snapshot, action: Partial<Record<string, unknown>>): void => {
  if (action["add"] !== undefined && action["add"] !== null) {
    const add = action["add"] as Add
    snapshot.files.set(add.path, add)
    snapshot.tombstones.delete(add.path)
  } else if (action["remove"] !== undefined && action["remove"] !== null) {
    const remove = action["remove"] as Remove
    snapshot.files.delete(remove.path)
    snapshot.tombstones.set(remove.path, remove)
  } else if (action["txn"] !== undefined && action["txn"] !== null) {
    const txn = action["txn"] as Txn
    snapshot.transactions.set(txn.appId, txn)
  } else if (action["metaData"] !== undefined && action["metaData"] !== null) {
    snapshot.metadata = action["metaData"] as Metadata
  } else if (action["protocol"] !== undefined && action["protocol"] !== null) {
    snapshot.protocol = action["protocol"] as Protocol
  }
}

/** Applies the text of one commit file. */
export const applyCommit = (snapshot: Snapshot, version: number, text: string): void => {
  for (const line of text.split("\n")) {
    if (line.trim() !== "") applyAction(snapshot, JSON.parse(line) as Record<string, unknown>)
  }
  snapshot.version = version
}

/** `00000000000000000012`, the name of a version in the log folder. */
export const versionName = (version: number): string => String(version).padStart(20, "0")

/** Rows of a live file by its statistics, 0 when it has none. */
export const rowsOf = (add: Add): number => {
  if (add.stats === undefined) return 0
  const found = /"numRecords"\s*:\s*(\d+)/.exec(add.stats)
  return found === null ? 0 : Number(found[1])
}
