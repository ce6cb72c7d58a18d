/**
 * Classic V1 checkpoints: the state of a table at one version as a Parquet file, written and read
 * with the same column buffers as the data files.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { eachRow } from "./checkpointRows.ts"
import { columnTree, makeLeaves } from "../parquet/columnTree.ts"
import {
  applyAction,
  emptySnapshot,
  type Remove,
  type Snapshot,
  type Txn,
  versionName
} from "./deltaActions.ts"
import { mergedTag } from "./mergeMarks.ts"
import { propertiesOf } from "./tableProperties.ts"
import { checksumName } from "./versionFile.ts"
import { type Readers, replaceSynced, syncFolder } from "../../internal/log/durableFile.ts"
import { readPlainHere } from "../../internal/log/plainFile.ts"
import { jsonObjectAppender } from "../records/jsonValues.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { columnPaths, readParquet } from "../parquet/parquetRows.ts"

const text: ColumnType = { _tag: "String" }
const long: ColumnType = { _tag: "BigInt" }
const int: ColumnType = { _tag: "Int" }
const flag: ColumnType = { _tag: "Boolean" }
const texts: ColumnType = { _tag: "Array", element: text, containsNull: true }
const textMap: ColumnType = { _tag: "Map", key: text, value: text, valueContainsNull: true }
const optional = (name: string, type: ColumnType): ColumnDefinition => ({
  name,
  type,
  nullable: true
})
const group = (name: string, fields: ReadonlyArray<ColumnDefinition>): ColumnDefinition =>
  optional(name, { _tag: "Struct", fields })

/** Fields that other writers add to file entries, which a checkpoint preserves. */
const foreignFields: ReadonlyArray<ColumnDefinition> = [
  optional("tags", textMap),
  group("deletionVector", [
    optional("storageType", text),
    optional("pathOrInlineDv", text),
    optional("offset", int),
    optional("sizeInBytes", int),
    optional("cardinality", long),
    optional("maxRowIndex", long)
  ]),
  optional("baseRowId", long),
  optional("defaultRowCommitVersion", long),
  optional("clusteringProvider", text)
]

const columns: ReadonlyArray<ColumnDefinition> = [
  group("txn", [optional("appId", text), optional("version", long), optional("lastUpdated", long)]),
  group("add", [
    optional("path", text),
    optional("partitionValues", textMap),
    optional("size", long),
    optional("modificationTime", long),
    optional("dataChange", flag),
    optional("stats", text),
    ...foreignFields
  ]),
  group("remove", [
    optional("path", text),
    optional("deletionTimestamp", long),
    optional("dataChange", flag),
    optional("extendedFileMetadata", flag),
    optional("partitionValues", textMap),
    optional("size", long),
    optional("stats", text),
    ...foreignFields
  ]),
  group("metaData", [
    optional("id", text),
    optional("name", text),
    optional("description", text),
    group("format", [optional("provider", text), optional("options", textMap)]),
    optional("schemaString", text),
    optional("partitionColumns", texts),
    optional("configuration", textMap),
    optional("createdTime", long)
  ]),
  group("protocol", [
    optional("minReaderVersion", int),
    optional("minWriterVersion", int),
    optional("readerFeatures", texts),
    optional("writerFeatures", texts)
  ]),
  group("domainMetadata", [
    optional("domain", text),
    optional("configuration", text),
    optional("removed", flag)
  ])
]
const tree = columnTree(columns)

/** The prefix of the application ids of this server's logs. */
export const appIdPrefix = "effect-zerobus-"

/** Whether a tombstone is older than the table's retention of deleted files. */
export const isExpired = (
  { metadata }: Snapshot,
  { deletionTimestamp = 0 }: Remove,
  now: number
): boolean => deletionTimestamp < now - propertiesOf(metadata).deletedFileRetention

/**
 * Whether the transaction number of an application is older than the table's retention. Our own
 * numbers never expire: the log of a server that was stopped for a long time is matched with them.
 * Without them, the same rows would be committed twice.
 */
const isExpiredTxn = (
  { metadata }: Snapshot,
  { appId, lastUpdated }: Txn,
  now: number
): boolean => {
  const retention = propertiesOf(metadata).transactionRetention
  return (
    retention !== undefined &&
    lastUpdated !== undefined &&
    lastUpdated < now - retention &&
    !isOurs(appId)
  )
}

const isOurs = (appId: string): boolean => appId.startsWith(appIdPrefix)

/**
 * Removes everything that has expired from a state, before a checkpoint. The tombstones of our own
 * merges stay until `upkeep/expiredFiles.ts` has deleted their files, because it finds those files
 * through them after a restart.
 */
export const forgetExpired = (snapshot: Snapshot, now: number): void => {
  for (const [key, remove] of snapshot.tombstones) {
    const waits = remove.tags?.[mergedTag] !== undefined
    if (!waits && isExpired(snapshot, remove, now)) snapshot.tombstones.delete(key)
  }
  for (const [appId, txn] of snapshot.transactions) {
    if (isExpiredTxn(snapshot, txn, now)) snapshot.transactions.delete(appId)
  }
}

/** Writes the checkpoint of a snapshot into the log folder and points `_last_checkpoint` at it. */
export const writeCheckpoint = async (
  folder: string,
  snapshot: Snapshot,
  readers: Readers
): Promise<void> => {
  const leaves = makeLeaves(tree)
  const append = jsonObjectAppender(tree, leaves)
  let rows = 0
  const put = (action: Record<string, unknown>): void => {
    append(action, 0)
    rows++
  }
  put({ protocol: snapshot.protocol })
  put({ metaData: snapshot.metadata })
  for (const txn of snapshot.transactions.values()) put({ txn })
  for (const domainMetadata of snapshot.domains.values()) put({ domainMetadata })
  for (const add of snapshot.files.values()) put({ add: { ...add, dataChange: false } })
  for (const remove of snapshot.tombstones.values())
    put({ remove: { ...remove, dataChange: false } })
  const file = encodeParquet(tree, [{ rows, chunks: leaves.map((leaf) => leaf.seal()) }])
  const name = `${versionName(snapshot.version)}.checkpoint.parquet`
  const replace = async (name: string, ending: string, content: string | Uint8Array) => {
    await Fs.rm(Path.join(folder, checksumName(name)), { force: true })
    const temporary = Path.join(folder, `.tmp-${randomUUID()}.${ending}`)
    await replaceSynced(Path.join(folder, name), temporary, content, readers)
  }
  await replace(name, "parquet", file)
  await syncFolder(folder)
  const pointer = JSON.stringify({
    version: snapshot.version,
    size: rows,
    sizeInBytes: file.length,
    numOfAddFiles: snapshot.files.size
  })
  await replace("_last_checkpoint", "json", pointer)
  await syncFolder(folder)
}

/** The field names of a column group, each with the fields of its nested group, if any. */
type KnownFields = ReadonlyMap<string, KnownFields | undefined>
const knownFields = (type: ColumnType): KnownFields | undefined =>
  type._tag === "Struct"
    ? new Map(type.fields.map((field) => [field.name, knownFields(field.type)]))
    : undefined
const known = new Map(columns.map(({ name, type }) => [name, knownFields(type)]))

/** Records the fields of a column group that `columns` lacks, such as `add.newField`. */
const noteUnknown = (
  path: string,
  fields: KnownFields | undefined,
  value: unknown,
  found: Set<string>
): void => {
  if (fields === undefined || typeof value !== "object" || value === null) return
  for (const name in value) {
    const inner = (value as Record<string, unknown>)[name]
    if (inner === undefined || inner === null) continue
    if (fields.has(name)) noteUnknown(`${path}.${name}`, fields.get(name), inner, found)
    else found.add(`${path}.${name}`)
  }
}

/**
 * The parts of a snapshot that a checkpoint of this module would lose; empty when it holds
 * everything. Other writers may add actions and fields, and a checkpoint without them would hide
 * them from every reader.
 */
export const lostByCheckpoint = (snapshot: Snapshot): ReadonlyArray<string> => {
  const lost = new Set(snapshot.unknownActions)
  const look = (name: string, values: Iterable<unknown>): void => {
    const fields = known.get(name)
    for (const value of values) noteUnknown(name, fields, value, lost)
  }
  look("protocol", [snapshot.protocol])
  look("metaData", [snapshot.metadata])
  look("txn", snapshot.transactions.values())
  look("domainMetadata", snapshot.domains.values())
  look("add", snapshot.files.values())
  look("remove", snapshot.tombstones.shared())
  return [...lost]
}

/**
 * The columns for reading checkpoints. Only a v2 checkpoint has `sidecar`, which names further
 * files with actions.
 */
const readColumns: ReadonlyArray<ColumnDefinition> = [
  ...columns,
  group("sidecar", [
    optional("path", text),
    optional("sizeInBytes", long),
    optional("modificationTime", long)
  ])
]

/** Columns that repeat the content of text columns. */
const derived = new Set(["add.stats_parsed", "add.partitionValues_parsed", "remove.stats_parsed"])

const readPaths = new Set(
  readColumns.flatMap(({ name, type }) => [
    name,
    ...(type._tag === "Struct" ? type.fields.map((field) => `${name}.${field.name}`) : [])
  ])
)

/**
 * Kinds that are not carried into the next checkpoint, so that unknown fields of them do not
 * matter.
 */
const isTransient = (path: string): boolean => /^(?:sidecar|checkpointMetadata)(?:\.|$)/.test(path)

/** Calls `use` with each action in one file of a checkpoint. */
const eachAction = async (
  path: string,
  snapshot: Snapshot,
  use: (action: Readonly<Record<string, unknown>>) => void
): Promise<void> => {
  const bytes = await readPlainHere(path)
  if (path.endsWith(".parquet") && eachRow(tree, bytes, use)) return
  for (const action of await foreignActions(path, bytes, snapshot)) use(action)
}

/** The actions in a file of another writer. */
const foreignActions = async (
  path: string,
  bytes: Buffer,
  snapshot: Snapshot
): Promise<ReadonlyArray<Record<string, unknown>>> => {
  if (path.endsWith(".json")) {
    const lines = bytes.toString("utf8").split("\n")
    return lines
      .filter((line) => line.trim() !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  for (const column of columnPaths(bytes)) {
    if (!readPaths.has(column) && !derived.has(column) && !isTransient(column))
      snapshot.unknownActions.add(column)
  }
  return (await readParquet(bytes, readColumns)).map((row) => plain(row) as Record<string, unknown>)
}

/**
 * Reads a checkpoint into a snapshot: the one file of a classic or v2 checkpoint, or all parts of a
 * multi-part one. Sidecars lie in `_sidecars` below the log folder.
 */
export const readCheckpoint = async (
  folder: string,
  files: ReadonlyArray<string>,
  version: number
): Promise<Snapshot> => {
  const snapshot = emptySnapshot()
  for (const file of files) {
    const sidecars: Array<string> = []
    await eachAction(Path.join(folder, file), snapshot, (action) => {
      applyAction(snapshot, action)
      const sidecar = action["sidecar"] as { readonly path: string } | undefined | null
      if (sidecar) sidecars.push(Path.basename(decodeURIComponent(sidecar.path)))
    })
    for (const name of sidecars) {
      await eachAction(Path.join(folder, "_sidecars", name), snapshot, (each) =>
        applyAction(snapshot, each)
      )
    }
  }
  snapshot.version = version
  return snapshot
}

/** Rows in the form of the JSON actions: no nulls, plain objects for maps, numbers for longs. */
const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, item]))
  if (typeof value !== "object" || value === null) return value
  const object: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) if (item !== null) object[key] = plain(item)
  return object
}
