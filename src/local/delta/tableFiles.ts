/**
 * Reads the rows of a table.
 */
import type { ColumnType } from "../../internal/columns/columnType.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import { footerOf } from "../parquet/fileFooter.ts"
import { readParquet } from "../parquet/parquetRows.ts"
import { partitionText, sameName } from "./columnLookup.ts"
import { deletedRows } from "./deletionVectors.ts"
import type { Add } from "./deltaActions.ts"
import { openLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { partitionValue } from "./partitions.ts"
import { hasRow } from "./roaringBitmap.ts"
import type { TableRecord } from "./tableFolder.ts"

type Row = Record<string, unknown>

/**
 * All committed rows of a table, without the deleted ones. Fails with a `StorageFailure` that names
 * the file when its rows cannot be read: for a damaged deletion vector, or shredded VARIANTs.
 */
export const readRows = async (record: TableRecord): Promise<ReadonlyArray<Row>> => {
  const { files, read } = await openFiles(record)
  const rows: Array<Row> = []
  for (const add of files) for (const row of await read(add, Infinity)) rows.push(row)
  return rows
}

/** The most bytes of data files that `readLastRows` reads. */
const lookBytes = 32 * 1024 * 1024

/**
 * The last rows of the newest files, at most `limit`, in order. Stops before a file that would
 * exceed 32 MiB in total. Fails like `readRows`.
 */
export const readLastRows = async (
  record: TableRecord,
  limit: number
): Promise<ReadonlyArray<Row>> => {
  const { files, read } = await openFiles(record)
  const newest = files.reverse().sort((one, other) => other.modificationTime - one.modificationTime)
  let rows: ReadonlyArray<Row> = []
  let bytes = 0
  for (const add of newest) {
    bytes += add.size
    if (rows.length >= limit || bytes > lookBytes) break
    rows = [...(await read(add, limit - rows.length)), ...rows]
  }
  return rows
}

/**
 * The live files of a table, and a function that reads the last rows of one file without the
 * deleted ones.
 */
const openFiles = async (record: TableRecord) => {
  const log = await openLog(record.location)
  const { columns } = record.definition
  const partitionColumns = log?.snapshot.metadata?.partitionColumns ?? []
  const partitioned = columns.filter(({ name }) =>
    partitionColumns.some((each) => sameName(each, name))
  )
  const variants = columns.filter(({ type }) => hasVariant(type)).map(({ name }) => name)
  const read = async (add: Add, limit: number): Promise<ReadonlyArray<Row>> => {
    const bytes = await readPlain(filePath(record.location, add.path))
    const footer = footerOf(bytes)
    const shredded =
      variants.length === 0 ? undefined : keyOfFirst(footer.shreddedVariants, variants)
    if (shredded !== undefined) throw shreddedFailure(record.definition.name, add.path, shredded)
    const deleted = await deletedRows(record.location, add, footer.rows)
    // The number of deleted rows among the last ones is unknown before reading.
    const found = await readParquet(bytes, columns, deleted === undefined ? limit : Infinity)
    const values = partitioned.map(
      ({ name, type }) =>
        [name, partitionValue(type, partitionText(add.partitionValues, name))] as const
    )
    for (const row of found) for (const [name, value] of values) row[name] = value
    if (deleted === undefined) return found
    const left = found.filter((_, index) => !hasRow(deleted, index))
    return limit < left.length ? left.slice(-limit) : left
  }
  return { files: [...(log?.snapshot.files.values() ?? [])], read }
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

const keyOfFirst = (
  names: ReadonlyArray<string>,
  columns: ReadonlyArray<string>
): string | undefined => columns.find((column) => names.some((name) => sameName(name, column)))

const shreddedFailure = (table: string, file: string, column: string): StorageFailure =>
  new StorageFailure({
    reason: "CorruptTable",
    message:
      `The file ${file} of ${table} keeps parts of the VARIANT column ${column} in columns of ` +
      `their own (shredded), ` +
      "which is not read here. Read the table with zerobus query, or with Spark."
  })
