/**
 * The cost of a spool, as ratios to the same disk and to a stream without a spool: `npm run
 * bench:spool`. Options are below and in the README.
 *
 * Each measurement runs in a separate process, and ingests with and without a spool take turns. The
 * server is the benchmark's neutral one, which checks that offsets rise by one. On a machine with
 * other work, seconds are not reliable; ratios and processor time are.
 */
import { spawn } from "node:child_process"
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import { fileURLToPath } from "node:url"
import { digits, percentile, table } from "../figures.ts"
import { startSink } from "../processes.ts"
import type { Loaded, LoadOrder } from "./load.ts"

const parts = ["ingest", "lone", "outage", "opening"] as const

const { values } = parseArgs({
  options: {
    /** Only one of the parts. */
    only: { type: "string" },
    /** Records of an ingest. */
    records: { type: "string", default: "1000000" },
    /** Rounds of each ingest and of the opening. */
    rounds: { type: "string", default: "3" },
    /** Records of 100 B that wait during an outage. */
    outage: { type: "string", default: "10000000" },
    /** The size of the spool that is opened, in GiB. */
    opening: { type: "string", default: "4" },
    /** A folder on the disk to measure. */
    dir: { type: "string", default: tmpdir() },
    /** Minutes after which the run is aborted. */
    limit: { type: "string", default: "20" }
  }
})
const GIB = 1024 ** 3
const MIB = 1024 ** 2
const [records, outage, rounds] = [
  Number(values.records),
  Number(values.outage),
  Number(values.rounds)
]
const openingBytes = Number(values.opening) * GIB
const runs = (part: (typeof parts)[number]): boolean =>
  values.only === undefined || values.only === part
if (values.only !== undefined && !parts.some((part) => part === values.only)) {
  throw new Error(`--only takes ${parts.join(", ")}, not ${values.only}`)
}

/** Bytes on disk of the largest spool; only one exists at a time. */
const most = Math.max(
  runs("ingest") ? records * 1_040 : 0,
  runs("outage") ? outage * 104 : 0,
  runs("opening") ? openingBytes : 0,
  256 * MIB
)
const { bavail, bsize } = statfsSync(values.dir)
if (bavail * bsize < most * 1.1) {
  throw new Error(
    `${values.dir} has ${digits((bavail * bsize) / GIB)} GiB free; ` +
      `${digits((most * 1.1) / GIB)} are needed`
  )
}
console.error(`${values.dir}: up to ${digits(most / GIB)} GiB; at most ${values.limit} minutes`)

const folder = mkdtempSync(Path.join(values.dir, "zerobus-bench-spool-"))
const script = fileURLToPath(new URL("./load.ts", import.meta.url))
const limit = AbortSignal.timeout(Number(values.limit) * 60_000)

/** Runs one measurement; after a `fill` the process is killed. */
const load = (order: LoadOrder): Promise<Loaded> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        "--conditions=effect-zerobus-source",
        "--expose-gc",
        "--no-warnings",
        script,
        JSON.stringify(order)
      ],
      { stdio: ["ignore", "pipe", "inherit"], signal: limit, killSignal: "SIGKILL" }
    )
    let loaded: Loaded | undefined
    createInterface({ input: child.stdout }).on("line", (line) => {
      loaded = JSON.parse(line) as Loaded
      if (order.task === "fill") child.kill("SIGKILL")
    })
    child.once("error", () => {
      // The error of the abort signal; `exit` follows.
    })
    child.once("exit", () => {
      if (limit.aborted)
        reject(new Error(`not done within ${values.limit} minutes; see --limit and --only`))
      else if (loaded === undefined) reject(new Error(`no result of ${order.task}`))
      else resolve(loaded)
    })
  })

/** The rate of the disk in bytes per second, for writes of 4 MiB, each synchronised. */
const diskRate = (): number => {
  const path = Path.join(folder, "sequential")
  const file = openSync(path, "w")
  const block = new Uint8Array(4 * MIB).fill(0x61)
  const started = performance.now()
  for (let n = 0; n < 64; n++) {
    writeSync(file, block)
    fdatasyncSync(file)
  }
  const seconds = (performance.now() - started) / 1000
  closeSync(file)
  rmSync(path)
  return (64 * block.length) / seconds
}

const bytesIn = (path: string): number =>
  readdirSync(path).reduce((sum, name) => sum + statSync(Path.join(path, name)).size, 0)

const rows: Array<ReadonlyArray<string>> = []
/** Adds a row and prints it at once: a run takes minutes. */
const row = (
  ...cells: readonly [what: string, measured: string, ratio: string, goal: string]
): void => {
  rows.push(cells)
  console.error(cells.join(" | "))
}

let spools = 0
/** Runs with the folder of a spool, which is deleted afterwards. */
const withSpool = async <A>(run: (path: string) => Promise<A>): Promise<A> => {
  const path = Path.join(folder, `spool-${++spools}`)
  try {
    return await run(path)
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}
const median = (list: ReadonlyArray<number>): number => percentile(list, 0.5)
/** The option of streams whose memory is measured. */
const maxInflightBytes = 64 * MIB
const memoryGoal = `<= ${digits((maxInflightBytes * 1.2) / MIB + 32)} MiB`

const ingest = async (port: number): Promise<void> => {
  for (const [by, bytes] of [
    ["sink", 100],
    ["batches", 100],
    ["fibers", 100],
    ["sink", 1_024]
  ] as const) {
    const [plain, spooled, disks]: [Array<Loaded>, Array<Loaded>, Array<number>] = [[], [], []]
    const count = by === "fibers" ? records / 10 : records
    for (let n = 0; n < rounds; n++) {
      plain.push(await load({ task: "ingest", port, bytes, records: count, by }))
      disks.push(diskRate())
      spooled.push(
        await withSpool((path) =>
          load({ task: "ingest", port, bytes, records: count, by, folder: path })
        )
      )
      // Before and after the ingest: the speed of virtual disks varies.
      disks[n] = (disks[n]! + diskRate()) / 2
    }
    const rate = count / median(spooled.map(({ seconds }) => seconds))
    const ofDisk = median(spooled.map(({ seconds }, n) => (count * bytes) / seconds / disks[n]!))
    const cpu = median(spooled.map((one, n) => one.cpu / plain[n]!.cpu))
    const way = { sink: "sink", batches: "ingestRecords of 100", fibers: "1,024 fibers" }[by]
    const name = `${way}, ${bytes} B`
    row(
      name,
      `${digits(rate / 1000)} thousand records/s`,
      `${digits(ofDisk)} of the disk's ${digits(median(disks) / 1e6)} MB/s`,
      by === "fibers" ? "" : bytes === 100 ? ">= 300 thousand/s" : ">= 0.5 of the disk"
    )
    row(
      `${name}: processor time`,
      `${digits(median(spooled.map((one) => one.cpu)))} µs a record`,
      `${digits(cpu)} of no spool`,
      by === "fibers" ? "" : "<= 2.5"
    )
  }
}

const lone = async (port: number): Promise<void> => {
  const { call, disk } = await withSpool((path) =>
    load({ task: "lone", port, bytes: 100, records: 500, folder: path })
  )
  row(
    "lone ingestRecord, median",
    `${digits(call!)} ms`,
    `${digits(call! / disk!)} of one fdatasync (${digits(disk!)} ms)`,
    `<= ${digits(disk! * 1.5 + 0.3)} ms`
  )
}

/** No server listens at this port. */
const nowhere = 1

const outageOf = (port: number): Promise<void> =>
  withSpool(async (path) => {
    const order = { bytes: 100, records: outage, folder: path, maxInflightBytes }
    const full = await load({ ...order, task: "fill", port: nowhere })
    row(`outage, ${outage} records of 100 B: memory`, `${digits(full.grown)} MiB`, "", memoryGoal)
    await sink.order({})
    const drained = await load({ ...order, task: "drain", port })
    const { records: sent, violation } = await sink.order({})
    row("draining after a kill: memory", `${digits(drained.grown)} MiB`, "", memoryGoal)
    row(
      "draining",
      `${digits(outage / drained.seconds / 1000)} thousand records/s`,
      `${sent} sent${violation === undefined ? ", in order" : `: ${violation}`}`,
      "all, in order"
    )
  })

/** The start of a stream with an empty spool is measured too and subtracted. */
const opening = (): Promise<void> =>
  withSpool(async (path) => {
    const order = {
      port: nowhere,
      bytes: 1_024,
      records: Math.ceil(openingBytes / 1_040),
      folder: path,
      maxInflightBytes
    }
    await load({ ...order, task: "fill" })
    const gibibytes = bytesIn(path) / GIB
    const open = (folder: string) => load({ ...order, task: "open", folder })
    const [empty, full]: [Array<Loaded>, Array<Loaded>] = [[], []]
    for (let n = 0; n < rounds; n++) {
      empty.push(await withSpool(open))
      full.push(await open(path))
    }
    const [least, seconds] = [empty, full].map((list) =>
      median(list.map((one) => one.opening))
    ) as [number, number]
    row(
      `opening ${digits(gibibytes)} GiB after a kill`,
      `${digits(seconds)} s; an empty spool ${digits(least)} s`,
      `${digits((seconds - least) / gibibytes)} s per GiB`,
      "<= 2 s per GiB"
    )
    row("opening: memory", `${digits(median(full.map(({ grown }) => grown)))} MiB`, "", memoryGoal)
  })

const sink = await startSink()
try {
  const { port } = await sink.order({ verify: true })
  if (runs("ingest")) await ingest(port)
  if (runs("lone")) await lone(port)
  if (runs("outage")) await outageOf(port)
  if (runs("opening")) await opening()
  console.log(table(["what", "measured", "ratio", "goal"], rows))
} finally {
  await sink.stop()
  rmSync(folder, { recursive: true, force: true })
}
