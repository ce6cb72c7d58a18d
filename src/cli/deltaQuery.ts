/**
 * SQL over local Delta tables with DuckDB, where `@duckdb/node-api` is installed.
 *
 * Each table becomes a view over its live data files, so a query sees one committed version of
 * each. DuckDB's Delta extension would have to be downloaded, and the list of files is enough.
 * DuckDB does not allow a database named `main`, so each view is named by the table's full name,
 * and full names in a query are quoted.
 */
import type { ColumnDefinition, ColumnType } from "../internal/columns/columnType.ts"
import { isSimple, sqlName } from "../internal/columns/scalarTypes.ts"
import { base64OfBytes } from "../internal/columns/base64Text.ts"
import { withAnnotatedCopies } from "./annotatedCopies.ts"
import { partitionText, sameName } from "../local/delta/columnLookup.ts"
import type { LiveFile, LiveTable } from "../local/delta/liveFiles.ts"
import type { RowSet } from "../local/delta/roaringBitmap.ts"
import { rowJson } from "./queryJson.ts"
import { prepareReading, statementsOf } from "./readingStatement.ts"
import { visible } from "./terminal/print.ts"

/** A table to query: its full name, `catalog.schema.table`, its columns and its live files. */
export interface QueryTable {
  readonly name: string
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly live: LiveTable
}

/** Rows as text, in the order of the columns. */
export interface QueryResult {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
}

/** Rows as text, and each as one JSON object. */
export interface QueryAnswer extends QueryResult {
  readonly json: ReadonlyArray<string>
}

/** The command that installs DuckDB. */
export const installDuckdb = "npm install @duckdb/node-api"

/** Loads DuckDB; undefined when it is not installed. */
export const loadDuckdb = async (): Promise<typeof import("@duckdb/node-api") | undefined> => {
  try {
    return await import("@duckdb/node-api")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined
    throw error
  }
}

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The DuckDB type of a column. */
const sqlType = (type: ColumnType): string => {
  switch (type._tag) {
    case "Boolean":
    case "TinyInt":
    case "SmallInt":
    case "BigInt":
    case "Float":
    case "Double":
    case "Date":
      return sqlName(type._tag)
    case "Int":
      return "INTEGER"
    case "Binary":
      return "BLOB"
    case "Timestamp":
      return "TIMESTAMPTZ"
    case "TimestampNtz":
      return "TIMESTAMP"
    case "Decimal":
      return `DECIMAL(${type.precision},${type.scale})`
    case "Array":
      return `${sqlType(type.element)}[]`
    case "Map":
      return `MAP(${sqlType(type.key)}, ${sqlType(type.value)})`
    case "Struct": {
      const fields = type.fields.map(({ name, type }) => `${identifier(name)} ${sqlType(type)}`)
      return `STRUCT(${fields.join(", ")})`
    }
    case "Variant":
      return "VARIANT"
    case "String":
      return "VARCHAR"
  }
}

/**
 * An expression that builds VARIANTs from the metadata and value parts in our files. Undefined for
 * a type without VARIANT.
 */
const variantsFromParts = (type: ColumnType, value: string): string | undefined => {
  if (isSimple(type)) {
    return type._tag === "Variant"
      ? `variant_bytes_to_variant(${value}.metadata || ${value}.value)`
      : undefined
  }
  switch (type._tag) {
    case "Array": {
      const element = variantsFromParts(type.element, "x")
      return element && `list_transform(${value}, lambda x: ${element})`
    }
    case "Map": {
      const item = variantsFromParts(type.value, "x.value")
      const entries =
        `list_transform(map_entries(${value}), lambda x: {'key': x.key, 'value': ` + `${item}})`
      return item && `map_from_entries(${entries})`
    }
    case "Struct": {
      const made = type.fields.map(({ name, type }) => [
        name,
        variantsFromParts(type, `${value}.${identifier(name)}`)
      ])
      if (made.every(([, field]) => field === undefined)) return undefined
      const fields = made.map(
        ([name, field]) => `${identifier(name!)} := ${field ?? `${value}.${identifier(name!)}`}`
      )
      return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${fields.join(", ")}) END`
    }
  }
}

const holds = (names: ReadonlyArray<string>, name: string): boolean =>
  names.some((each) => sameName(each, name))

/**
 * The first shredded VARIANT column without the VARIANT annotation: its metadata and value alone
 * would give wrong results. Undefined when there is none.
 */
const shreddedColumn = (
  { columns }: Pick<QueryTable, "columns">,
  { annotatedVariants, shreddedVariants }: Pick<LiveFile, "annotatedVariants" | "shreddedVariants">
): string | undefined => {
  if (shreddedVariants.length === 0) return undefined
  const variants = columns.filter(
    ({ name, type }) => variantsFromParts(type, identifier(name)) !== undefined
  )
  return variants.find(
    ({ name }) => holds(shreddedVariants, name) && !holds(annotatedVariants, name)
  )?.name
}

/**
 * Runs `use` with tables whose files DuckDB reads correctly. Files that it would read wrongly are
 * replaced by copies, which are deleted afterwards.
 */
export const withReadableFiles = <A>(
  tables: ReadonlyArray<QueryTable>,
  use: (tables: ReadonlyArray<QueryTable>) => Promise<A>
): Promise<A> =>
  withAnnotatedCopies(tables, (table, file) => shreddedColumn(table, file) !== undefined, use)

/**
 * Why engines other than Spark would read the table's files wrongly. Undefined when they read them
 * correctly.
 */
export const filesProblem = ({ columns, live, name }: QueryTable): string | undefined => {
  for (const file of live.live) {
    const column = shreddedColumn({ columns }, file)
    if (column === undefined) continue
    return (
      `The file ${file.path} of ${name} stores parts of the VARIANT column ${column} in separate ` +
      `columns (shredded), ` +
      "which only Spark reassembles. Use zerobus query, or zerobus table snippet --for spark."
    )
  }
  return undefined
}

/** Bytes with their bits reversed: DuckDB counts the bits of each byte from the highest. */
const reversed = Uint8Array.from({ length: 256 }, (_, byte) => {
  let turned = 0
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) turned |= 128 >> bit
  return turned
})

/** The condition that selects the rows of a file that are not deleted. It takes one bit per row. */
const keptRows = ({ bits }: RowSet): string => {
  const base64 = base64OfBytes(bits.map((byte) => reversed[byte]!))
  return `get_bit(from_base64('${base64}')::BIT, file_row_number::INTEGER) = 0`
}

/**
 * The query that reads a table. Live files that can be read alike share one `read_parquet`; each
 * file with deleted rows has its own. Files differ in their partition values, which are not stored
 * in them, and in how they store VARIANT.
 */
export const tableSelect = ({ columns, live }: Pick<QueryTable, "columns" | "live">): string => {
  const nulls = columns.map(({ name, type }) => `NULL::${sqlType(type)} AS ${identifier(name)}`)
  const empty = `SELECT ${nulls.join(", ")} WHERE false`
  const variants = columns.flatMap(({ name, type }) => {
    const value = variantsFromParts(type, identifier(name))
    return value === undefined ? [] : [{ name, value }]
  })
  const alike = new Map<string, Array<string>>()
  const reads: Array<string> = []
  for (const file of live.live) {
    const replaced = variants
      .filter(({ name }) => holds(file.columns, name) && !file.annotatedVariants.includes(name))
      .map(({ name, value }) => `${value} AS ${identifier(name)}`)
    const values = live.partitionColumns
      .map((name) => {
        const type = columns.find((column) => sameName(column.name, name))?.type ?? {
          _tag: "String" as const
        }
        const value = partitionText(file.partitionValues, name)
        return `, ${value === null ? "NULL" : text(value)}::${sqlType(type)} AS ${identifier(name)}`
      })
      .join("")
    const rowNumber = file.deletedRows === undefined ? "" : " EXCLUDE (file_row_number)"
    const replace = replaced.length === 0 ? "" : ` REPLACE (${replaced.join(", ")})`
    const select = `*${rowNumber}${replace}${values}`
    if (file.deletedRows !== undefined) {
      const options = "hive_partitioning = false, file_row_number = true"
      const read = `read_parquet([${text(file.path)}], ${options})`
      reads.push(`SELECT ${select} FROM ${read} WHERE ${keptRows(file.deletedRows)}`)
      continue
    }
    const paths = alike.get(select)
    if (paths === undefined) alike.set(select, [file.path])
    else paths.push(file.path)
  }
  for (const [select, paths] of alike) {
    reads.push(
      `SELECT ${select} FROM read_parquet([${paths.map(text).join(", ")}], hive_partitioning = ` +
        `false)`
    )
  }
  const order = columns.map((column) => identifier(column.name)).join(", ")
  return `SELECT ${order} FROM (${[...reads, empty].join(" UNION ALL BY NAME ")})`
}

const literalOrName =
  /'(?:[^']|'')*'|("?)([A-Za-z_]\w*)\1\.("?)([A-Za-z_]\w*)\3\.("?)([A-Za-z_]\w*)\5/g

/** The three-part names in a query, quoted or not. Some may be fields of structs. */
export const namesIn = (sql: string): ReadonlyArray<string> => [
  ...new Set(
    [...sql.matchAll(literalOrName)].flatMap(([, , a, , b, , c]) =>
      a === undefined ? [] : [`${a}.${b}.${c}`]
    )
  )
]

/**
 * The query with the full names of these tables as single quoted names. String literals are
 * unchanged.
 */
export const withTableNames = (sql: string, names: ReadonlyArray<string>): string => {
  const known = new Map(names.map((name) => [name.toLowerCase(), name]))
  return sql.replace(
    literalOrName,
    (whole, _1, a?: string, _2?: string, b?: string, _3?: string, c?: string) => {
      const name = a === undefined ? undefined : known.get(`${a}.${b}.${c}`.toLowerCase())
      return name === undefined ? whole : identifier(name)
    }
  )
}

/**
 * Runs one read-only statement over the tables and returns at most `limit` rows. With `writes` it
 * runs any statements and returns the rows of the last one. Throws DuckDB's errors and
 * `NotReading`.
 */
export const runQuery = async (
  duckdb: typeof import("@duckdb/node-api"),
  tables: ReadonlyArray<QueryTable>,
  sql: string,
  { limit = 1000, writes = false }: { readonly limit?: number; readonly writes?: boolean } = {}
): Promise<QueryAnswer> => {
  const instance = await duckdb.DuckDBInstance.create(":memory:")
  const connection = await instance.connect()
  try {
    // The text of timestamps must not depend on the machine's time zone.
    await connection.run("SET TimeZone = 'UTC'")
    for (const table of tables)
      await connection.run(`CREATE VIEW ${identifier(table.name)} AS ${tableSelect(table)}`)
    const named = withTableNames(
      sql,
      tables.map((table) => table.name)
    )
    if (writes) await statementsOf(connection, named)
    const reader = writes
      ? await connection.runAndReadUntil(named, limit)
      : await (await prepareReading(duckdb, connection, named)).runAndReadUntil(limit)
    const columns = reader.columnNames()
    const rows = reader.getRows().slice(0, limit)
    return {
      columns,
      rows: rows.map((row) =>
        row.map((value) => (value === null || value === undefined ? null : String(value)))
      ),
      json: rows.map((row) => rowJson(duckdb, columns, row))
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/**
 * Rows as aligned text under a header. NULL is printed as NULL, and values over 60 characters are
 * cut.
 */
export const tableText = ({ columns, rows }: QueryResult): string => {
  const cell = (value: string | null) => {
    const shown = visible((value ?? "NULL").replace(/\s+/g, " "))
    return shown.length > 60 ? `${shown.slice(0, 59)}…` : shown
  }
  const numeric = columns.map((_, index) =>
    rows.every((row) => row[index] === null || /^-?[\d.]+$/.test(row[index]!))
  )
  const lines = [columns, ...rows].map((row) => row.map(cell))
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)))
  const print = (line: ReadonlyArray<string>) =>
    line
      .map((value, index) =>
        numeric[index] ? value.padStart(widths[index]!) : value.padEnd(widths[index]!)
      )
      .join("  ")
      .trimEnd()
  return [
    print(lines[0]!),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...lines.slice(1).map(print)
  ].join("\n")
}
