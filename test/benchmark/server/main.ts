/**
 * `npm run bench:server -- [--rows N] [--rounds N] [--batch N] [--only SHAPE] [--base FOLDER]
 * [--profile FOLDER]`: the cost of a row in the local server at full speed.
 *
 * The server is a separate process that writes Delta tables to disk; a client process sends N rows
 * over gRPC in calls of `--batch` records. The processor time is the server's alone, until every
 * row is committed, over that of DuckDB, which writes the same rows from memory to Parquet with
 * zstd in the same round. Fails unless the table has every row. Times to acknowledgement are
 * measured from the call, with the default options and with `maxInflightBytes` of 8 MiB. They are
 * also taken from the server's metric, which starts at the arrival of the frame; these figures are
 * the upper bound of a bucket. The last measurement is a VARIANT of 8 MB: the longest time that it
 * blocks the server's main loop.
 *
 * `--base` names another checkout, whose server is measured in turns with this one's. `--profile`
 * writes the processor profile of each server to a folder.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { fileURLToPath } from "node:url"
import type { LocalServer } from "../clients/client.ts"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import type { SenderOrder, SenderReport } from "./sender.ts"
import type { ServedReport } from "./served.ts"
import { type Shape, shapes, type ShapeName } from "./shapes.ts"

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    batch: { type: "string", default: "100" },
    only: { type: "string" },
    base: { type: "string" },
    profile: { type: "string" }
  }
})
const rows = Number(flags.rows)
const rounds = Number(flags.rounds)
/**
 * Rows sent before the measurements, so that compiling and the first use of memory are not
 * measured.
 */
const warmUp = 200_000
const eightMegabytes = 8 * 1024 * 1024

const nodeArguments = ["--conditions=effect-zerobus-source", "--no-warnings"]
const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const servers: Record<string, string> = {
  "this checkout": from("./served.ts"),
  ...(flags.base === undefined
    ? {}
    : { base: Path.resolve(flags.base, "test/benchmark/server/served.ts") })
}
const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bench-server-"))

const answer = <A>(child: ChildProcess, what: string): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`${what} ended early.`))
    child.once("exit", ended)
    child.once("message", (message: unknown) => {
      child.off("exit", ended)
      const { error } = message as { readonly error?: string }
      if (error === undefined) resolve(message as A)
      else reject(new Error(`${what}: ${error}`))
    })
  })

/** A child process that answers each order with one message. */
const started = async <A>(
  file: string,
  args: ReadonlyArray<string>,
  execArgv: ReadonlyArray<string> = []
) => {
  const child = fork(file, args, {
    execArgv: [...nodeArguments, ...execArgv],
    serialization: "advanced"
  })
  const first = await answer<A>(child, file)
  return {
    first,
    ask: <B>(order: unknown): Promise<B> => {
      const reply = answer<B>(child, file)
      child.send(order as object)
      return reply
    },
    stop: async () => {
      if (child.exitCode !== null) return
      const exited = new Promise((resolve) => child.once("exit", resolve))
      child.disconnect()
      await exited
    }
  }
}

interface Measured {
  readonly served: ServedReport
  readonly sent: SenderReport
  /** With `maxInflightBytes` of 8 MiB. */
  readonly bounded: SenderReport
  readonly boundedServed: ServedReport
}

const profileOf = (name: string, build: string): ReadonlyArray<string> =>
  flags.profile === undefined
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}/${name}-${build.replace(" ", "-")}`]

/** Runs a server and a client until they are stopped. */
const withBoth = async <A>(
  build: string,
  name: ShapeName | "variant",
  definition: string,
  use: (
    server: Awaited<ReturnType<typeof started>>,
    sender: Awaited<ReturnType<typeof started>>
  ) => Promise<A>
): Promise<A> => {
  const data = Fs.mkdtempSync(Path.join(folder, `${name}-`))
  const server = await started<LocalServer>(
    servers[build]!,
    [data, definition],
    profileOf(name, build)
  )
  try {
    const sender = await started(from("./sender.ts"), [
      name,
      flags.batch,
      JSON.stringify(server.first)
    ])
    try {
      return await use(server, sender)
    } finally {
      await sender.stop()
    }
  } finally {
    await server.stop()
    Fs.rmSync(data, { recursive: true })
  }
}

const measure = (build: string, name: ShapeName, { definition }: Shape): Promise<Measured> =>
  withBoth(build, name, definition, async (server, sender) => {
    let first = 0
    const run = async (count: number, inflightBytes?: number) => {
      await server.ask("begin")
      const order: SenderOrder = { do: "rows", first, rows: count, inflightBytes }
      const sent = await sender.ask<SenderReport>(order)
      first += count
      const served = await server.ask<ServedReport>("report")
      if (served.rows !== first)
        throw new Error(`${first} rows were acknowledged, the table holds ${served.rows}.`)
      return { sent, served }
    }
    await run(warmUp)
    const { sent, served } = await run(rows)
    const bounded = await run(rows, eightMegabytes)
    return { served, sent, bounded: bounded.sent, boundedServed: bounded.served }
  })

/**
 * How long a VARIANT of 8 MB blocks the main loop. Uses the third value, after compiling, as in a
 * running server.
 */
const variantHold = (build: string): Promise<number> =>
  withBoth(build, "variant", "main.default.variants(value VARIANT)", async (server, sender) => {
    let held = 0
    for (let n = 0; n < 3; n++) {
      await server.ask("begin")
      await sender.ask({ do: "variant", bytes: 8_000_000 } satisfies SenderOrder)
      held = (await server.ask<ServedReport>("report")).held
    }
    return held
  })

/** The upper bound of 99 of 100 acknowledgement times. */
const arrivalBound = ({ acknowledged }: ServedReport): string => {
  const total = acknowledged.at(-1)![1]
  const found = acknowledged.find(([, count]) => count >= total * 0.99)!
  return found[0] === Infinity ? "> 5000" : `<= ${found[0]}`
}

interface DuckDbCost {
  readonly write: number
  readonly readAndWrite: number
  readonly rows: number
}

const duckdbCost = (shape: Shape): DuckDbCost => {
  const file = Path.join(folder, "rows.ndjson")
  const out = Fs.openSync(file, "w")
  for (let n = 0; n < rows; n += 5000) {
    const count = Math.min(5000, rows - n)
    Fs.writeSync(
      out,
      Array.from({ length: count }, (_, at) => `${shape.line(warmUp + n + at)}\n`).join("")
    )
  }
  Fs.closeSync(out)
  const printed = execFileSync(process.execPath, [
    from("./duckdbWrite.ts"),
    file,
    folder,
    shape.duckdb
  ])
  const cost = JSON.parse(printed.toString()) as DuckDbCost
  if (cost.rows !== rows) throw new Error(`DuckDB wrote ${cost.rows} of ${rows} rows.`)
  return cost
}

const results: Array<ReadonlyArray<string>> = []
const us = (cpu: number): number => (cpu / rows) * 1e6

const measureShape = async (name: ShapeName): Promise<void> => {
  const shape = shapes[name]()
  const peers: Array<DuckDbCost> = []
  const measured = new Map(Object.keys(servers).map((build) => [build, [] as Array<Measured>]))
  for (let round = 0; round < rounds; round++) {
    const peer = duckdbCost(shape)
    peers.push(peer)
    for (const build of Object.keys(servers)) {
      const found = await measure(build, name, shape)
      measured.get(build)!.push(found)
      console.error(`${name}, ${build}: ${digits((found.served.cpu * 1e6) / peer.write)} x DuckDB`)
    }
  }
  for (const [build, runs] of measured) {
    const last = runs.at(-1)!
    const spread = (pick: (run: Measured, round: number) => number) =>
      spreadText(spreadOf(runs.map(pick)))
    results.push([
      shape.title,
      build,
      spread(({ served }, round) => (served.cpu * 1e6) / peers[round]!.write),
      spread(({ served }, round) => (served.cpu * 1e6) / peers[round]!.readAndWrite),
      spread(({ served }) => us(served.cpu)),
      digits(spreadOf(peers.map(({ write }) => write / rows)).median),
      spread(({ sent }) => rows / sent.seconds / 1e3),
      digits(us(last.sent.cpu)),
      runs.map(({ served }) => arrivalBound(served)).join(", "),
      spread(({ sent }) => sent.p99),
      spread(({ bounded }) => bounded.p99),
      spread(({ served }) => served.held)
    ])
  }
}

try {
  for (const name of ["typed", "flat", "nested"] as const) {
    if (flags.only === undefined || flags.only === name) await measureShape(name)
  }
  if (flags.only === undefined || flags.only === "variant") {
    for (const build of Object.keys(servers)) {
      console.error(
        `An 8 MB VARIANT holds the main loop of ${build} for ` +
          `${digits(await variantHold(build))} ms.`
      )
    }
  }
} finally {
  Fs.rmSync(folder, { recursive: true, force: true })
}
console.log(
  `${Os.cpus().length} cores (${Os.cpus()[0]?.model.trim()}), Node ${process.version}, load ` +
    `${digits(Os.loadavg()[0]!)}, ` +
    `${rows} rows, ${rounds} rounds, calls of ${flags.batch}; median (min to max)\n`
)
const head = [
  "shape",
  "server",
  "CPU over writing",
  "over reading and writing",
  "us/row",
  "DuckDB, us"
]
const times = [
  "thousand rows/s",
  "client, us/row",
  "ack p99 from arrival, ms",
  "from the call, ms",
  "with 8 MiB, ms"
]
console.log(table([...head, ...times, "loop held, ms"], results))
