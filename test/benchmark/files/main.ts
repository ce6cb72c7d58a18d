/**
 * `npm run bench:ingest -- [--rows N] [--rounds N] [--starts N] [--base FOLDER] [--profile
 * FOLDER]`: the cost of the command line.
 *
 * - `zerobus ingest` of a file of N rows and eleven columns into the neutral sink, as NDJSON and as
 * CSV: the processor time of the whole process over that of DuckDB, which reads the same file and
 * copies it to Parquet in the same round. The catalog and the token come from `zerobus local`.
 * Fails unless every row arrives and is durable.
 *
 * - `zerobus --help` over `node -e 0`: with an empty compile cache, and with the cache that this
 * run has left.
 *
 * Measures the built package. `--base` names another built checkout, which is measured in turns
 * with this one. `--profile` writes the processor profile of each ingest to a folder.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { fileURLToPath, pathToFileURL } from "node:url"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import { startSink } from "../processes.ts"
import { definitionOf, type FileFormat, writeReadings } from "./readings.ts"

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "20000" },
    rounds: { type: "string", default: "3" },
    starts: { type: "string", default: "10" },
    base: { type: "string" },
    profile: { type: "string" }
  }
})
const rows = Number(flags.rows)
const rounds = Number(flags.rounds)
const starts = Number(flags.starts)

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const commandOf = (checkout: string): string => Path.resolve(checkout, "dist/cli/main.js")
const builds: Record<string, string> = {
  "this checkout": commandOf(from("../../..")),
  ...(flags.base === undefined ? {} : { base: commandOf(flags.base) })
}
for (const command of Object.values(builds)) {
  if (!Fs.existsSync(command))
    throw new Error(`${command} is missing: build that checkout with "npm run build".`)
}

const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bench-ingest-"))
const preload = ["--import", pathToFileURL(from("./cpuAtExit.mjs")).href]

interface Measured {
  readonly out: string
  /** Processor time of the process, in seconds. */
  readonly cpu: number
  /** From its start to its end, in seconds. */
  readonly seconds: number
}

/** Runs Node to its end. */
const measured = async (
  args: ReadonlyArray<string>,
  environment: Record<string, string> = {}
): Promise<Measured> => {
  const began = performance.now()
  const child = spawn(process.execPath, [...preload, ...args], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit", "pipe"]
  })
  let out = ""
  let cpu = ""
  child.stdout!.on("data", (data) => (out += data))
  child.stdio[3]!.on("data", (data) => (cpu += data))
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}.`)
  return { out, cpu: Number(cpu) / 1e6, seconds: (performance.now() - began) / 1000 }
}

/** Ratios and times of each build, by measurement. */
const results: Array<ReadonlyArray<string>> = []

const measureIngest = async (format: FileFormat): Promise<void> => {
  const file = Path.join(folder, `readings.${format}`)
  writeReadings(file, format, rows)
  const size = Fs.statSync(file).size
  const name = `main.default.${format}`
  const local = spawn(
    process.execPath,
    [
      builds["this checkout"]!,
      "local",
      "--memory",
      "--port=0",
      "--http-port=0",
      "--json",
      "--table",
      definitionOf(name)
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const sink = await startSink()
  try {
    const [line] = (await once(local.stdout!, "data")) as [Buffer]
    const { environment } = JSON.parse(line.toString()) as {
      readonly environment: Record<string, string>
    }
    await sink.order({ verify: true })
    const ours = new Map(Object.keys(builds).map((build) => [build, [] as Array<Measured>]))
    const peer: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const copied = await measured([from("./duckdbCopy.ts"), format, file, folder])
      const { cpu, rows: copiedRows } = JSON.parse(copied.out) as {
        readonly cpu: number
        readonly rows: number
      }
      if (copiedRows !== rows) throw new Error(`DuckDB copied ${copiedRows} of ${rows} rows.`)
      peer.push(cpu / 1e6)
      for (const [build, command] of Object.entries(builds)) {
        const profile =
          flags.profile === undefined
            ? []
            : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}/${format}-${build}`]
        const run = await measured(
          [...profile, command, "ingest", file, "--table", name, "--json"],
          {
            ...environment,
            ZEROBUS_SERVER_ENDPOINT: `http://127.0.0.1:${sink.port}`
          }
        )
        const { durable } = JSON.parse(run.out) as { readonly durable: number }
        const arrived = await sink.order({})
        if (durable !== rows || arrived.records !== rows || arrived.violation !== undefined) {
          throw new Error(
            `${durable} of ${rows} rows durable, ${arrived.records} arrived: ${arrived.violation}`
          )
        }
        ours.get(build)!.push(run)
        console.error(`${format}, ${build}: ${digits(run.cpu / peer[round]!)} x DuckDB`)
      }
    }
    for (const [build, runs] of ours) {
      results.push([
        `ingest, ${format.toUpperCase()}, ${digits(size / rows)} B a row, over DuckDB`,
        build,
        spreadText(spreadOf(runs.map(({ cpu }, round) => cpu / peer[round]!))),
        digits((spreadOf(runs.map(({ cpu }) => cpu)).median / rows) * 1e6),
        digits((spreadOf(peer).median / rows) * 1e6),
        `${digits(rows / spreadOf(runs.map(({ seconds }) => seconds)).median / 1e3)} thousand ` +
          `rows/s`
      ])
    }
  } finally {
    await sink.stop()
    local.kill()
    await once(local, "exit")
    Fs.rmSync(file)
  }
}

const measureStart = async (): Promise<void> => {
  const empty = (n: number) => ({ NODE_COMPILE_CACHE: Path.join(folder, `cache-${n}`) })
  for (const [at, [build, command]] of Object.entries(builds).entries()) {
    const cold: Array<Measured> = []
    const warm: Array<Measured> = []
    const bare: Array<Measured> = []
    for (let n = 0; n < starts; n++) {
      bare.push(await measured(["-e", "0"]))
      cold.push(await measured([command, "--help"], empty(at * starts + n)))
      warm.push(await measured([command, "--help"], empty(at * starts)))
    }
    for (const [what, runs] of [
      ["cache empty", cold],
      ["cache warm", warm]
    ] as const) {
      results.push([
        `zerobus --help, ${what}, over node -e 0`,
        build,
        spreadText(spreadOf(runs.map(({ cpu }, n) => cpu / bare[n]!.cpu))),
        digits(spreadOf(runs.map(({ cpu }) => cpu)).median * 1e6),
        digits(spreadOf(bare.map(({ cpu }) => cpu)).median * 1e6),
        `${digits(spreadOf(runs.map(({ seconds }, n) => seconds / bare[n]!.seconds)).median)} ` +
          `of the time`
      ])
    }
  }
}

try {
  await measureStart()
  if (rows > 0) for (const format of ["ndjson", "csv"] as const) await measureIngest(format)
} finally {
  Fs.rmSync(folder, { recursive: true, force: true })
}
console.log(
  `${Os.cpus().length} cores (${Os.cpus()[0]?.model.trim()}), Node ${process.version}, load ` +
    `${digits(Os.loadavg()[0]!)}, ` +
    `${rows} rows, ${rounds} rounds, ${starts} starts; median (min to max) of processor time\n`
)
console.log(table(["what", "build", "ratio", "us/row or us", "peer, us", "beside"], results))
