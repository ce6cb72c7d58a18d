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
import { openLog } from "./deltaLog.ts"
import { filePath } from "./filePaths.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import { partitionValue } from "./partitions.ts"
import { hasRow } from "./roaringBitmap.ts"
import type { TableRecord } from "./tableFolder.ts"

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
