/**
 * End to end: the clients ingest in turns into one real Delta table of a local server, which writes
 * to disk in a separate process. Both send the same rows of eleven columns as protobuf bytes, with
 * separate tokens. Afterwards DuckDB counts the rows in the table's files.
 *
 * The server's processor time of a run includes the work for its rows after their acknowledgement:
 * the server commits all rows between runs.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ServerReport } from "../../scripts/sustained/server.ts"
import { WINDOW } from "./cases.ts"
import type { Api, ClientName, LocalServer } from "./clients/client.ts"
import { rowRecords, rowsTable } from "./clients/rows.ts"
import { spreadOf } from "./figures.ts"
import { type ClientProcess, startClient } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import type { ScenarioResult } from "./scenario.ts"
import type { Pace } from "./throughput.ts"

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const nodeArguments = ["--conditions=effect-zerobus-source", "--no-warnings"]

/** The server of the sustained run. */
interface Server {
  readonly place: LocalServer
  /** Commits all rows and reports. */
  readonly report: () => Promise<ServerReport>
  readonly stop: () => Promise<void>
}

const startServer = async (folder: string): Promise<Server> => {
  const child = spawn(
    process.execPath,
    [...nodeArguments, from("../../scripts/sustained/server.ts"), folder],
    {
      stdio: ["pipe", "pipe", "inherit"]
    }
  )
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async <A>(): Promise<A> => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error("The local server ended early.")
    return JSON.parse(value) as A
  }
  return {
    place: await line<LocalServer>(),
    report: () => {
      child.stdin.write("report\n")
      return line<ServerReport>()
    },
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve()
        child.once("exit", () => resolve())
        child.kill()
      })
  }
}

/**
 * The number of rows in the table's files, counted by DuckDB. The running server's catalog gives
 * their location.
 */
const countRows = ({
  clientId,
  clientSecret,
  serverEndpoint,
  workspaceUrl
}: LocalServer): number => {
  const query = ["query", "--json", `SELECT count(*) AS n FROM ${rowsTable.name}`]
  const text = execFileSync(
    process.execPath,
    [...nodeArguments, from("../../src/cli/main.ts"), ...query],
    {
      encoding: "utf8",
      env: {
        ...process.env,
        ZEROBUS_SERVER_ENDPOINT: serverEndpoint,
        DATABRICKS_WORKSPACE_URL: workspaceUrl,
        DATABRICKS_CLIENT_ID: clientId,
        DATABRICKS_CLIENT_SECRET: clientSecret
      }
    }
  )
  return Number((JSON.parse(text) as { readonly n: string }).n)
}

interface Round {
  readonly run: RunResult
  /** CPU seconds of the server, commits included. */
  readonly server: number
}

/** Measures one way of ingesting. Fails if the table does not hold every row that was sent. */
const measureOne = async (
  api: Api,
  names: ReadonlyArray<ClientName>,
  pace: Pace
): Promise<Array<ScenarioResult>> => {
  const folder = mkdtempSync(Path.join(tmpdir(), "benchmark-tables-"))
  const server = await startServer(folder)
  const clients = new Map<ClientName, ClientProcess>()
  const rounds = new Map<ClientName, Array<Round>>(names.map((name) => [name, []]))
  let sent = 0
  try {
    for (const name of names) {
      const spec = {
        client: name,
        api,
        size: 0,
        format: "rows",
        streams: 1,
        port: 0,
        window: WINDOW
      } as const
      const client = await startClient({ ...spec, local: server.place })
      clients.set(name, client)
      sent += (await client.ask<RunResult>({ do: "run", for: pace.warmUp })).records
    }
    let before = await server.report()
    for (let round = 0; round < pace.rounds; round++) {
      for (const name of names) {
        const run = await clients.get(name)!.ask<RunResult>({ do: "run", for: pace.run })
        sent += run.records
        const after = await server.report()
        rounds.get(name)!.push({ run, server: after.cpuSeconds - before.cpuSeconds })
        before = after
      }
    }
    const found = countRows(server.place)
    if (found !== sent)
      throw new Error(`end to end: ${sent} rows were acknowledged, the table holds ${found}.`)
  } finally {
    for (const client of clients.values()) await client.stop()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  const records = rowRecords()
  const size = records.reduce((total, { length }) => total + length, 0) / records.length
  return names.map((client) => {
    const own = rounds.get(client)!
    const rate = spreadOf(own.map(({ run }) => run.records / run.seconds / 1e3))
    return {
      id: `end to end, ${api}, rows of 11 columns`,
      client,
      figures: {
        "thousand records/s": rate,
        "MB/s": (rate.median * size) / 1e3,
        "client CPU us/record": spreadOf(own.map(({ run }) => (run.cpu / run.records) * 1e6)),
        "server CPU us/record": spreadOf(
          own.map(({ run, server }) => (server / run.records) * 1e6)
        ),
        "rows in the table": sent
      },
      budget: { text: "every row in the table", met: true }
    }
  })
}

/** Measures single records and batches into a table on disk. */
export const measureEndToEnd = async (options: {
  readonly native: boolean
  readonly quick: boolean
  readonly pace: Pace
}): Promise<ReadonlyArray<ScenarioResult>> => {
  const names: ReadonlyArray<ClientName> = options.native ? ["ours", "native"] : ["ours"]
  const results = await measureOne("single", names, options.pace)
  return options.quick ? results : [...results, ...(await measureOne("batch", names, options.pace))]
}
