/**
 * What is measured beside throughput: memory behind a server that does not answer, time to acknowledgement, recovery after a cut,
 * many streams, and the garbage of one record.
 */
import { specOf } from "./cases.ts"
import type { ClientName } from "./clients/client.ts"
import { digits, percentile, table } from "./figures.ts"
import { type ClientProcess, type Sink, startClient } from "./processes.ts"
import type { Opened, RunResult } from "./runner.ts"

/** One measured fact, with its budget where there is one. */
export interface ScenarioResult {
  readonly id: string
  readonly client: ClientName
  readonly figures: Readonly<Record<string, number>>
  /** What the design allows, in words, and whether it was kept. */
  readonly budget?: { readonly text: string; readonly met: boolean }
}

const MIB = 1024 * 1024
/** The default of `maxInflightBytes`. */
const MAX_INFLIGHT_BYTES = 128 * MIB

const single = (size: number, streams = 1) => ({ api: "single", size, format: "bytes", streams }) as const

const withClient = async <A>(
  sink: Sink,
  name: ClientName,
  options: {
    readonly size: number
    readonly streams?: number
    readonly window?: number
    readonly flags?: ReadonlyArray<string>
  },
  use: (client: ClientProcess) => Promise<A>
): Promise<A> => {
  const { flags, size, streams = 1, window } = options
  const client = await startClient(
    specOf(single(size, streams), name, sink.port, window === undefined ? {} : { window }),
    flags
  )
  try {
    return await use(client)
  } finally {
    await client.stop()
    await sink.order({ mode: "ack", ackInterval: 5 })
  }
}

/** Fills a client whose server reads but never acknowledges, or does not even read; up to a million records of 1 KB. */
const stalled = async (
  sink: Sink,
  name: ClientName,
  mode: "silent" | "frozen",
  within: number
): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 1024, window: 1_000_000 }, async (client) => {
    await sink.order({ mode })
    const { records, rss, rssBefore } = await client.ask<RunResult>({ do: "fill", records: 1_000_000, within })
    const grown = (rss - rssBefore) / MIB
    const limit = (1.2 * MAX_INFLIGHT_BYTES) / MIB + 32
    return {
      id: `server ${mode === "silent" ? "does not acknowledge" : "does not read"}`,
      client: name,
      figures: { "records taken": records, "RSS grown, MiB": grown },
      ...(name === "ours" ? { budget: { text: `<= ${digits(limit)} MiB`, met: grown <= limit } } : {})
    }
  })

/** Times to acknowledgement at a steady rate. The sink acknowledges each read at once, so that the client is what is measured. */
const latency = async (
  sink: Sink,
  name: ClientName,
  rate: number,
  millis: number,
  id: string
): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 1024 }, async (client) => {
    await sink.order({ ackInterval: 0 })
    await client.ask({ do: "latency", rate, for: Math.min(1000, millis) })
    const times = await client.ask<ReadonlyArray<number>>({ do: "latency", rate, for: millis })
    return {
      id,
      client: name,
      figures: {
        "p50 ms": percentile(times, 0.5),
        "p99 ms": percentile(times, 0.99),
        ...(times.length < 1000 ? {} : { "p99.9 ms": percentile(times, 0.999) }),
        "samples": times.length
      }
    }
  })

/** Cuts the connection with so many records of 100 B in flight, and measures until all of them are acknowledged. */
const recovery = async (sink: Sink, name: ClientName, records: number): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 100, window: 1_000_000 }, async (client) => {
    // Some acknowledged records, so that the connection counts as one that worked.
    await client.ask({ do: "run", for: 300 })
    await sink.order({ mode: "silent" })
    const { records: filled } = await client.ask<RunResult>({ do: "fill", records, within: 60_000 })
    await sink.order({ mode: "ack", cut: true })
    const { loopDelayMax, seconds } = await client.ask<RunResult>({ do: "flush" })
    return {
      id: `cut with ${records.toLocaleString("en-US")} in flight`,
      client: name,
      figures: { "in flight": filled, "recovered in ms": seconds * 1000, "loop blocked ms": loopDelayMax }
    }
  })

/** Opens many streams, each with a connection of its own. */
const manyStreams = async (sink: Sink, streams: number): Promise<ScenarioResult> =>
  withClient(sink, "ours", { size: 100, streams, window: 1_000_000 }, (client) => {
    const { millis, rss, rssBefore }: Opened = client.opened
    return Promise.resolve({
      id: `${streams.toLocaleString("en-US")} streams opened`,
      client: "ours",
      figures: {
        "ms": millis,
        "RSS grown, MiB": (rss - rssBefore) / MIB,
        "KiB per stream": (rss - rssBefore) / 1024 / streams
      }
    })
  })

/** Heap bytes that one record leaves behind, in a heap so large that nothing is collected meanwhile. */
const allocations = async (sink: Sink, size: number): Promise<ScenarioResult> =>
  withClient(
    sink,
    "ours",
    { size, flags: ["--min-semi-space-size=256", "--max-semi-space-size=256"] },
    async (client) => {
      const records = Math.min(200_000, Math.floor((20 * MIB) / size))
      const { bytes } = await client.ask<{ readonly bytes: number | undefined }>({ do: "allocations", records })
      const limit = 1.5 * size + 64
      return {
        id: `heap of one record of ${size} B`,
        client: "ours",
        figures: { "bytes per record": bytes ?? Number.NaN },
        budget: { text: `<= ${digits(limit)} B`, met: bytes !== undefined && bytes <= limit }
      }
    }
  )

/** What the scenarios need to know of the rest. */
export interface ScenarioOptions {
  readonly quick: boolean
  readonly native: boolean
  readonly wanted: (id: string) => boolean
  /** Records of 1 KB per second that each client reached, for the latency at 80 % of it. */
  readonly peak: Readonly<Partial<Record<ClientName, number>>>
  readonly progress: (line: string) => void
}

const lowRate = "acknowledgement at 100 records/s"

/** Measures the scenarios one after another. */
export const measureScenarios = async (
  sink: Sink,
  options: ScenarioOptions
): Promise<ReadonlyArray<ScenarioResult>> => {
  const { native, peak, progress, quick, wanted } = options
  const results: Array<ScenarioResult> = []
  const names: ReadonlyArray<ClientName> = native ? ["ours", "native"] : ["ours"]
  const measure = async (group: string, one: () => Promise<ScenarioResult>): Promise<void> => {
    if (!wanted(group)) return
    const result = await one()
    results.push(result)
    progress(`${result.id}, ${result.client}: ${figuresText(result)}`)
  }
  for (const name of names) {
    await measure("memory", () => stalled(sink, name, "silent", quick ? 5000 : 15_000))
    await measure("memory", () => stalled(sink, name, "frozen", quick ? 5000 : 15_000))
  }
  for (const name of names) {
    await measure("latency", () => latency(sink, name, 100, quick ? 4000 : 20_000, lowRate))
    await measure("latency", () =>
      latency(sink, name, 10_000, quick ? 2000 : 5000, "acknowledgement at 10,000 records/s")
    )
    const top = peak[name]
    if (top === undefined || quick) continue
    await measure("latency", () => latency(sink, name, top * 0.8, 5000, "acknowledgement at 80 % of the peak"))
  }
  for (const name of names) {
    await measure("recovery", () => recovery(sink, name, 100_000))
    if (!quick) await measure("recovery", () => recovery(sink, name, 1_000_000))
  }
  await measure("streams", () => manyStreams(sink, quick ? 100 : 1000))
  for (const size of [100, 1024]) await measure("allocations", () => allocations(sink, size))
  return results.map((result) => withLatencyBudget(result, results))
}

/** The budget of the low rate is that of the native SDK and a millisecond. */
const withLatencyBudget = (result: ScenarioResult, all: ReadonlyArray<ScenarioResult>): ScenarioResult => {
  if (result.client !== "ours" || result.id !== lowRate) return result
  const theirs = all.find(({ client, id }) => client === "native" && id === lowRate)?.figures["p99 ms"]
  const ours = result.figures["p99 ms"]
  if (theirs === undefined || ours === undefined) return result
  return { ...result, budget: { text: `p99 <= native + 1 ms (${digits(theirs + 1)} ms)`, met: ours <= theirs + 1 } }
}

const figuresText = ({ figures }: ScenarioResult): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name}: ${Number.isInteger(value) ? value.toLocaleString("en-US") : digits(value)}`)
    .join(", ")

/** The scenarios as a table. */
export const scenarioTable = (results: ReadonlyArray<ScenarioResult>): string =>
  table(
    ["scenario", "client", "figures", "budget", "met"],
    results.map((result) => [
      result.id,
      result.client === "ours" ? "effect-zerobus" : "native SDK",
      figuresText(result),
      result.budget?.text ?? "",
      result.budget === undefined ? "-" : result.budget.met ? "yes" : "no"
    ])
  )
