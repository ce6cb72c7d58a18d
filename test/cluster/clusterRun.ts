/**
 * A cluster of real processes under faults: three runners over sockets and PostgreSQL ingest into
 * the local server. One is killed, one is added and one is stopped, in an order and at times that a
 * seed decides.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { Effect } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { setTimeout } from "node:timers/promises"
import { makeRandom } from "../simulation/seededRandom.ts"
import { freePort } from "../support/freePort.ts"
import { notesIn, readJournal } from "./journal.ts"
import { type Disturbance, judge, type Verdict } from "./judge.ts"
import type { PartOrder, RunnerOrder, RunnerWord } from "./runnerProcess.ts"

export interface RunOptions {
  /** The URL of a PostgreSQL database. */
  readonly database: string
  readonly records: number
  readonly seed: number
}

export interface Report {
  readonly verdict: Verdict
  /** The events and their times, one line each. */
  readonly events: ReadonlyArray<string>
  readonly seconds: number
}

const PARTS = 30
const SHARDS = 64
const KEYS_PER_PART = 50
/**
 * Parts assigned beyond those that a disturbance waits for, so that it occurs while records are in
 * flight.
 */
const AHEAD = 6
/** Parts that a runner has at a time. */
const PARTS_EACH = 2
/** How long after a runner's start shards may still move to it, in milliseconds. */
const MOVING = 3000

const reasons = ["kill", "stop", "add", "leases", "connection lost", "batch again", "replay"]

const flags = ["--conditions=effect-zerobus-source"]
const beside = (path: string) => Path.join(import.meta.dirname, path)

/** Starts the local server in a separate process. Returns the variables of its clients. */
const startServer = async (dataDir: string) => {
  const child = spawn(process.execPath, [...flags, beside("../faults/serverProcess.ts"), dataDir], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
  const at = JSON.parse(line) as Record<string, string>
  return {
    child,
    variables: {
      ZEROBUS_SERVER_ENDPOINT: at["serverEndpoint"]!,
      DATABRICKS_WORKSPACE_URL: at["workspaceUrl"]!,
      DATABRICKS_CLIENT_ID: at["clientId"]!,
      DATABRICKS_CLIENT_SECRET: at["clientSecret"]!
    }
  }
}

interface Runner {
  readonly name: string
  readonly child: ChildProcess
  readonly journal: string
  readonly parts: Set<number>
  isReady: boolean
  isStopping: boolean
  ended: number
}

/** The numbers of all rows in the order of the table: by commit, file and row. */
const rowsOf = async (table: string, recordsPerPart: number): Promise<ReadonlyArray<number>> => {
  const log = Path.join(table, "_delta_log")
  const commits = Fs.readdirSync(log).filter((name) => /^\d{20}\.json$/.test(name))
  const files = commits.sort().flatMap((name) =>
    Fs.readFileSync(Path.join(log, name), "utf8")
      .trimEnd()
      .split("\n")
      .map(
        (line) =>
          JSON.parse(line).add as
            | { readonly path: string; readonly dataChange: boolean }
            | undefined
      )
      // A merge of files adds rows that exist already.
      .filter((add) => add?.dataChange === true)
      .map((add) => Path.join(table, decodeURIComponent(add!.path)))
  )
  const connection = await (await DuckDBInstance.create()).connect()
  const rows: Array<number> = []
  for (const file of files) {
    const read = await connection.runAndReadAll(
      `SELECT CAST(part * ${recordsPerPart} + n AS INTEGER) FROM read_parquet('${file}', ` +
        `file_row_number = true) ORDER BY file_row_number`
    )
    for (const [record] of read.getRows()) rows.push(Number(record))
  }
  connection.closeSync()
  return rows
}

/** Creates the table, or commits all rows that the server has not committed yet. */
const withTable = <A>(
  dataDir: string,
  use: (local: typeof ZerobusLocal.Service) => Effect.Effect<A, unknown>
) =>
  Effect.runPromise(
    Effect.flatMap(ZerobusLocal, use).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir })))
  )

export const runCluster = async ({ database, records, seed }: RunOptions): Promise<Report> => {
  const random = makeRandom(`cluster ${seed}`)
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-cluster-run-"))
  const dataDir = Path.join(folder, "data")
  const recordsPerPart = Math.ceil(records / PARTS)
  const all = recordsPerPart * PARTS
  await withTable(dataDir, (local) =>
    local.createTable("main.default.readings(part INT, key INT, n INT)")
  )
  const server = await startServer(dataDir)

  const runners: Array<Runner> = []
  const finished = new Set<number>()
  const events: Array<string> = []
  const disturbances: Array<Disturbance> = []
  let failure: Error | undefined
  let started = 0
  const began = Date.now()
  const note = (text: string) =>
    events.push(`${((Date.now() - began) / 1000).toFixed(1)} s: ${text}`)

  const check = () => {
    if (failure !== undefined) throw failure
  }

  const startRunner = async (): Promise<Runner> => {
    const name = `runner ${++started}`
    const journal = Path.join(folder, `journal-${started}`)
    const order: RunnerOrder = {
      port: await freePort(),
      database,
      journal,
      shards: SHARDS,
      recordsPerPart,
      keysPerPart: KEYS_PER_PART
    }
    const child = spawn(
      process.execPath,
      [...flags, beside("runnerProcess.ts"), JSON.stringify(order)],
      {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        env: { ...process.env, ...server.variables }
      }
    )
    const runner: Runner = {
      name,
      child,
      journal,
      parts: new Set(),
      isReady: false,
      isStopping: false,
      ended: Infinity
    }
    runners.push(runner)
    child.once("exit", (code, signal) => {
      runner.ended = Date.now()
      if (code !== 0 && signal !== "SIGKILL")
        failure ??= new Error(`${name} ended with ${code ?? signal}`)
    })
    let lost: number | undefined
    const regained = (at: number) => {
      if (lost !== undefined) disturbances.push({ name: "leases", from: lost, to: at + MOVING })
      lost = undefined
    }
    child.once("exit", () => regained(runner.ended))
    child.on("message", ({ at = 0, event, finished: part }: RunnerWord) => {
      if (part !== undefined) finished.add(part)
      give()
      if (event === undefined) return
      if (event === "leases lost") lost ??= at
      else if (event === "leases renewed") regained(at)
      else disturbances.push({ name: event, from: at, to: at })
      if (event.startsWith("leases")) note(`${name}: ${event}`)
    })
    await Promise.race([once(child, "message"), once(child, "exit")])
    check()
    runner.isReady = true
    give()
    return runner
  }
  const isAlive = (runner: Runner) => runner.ended === Infinity
  const takesParts = (runner: Runner) => isAlive(runner) && runner.isReady && !runner.isStopping
  const left = ({ parts }: Runner) => [...parts].filter((part) => !finished.has(part))
  const waiting = Array.from({ length: PARTS }, (_, part) => part)
  /** How many parts may be assigned until the next disturbance has happened. */
  let limit = 0
  /** Assigns parts to runners that have few. */
  const give = () => {
    for (const runner of runners.filter(takesParts)) {
      while (waiting.length > Math.max(0, PARTS - limit) && left(runner).length < PARTS_EACH) {
        const part = waiting.shift()!
        const done = runners.filter(({ parts }) => parts.has(part)).map(({ journal }) => journal)
        runner.parts.add(part)
        runner.child.send({ part, done } satisfies PartOrder)
      }
    }
  }
  /** Ends a runner; another one continues its parts. */
  const end = async (runner: Runner, signal: "SIGKILL" | "SIGTERM") => {
    const from = Date.now()
    note(`${runner.name} gets ${signal}`)
    runner.isStopping = true
    runner.child.kill(signal)
    if (isAlive(runner)) await once(runner.child, "exit")
    note(`${runner.name} has ended`)
    disturbances.push({ name: signal === "SIGKILL" ? "kill" : "stop", from, to: runner.ended })
    waiting.unshift(...left(runner))
    give()
  }
  const happen = {
    kill: (target: Runner) => end(target, "SIGKILL"),
    stop: (target: Runner) => end(target, "SIGTERM"),
    add: async () => {
      const from = Date.now()
      const runner = await startRunner()
      note(`${runner.name} is added`)
      disturbances.push({ name: "add", from, to: Date.now() + MOVING })
    }
  }
  const progress = () => runners.reduce((sum, { journal }) => sum + notesIn(journal), 0) / 2 / all

  try {
    const first = await Promise.all([startRunner(), startRunner(), startRunner()])
    const ingestingSince = Date.now()
    const order = (["kill", "add", "stop"] as const).map((name) => ({
      name,
      at: 0.05 + 0.65 * random.float()
    }))
    for (const { at, name } of order.sort((one, other) => one.at - other.at)) {
      const target = random.pick(first.filter(isAlive))
      const before = notesIn(target.journal)
      limit = Math.max(limit, Math.ceil(at * PARTS) + AHEAD)
      give()
      for (; progress() < at || notesIn(target.journal) === before; await setTimeout(10)) {
        check()
        if (finished.size === PARTS)
          throw new Error("all parts were acknowledged before everything had happened")
        // The target must have records in flight.
        if (left(target).length === 0 && limit < PARTS) limit++
        give()
      }
      await setTimeout(random.int(100))
      await happen[name](target)
    }
    limit = PARTS
    give()
    for (; finished.size < PARTS; await setTimeout(20)) check()
    const seconds = (Date.now() - ingestingSince) / 1000
    note("all parts are acknowledged")
    for (const { child } of runners.filter(isAlive)) {
      child.kill("SIGTERM")
      await once(child, "exit")
    }
    check()
    server.child.kill("SIGKILL")
    await once(server.child, "exit")
    await withTable(dataDir, (local) => local.flush())
    const verdict = judge({
      records: all,
      keyOf: (record) =>
        Math.floor(record / recordsPerPart) * KEYS_PER_PART +
        ((record % recordsPerPart) % KEYS_PER_PART),
      rows: await rowsOf(Path.join(dataDir, "main/default/readings"), recordsPerPart),
      runners: runners.map(({ ended, journal }) => ({ notes: readJournal(journal), ended })),
      // A record with several reasons counts under the most obvious one.
      disturbances: reasons.flatMap((reason) => disturbances.filter(({ name }) => name === reason))
    })
    return { verdict, events, seconds }
  } catch (error) {
    note(`${Math.round(progress() * 100)} % were acknowledged`)
    throw new Error(events.join("\n"), { cause: error })
  } finally {
    for (const { child } of runners) child.kill("SIGKILL")
    server.child.kill("SIGKILL")
    Fs.rmSync(folder, { recursive: true, force: true })
  }
}
