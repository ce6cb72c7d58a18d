/**
 * `npm run bench:streams -- [options]`: what many streams cost that have a record now and then.
 *
 * - `--streams N`, `--rate N`: so many streams with so many records of 100 B a second each; 1,000 and 10 by default.
 * - `--seconds N`, `--rounds N`: how long each client is measured, over all rounds, in turns; 20 and 4,
 *   or 0 rounds to skip that.
 * - `--burst N`: sends to N streams at a time, and to the next ones once these are acknowledged,
 *   instead of at the rate; N is a multiple of 16. Each record is a message of its own then, also on
 *   a machine that does other work, where records would gather and become cheap.
 * - `--openings N`: how often each client opens its streams, with tokens and without; 3, or 0 to skip that.
 * - `--slowest N`: how often each client is started for the slowest acknowledgements of one stream
 *   with a hundred records a second; 3, or 0 to skip that.
 * - `--base FOLDER`: another checkout that is measured in turns with this one.
 * - `--only NAMES`: some of the clients (`ours,base,bare,native`). `--profile FOLDER`: writes its processor profile.
 *
 * The sink, in a process of its own, acknowledges each message at once. "receipts" says which records
 * have their acknowledgement awaited one by one: each, or one in 16. Each client has a connection per
 * stream. Tokens come from the token service of `zerobus local`.
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
import type { LoneOpened, LoneOrder, LoneResult } from "./load.ts"
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
/** Sent before anything is measured, so that compiling is not. */
const WARM_UP = 5000
const GOALS = { ratio: 1.3, p50: 15, late: 15 }

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
    ["--conditions=effect-zerobus-source", "--no-warnings", from("../../../src/cli/main.ts"), "local", ...options],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const [line] = (await once(local.stdout, "data")) as [Buffer]
  const { environment } = JSON.parse(line.toString()) as { readonly environment: Record<string, string> }
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
const startLoad = async (spec: Measured["spec"], count = streams) => {
  const child = start(
    new URL("./load.ts", import.meta.url),
    [JSON.stringify({ ...spec, streams: count, port: sink.port })],
    profile
  )
  try {
    const opened = await nextMessage<LoneOpened>(child, spec.client)
    const ask = (order: LoneOrder): Promise<LoneResult> => {
      const answer = nextMessage<LoneResult>(child, spec.client)
      child.send(order)
      return answer
    }
    return { opened, ask, stop: () => stop(child) }
  } catch (error) {
    await stop(child)
    throw error
  }
}

const entryOf = (checkout: string): string => pathToFileURL(Path.resolve(checkout, "src/index.ts")).href
const all: Record<string, Measured> = {
  bare: { title: "grpc-js", spec: { client: "bare" } },
  ours: { title: "effect-zerobus", spec: { client: "ours" } },
  ...(flags.base === undefined
    ? {}
    : { base: { title: "base", spec: { client: "ours" as LoneName, entry: entryOf(flags.base) } } }),
  ...("folder" in native ? { native: { title: "native SDK", spec: { client: "native" as LoneName } } } : {})
}
const measured = Object.entries(all).filter(
  ([name]) => flags.only === undefined || flags.only.split(",").includes(name)
)

/** Time and memory to open the streams, in turns. */
const measureOpening = async (tokens: TokenPlace): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const opened = new Map<string, Array<LoneOpened>>()
  for (let round = 0; round < Number(flags.openings); round++) {
    for (const [, { spec, title }] of measured) {
      for (const place of spec.client === "bare" ? [undefined] : [undefined, tokens]) {
        const load = await startLoad({ ...spec, tokens: place })
        const what = `${title}${place === undefined ? "" : ", with tokens"}`
        opened.set(what, [...(opened.get(what) ?? []), load.opened])
        await load.stop()
      }
    }
  }
  return [...opened].map(([what, times]) => [
    what,
    spreadText(spreadOf(times.map(({ millis }) => millis / 1000))),
    digits(spreadOf(times.map(({ rss, rssBefore }) => (rss - rssBefore) / 2 ** 20)).median)
  ])
}

/** The load on all clients in turns, with so many of the receipts awaited. */
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
    const ratios = own.map((result, round) => cpuOf(result) / (bare === undefined ? NaN : cpuOf(bare[round]!)))
    const ratio = spreadOf(ratios)
    const of = (figure: (result: LoneResult) => number) => spreadOf(own.map(figure))
    if (name === "ours") {
      note(`CPU over grpc-js, ${receiptsOf(observeEvery)}`, ratio.median, GOALS.ratio)
      note(`acknowledgement p50 ms, ${receiptsOf(observeEvery)}`, of(({ p50 }) => p50).median, GOALS.p50)
      note(`10 ms timer late p99 ms, ${receiptsOf(observeEvery)}`, of(({ late }) => late).median, GOALS.late)
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

const receiptsOf = (observeEvery: number): string => (observeEvery === 1 ? "each" : `one in ${observeEvery}`)
const misses: Array<string> = []
const note = (what: string, value: number, goal: number): void => {
  if (value > goal) misses.push(`${what}: ${digits(value)}, goal ${goal}`)
}

const cpus = Os.cpus()
console.log(
  `${cpus.length} cores (${cpus[0]?.model.trim()}), Node ${process.version}, load ${digits(Os.loadavg()[0]!)}, ` +
    `${streams} streams, ${flags.rate} records of 100 B a second each, ${rounds} rounds of ${millis / 1000} s; median (min to max)\n`
)
const tokens = await startTokens()
try {
  const rows: Array<ReadonlyArray<string>> = []
  for (const observeEvery of rounds > 0 ? [1, 16] : []) rows.push(...(await measureLoad(observeEvery)))
  const head = ["client", "receipts", "CPU us/record", "over grpc-js", "ack p50 ms", "ack p99 ms", "ack max ms"]
  if (rows.length > 0) console.log(table([...head, "10 ms timer late p99 ms", "RSS MiB", "thousand records/s"], rows))
  if (Number(flags.slowest) > 0) {
    const clients = measured.map(([, client]) => client)
    const slowest = await measureSlowest(clients, Number(flags.slowest), ({ spec }) => startLoad(spec, 1))
    console.log(`\nOne stream with 100 records a second:\n\n${table(SLOWEST_HEAD, slowest)}`)
  }
  if (Number(flags.openings) > 0) {
    console.log(`\n${table(["streams opened", "s", "RSS grown, MiB"], await measureOpening(tokens))}`)
  }
} finally {
  await tokens.stop()
  await sink.stop()
}
if (misses.length > 0) {
  console.log(`\nMissed goals:\n${misses.join("\n")}`)
  process.exitCode = 1
}
