/**
 * Finds the tables below a data folder, and reads the rows of one.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ColumnType } from "../../internal/columns/columnType.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { footerOf } from "../parquet/fileFooter.ts"
import { readParquet } from "../parquet/parquetRows.ts"
import { partitionText, sameName } from "./columnLookup.ts"
import { deletedRows } from "./deletionVectors.ts"
import { openLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { partitionValue } from "./partitions.ts"
import { hasRow } from "./roaringBitmap.ts"
import type { TableRecord } from "./tableFolder.ts"

/** Deletes what dropped tables have left behind, when a crash came between. */
export const sweepTrash = async (folder: string): Promise<void> => {
  for (const trash of await Fs.readdir(folder)) {
    if (trash.startsWith(".trash-")) await Fs.rm(Path.join(folder, trash), { recursive: true, force: true })
  }
}

/** The table folders below a data folder. */
export interface FoundTables {
  /** Names and paths: three levels below the data folder. */
  readonly tables: ReadonlyArray<readonly [name: string, path: string]>
  /** What has the place of a catalog, a schema or a table and is neither a folder nor a file: links, pipes and the like. */
  readonly strange: ReadonlyArray<string>
}

/** Finds the tables of a data folder. Links are not followed. */
export const tableFolders = async (folder: string): Promise<FoundTables> => {
  const tables: Array<readonly [string, string]> = []
  const strange: Array<string> = []
  const folders = async (path: string) => {
    const entries = (await Fs.readdir(path, { withFileTypes: true }))
      .filter((entry) => !entry.isFile() && !entry.name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) if (!entry.isDirectory()) strange.push(Path.join(path, entry.name))
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }
  for (const catalog of await folders(folder)) {
    for (const schema of await folders(Path.join(folder, catalog))) {
      for (const table of await folders(Path.join(folder, catalog, schema))) {
        tables.push([`${catalog}.${schema}.${table}`, Path.join(folder, catalog, schema, table)])
      }
    }
  }
  return { tables, strange }
}

/** A folder below the data folder with the name of the table that may lie there. */
export interface TablePlace {
  readonly name: string
  readonly location: string
}

/** Where the table of a path lies. Fails for a path that is not `<catalog>/<schema>/<table>` below the data folder. */
export const tablePlace = async (folder: string, path: string): Promise<TablePlace> => {
  // A link may lead out of the data folder, and into it.
  const real = await Fs.realpath(path).catch(() => undefined)
  const parts = real === undefined ? [] : Path.relative(await Fs.realpath(folder), real).split(Path.sep)
  if (parts.length === 3 && !parts.some((part) => part.startsWith("."))) {
    return { name: parts.join("."), location: Path.join(folder, ...parts) }
  }
  throw new StorageFailure({
    reason: "TableRefused",
    message:
      `${path} is no folder of a table: those are ${Path.join(folder, "<catalog>", "<schema>", "<table>")}. ` +
      "Move the table there, and register it again."
  })
}

/**
 * All committed rows of a table, without the deleted ones. Fails with a `StorageFailure` that names the
 * file whose rows cannot be told: a damaged deletion vector, or VARIANTs in parts.
 */
export const readRows = async (record: TableRecord): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const log = await openLog(record.location)
  const rows: Array<Record<string, unknown>> = []
  const { columns } = record.definition
  const partitionColumns = log?.snapshot.metadata?.partitionColumns ?? []
  const partitioned = columns.filter(({ name }) => partitionColumns.some((each) => sameName(each, name)))
  const variants = columns.filter(({ type }) => hasVariant(type)).map(({ name }) => name)
  for (const add of log?.snapshot.files.values() ?? []) {
    const bytes = await readPlain(filePath(record.location, add.path))
    const shredded = variants.length === 0 ? undefined : keyOfFirst(footerOf(bytes).shreddedVariants, variants)
    if (shredded !== undefined) throw shreddedFailure(record.definition.name, add.path, shredded)
    const found = await readParquet(bytes, columns)
    const deleted = await deletedRows(record.location, add, found.length)
    const values = partitioned.map(
      ({ name, type }) => [name, partitionValue(type, partitionText(add.partitionValues, name))] as const
    )
    found.forEach((row, index) => {
      if (deleted !== undefined && hasRow(deleted, index)) return
      for (const [name, value] of values) row[name] = value
      rows.push(row)
    })
  }
  return rows
}

const hasVariant = (type: ColumnType): boolean => {
  if (isSimple(type)) return type._tag === "Variant"
  switch (type._tag) {
    case "Array":
      return hasVariant(type.element)
    case "Map":
      return hasVariant(type.value)
    case "Struct":
      return type.fields.some((field) => hasVariant(field.type))
  }
}

const keyOfFirst = (names: ReadonlyArray<string>, columns: ReadonlyArray<string>): string | undefined =>
  columns.find((column) => names.some((name) => sameName(name, column)))

const shreddedFailure = (table: string, file: string, column: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptTable",
    message:
      `The file ${file} of ${table} keeps parts of the VARIANT column ${column} in columns of their own (shredded), ` +
      "which is not read here. Read the table with zerobus query, or with Spark."
  })
