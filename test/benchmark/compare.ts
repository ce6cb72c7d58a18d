/**
 * The client of this checkout against the client of an earlier commit, in alternating pairs:
 * `npm run bench:compare -- --base REV [options]`.
 *
 * - `--only TEXT`: the cases whose name contains the text; by default those of {@link defaults}.
 * - `--pairs N`: pairs of processes per case, 7 by default.
 * - `--run MILLIS`: time that each process of a pair is measured, 4000 by default.
 * - `--noise`: compares the base with itself, which shows how far ratios move on this machine.
 *
 * Both clients of a pair are fresh processes, because V8 may inline a hot path differently in each
 * process. They take short runs in turns, because the speed of a shared machine varies from second
 * to second; a pair's ratio is the median over its turns. The table shows the median
 * over the pairs with the smallest and largest ratio. A case counts as slower when the median of
 * its processor time per record is more than 3 % worse and no pair was better than the base. Exits
 * with 1 if a case is slower.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { budgeted, further, specOf, type ThroughputCase } from "./cases.ts"
import { spreadOf, spreadText, table } from "./figures.ts"
import { type ClientProcess, type Sink, startClient, startSink } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import { warmUp } from "./throughput.ts"

/** The cases that are compared by default: those with a budget, two encoders, and many streams. */
const defaults = new Set([
  ...budgeted.map(({ id }) => id),
  "JSON objects 200 B",
  "typed, 20 columns",
  "16 streams, single 1 KB"
])

/**
 * The median ratio of processor time per record, new over old, above which a case may count as
 * slower.
 */
const TOLERANCE = 1.03
const WARM_UP = 1000
/** Runs of each process of a pair. */
const TURNS = 8

const { values: flags } = parseArgs({
  options: {
    base: { type: "string" },
    only: { type: "string" },
    pairs: { type: "string", default: "7" },
    run: { type: "string", default: "4000" },
    noise: { type: "boolean", default: false }
  }
})

const root = fileURLToPath(new URL("../..", import.meta.url))
const git = (...args: ReadonlyArray<string>): string =>
  execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim()

/** A checkout of a commit below `.cache`, with separate packages if the lock file differs. */
const checkout = (revision: string): string => {
  const commit = git("rev-parse", "--verify", `${revision}^{commit}`)
  const folder = Path.join(root, ".cache/compare", commit)
  if (existsSync(Path.join(folder, "node_modules"))) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const archive = Path.join(folder, "archive.tar")
  git("archive", "-o", archive, commit)
  execFileSync("tar", ["-xf", archive], { cwd: folder })
  rmSync(archive)
  const lockOf = (place: string) => readFileSync(Path.join(place, "package-lock.json"), "utf8")
  if (lockOf(folder) === lockOf(root)) {
    symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"))
  } else {
    execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "ignore" })
  }
  return folder
}

const runnerOf = (folder: string): URL =>
  pathToFileURL(Path.join(folder, "test/benchmark/runner.ts"))

interface Sample {
  /** Records per second. */
  readonly rate: number
  /** Processor time per record, in microseconds. */
  readonly cpu: number
}

const run = async (client: ClientProcess, millis: number): Promise<Sample> => {
  const { cpu, records, seconds } = await client.ask<RunResult>({ do: "run", for: millis })
  return { rate: records / seconds, cpu: (cpu / records) * 1e6 }
}

interface Ratios {
  readonly cpu: number
  readonly rate: number
}

/**
 * The ratios of new over old for one pair of processes: the median over short runs that take turns,
 * with the first place alternating.
 */
const measurePair = async (
  one: ThroughputCase,
  sink: Sink,
  old: URL,
  now: URL
): Promise<Ratios> => {
  const clients: Array<ClientProcess> = []
  try {
    for (const module of [old, now]) {
      const client = await startClient(specOf(one, "ours", sink.port), undefined, module)
      clients.push(client)
      await warmUp(one, sink, client, "ours", { rounds: 1, warmUp: WARM_UP, run: 0 })
    }
    const ratios: Array<Ratios> = []
    for (let turn = 0; turn < TURNS; turn++) {
      const samples: Array<Sample> = []
      const order = turn % 2 === 0 ? [0, 1] : [1, 0]
      for (const index of order)
        samples[index] = await run(clients[index]!, Number(flags.run) / TURNS)
      ratios.push({
        cpu: samples[1]!.cpu / samples[0]!.cpu,
        rate: samples[1]!.rate / samples[0]!.rate
      })
    }
    return {
      cpu: spreadOf(ratios.map(({ cpu }) => cpu)).median,
      rate: spreadOf(ratios.map(({ rate }) => rate)).median
    }
  } finally {
    for (const client of clients) await client.stop()
  }
}

if (flags.base === undefined) {
  console.error("Name the commit to compare with: npm run bench:compare -- --base REV")
  process.exit(2)
}
const base = runnerOf(checkout(flags.base))
const current = flags.noise ? base : runnerOf(root)
const cases = [...budgeted, ...further].filter(({ id, tls }) =>
  flags.only === undefined ? defaults.has(id) : !tls && id.includes(flags.only)
)
const cpus = Os.cpus()
console.log(
  `${cpus.length} cores (${cpus[0]?.model.trim()}), Node ${process.version}, load ` +
    `${Os.loadavg()[0]?.toFixed(1)}, ` +
    `${flags.pairs} pairs, new over old: median (min to max)\n`
)
const sink = await startSink()
const rows: Array<ReadonlyArray<string>> = []
let slower = 0
try {
  for (const one of cases) {
    const pairs: Array<Ratios> = []
    for (let pair = 0; pair < Number(flags.pairs); pair++)
      pairs.push(await measurePair(one, sink, base, current))
    const cpu = spreadOf(pairs.map((ratios) => ratios.cpu))
    const rate = spreadOf(pairs.map((ratios) => ratios.rate))
    const isSlower = cpu.median > TOLERANCE && cpu.min > 1
    if (isSlower) slower++
    rows.push([one.id, spreadText(cpu), spreadText(rate), isSlower ? "slower" : "-"])
    console.error(rows.at(-1)!.join("   "))
  }
} finally {
  await sink.stop()
}
console.log(table(["case", "CPU per record, new / old", "rate, new / old", ""], rows))
if (slower > 0) process.exitCode = 1
