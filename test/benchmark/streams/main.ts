/**
 * `npm run bench:streams -- [options]`: the cost of many streams with a record now and then.
 *
 * - `--streams N`, `--rate N`: the number of streams, and the records of 100 B per second for each;
 *   1,000 and 10 by default.
 * - `--seconds N`, `--rounds N`: how long each client is measured, over all rounds, in turns; 20
 *   and 4, or 0 rounds to skip that.
 * - `--burst N`: sends to N streams at a time, and to the next ones once these are acknowledged,
 *   instead of at the rate; N is a multiple of 16. Each record is then a separate message.
 *   At a rate, records would be coalesced on a machine with other work, and would cost less.
 * - `--openings N`: how often each client opens and closes its streams, with tokens and without; 3,
 *   or 0 to skip that.
 * - `--idle N`: opens N streams over shared connections, of which each takes 1,000, and compares
 *   them with one; 10,000, or 0 to skip that.
 * - `--slowest N`: how often each client is started for the slowest acknowledgements of one stream
 *   with a hundred records a second; 3, or 0 to skip that.
 * - `--base FOLDER`: another checkout that is measured in turns with this one.
 * - `--only NAMES`: some of the clients (`ours,base,bare,native`). `--profile FOLDER`: writes its
 *   processor profile.
 *
 * The sink, in a separate process, acknowledges each message at once. "receipts" is the
 * number of receipts that are awaited individually: each, or one in 16. Each client has a
 * connection per stream, unless a row says that they are shared. Tokens come from the token service
 * of `zerobus local`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { fileURLToPath, pathToFileURL } from "node:url"
import { TABLE } from "../clients/client.ts"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import { fetchNative } from "../nativeSdk.ts"
import { nextMessage, start, startSink, stop } from "../processes.ts"
import type {
  CloseOrder,
  CloseResult,
  IdleOrder,
  IdleResult,
  LoneOpened,
  LoneOrder,
  LoneResult
} from "./load.ts"
import { measureSlowest, SLOWEST_HEAD } from "./slowest.ts"
import type { LoneName, LoneSpec, TokenPlace } from "./lone.ts"

const { values: flags } = parseArgs({
  options: {
    streams: { type: "string", default: "1000" },
    rate: { type: "string", default: "10" },
    seconds: { type: "string", default: "20" },
    rounds: { type: "string", default: "4" },
    burst: { type: "string" },
    openings: { type: "string", default: "3" },
    idle: { type: "string", default: "10000" },
    slowest: { type: "string", default: "3" },
    base: { type: "string" },
    only: { type: "string" },
    profile: { type: "string" }
  }
})
const streams = Number(flags.streams)
const rate = Number(flags.rate) * streams
const rounds = Number(flags.rounds)
const millis = (Number(flags.seconds) * 1000) / rounds
/** Sent before the measurements, so that compiling is not measured. */
const WARM_UP = 5000
const GOALS = { ratio: 1.3, p50: 15, late: 15 }
/**
 * Goals relative to the native SDK with tokens; for idle streams, in MiB and as a share of a core.
 */
const OPENING_GOALS = {
  shared: { time: 0.3, memory: 0.7, closing: 3 },
  own: { time: 0.5, memory: 1.2, closing: 3 },
  idle: { memory: 400, share: 0.02 }
}
/**
 * How long idle streams are left alone before they are measured, and how long they are measured, in
 * milliseconds.
 */
const SETTLE = 15_000
const LOOK = 10_000

const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

interface Measured {
  readonly title: string
  readonly spec: Omit<LoneSpec, "port" | "streams">
}

/** The token service of a local server. */
const startTokens = async (): Promise<TokenPlace & { readonly stop: () => Promise<unknown> }> => {
  const options = [
    "--memory",
    "--port=0",
    "--http-port=0",
    "--json",
    "--log-level=error",
    "--table",
    `${TABLE}(payload STRING)`
  ]
  const local = spawn(
    process.execPath,
    [
      "--conditions=effect-zerobus-source",
      "--no-warnings",
      from("../../../src/cli/main.ts"),
      "local",
      ...options
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const [line] = (await once(local.stdout, "data")) as [Buffer]
  const { environment } = JSON.parse(line.toString()) as {
    readonly environment: Record<string, string>
  }
  return {
    workspaceUrl: environment.DATABRICKS_WORKSPACE_URL!,
    clientId: environment.DATABRICKS_CLIENT_ID!,
    clientSecret: environment.DATABRICKS_CLIENT_SECRET!,
    stop: () => {
      local.kill()
      return once(local, "exit")
    }
  }
}

const native = fetchNative()
if ("folder" in native) process.env.NATIVE_SDK = native.folder
else console.log(`Without the native SDK: ${native.problem}`)

const sink = await startSink()
await sink.order({ ackInterval: 0 })

const profile = flags.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}`]
const startLoad = async (spec: Measured["spec"], count = streams, port = sink.port) => {
  const child = start(
    new URL("./load.ts", import.meta.url),
    [JSON.stringify({ ...spec, streams: count, port })],
    profile
  )
  try {
    const opened = await nextMessage<LoneOpened>(child, spec.client)
    const ask = (order: LoneOrder): Promise<LoneResult> => {
      const answer = nextMessage<LoneResult>(child, spec.client)
      child.send(order)
      return answer
    }
    const rest = (order: IdleOrder): Promise<IdleResult> => {
      const answer = nextMessage<IdleResult>(child, spec.client)
      child.send(order)
      return answer
    }
    const close = (): Promise<CloseResult> => {
      const answer = nextMessage<CloseResult>(child, spec.client)
      child.send({ close: true } satisfies CloseOrder)
      return answer
    }
    return { opened, ask, rest, close, stop: () => stop(child) }
  } catch (error) {
    await stop(child)
    throw error
  }
}

const entryOf = (checkout: string): string =>
  pathToFileURL(Path.resolve(checkout, "src/index.ts")).href
const all: Record<string, Measured> = {
  bare: { title: "grpc-js", spec: { client: "bare" } },
  ours: { title: "effect-zerobus", spec: { client: "ours" } },
  ...(flags.base === undefined
    ? {}
    : {
        base: { title: "base", spec: { client: "ours" as LoneName, entry: entryOf(flags.base) } }
      }),
  ...("folder" in native
    ? { native: { title: "native SDK", spec: { client: "native" as LoneName } } }
    : {})
}
const measured = Object.entries(all).filter(
  ([name]) => flags.only === undefined || flags.only.split(",").includes(name)
)

/** One way to open the streams. */
interface Opening {
  readonly title: string
  readonly spec: Measured["spec"]
  /** The goals relative to the native SDK. */
  readonly goals?:
    | { readonly time: number; readonly memory: number; readonly closing: number }
    | undefined
}

const openingsOf = (tokens: TokenPlace): ReadonlyArray<Opening> =>
  measured.flatMap(([name, { spec, title }]): ReadonlyArray<Opening> => {
    if (spec.client === "bare") return [{ title, spec }]
    const own = [
      { title, spec },
      {
        title: `${title}, with tokens`,
        spec: { ...spec, tokens },
        goals: name === "ours" ? OPENING_GOALS.own : undefined
      }
    ]
    if (spec.client !== "ours") return own
    const shared = `${title}, shared connections`
    return [
      ...own,
      { title: shared, spec: { ...spec, shared: true } },
      {
        title: `${shared}, with tokens`,
        spec: { ...spec, tokens, shared: true },
        goals: name === "ours" ? OPENING_GOALS.shared : undefined
      }
    ]
  })

interface OpeningSample {
  readonly seconds: number
  readonly memory: number
  readonly closing: number
}

/**
 * Time and memory to open the streams and time to close them, in turns; ratios within each round.
 */
const measureOpening = async (
  tokens: TokenPlace
): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const openings = openingsOf(tokens)
  const samples = openings.map((): Array<OpeningSample> => [])
  for (let round = 0; round < Number(flags.openings); round++) {
    for (const [n, { spec }] of openings.entries()) {
      const load = await startLoad(spec)
      const { millis, rss, rssBefore } = load.opened
      const closed = await load.close()
      samples[n]!.push({
        seconds: millis / 1000,
        memory: (rss - rssBefore) / 2 ** 20,
        closing: closed.millis / 1000
      })
      await load.stop()
    }
  }
  const reference =
    samples[openings.findIndex(({ spec }) => spec.client === "native" && spec.tokens !== undefined)]
  return openings.map(({ goals, spec, title }, n) => {
    const own = samples[n]!
    const of = (figure: (sample: OpeningSample) => number) => spreadOf(own.map(figure))
    const over = (figure: (sample: OpeningSample) => number) =>
      spreadOf(
        own.map(
          (sample, round) =>
            figure(sample) / (reference === undefined ? NaN : figure(reference[round]!))
        )
      )
    const [time, memory, closing] = [
      over((s) => s.seconds),
      over((s) => s.memory),
      over((s) => s.closing)
    ] as const
    if (goals !== undefined && reference !== undefined) {
      note(`${title}: time to open over the native SDK`, time.median, goals.time)
      note(`${title}: memory over the native SDK`, memory.median, goals.memory)
      note(`${title}: time to close over the native SDK`, closing.median, goals.closing)
    }
    const compared = spec.tokens !== undefined && reference !== undefined
    return [
      title,
      spreadText(of((s) => s.seconds)),
      compared ? spreadText(time) : "",
      digits(of((s) => s.memory).median),
      compared ? spreadText(memory) : "",
      spreadText(of((s) => s.closing)),
      compared ? spreadText(closing) : ""
    ]
  })
}

const OPENING_HEAD = [
  "streams",
  "opened in s",
  "over native",
  "RSS grown, MiB",
  "over native",
  "closed in s",
  "over native"
]

/** The cost of many idle streams over shared connections, compared with one. */
const measureIdle = async (count: number): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const wide = await startSink(undefined, { calls: 1000 })
  await wide.order({ ackInterval: 0 })
  try {
    const rows: Array<ReadonlyArray<string>> = []
    let one: number | undefined
    for (const streams of [1, count]) {
      const load = await startLoad({ client: "ours", shared: true }, streams, wide.port)
      await load.rest({ idle: SETTLE })
      const { rss, share } = await load.rest({ idle: LOOK })
      await load.stop()
      const above = (rss - (one ??= rss)) / 2 ** 20
      if (streams > 1) {
        note(`${count} idle streams, MiB above one`, above, OPENING_GOALS.idle.memory)
        note(`${count} idle streams, share of a core`, share, OPENING_GOALS.idle.share)
      }
      rows.push([
        streams.toLocaleString("en-US"),
        digits(load.opened.millis / 1000),
        digits(rss / 2 ** 20),
        digits(above),
        digits(share * 100)
      ])
    }
    return rows
  } finally {
    await wide.stop()
  }
}

/** The load on all clients in turns, with one receipt in `observeEvery` awaited. */
const measureLoad = async (observeEvery: number): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const burst = flags.burst === undefined ? undefined : Number(flags.burst)
  const order = { rate, millis, observeEvery, burst }
  const loads: Array<Awaited<ReturnType<typeof startLoad>>> = []
  const results: Array<Array<LoneResult>> = []
  try {
    for (const [, { spec }] of measured) {
      const load = await startLoad(spec)
      loads.push(load)
      results.push([])
      await load.ask({ ...order, millis: WARM_UP })
    }
    for (let round = 0; round < rounds; round++) {
      for (const [n, load] of loads.entries()) results[n]!.push(await load.ask(order))
    }
  } finally {
    for (const load of loads) await load.stop()
  }
  const cpuOf = ({ cpu, records }: LoneResult): number => (cpu / records) * 1e6
  const bare = results[measured.findIndex(([name]) => name === "bare")]
  return measured.map(([name, { title }], n) => {
    const own = results[n]!
    const ratios = own.map(
      (result, round) => cpuOf(result) / (bare === undefined ? NaN : cpuOf(bare[round]!))
    )
    const ratio = spreadOf(ratios)
    const of = (figure: (result: LoneResult) => number) => spreadOf(own.map(figure))
    if (name === "ours") {
      note(`CPU over grpc-js, ${receiptsOf(observeEvery)}`, ratio.median, GOALS.ratio)
      note(
        `acknowledgement p50 ms, ${receiptsOf(observeEvery)}`,
        of(({ p50 }) => p50).median,
        GOALS.p50
      )
      note(
        `10 ms timer late p99 ms, ${receiptsOf(observeEvery)}`,
        of(({ late }) => late).median,
        GOALS.late
      )
    }
    return [
      title,
      receiptsOf(observeEvery),
      spreadText(of(cpuOf)),
      name === "bare" ? "1" : spreadText(ratio),
      spreadText(of(({ p50 }) => p50)),
      spreadText(of(({ p99 }) => p99)),
      digits(of(({ max }) => max).max),
      spreadText(of(({ late }) => late)),
      digits(of(({ rss }) => rss / 2 ** 20).max),
      digits(of(({ rate }) => rate / 1000).median)
    ]
  })
}

const receiptsOf = (observeEvery: number): string =>
  observeEvery === 1 ? "each" : `one in ${observeEvery}`
const misses: Array<string> = []
const note = (what: string, value: number, goal: number): void => {
  if (value > goal) misses.push(`${what}: ${digits(value)}, goal ${goal}`)
}

const cpus = Os.cpus()
console.log(
  `${cpus.length} cores (${cpus[0]?.model.trim()}), Node ${process.version}, load ` +
    `${digits(Os.loadavg()[0]!)}, ` +
    `${streams} streams, ${flags.rate} records of 100 B a second each, ${rounds} rounds of ` +
    `${millis / 1000} s; median (min to max)\n`
)
const tokens = await startTokens()
try {
  const rows: Array<ReadonlyArray<string>> = []
  for (const observeEvery of rounds > 0 ? [1, 16] : [])
    rows.push(...(await measureLoad(observeEvery)))
  const head = [
    "client",
    "receipts",
    "CPU us/record",
    "over grpc-js",
    "ack p50 ms",
    "ack p99 ms",
    "ack max ms"
  ]
  if (rows.length > 0)
    console.log(table([...head, "10 ms timer late p99 ms", "RSS MiB", "thousand records/s"], rows))
  if (Number(flags.slowest) > 0) {
    const clients = measured.map(([, client]) => client)
    const slowest = await measureSlowest(clients, Number(flags.slowest), ({ spec }) =>
      startLoad(spec, 1)
    )
    console.log(`\nOne stream with 100 records a second:\n\n${table(SLOWEST_HEAD, slowest)}`)
  }
  if (Number(flags.openings) > 0) {
    console.log(`\n${table(OPENING_HEAD, await measureOpening(tokens))}`)
  }
  if (Number(flags.idle) > 0) {
    const head = [
      "idle streams, shared connections",
      "opened in s",
      "RSS MiB",
      "above one",
      "% of a core"
    ]
    console.log(`\n${table(head, await measureIdle(Number(flags.idle)))}`)
  }
} finally {
  await tokens.stop()
  await sink.stop()
}
if (misses.length > 0) {
  console.log(`\nMissed goals:\n${misses.join("\n")}`)
  process.exitCode = 1
}
