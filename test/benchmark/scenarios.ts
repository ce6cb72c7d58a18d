/**
 * Measurements in addition to throughput: memory with a server that does not answer, time to
 * acknowledgement, recovery after a cut, many streams, and the garbage per record.
 */
import type { ClientName, Latencies } from "./clients/client.ts"
import { digits, percentile } from "./figures.ts"
import type { ClientProcess, Sink } from "./processes.ts"
import type { Opened, RunResult } from "./runner.ts"
import {
  budgetsOf,
  figuresText,
  type ScenarioResult,
  startScenarioClient,
  withClient
} from "./scenario.ts"

const MIB = 1024 * 1024
/** The default of `maxInflightBytes`. */
const MAX_INFLIGHT_BYTES = 128 * MIB

/**
 * Fills a client whose server reads but never acknowledges, or does not even read, with up to a
 * million records of 1 KB.
 */
const stalled = async (
  sink: Sink,
  name: ClientName,
  mode: "silent" | "frozen",
  within: number
): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 1024, window: 1_000_000 }, async (client) => {
    await sink.order({ mode })
    const { records, rss, rssBefore } = await client.ask<RunResult>({
      do: "fill",
      records: 1_000_000,
      within
    })
    const grown = (rss - rssBefore) / MIB
    const limit = (1.2 * MAX_INFLIGHT_BYTES) / MIB + 32
    return {
      id: `server ${mode === "silent" ? "does not acknowledge" : "does not read"}`,
      client: name,
      figures: { "records taken": records, "RSS grown, MiB": grown },
      ...(name === "ours"
        ? { budget: { text: `<= ${digits(limit)} MiB`, met: grown <= limit } }
        : {})
    }
  })

/**
 * The maximum rate of a client with a sink that acknowledges each read at once, in records per
 * second.
 */
const peakOf = async (client: ClientProcess): Promise<number> => {
  const rates: Array<number> = []
  for (let n = 0; n < 4; n++) {
    const { records, seconds } = await client.ask<RunResult>({ do: "run", for: 1000 })
    rates.push(records / seconds)
  }
  // The first one warms up.
  return percentile(rates.slice(1), 0.5)
}

const latencyFigures = (rate: number, times: ReadonlyArray<number>): Record<string, number> => ({
  "records/s": Math.round(rate),
  "p50 ms": percentile(times, 0.5),
  "p99 ms": percentile(times, 0.99),
  ...(times.length < 1000 ? {} : { "p99.9 ms": percentile(times, 0.999) }),
  "samples": times.length
})

/**
 * Up to this many records per second all clients run at once, because none of them keeps a core
 * busy.
 */
const QUIET_RATE = 100

/**
 * Times to acknowledgement of records of 1 KB at a steady rate. The clients run all at once, or in
 * turns of a second each, so that all meet the same disturbances: a few late records decide the
 * 99th percentile. The sink acknowledges each read at once, so the client is what is measured. Each
 * client first sends for two seconds at a higher rate, because at 100 records per second code would
 * not be compiled for minutes. At low rates the native SDK answers sooner with all its threads.
 */
const latencies = async (
  sink: Sink,
  names: ReadonlyArray<ClientName>,
  rate: number,
  seconds: number,
  id: string
): Promise<ReadonlyArray<ScenarioResult>> => {
  const clients: Array<{
    readonly name: ClientName
    readonly process: ClientProcess
    readonly times: Array<number>
  }> = []
  try {
    for (const name of names) {
      const process = await startScenarioClient(sink, name, {
        size: 1024,
        nativeUse: { threads: 0 }
      })
      clients.push({ name, process, times: [] })
    }
    await sink.order({ ackInterval: 0 })
    const slice = (process: ClientProcess, rate: number, millis: number) =>
      process.ask<Latencies>({ do: "latency", rate, for: millis })
    for (const { process } of clients) await slice(process, 5000, 2000)
    const measure = async ({ process, times }: (typeof clients)[number], millis: number) => {
      times.push(...(await slice(process, rate, millis)).times)
    }
    if (rate <= QUIET_RATE)
      await Promise.all(clients.map((client) => measure(client, seconds * 1000)))
    else for (let n = 0; n < seconds; n++) for (const client of clients) await measure(client, 1000)
  } finally {
    for (const { process } of clients) await process.stop()
    await sink.order({ ackInterval: 5 })
  }
  return clients.map(({ name, times }) => ({
    id,
    client: name,
    figures: latencyFigures(rate, times)
  }))
}

/** The same at four fifths of each client's maximum rate. */
const latencyNearPeak = async (
  sink: Sink,
  name: ClientName,
  millis: number
): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 1024 }, async (client) => {
    await sink.order({ ackInterval: 0 })
    const rate = 0.8 * (await peakOf(client))
    await client.ask<Latencies>({ do: "latency", rate, for: Math.min(1000, millis) })
    const reached = await client.ask<Latencies>({ do: "latency", rate, for: millis })
    return {
      id: "acknowledgement at 80 % of the peak",
      client: name,
      figures: latencyFigures(reached.rate, reached.times)
    }
  })

/**
 * Above this many records the queue itself has a budget: the time to pass it to the next
 * connection, and how long that blocks the loop.
 */
const REQUEUE = { records: 1_000_000, millis: 200, blocked: 50 }

/**
 * Cuts the connection with this many records of 100 B in flight. "requeued" is the time from the
 * cut until the first of them arrives on the next connection: connecting and requeueing.
 * "recovered" is the time until all of them are acknowledged, including sending them again.
 */
const recovery = async (sink: Sink, name: ClientName, records: number): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 100, window: REQUEUE.records }, async (client) => {
    // Some acknowledged records, so that the connection counts as successful.
    await client.ask({ do: "run", for: 300 })
    await sink.order({ mode: "silent" })
    const { records: filled } = await client.ask<RunResult>({ do: "fill", records, within: 60_000 })
    const flushing = client.ask<RunResult>({ do: "flush" })
    // The client must start to watch its loop before the cut reaches it.
    await new Promise((resolve) => setTimeout(resolve, 50))
    const cutAt = performance.now()
    await sink.order({ mode: "ack", cut: true })
    const { loopDelayMax } = await flushing
    const recovered = performance.now() - cutAt
    const requeued = (await sink.order({})).resumedAfter ?? Number.NaN
    const budgets =
      name === "ours" && records === REQUEUE.records
        ? [
            {
              text: `requeued <= ${REQUEUE.millis} ms`,
              met: requeued <= REQUEUE.millis && filled >= records
            },
            { text: `loop blocked <= ${REQUEUE.blocked} ms`, met: loopDelayMax <= REQUEUE.blocked }
          ]
        : []
    return {
      id: `cut with ${records.toLocaleString("en-US")} in flight`,
      client: name,
      figures: {
        "in flight": filled,
        "requeued in ms": requeued,
        "recovered in ms": recovered,
        "loop blocked ms": loopDelayMax
      },
      ...budgetsOf(budgets)
    }
  })

/** Opens many streams, each with a separate connection. */
const manyStreams = async (
  sink: Sink,
  name: ClientName,
  streams: number
): Promise<ScenarioResult> =>
  withClient(sink, name, { size: 100, streams, window: 1_000_000 }, (client) => {
    const { millis, rss, rssBefore }: Opened = client.opened
    return Promise.resolve({
      id: `${streams.toLocaleString("en-US")} streams opened`,
      client: name,
      figures: {
        "ms": millis,
        "RSS grown, MiB": (rss - rssBefore) / MIB,
        "KiB per stream": (rss - rssBefore) / 1024 / streams
      }
    })
  })

/**
 * Heap bytes that one record leaves behind, in a heap so large that nothing is collected during the
 * measurement.
 */
const allocations = async (sink: Sink, size: number): Promise<ScenarioResult> =>
  withClient(
    sink,
    "ours",
    { size, flags: ["--min-semi-space-size=256", "--max-semi-space-size=256"] },
    async (client) => {
      const records = Math.min(200_000, Math.floor((20 * MIB) / size))
      const { bytes } = await client.ask<{ readonly bytes: number | undefined }>({
        do: "allocations",
        records
      })
      const limit = 1.5 * size + 64
      return {
        id: `heap of one record of ${size} B`,
        client: "ours",
        figures: { "bytes per record": bytes ?? Number.NaN },
        budget: { text: `<= ${digits(limit)} B`, met: bytes !== undefined && bytes <= limit }
      }
    }
  )

/** Parameters of the scenarios. */
export interface ScenarioOptions {
  readonly quick: boolean
  readonly native: boolean
  readonly wanted: (id: string) => boolean
  readonly progress: (line: string) => void
}

const lowRate = "acknowledgement at 100 records/s"

/** Measures the scenarios one after another. */
export const measureScenarios = async (
  sink: Sink,
  options: ScenarioOptions
): Promise<ReadonlyArray<ScenarioResult>> => {
  const { native, progress, quick, wanted } = options
  const results: Array<ScenarioResult> = []
  const names: ReadonlyArray<ClientName> = native ? ["ours", "native"] : ["ours"]
  const measureAll = async (
    group: string,
    all: () => Promise<ReadonlyArray<ScenarioResult>>
  ): Promise<void> => {
    if (!wanted(group)) return
    for (const result of await all()) {
      results.push(result)
      progress(`${result.id}, ${result.client}: ${figuresText(result)}`)
    }
  }
  const measure = (group: string, one: () => Promise<ScenarioResult>): Promise<void> =>
    measureAll(group, async () => [await one()])
  for (const name of names) {
    await measure("memory", () => stalled(sink, name, "silent", quick ? 3000 : 15_000))
    await measure("memory", () => stalled(sink, name, "frozen", quick ? 3000 : 15_000))
  }
  await measureAll("latency", () => latencies(sink, names, QUIET_RATE, quick ? 10 : 30, lowRate))
  await measureAll("latency", () =>
    latencies(sink, names, 10_000, quick ? 2 : 5, "acknowledgement at 10,000 records/s")
  )
  if (!quick)
    for (const name of names) await measure("latency", () => latencyNearPeak(sink, name, 5000))
  for (const name of names) {
    await measure("recovery", () => recovery(sink, name, 100_000))
    if (!quick || name === "ours")
      await measure("recovery", () => recovery(sink, name, REQUEUE.records))
  }
  for (const name of names)
    await measure("streams", () => manyStreams(sink, name, quick ? 100 : 1000))
  for (const size of [100, 1024]) await measure("allocations", () => allocations(sink, size))
  return results.map((result) => withLatencyBudget(result, results))
}

/** The budget at the low rate is the time of the native SDK plus a millisecond. */
const withLatencyBudget = (
  result: ScenarioResult,
  all: ReadonlyArray<ScenarioResult>
): ScenarioResult => {
  if (result.client !== "ours" || result.id !== lowRate) return result
  const theirs = all.find(({ client, id }) => client === "native" && id === lowRate)?.figures[
    "p99 ms"
  ]
  const ours = result.figures["p99 ms"]
  if (typeof theirs !== "number" || typeof ours !== "number") return result
  return {
    ...result,
    budget: { text: `p99 <= native + 1 ms (${digits(theirs + 1)} ms)`, met: ours <= theirs + 1 }
  }
}
