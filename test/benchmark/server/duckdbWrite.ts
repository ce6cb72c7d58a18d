/**
 * DuckDB's part of `bench:server`: reads a file of JSON lines into memory, which is not counted,
 * and writes the rows to Parquet with zstd level 1, as the server does. Prints the processor time
 * of writing, and of reading and writing in one statement, in microseconds.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import * as Path from "node:path"

const [file, folder, columns] = process.argv.slice(2) as [string, string, string]
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
const source = `read_json(${text(file)}, format = 'newline_delimited', columns = ${columns})`

const instance = await DuckDBInstance.create(":memory:")
const connection = await instance.connect()
const cost = async (from: string, name: string): Promise<number> => {
  const before = process.cpuUsage()
  const target = text(Path.join(folder, name))
  await connection.run(
    `COPY (SELECT * FROM ${from}) TO ${target} (FORMAT parquet, COMPRESSION zstd, ` +
      `COMPRESSION_LEVEL 1)`
  )
  const { system, user } = process.cpuUsage(before)
  return system + user
}
await connection.run(`CREATE TABLE rows AS SELECT * FROM ${source}`)
const write = await cost("rows", "written.parquet")
const readAndWrite = await cost(source, "read.parquet")
const { rowsChanged } = await connection.run(
  `COPY rows TO ${text(Path.join(folder, "count.parquet"))} (FORMAT parquet)`
)
console.log(JSON.stringify({ write, readAndWrite, rows: rowsChanged }))
connection.closeSync()
instance.closeSync()
