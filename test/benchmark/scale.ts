/**
 * Whether the cost of a record is independent of the number of records: 10^5, 10^6 and 10^7 records
 * over one stream within the same window, and 1 to 16 streams that share one window. Records have
 * 100 B and use the single-record API, where the client's share of the cost is largest.
 *
 * The measure is processor time per record. The rate in records per second also depends on other
 * work of the machine, and with 10^5 records mostly on the wait for the last acknowledgement. The
 * 10^5 records are sent and waited for ten times as one sample, because reading the counters takes
 * two milliseconds of processor time. All counts are measured in turns within a round, and each is
 * compared with 10^6 records (or one stream) of the same round. The median of those ratios must be
 * flat. Each process first sends three million records, so that neither compiling nor the first
 * growth of the heap is measured.
 */
import { WINDOW as SHARED } from "./cases.ts"
import { digits, type Spread, spreadOf } from "./figures.ts"
import type { ClientProcess, Sink } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import { type Budget, budgetsOf, type ScenarioResult, startScenarioClient } from "./scenario.ts"

const SIZE = 100
/** For the counts: smaller than every count, so that all of them reach it. */
const WINDOW = 50_000
const WARM_UP = 3_000_000
const FLAT = 0.15
const COUNTS = [100_000, 1_000_000, 10_000_000]
const STREAMS = [1, 4, 16]

interface Sample {
  readonly records: number
  readonly seconds: number
  readonly cpu: number
  readonly rss: number
}

/** Sends this many records and waits for their acknowledgement, `times` times, as one sample. */
const send = async (client: ClientProcess, records: number, times = 1): Promise<Sample> => {
  const run = await client.ask<RunResult>({ do: "count", records, times })
  return { records: run.records, seconds: run.seconds, cpu: run.cpu, rss: run.rssPeak }
}

const costOf = ({ cpu, records }: Sample): number => (cpu / records) * 1e6

const flatBudget = (what: string, ratio: Spread): Budget => ({
  text: `${what} ${digits(ratio.median)}, within ${1 - FLAT} to ${1 + FLAT}`,
  met: Math.abs(ratio.median - 1) <= FLAT
})

/** One row: the figures of these samples, and their ratios to those of the same rounds. */
const row = (
  id: string,
  samples: ReadonlyArray<Sample>,
  base: ReadonlyArray<Sample>,
  against: string,
  memory: boolean
): ScenarioResult => {
  const ratio = (of: (sample: Sample) => number) =>
    spreadOf(samples.map((sample, n) => of(sample) / of(base[n]!)))
  const cost = ratio(costOf)
  const rss = ratio((sample) => sample.rss)
  return {
    id,
    client: "ours",
    figures: {
      "CPU us/record": spreadOf(samples.map(costOf)),
      "million records/s": spreadOf(samples.map(({ records, seconds }) => records / seconds / 1e6)),
      "RSS MB": Math.max(...samples.map((sample) => sample.rss)) / 1e6,
      [`CPU / ${against}`]: cost
    },
    ...budgetsOf(
      samples === base
        ? []
        : [flatBudget("CPU per record", cost), ...(memory ? [flatBudget("memory", rss)] : [])]
    )
  }
}

const byCount = async (sink: Sink, rounds: number): Promise<ReadonlyArray<ScenarioResult>> => {
  const client = await startScenarioClient(sink, "ours", { size: SIZE, window: WINDOW })
  const samples = new Map<number, Array<Sample>>(COUNTS.map((count) => [count, []]))
  try {
    await send(client, WARM_UP)
    for (let round = 0; round < rounds; round++) {
      for (const count of COUNTS)
        samples.get(count)!.push(await send(client, count, Math.max(1, 1_000_000 / count)))
    }
  } finally {
    await client.stop()
  }
  const base = samples.get(1_000_000)!
  return COUNTS.map((count) =>
    row(
      `scale: ${count.toLocaleString("en-US")} records, 1 stream`,
      samples.get(count)!,
      base,
      "1,000,000",
      true
    )
  )
}

const byStreams = async (sink: Sink, rounds: number): Promise<ReadonlyArray<ScenarioResult>> => {
  const clients = new Map<number, ClientProcess>()
  const samples = new Map<number, Array<Sample>>(STREAMS.map((streams) => [streams, []]))
  try {
    for (const streams of STREAMS) {
      clients.set(streams, await startScenarioClient(sink, "ours", { size: SIZE, streams }))
      await send(clients.get(streams)!, WARM_UP)
    }
    for (let round = 0; round < rounds; round++) {
      for (const [streams, client] of clients)
        samples.get(streams)!.push(await send(client, 2_000_000))
    }
  } finally {
    for (const client of clients.values()) await client.stop()
  }
  // A stream has its own buffers, so memory grows with their number.
  return STREAMS.map((streams) =>
    row(
      `scale: ${streams === 1 ? "one stream" : `${streams} streams`} in a window of ` +
        `${SHARED.toLocaleString("en-US")}`,
      samples.get(streams)!,
      samples.get(1)!,
      "1 stream",
      false
    )
  )
}

/** Measures both, with `rounds` rounds each. */
export const measureScale = async (
  sink: Sink,
  rounds: number
): Promise<ReadonlyArray<ScenarioResult>> => [
  ...(await byCount(sink, rounds)),
  ...(await byStreams(sink, rounds))
]
