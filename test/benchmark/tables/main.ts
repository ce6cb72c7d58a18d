/**
 * `npm run bench:tables -- --tables 200 --rows 10 --seconds 30`: many tables that get a few rows
 * every second.
 *
 * Server and client are separate processes. The client sends one message per table and second, or
 * more with a smaller `--per-message`. After a warm-up it measures the server's lag (the age of the
 * oldest durable row that is not in its table), its processor time per row and its memory, the time
 * to acknowledgement, and then the stop under that load. A second run of `--waiting` seconds ends
 * with SIGKILL, after which the next process must serve and have all acknowledged rows in the
 * tables. Exits with 1 if a figure misses its goal or rows are lost.
 */
import { type ChildProcess, fork } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { digits, percentile, table } from "../figures.ts"
import type { LoadOrder, LoadSample } from "./load.ts"
import type { ServerOrder, ServerSample } from "./server.ts"

const { values } = parseArgs({
  options: {
    "tables": { type: "string", default: "200" },
    "rows": { type: "string", default: "10" },
    "per-message": { type: "string", default: "" },
    "seconds": { type: "string", default: "30" },
    "warm-up": { type: "string", default: "10" },
    "waiting": { type: "string", default: "15" },
    "profile": { type: "string", default: "" }
  }
})
const tables = Number(values.tables)
const rows = Number(values.rows)
const perMessage = Number(values["per-message"] === "" ? rows : values["per-message"])
const seconds = Number(values.seconds)
const GOALS = {
  lag: tables <= 200 ? 2000 : 5000,
  growth: 1.5,
  ack: 30,
  load: 0.4,
  stop: 5000,
  ready: 5000,
  visible: 15_000,
  rss: 500
}
/** The maximum duration of one step, in milliseconds. */
const LIMIT = 300_000

const folder = mkdtempSync(join(tmpdir(), "zerobus-tables-"))
/** The command keeps compiled modules between its runs, and these processes do the same. */
const compiled = mkdtempSync(join(tmpdir(), "zerobus-tables-compiled-"))

const start = (
  module: string,
  args: ReadonlyArray<unknown>,
  flags: ReadonlyArray<string> = []
): ChildProcess =>
  fork(new URL(module, import.meta.url), args.map(String), {
    execArgv: ["--conditions=effect-zerobus-source", "--no-warnings", ...flags],
    env: { ...process.env, NODE_COMPILE_CACHE: compiled }
  })

const answer = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      clearTimeout(timer)
      child.off("message", received)
      child.off("exit", ended)
      then()
    }
    const received = (value: unknown) => settle(() => resolve(value as A))
    const ended = (code: number | null) =>
      settle(() => reject(new Error(`A process ended early (${code}).`)))
    const timer = setTimeout(
      () => settle(() => reject(new Error(`No answer within ${LIMIT} ms.`))),
      LIMIT
    )
    child.on("message", received)
    child.on("exit", ended)
  })

const exit = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()))

const ask = <A>(child: ChildProcess, order: ServerOrder | LoadOrder): Promise<A> => {
  const answered = answer<A>(child)
  child.send(order)
  return answered
}

const wait = (millis: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, millis))

const running = new Set<ChildProcess>()
const startServer = async (folder: string, flags: ReadonlyArray<string> = []) => {
  const started = performance.now()
  const child = start("./server.ts", [folder, tables], flags)
  running.add(child)
  const { port } = await answer<{ readonly port: number }>(child)
  return { child, port, started, ready: performance.now() - started }
}
const startLoad = async (port: number): Promise<ChildProcess> => {
  const child = start("./load.ts", [port, tables, rows, perMessage])
  running.add(child)
  await answer(child)
  return child
}

/** Throws unless each table has the acknowledged rows, and no more than the rows sent. */
const check = (
  stored: ReadonlyArray<number>,
  acknowledged: ReadonlyArray<number>,
  sent: number
): void => {
  const lost = acknowledged.reduce((sum, count, n) => sum + Math.max(0, count - stored[n]!), 0)
  const all = stored.reduce((sum, count) => sum + count, 0)
  if (lost > 0) throw new Error(`${lost} acknowledged rows are not in their tables.`)
  if (all > sent) throw new Error(`The tables have ${all} rows where ${sent} were sent.`)
}

/** A run that ends with a stop under load. */
const steady = async (folder: string) => {
  const flags = values.profile === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`]
  const { child: server, port } = await startServer(folder, flags)
  const load = await startLoad(port)
  await wait(Number(values["warm-up"]) * 1000)
  await ask(load, { do: "sample" })
  const before = await ask<ServerSample>(server, { do: "sample" })
  const loadBefore = (await ask<LoadSample>(load, { do: "sample" })).cpu
  const lags: Array<number> = []
  const latencies: Array<number> = []
  let last = before
  let loaded: LoadSample | undefined
  const began = performance.now()
  for (let second = 1; second <= seconds; second++) {
    await wait(began + second * 1000 - performance.now())
    last = await ask(server, { do: "sample" })
    loaded = await ask<LoadSample>(load, { do: "sample" })
    lags.push(last.lag)
    latencies.push(...loaded.latencies)
  }
  const took = performance.now() - began
  const stopping = performance.now()
  server.send({ do: "stop" } satisfies ServerOrder)
  await exit(server)
  const stop = performance.now() - stopping
  const end = await ask<LoadSample>(load, { do: "stop" })
  load.kill()
  const written = last.visible - before.visible
  const third = Math.ceil(lags.length / 3)
  return {
    end,
    written,
    took,
    lag: Math.max(...lags),
    growth: percentile(lags.slice(-third), 0.5) / percentile(lags.slice(0, third), 0.5),
    lags,
    cpu: (last.cpu - before.cpu) / took,
    cpuPerRow: ((last.cpu - before.cpu) * 1000) / written,
    load: ((loaded?.cpu ?? 0) - loadBefore) / took,
    ack: percentile(latencies, 0.5),
    slowAck: percentile(latencies, 0.99),
    rss: last.rss / 1e6,
    stop
  }
}

/** A run that ends with SIGKILL, and the start after it. */
const killed = async (folder: string, before: ReadonlyArray<number>) => {
  const first = await startServer(folder)
  const load = await startLoad(first.port)
  await wait(Number(values.waiting) * 1000)
  first.child.kill("SIGKILL")
  await exit(first.child)
  const { acknowledged, sent } = await ask<LoadSample>(load, { do: "stop" })
  load.kill()
  const expected = acknowledged.map((count, n) => count + before[n]!)
  const { child, ready, started } = await startServer(folder)
  const cpuReady = (await ask<ServerSample>(child, { do: "sample" })).cpu
  let rows = await ask<ReadonlyArray<number>>(child, { do: "rows" })
  const missing = () => rows.some((count, n) => count < expected[n]!)
  while (missing() && performance.now() - started < LIMIT) {
    await wait(100)
    rows = await ask(child, { do: "rows" })
  }
  const visible = performance.now() - started
  const cpuVisible = (await ask<ServerSample>(child, { do: "sample" })).cpu
  child.send({ do: "stop" } satisfies ServerOrder)
  await exit(child)
  check(rows, expected, before.reduce((sum, count) => sum + count, 0) + sent)
  return { ready, visible, cpuReady, cpuVisible }
}

/** The number of rows of each table, counted by a process that opens them. */
const storedIn = async (folder: string): Promise<ReadonlyArray<number>> => {
  const { child } = await startServer(folder)
  const stored = await ask<ReadonlyArray<number>>(child, { do: "rows" })
  child.send({ do: "stop" } satisfies ServerOrder)
  await exit(child)
  return stored
}

/**
 * Fills the cache of compiled modules. A published package has no types to strip; stripping takes
 * 60 MB in the first start.
 */
const warmUp = async (): Promise<void> => {
  const empty = mkdtempSync(join(tmpdir(), "zerobus-tables-warm-"))
  try {
    await storedIn(empty)
  } finally {
    rmSync(empty, { recursive: true, force: true })
  }
}

try {
  await warmUp()
  const run = await steady(folder)
  const stored = await storedIn(folder)
  check(stored, run.end.acknowledged, run.end.sent)
  const { cpuReady, cpuVisible, ready, visible } = await killed(folder, stored)
  console.log(
    `${tables} tables, ${rows} rows a second each in messages of ${perMessage}, ${seconds} s, ` +
      `machine load ${loadavg()[0]!.toFixed(1)}`
  )
  console.log(`Lag by seconds, s: ${run.lags.map((lag) => digits(lag / 1000)).join(" ")}`)
  console.log(`${run.written} rows became visible in ${digits(run.took / 1000)} s.`)
  const figures: ReadonlyArray<readonly [string, number, number | undefined]> = [
    ["lag, worst, ms", run.lag, GOALS.lag],
    ["lag, median of last / first third", run.growth, GOALS.growth],
    ["acknowledgement p50, ms", run.ack, GOALS.ack],
    ["acknowledgement p99, ms", run.slowAck, undefined],
    ["server, share of a core", run.cpu, undefined],
    ["server, processor time per row, us", run.cpuPerRow, undefined],
    ["client, share of a core", run.load, GOALS.load],
    ["memory, MB", run.rss, GOALS.rss * 1.048576],
    ["stop, ms", run.stop, GOALS.stop],
    ["process start to serving after SIGKILL, ms", ready, GOALS.ready],
    ["process start to all rows visible after SIGKILL, ms", visible, GOALS.visible],
    ["processor time of that start until it serves, ms", cpuReady, undefined],
    ["processor time of that start until all rows are visible, ms", cpuVisible, undefined]
  ]
  const lines = figures.map(([name, value, goal]) => [
    name,
    digits(value),
    goal === undefined ? "" : `<= ${digits(goal)}`
  ])
  console.log(table(["figure", "value", "goal"], lines))
  if (figures.some(([, value, goal]) => goal !== undefined && !(value <= goal)))
    process.exitCode = 1
} finally {
  for (const child of running) child.kill("SIGKILL")
  for (const each of [folder, compiled]) rmSync(each, { recursive: true, force: true })
}
