/**
 * DuckDB's part of `bench:ingest`: `FORMAT FILE FOLDER` reads the file, copies it to Parquet in the
 * folder, and prints rows and processor time in microseconds. Loading and starting DuckDB is not
 * counted.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import * as Path from "node:path"
import { duckdbColumns } from "./readings.ts"

const [format, file, folder] = process.argv.slice(2) as [string, string, string]
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
const source =
  format === "csv"
    ? `read_csv(${text(file)}, header = true, columns = ${duckdbColumns})`
    : `read_json(${text(file)}, format = 'newline_delimited', columns = ${duckdbColumns})`

const instance = await DuckDBInstance.create(":memory:")
const connection = await instance.connect()
const before = process.cpuUsage()
const target = text(Path.join(folder, `${format}.parquet`))
const { rowsChanged } = await connection.run(
  `COPY (SELECT * FROM ${source}) TO ${target} (FORMAT parquet)`
)
const { system, user } = process.cpuUsage(before)
console.log(JSON.stringify({ rows: rowsChanged, cpu: system + user }))
connection.closeSync()
instance.closeSync()
