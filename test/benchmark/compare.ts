/**
 * The client of this checkout against the client of an earlier commit, in alternating pairs:
 * `npm run bench:compare -- --base REV [options]`.
 *
 * - `--only TEXT`: the cases whose name contains the text; by default those of {@link defaults}.
 * - `--pairs N`: pairs of runs per case, 7 by default. `--run MILLIS`: length of a run, 1500 by default.
 * - `--noise`: compares the base with itself, which shows how far ratios move on this machine.
 *
 * Both clients of a pair are fresh processes, since V8 may inline a hot path differently from one
 * process to the next. The order within a pair changes from pair to pair. A ratio is taken within a
 * pair; the table shows the median with the smallest and largest ratio. A case counts as slower when
 * the median of its processor time per record is more than 3 % worse and no pair was better than the
 * base. Ends with 1 when a case is slower.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { budgeted, further, specOf, type ThroughputCase } from "./cases.ts"
import { spreadOf, spreadText, table } from "./figures.ts"
import { type Sink, startClient, startSink } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import { warmUp } from "./throughput.ts"

/** The cases that are compared when none is named: those with a budget, two encoders, and many streams. */
const defaults = new Set([
  ...budgeted.map(({ id }) => id),
  "JSON objects 200 B",
  "typed, 20 columns",
  "16 streams, single 1 KB"
])

/** Median of the processor time per record, new over old, above which a case may count as slower. */
const TOLERANCE = 1.03
const WARM_UP = 1000

const { values: flags } = parseArgs({
  options: {
    base: { type: "string" },
    only: { type: "string" },
    pairs: { type: "string", default: "7" },
    run: { type: "string", default: "1500" },
    noise: { type: "boolean", default: false }
  }
})

const root = fileURLToPath(new URL("../..", import.meta.url))
const git = (...args: ReadonlyArray<string>): string =>
  execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim()

/** A checkout of a commit below `.cache`, with packages of its own where the lock file differs. */
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

const runnerOf = (folder: string): URL => pathToFileURL(Path.join(folder, "test/benchmark/runner.ts"))

interface Sample {
  /** Records per second. */
  readonly rate: number
  /** Processor time per record, in microseconds. */
  readonly cpu: number
}

const measure = async (one: ThroughputCase, sink: Sink, module: URL): Promise<Sample> => {
  const client = await startClient(specOf(one, "ours", sink.port), undefined, module)
  try {
    await warmUp(one, sink, client, "ours", { rounds: 1, warmUp: WARM_UP, run: 0 })
    const { cpu, records, seconds } = await client.ask<RunResult>({ do: "run", for: Number(flags.run) })
    return { rate: records / seconds, cpu: (cpu / records) * 1e6 }
  } finally {
    await client.stop()
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
  `${cpus.length} cores (${cpus[0]?.model.trim()}), Node ${process.version}, load ${Os.loadavg()[0]?.toFixed(1)}, ` +
    `${flags.pairs} pairs, new over old: median (min to max)\n`
)
const sink = await startSink()
const rows: Array<ReadonlyArray<string>> = []
let slower = 0
try {
  for (const one of cases) {
    const pairs: Array<{ readonly old: Sample; readonly now: Sample }> = []
    for (let pair = 0; pair < Number(flags.pairs); pair++) {
      const first = await measure(one, sink, pair % 2 === 0 ? base : current)
      const second = await measure(one, sink, pair % 2 === 0 ? current : base)
      pairs.push(pair % 2 === 0 ? { old: first, now: second } : { old: second, now: first })
    }
    const cpu = spreadOf(pairs.map(({ now, old }) => now.cpu / old.cpu))
    const rate = spreadOf(pairs.map(({ now, old }) => now.rate / old.rate))
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
