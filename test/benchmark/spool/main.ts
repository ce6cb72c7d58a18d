/**
 * What a spool costs, as ratios against the same disk and against no spool: `npm run bench:spool -- [--records N] [--outage N] [--dir DIR]`.
 *
 * - `--records N`: records of an ingest, 1,000,000 by default.
 * - `--outage N`: records that wait in an outage, 10,000,000 by default.
 * - `--dir DIR`: a folder of the disk to measure; the default is that of temporary files.
 *
 * Each ingest runs in a process of its own, with a spool and without one in turns. The server is the neutral one of the benchmark; it
 * checks that offsets rise by one. Seconds of a machine that does other work say little; ratios and processor time hold.
 */
import { spawn } from "node:child_process"
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import { fileURLToPath } from "node:url"
import { digits, percentile, table } from "../figures.ts"
import { startSink } from "../processes.ts"
import type { Loaded, LoadOrder } from "./load.ts"

const { values } = parseArgs({
  options: {
    records: { type: "string", default: "1000000" },
    outage: { type: "string", default: "10000000" },
    rounds: { type: "string", default: "3" },
    dir: { type: "string", default: tmpdir() }
  }
})
const [records, outage, rounds] = [Number(values.records), Number(values.outage), Number(values.rounds)]
const folder = mkdtempSync(Path.join(values.dir, "zerobus-bench-spool-"))
const script = fileURLToPath(new URL("./load.ts", import.meta.url))
const MIB = 1024 * 1024

/** Runs one measurement; after a `fill` the process is killed. */
const load = (order: LoadOrder): Promise<Loaded> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--conditions=effect-zerobus-source", "--expose-gc", "--no-warnings", script, JSON.stringify(order)],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    let loaded: Loaded | undefined
    createInterface({ input: child.stdout }).on("line", (line) => {
      loaded = JSON.parse(line) as Loaded
      if (order.task === "fill") child.kill("SIGKILL")
    })
    child.once("exit", () => (loaded === undefined ? reject(new Error(`no result of ${order.task}`)) : resolve(loaded)))
  })

/** Bytes per second that the disk takes in writes of 4 MiB, each synchronised. */
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
/** Adds a row, which is shown at once as well: a run takes minutes. */
const row = (...cells: readonly [what: string, measured: string, ratio: string, goal: string]): void => {
  rows.push(cells)
  console.error(cells.join(" | "))
}

let spools = 0
const newSpool = (): string => Path.join(folder, `spool-${++spools}`)
const sink = await startSink()
try {
  const { port } = await sink.order({ verify: true })
  const median = (list: ReadonlyArray<number>): number => percentile(list, 0.5)
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
      const path = newSpool()
      spooled.push(await load({ task: "ingest", port, bytes, records: count, by, folder: path }))
      rmSync(path, { recursive: true })
    }
    const rate = count / median(spooled.map(({ seconds }) => seconds))
    const ofDisk = median(spooled.map(({ seconds }, n) => (count * bytes) / seconds / disks[n]!))
    const cpu = median(spooled.map((one, n) => one.cpu / plain[n]!.cpu))
    const name = `${by === "sink" ? "sink" : by === "batches" ? "ingestRecords of 100" : "1,024 fibers"}, ${bytes} B`
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
  const lonePath = newSpool()
  const lone = await load({ task: "lone", port, bytes: 100, records: 500, folder: lonePath })
  row(
    "lone ingestRecord, median",
    `${digits(lone.call!)} ms`,
    `${digits(lone.call! / lone.disk!)} of one fdatasync (${digits(lone.disk!)} ms)`,
    `<= ${digits(lone.disk! * 1.5 + 0.3)} ms`
  )
  rmSync(lonePath, { recursive: true })

  // No server listens at the port of this outage.
  const path = newSpool()
  const full = await load({ task: "fill", port: 1, bytes: 100, records: outage, folder: path })
  const bytes = bytesIn(path)
  row(`outage, ${outage} records of 100 B: memory`, `${digits(full.grown)} MiB`, "", `<= ${digits(64 * 1.2 + 32)} MiB`)
  await sink.order({})
  const drained = await load({ task: "drain", port, bytes: 100, records: outage, folder: path })
  const { records: sent, violation } = await sink.order({})
  const gibibytes = bytes / 1024 ** 3
  row(
    "opening after a kill",
    `${digits(drained.opening)} s`,
    `${digits(drained.opening / gibibytes)} s per GiB`,
    "<= 2"
  )
  row("draining: memory", `${digits(drained.grown)} MiB`, "", `<= ${digits(64 * 1.2 + 32)} MiB`)
  row(
    "draining",
    `${digits(outage / drained.seconds / 1000)} thousand records/s`,
    `${sent} sent${violation === undefined ? ", in order" : `: ${violation}`}`,
    ""
  )
  console.log(table(["what", "measured", "ratio", "goal"], rows))
} finally {
  await sink.stop()
  rmSync(folder, { recursive: true, force: true })
}
