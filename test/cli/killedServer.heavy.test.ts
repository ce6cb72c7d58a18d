/**
 * `kill -9` of the server in the middle of an ingest of 200,000 records, and a new server on the same folder and ports: the ingest goes
 * on by itself, ends with everything durable, and the table holds every record.
 */
import { afterAll, assert, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { loadDuckdb, runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/liveFiles.ts"
import { type Environment, type LocalServer, start, startServer, temporaryFolder } from "../support/commandLine.ts"

const records = 200_000
/** Committed rows at which the server is killed. */
const kills = [30_000, 80_000, 130_000]
const folder = temporaryFolder()
const dataDir = Path.join(folder, "data")
const table = "main.default.numbered"
const location = Path.join(dataDir, "main/default/numbered")

afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

const portOf = (environment: Environment, name: string): string => new URL(environment[name]!).port

/** The live table once it has at least this many rows. */
const tableWith = async (rows: number) => {
  for (;;) {
    const live = await readLiveTable(location)
    if (live !== undefined && live.rows >= rows) return live
    await new Promise((resolve) => setImmediate(resolve))
  }
}

it("loses nothing and recovers by itself", async () => {
  const file = Path.join(folder, "numbered.ndjson")
  Fs.writeFileSync(file, Array.from({ length: records }, (_, id) => `{"id":${id},"text":"record ${id}"}\n`).join(""))

  // The pace leaves time to be killed in; the file would be through before the first commit otherwise.
  const options = [
    "--data-dir",
    dataDir,
    "--rate-limit",
    "40000",
    "--table",
    `${table}(id BIGINT NOT NULL, text STRING)`
  ]
  let server: LocalServer = await startServer(options)
  const { environment } = server
  const ports = [
    "--port",
    portOf(environment, "ZEROBUS_SERVER_ENDPOINT"),
    "--http-port",
    portOf(environment, "DATABRICKS_WORKSPACE_URL")
  ]
  const ingest = start(["ingest", file, "--table", table, "--json"], environment)
  let ended = false
  void ingest.end.then(() => (ended = true))

  for (const rows of kills) {
    await tableWith(rows)
    assert.isFalse(ended, `the ingest was still running at ${rows} rows`)
    server.child.kill("SIGKILL")
    assert.strictEqual((await server.end).code, "SIGKILL")
    server = await startServer([...options, ...ports])
    assert.deepStrictEqual(server.environment, environment)
  }

  const { code, err, out } = await ingest.end
  assert.strictEqual(code, 0, err)
  const { accepted, complete, durable } = JSON.parse(out)
  assert.deepStrictEqual({ accepted, complete, durable }, { accepted: records, complete: true, durable: records })
  server.child.kill("SIGTERM")
  assert.strictEqual((await server.end).code, 0)

  const live = await tableWith(records)
  const duckdb = await loadDuckdb()
  const {
    rows: [row]
  } = await runQuery(
    duckdb!,
    [
      {
        name: table,
        columns: [
          { name: "id", type: { _tag: "BigInt" }, nullable: false },
          { name: "text", type: { _tag: "String" }, nullable: true }
        ],
        live
      }
    ],
    `SELECT count(*), min(id), max(id), count(*) FILTER (wrong), max(times) <= ${kills.length + 1} FROM (
       SELECT id, count(*) AS times, bool_or(text <> 'record ' || id) AS wrong FROM ${table} GROUP BY id)`
  )
  // At least once: a kill can double what was on its way, so no record is there more often than the server was started.
  assert.deepStrictEqual(row, [String(records), "0", String(records - 1), "0", "true"])
}, 120_000)
