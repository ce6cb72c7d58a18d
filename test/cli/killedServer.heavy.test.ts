/**
 * `kill -9` of the server during an ingest of 200,000 records, and a new server on the same folder
 * and ports: the ingest continues, ends with everything durable, and the table contains every
 * record. Without recovery it ends and names the correct position to continue from.
 */
import { afterAll, assert, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { loadDuckdb, runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import {
  type Environment,
  type LocalServer,
  start,
  startServer,
  temporaryFolder,
  zerobus
} from "../support/commandLine.ts"

const records = 200_000
const folder = temporaryFolder()
const file = Path.join(folder, "numbered.ndjson")
// Some empty lines, so that line numbers differ from record numbers.
Fs.writeFileSync(
  file,
  Array.from(
    { length: records },
    (_, id) => `{"id":${id},"text":"record ${id}"}\n${id % 1000 === 0 ? "\n" : ""}`
  ).join("")
)

afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

/** A server of one table that can be killed and started again. */
const makeServer = async (name: string) => {
  const dataDir = Path.join(folder, name)
  const table = `main.default.${name}`
  // The rate limit leaves time for the kills; otherwise the ingest would end before the first
  // commit.
  const definition = `${table}(id BIGINT NOT NULL, text STRING)`
  const options = ["--data-dir", dataDir, "--rate-limit", "40000", "--table", definition]
  let server: LocalServer = await startServer(options)
  const { environment } = server
  const portOf = (variable: keyof Environment) => new URL(environment[variable]!).port
  const ports = [
    "--port",
    portOf("ZEROBUS_SERVER_ENDPOINT"),
    "--http-port",
    portOf("DATABRICKS_WORKSPACE_URL")
  ]

  /** The live table, once it has at least this many rows. */
  const tableWith = async (rows: number) => {
    for (;;) {
      const live = await readLiveTable(Path.join(dataDir, "main/default", name))
      if (live !== undefined && live.rows >= rows) return live
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  return {
    table,
    environment,
    tableWith,
    kill: async () => {
      server.child.kill("SIGKILL")
      assert.strictEqual((await server.end).code, "SIGKILL")
    },
    restart: async () => {
      server = await startServer([...options, ...ports])
      assert.deepStrictEqual(server.environment, environment)
    },
    /**
     * Stops the server and compares its table with the file: every record is there, unchanged, and
     * at most `most` times.
     */
    checkRows: async (most: number) => {
      server.child.kill("SIGTERM")
      assert.strictEqual((await server.end).code, 0)
      const columns = [
        { name: "id", type: { _tag: "BigInt" as const }, nullable: false },
        { name: "text", type: { _tag: "String" as const }, nullable: true }
      ]
      const duckdb = await loadDuckdb()
      const { rows } = await runQuery(
        duckdb!,
        [{ name: table, columns, live: await tableWith(records) }],
        `SELECT count(*), min(id), max(id), count(*) FILTER (altered), max(times) <= ${most} FROM (
           SELECT id, count(*) AS times, bool_or(text <> 'record ' || id) AS altered
           FROM ${table} GROUP BY id)`
      )
      assert.deepStrictEqual(rows, [[String(records), "0", String(records - 1), "0", "true"]])
    }
  }
}

it("loses nothing and recovers by itself", async () => {
  const server = await makeServer("recovered")
  const ingest = start(["ingest", file, "--table", server.table, "--json"], server.environment)
  let ended = false
  void ingest.end.then(() => (ended = true))

  const kills = [30_000, 80_000, 130_000]
  for (const rows of kills) {
    await server.tableWith(rows)
    assert.isFalse(ended, `the ingest was still running at ${rows} rows`)
    await server.kill()
    await server.restart()
  }

  const { code, err, out } = await ingest.end
  assert.strictEqual(code, 0, err)
  const { accepted, complete, durable, sentAgain } = JSON.parse(out)
  assert.deepStrictEqual(
    { accepted, complete, durable },
    { accepted: records, complete: true, durable: records }
  )
  assert.isAbove(sentAgain, 0)
  // Delivery is at least once: a kill can duplicate records in flight, so a record occurs at most
  // as often as the server was started.
  await server.checkRows(kills.length + 1)
}, 120_000)

it("without recovery ends with 75 and names the place from which nothing is lost", async () => {
  const server = await makeServer("resumed")
  const environment = { ...server.environment, ZEROBUS_RECOVERY: "false" }
  const ingest = start(["ingest", file, "--table", server.table], environment)
  await server.tableWith(30_000)
  await server.kill()
  const { code, err, out } = await ingest.end
  assert.strictEqual(code, 75)
  assert.notMatch(err, /\n\s+at /, "no stack trace")
  const skip = /--skip (\d+)/.exec(out)![1]!
  assert.isAtLeast(Number(skip), 1)
  assert.isBelow(Number(skip), records)
  // The reported line is that of the record.
  const line = Number(skip) + Math.ceil((Number(skip) - 1) / 1000)
  assert.include(out, `(line ${line.toLocaleString("en-US")}).`)

  await server.restart()
  const rest = await zerobus(
    ["ingest", file, "--table", server.table, "--skip", skip, "--json"],
    server.environment
  )
  assert.strictEqual(rest.code, 0, rest.err)
  assert.strictEqual(JSON.parse(rest.out).durable, records - Number(skip))
  await server.checkRows(2)
}, 120_000)
