/** The throughput cases: each client in a separate process, warmed up, then measured in turns. */
import { specOf, type ThroughputCase } from "./cases.ts"
import type { ClientName, ClientSpec } from "./clients/client.ts"
import { type Spread, spreadOf } from "./figures.ts"
import { type ClientProcess, type Sink, startClient } from "./processes.ts"
import type { RunResult } from "./runner.ts"

/** The figures of one client in one case. */
export interface ClientFigures {
  readonly client: ClientName
  /** Records per second. */
  readonly rate: Spread
  /** Received megabytes per second, including the few bytes of framing. */
  readonly megabytes: number
  /** CPU microseconds per record, native threads included. */
  readonly cpu: Spread
  /** Bytes. */
  readonly rss: number
  /** Milliseconds. */
  readonly loopDelay: number
  readonly gc: number
  /** The busy share of the sink's core. Close to 1, the sink is the limit. */
  readonly sinkBusy: number
  /** Threads of the native SDK's runtime; 0 is the SDK's default. */
  readonly threads?: number | undefined
}

/** The result of one case. */
export interface ThroughputResult {
  readonly id: string
  readonly figures: ReadonlyArray<ClientFigures>
  /**
   * Ratios of this package: medians of the ratios within each round, because other work of the
   * machine affects a whole round.
   */
  readonly ratios: {
    readonly native?: Spread
    readonly raw?: Spread
    readonly wall?: Spread
    readonly cpu?: Spread
    readonly rawCpu?: Spread
  }
  /** Whether the budget is met, for a case with a budget whose competitors ran. */
  readonly met: boolean | undefined
}

interface Round {
  readonly run: RunResult
  /** Bytes that the sink read. */
  readonly bytes: number
  readonly sinkBusy: number
}

/** The durations of runs, in milliseconds. */
export interface Pace {
  readonly rounds: number
  readonly warmUp: number
  readonly run: number
}

/** Runs a client once and checks that the sink received every record. */
export const warmUp = async (
  one: ThroughputCase,
  sink: Sink,
  client: ClientProcess,
  name: ClientName,
  pace: Pace
): Promise<void> => {
  const checked = name === "ours" || name === "native"
  await sink.order({ verify: checked })
  const { records } = await client.ask<RunResult>({ do: "run", for: pace.warmUp })
  const report = await sink.order({ verify: false })
  if (!checked) return
  if (report.violation !== undefined) throw new Error(`${one.id}, ${name}: ${report.violation}`)
  if (report.records !== records) {
    throw new Error(
      `${one.id}, ${name}: the sink counted ${report.records} records, the client sent ${records}.`
    )
  }
}

/** Numbers of threads to try for the native SDK's runtime; 0 is the SDK's default. */
const THREADS = [1, 0]
const TRIES = 2

interface Started {
  readonly client: ClientProcess
  readonly threads?: number
}

/** Starts the native SDK with each number of threads, and keeps the fastest. */
const startNative = async (
  one: ThroughputCase,
  sink: Sink,
  spec: ClientSpec,
  pace: Pace
): Promise<Started> => {
  const tried = new Map<Started, number>()
  try {
    for (const threads of THREADS) {
      const client = await startClient({ ...spec, nativeUse: { threads } })
      tried.set({ client, threads }, 0)
      await warmUp(one, sink, client, "native", pace)
    }
    for (let n = 0; n < TRIES; n++) {
      for (const [started, rate] of tried) {
        const { records, seconds } = await started.client.ask<RunResult>({
          do: "run",
          for: pace.run / 2
        })
        tried.set(started, Math.max(rate, records / seconds))
      }
    }
  } catch (error) {
    for (const { client } of tried.keys()) await client.stop()
    throw error
  }
  const [best, ...others] = [...tried.keys()].toSorted((a, b) => tried.get(b)! - tried.get(a)!)
  for (const { client } of others) await client.stop()
  return best!
}

const startOne = async (
  one: ThroughputCase,
  sink: Sink,
  spec: ClientSpec,
  pace: Pace
): Promise<Started> => {
  if (spec.client === "native") return startNative(one, sink, spec, pace)
  const client = await startClient(spec)
  try {
    await warmUp(one, sink, client, spec.client, pace)
    return { client }
  } catch (error) {
    await client.stop()
    throw error
  }
}

/** Measures one case. Clients that are not available are left out. */
export const measureThroughput = async (
  one: ThroughputCase,
  sink: Sink,
  pace: Pace,
  options: { readonly native: boolean; readonly ca?: string | undefined }
): Promise<ThroughputResult> => {
  const names = one.clients.filter((name) => name !== "native" || options.native)
  const clients = new Map<ClientName, Started>()
  const rounds = new Map<ClientName, Array<Round>>(names.map((name) => [name, []]))
  try {
    for (const name of names) {
      const port = one.tls ? sink.securePort! : sink.port
      const spec = specOf(one, name, port, { ca: one.tls ? options.ca : undefined })
      clients.set(name, await startOne(one, sink, spec, pace))
    }
    for (let round = 0; round < pace.rounds; round++) {
      for (const name of names) {
        await sink.order({})
        const started = performance.now()
        const run = await clients.get(name)!.client.ask<RunResult>({ do: "run", for: pace.run })
        const { bytes, cpu } = await sink.order({})
        rounds
          .get(name)!
          .push({ run, bytes, sinkBusy: (cpu * 1000) / (performance.now() - started) })
      }
    }
  } finally {
    for (const { client } of clients.values()) await client.stop()
  }
  const figures = names.map((name) => ({
    ...figuresOf(name, rounds.get(name)!),
    threads: clients.get(name)?.threads
  }))
  const rateOf = ({ run }: Round) => run.records / run.seconds
  const cpuOf = ({ run }: Round) => run.cpu / run.records
  const against = (other: ClientName, value: (round: Round) => number): Spread | undefined => {
    const theirs = rounds.get(other)
    return theirs === undefined
      ? undefined
      : spreadOf(rounds.get("ours")!.map((round, n) => value(round) / value(theirs[n]!)))
  }
  const [native, raw, wall, cpu, rawCpu] = [
    against("native", rateOf),
    against("rawGrpc", rateOf),
    against("rawHttp2", rateOf),
    against("native", cpuOf),
    against("rawGrpc", cpuOf)
  ]
  const met =
    one.budget === undefined || native === undefined || raw === undefined || cpu === undefined
      ? undefined
      : native.median >= one.budget.native &&
        raw.median >= one.budget.raw &&
        (one.budget.cpu === undefined || cpu.median <= one.budget.cpu)
  return {
    id: one.id,
    figures,
    ratios: {
      ...(native === undefined ? {} : { native }),
      ...(raw === undefined ? {} : { raw }),
      ...(wall === undefined ? {} : { wall }),
      ...(cpu === undefined ? {} : { cpu }),
      ...(rawCpu === undefined ? {} : { rawCpu })
    },
    met
  }
}

const figuresOf = (client: ClientName, rounds: ReadonlyArray<Round>): ClientFigures => {
  const rate = spreadOf(rounds.map(({ run }) => run.records / run.seconds))
  return {
    client,
    rate,
    megabytes: spreadOf(rounds.map(({ bytes, run }) => bytes / run.seconds / 1e6)).median,
    cpu: spreadOf(rounds.map(({ run }) => (run.cpu / run.records) * 1e6)),
    rss: Math.max(...rounds.map(({ run }) => run.rss)),
    loopDelay: Math.max(...rounds.map(({ run }) => run.loopDelay)),
    gc: spreadOf(rounds.map(({ run }) => run.gc)).median,
    sinkBusy: spreadOf(rounds.map(({ sinkBusy }) => sinkBusy)).median
  }
}
