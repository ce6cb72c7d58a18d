/**
 * Classic V1 checkpoints: the state of a table at one version as a Parquet file, written and read by the same column
 * buffers as the data files.
 */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../parquet/columnTree.ts"
import { applyAction, emptySnapshot, type Snapshot, versionName } from "./deltaActions.ts"
import { replaceSynced, syncFolder } from "../../internal/log/durableFile.ts"
import { jsonObjectAppender } from "../records/jsonDecoder.ts"
import { encodeParquet } from "../parquet/parquet.ts"
import { readParquet } from "../parquet/parquetRows.ts"

const text: ColumnType = { _tag: "String" }
const long: ColumnType = { _tag: "BigInt" }
const int: ColumnType = { _tag: "Int" }
const flag: ColumnType = { _tag: "Boolean" }
const texts: ColumnType = { _tag: "Array", element: text, containsNull: true }
const textMap: ColumnType = { _tag: "Map", key: text, value: text, valueContainsNull: true }
const optional = (name: string, type: ColumnType): ColumnDefinition => ({ name, type, nullable: true })
const group = (name: string, fields: ReadonlyArray<ColumnDefinition>): ColumnDefinition =>
  optional(name, { _tag: "Struct", fields })

const columns: ReadonlyArray<ColumnDefinition> = [
  group("txn", [optional("appId", text), optional("version", long), optional("lastUpdated", long)]),
  group("add", [
    optional("path", text),
    optional("partitionValues", textMap),
    optional("size", long),
    optional("modificationTime", long),
    optional("dataChange", flag),
    optional("tags", textMap),
    optional("stats", text)
  ]),
  group("remove", [
    optional("path", text),
    optional("deletionTimestamp", long),
    optional("dataChange", flag),
    optional("extendedFileMetadata", flag),
    optional("partitionValues", textMap),
    optional("size", long)
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
  ])
]
const tree = columnTree(columns)

/** Tombstones older than this leave the next checkpoint, in milliseconds: a week, Delta's default. */
export const tombstoneRetention = 7 * 24 * 3600 * 1000

/** Writes the checkpoint of a snapshot into the log folder and points `_last_checkpoint` at it. `now` in milliseconds. */
export const writeCheckpoint = async (folder: string, snapshot: Snapshot, now: number): Promise<void> => {
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
  for (const add of snapshot.files.values()) put({ add: known(add, addFields, { dataChange: false }) })
  for (const remove of snapshot.tombstones.values()) {
    if ((remove.deletionTimestamp ?? 0) < now - tombstoneRetention) continue
    put({ remove: known(remove, removeFields, { dataChange: false }) })
  }
  const file = encodeParquet(tree, [{ rows, chunks: leaves.map((leaf) => leaf.seal()) }])
  const name = `${versionName(snapshot.version)}.checkpoint.parquet`
  await replaceSynced(Path.join(folder, name), Path.join(folder, `.tmp-${randomUUID()}.parquet`), file)
  await syncFolder(folder)
  const pointer = JSON.stringify({
    version: snapshot.version,
    size: rows,
    sizeInBytes: file.length,
    numOfAddFiles: snapshot.files.size
  })
  await replaceSynced(Path.join(folder, "_last_checkpoint"), Path.join(folder, `.tmp-${randomUUID()}.json`), pointer)
  await syncFolder(folder)
}

const addFields = ["path", "partitionValues", "size", "modificationTime", "tags", "stats"]
const removeFields = ["path", "deletionTimestamp", "extendedFileMetadata", "partitionValues", "size"]

/** The fields of a foreign action that the checkpoint's schema has. */
const known = (
  action: object,
  fields: ReadonlyArray<string>,
  extra: Record<string, unknown>
): Record<string, unknown> => {
  const source = action as Record<string, unknown>
  const picked: Record<string, unknown> = { ...extra }
  for (const field of fields) if (source[field] !== undefined) picked[field] = source[field]
  return picked
}

/** Reads a checkpoint file into a snapshot. */
export const readCheckpoint = async (path: string, version: number): Promise<Snapshot> => {
  const snapshot = emptySnapshot()
  for (const row of await readParquet(await Fs.readFile(path), columns)) {
    applyAction(snapshot, plain(row) as Record<string, unknown>)
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
