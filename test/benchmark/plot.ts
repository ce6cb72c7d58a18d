/**
 * Records per second against the time to acknowledgement: `npm run bench:plot`. Single records with
 * adaptive batching, and explicit batches of 1, 10, 100 and 1,000 records, each at several offered
 * rates up to 95 % of its maximum. Writes the figures to `docs/performance/latency.json` and
 * the picture to `docs/performance/latency.svg`.
 *
 * - `--draw`: draws the stored figures again without measuring.
 * - `--millis N`: how long each rate is measured, three times; default 2,000. A point is the
 *   median of the three.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { WINDOW } from "./cases.ts"
import type { ClientSpec, Latencies } from "./clients/client.ts"
import { percentile } from "./figures.ts"
import { type LatencyFigures, type LatencyPoint, latencyPicture } from "./picture.ts"
import { type Sink, startClient, startSink } from "./processes.ts"
import type { RunResult } from "./runner.ts"

const { values: flags } = parseArgs({
  options: {
    draw: { type: "boolean", default: false },
    millis: { type: "string", default: "2000" }
  }
})
const millis = Number(flags.millis)
const folder = new URL("../../docs/performance/", import.meta.url)
const json = new URL("latency.json", folder)

const SIZE = 1024
/** With fewer calls, the 99th percentile would be the largest value. */
const MIN_CALLS = 200
const REPEATS = 3

const series: ReadonlyArray<Pick<ClientSpec, "api" | "batch"> & { readonly name: string }> = [
  { name: "single records", api: "single" },
  ...[1, 10, 100, 1000].map((batch) => ({
    name: batch === 1 ? "batches of 1 record" : `batches of ${batch.toLocaleString("en-US")}`,
    api: "batch" as const,
    batch
  }))
]

/** Steps of about a factor of 3, and three close to the peak. */
const ratesUpTo = (peak: number): ReadonlyArray<number> => {
  const steps = [1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6].filter(
    (rate) => rate < 0.45 * peak
  )
  return [...steps, 0.5 * peak, 0.8 * peak, 0.95 * peak]
}

const measureSeries = async (
  sink: Sink,
  one: (typeof series)[number]
): Promise<ReadonlyArray<LatencyPoint>> => {
  const { api, batch } = one
  const [format, port] = ["bytes", sink.port] as const
  const client = await startClient({
    client: "ours",
    api,
    batch,
    size: SIZE,
    format,
    streams: 1,
    port,
    window: WINDOW
  })
  try {
    const runs: Array<number> = []
    for (let n = 0; n < 4; n++) {
      const { records, seconds } = await client.ask<RunResult>({ do: "run", for: 1000 })
      runs.push(records / seconds)
    }
    const peak = percentile(runs.slice(1), 0.5)
    const points: Array<LatencyPoint> = []
    for (const offered of ratesUpTo(peak)) {
      const calls = (offered / (one.batch ?? 1)) * (millis / 1000)
      if (calls < MIN_CALLS) continue
      await client.ask<Latencies>({ do: "latency", rate: offered, for: 500 })
      const taken: Array<Latencies> = []
      for (let n = 0; n < REPEATS; n++) {
        taken.push(await client.ask<Latencies>({ do: "latency", rate: offered, for: millis }))
      }
      const median = (of: (one: Latencies) => number) => percentile(taken.map(of), 0.5)
      points.push({
        series: one.name,
        offered: Math.round(offered),
        reached: Math.round(median(({ rate }) => rate)),
        p50: median(({ times }) => percentile(times, 0.5)),
        p99: median(({ times }) => percentile(times, 0.99)),
        calls: median(({ times }) => times.length)
      })
      console.error(JSON.stringify(points.at(-1)))
    }
    return points
  } finally {
    await client.stop()
  }
}

const measure = async (): Promise<LatencyFigures> => {
  const load = Os.loadavg()[0]!
  if (load > 0.5) console.error(`The machine is not idle (load ${load.toFixed(1)}).`)
  const sink = await startSink()
  const points: Array<LatencyPoint> = []
  try {
    await sink.order({ ackInterval: 0 })
    for (const one of series) points.push(...(await measureSeries(sink, one)))
  } finally {
    await sink.stop()
  }
  const [cpu] = Os.cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    machine:
      `${Os.cpus().length} cores (${cpu?.model.trim()}), ${Os.platform()} ${Os.arch()}, ` +
      `Node ${process.version}`,
    load: Number(load.toFixed(1)),
    recordBytes: SIZE,
    points
  }
}

mkdirSync(folder, { recursive: true })
const figures = flags.draw
  ? (JSON.parse(readFileSync(json, "utf8")) as LatencyFigures)
  : await measure()
if (!flags.draw) writeFileSync(json, `${JSON.stringify(figures, undefined, 2)}\n`)
writeFileSync(
  new URL("latency.svg", folder),
  await latencyPicture(
    figures,
    series.map(({ name }) => name)
  )
)
console.log("docs/performance/latency.json and latency.svg are written.")
