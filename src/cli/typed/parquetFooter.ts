/**
 * Checks the footer of a Parquet file before its rows are read. A footer is not covered by a
 * checksum, and hyparquet takes what it does not find for NULL.
 */
import type { ColumnMetaData, FileMetaData } from "../../local/parquet/parquetLibrary.ts"
import { badFile } from "./badFile.ts"
import type { PhysicalType } from "./parquetValues.ts"

type Element = FileMetaData["schema"][number]

/** A column of the lowest level within a row group. */
export interface ParquetLeaf {
  readonly name: string
  readonly maxDefinition: number
  readonly maxRepetition: number
  readonly physical: PhysicalType
  readonly chunk: ColumnMetaData
  /** Where its bytes are in the file. */
  readonly start: number
  readonly end: number
  /** Rows of the row group. */
  readonly rows: number
}

type SchemaLeaf = Omit<ParquetLeaf, "chunk" | "start" | "end" | "rows"> & {
  readonly path: ReadonlyArray<string>
}

const damaged = (): never => badFile("is a Parquet file whose end is damaged or cut off.")

const physicalTypes = new Set([
  "BOOLEAN",
  "INT32",
  "INT64",
  "INT96",
  "FLOAT",
  "DOUBLE",
  "BYTE_ARRAY",
  "FIXED_LEN_BYTE_ARRAY"
])

/** The physical types that values of an annotation can have; undefined for those of groups. */
const typesOf = ({ converted_type: converted, logical_type: logical }: Element) => {
  switch (logical?.type) {
    case "TIMESTAMP":
      return ["INT64"]
    case "TIME":
      return [logical.unit === "MILLIS" ? "INT32" : "INT64"]
    case "INTEGER":
      return [logical.bitWidth === 64 ? "INT64" : "INT32"]
    case "DATE":
      return ["INT32"]
    case "UUID":
    case "FLOAT16":
      return ["FIXED_LEN_BYTE_ARRAY"]
    case "DECIMAL":
      return ["INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
  }
  switch (converted) {
    case "DATE":
    case "TIME_MILLIS":
    case "INT_8":
    case "INT_16":
    case "INT_32":
    case "UINT_8":
    case "UINT_16":
    case "UINT_32":
      return ["INT32"]
    case "INT_64":
    case "UINT_64":
    case "TIME_MICROS":
    case "TIMESTAMP_MILLIS":
    case "TIMESTAMP_MICROS":
      return ["INT64"]
    case "DECIMAL":
      return ["INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
    case "UTF8":
    case "ENUM":
    case "JSON":
      return ["BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
  }
  return undefined
}

const bytesOf = (element: Element): number | undefined =>
  ({ UUID: 16, FLOAT16: 2 })[String(element.logical_type?.type)]

const checkLeaf = (element: Element): void => {
  const { type, type_length: length } = element
  if (type === undefined || !physicalTypes.has(type)) return damaged()
  if (typesOf(element)?.includes(type) === false) return damaged()
  if (type === "FIXED_LEN_BYTE_ARRAY" && !(length !== undefined && length > 0)) return damaged()
  const size = bytesOf(element)
  if (size !== undefined && size !== length) damaged()
}

const leavesOf = (schema: ReadonlyArray<Element>): ReadonlyArray<SchemaLeaf> => {
  const leaves: Array<SchemaLeaf> = []
  let at = 0
  const visit = (path: ReadonlyArray<string>, definition: number, repetition: number): void => {
    const element = schema[at++]
    if (element === undefined || path.length > 100) return damaged()
    const isRoot = at === 1
    const kind = element.repetition_type
    if (!isRoot && kind === undefined) return damaged()
    const maxDefinition = definition + (isRoot || kind === "REQUIRED" ? 0 : 1)
    const maxRepetition = repetition + (!isRoot && kind === "REPEATED" ? 1 : 0)
    const inner = isRoot ? [] : [...path, element.name]
    const children = element.num_children ?? 0
    if (children < 0) return damaged()
    if (!isRoot && children === 0) {
      // A group without fields has no type, and no values.
      if (element.type === undefined && element.num_children === 0) return
      checkLeaf(element)
      const physical = { type: element.type!, length: element.type_length ?? 0 }
      leaves.push({ name: inner[0]!, path: inner, maxDefinition, maxRepetition, physical })
      return
    }
    const names = new Set<string>()
    for (let left = children; left > 0; left--) {
      const name = schema[at]?.name
      if (typeof name !== "string") return damaged()
      if (names.has(name)) {
        badFile(`has two columns named ${JSON.stringify(name)}. Write it with different names.`)
      }
      names.add(name)
      visit(inner, maxDefinition, maxRepetition)
    }
  }
  visit([], 0, 0)
  if (at !== schema.length) damaged()
  return leaves
}

/** The columns of each row group of a file of `size` bytes. Throws `BadFile`. */
export const checkFooter = (
  { num_rows: allRows, row_groups: groups, schema }: FileMetaData,
  size: number
): ReadonlyArray<ReadonlyArray<ParquetLeaf>> => {
  const leaves = leavesOf(schema)
  let sum = 0n
  const checked = groups.map(({ columns, num_rows: rows }) => {
    if (typeof rows !== "bigint" || rows < 0n || columns.length !== leaves.length) return damaged()
    sum += rows
    return leaves.map((leaf, index): ParquetLeaf => {
      const { file_path: elsewhere, meta_data: chunk } = columns[index]!
      if (elsewhere !== undefined || chunk === undefined) return damaged()
      const { data_page_offset: data, path_in_schema: path, type } = chunk
      if (type !== leaf.physical.type || path.join("\0") !== leaf.path.join("\0")) return damaged()
      // Some writers store 0 where there is no dictionary.
      const start = Number(chunk.dictionary_page_offset || data)
      const end = start + Number(chunk.total_compressed_size)
      if (!(start >= 4 && end >= start && end <= size) || chunk.codec === undefined) {
        return damaged()
      }
      return { ...leaf, chunk, start, end, rows: Number(rows) }
    })
  })
  if (sum !== allRows) damaged()
  return checked
}
