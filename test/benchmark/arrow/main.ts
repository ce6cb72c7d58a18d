/**
 * `npm run bench:arrow -- [--rows N] [--rounds N] [--batch N]`: the cost of a row of twenty columns
 * in prepared Arrow batches, as objects of a typed table, and as JSON objects, into the neutral
 * server and into the local server on disk.
 *
 * Each form has a client and a local server in separate processes, and the forms take turns. Ratios
 * to the typed table are taken within each round. Arrow of the official Python SDK is measured if
 * `npm run interop:arrow` has created its environment. Fails if the local server lacks a row.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import { python } from "../../../scripts/pythonSdk.ts"
import type { LocalServer } from "../clients/client.ts"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import { nextMessage, start, startSink, stop } from "../processes.ts"
import type { ServedReport } from "../server/served.ts"
import { definition, type FormName } from "./rows.ts"
import type { SenderOrder, SenderReport, Target } from "./sender.ts"

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "200000" },
    rounds: { type: "string", default: "5" },
    batch: { type: "string", default: "1000" }
  }
})
const batch = Number(flags.batch)
const rounds = Number(flags.rounds)
const rows = Math.ceil(Number(flags.rows) / batch) * batch

const here = (file: string): URL => new URL(file, import.meta.url)

interface Sender {
  readonly send: (order: SenderOrder) => Promise<SenderReport>
  readonly stop: () => Promise<void>
}

const ask = <A>(child: ChildProcess, order: unknown, what: string): Promise<A> => {
  const answer = nextMessage<A>(child, what)
  child.send(order as object)
  return answer
}

const startSender = async (form: FormName, target: Target): Promise<Sender> => {
  const child = start(here("./sender.ts"), [form, String(batch), JSON.stringify(target)])
  await nextMessage(child, form)
  return { send: (order) => ask(child, order, form), stop: () => stop(child) }
}

/** `login` is the server that issues tokens; the neutral server has none. */
const startPython = async (
  login: LocalServer,
  endpoint: string,
  compression: string
): Promise<Sender> => {
  const { clientId, clientSecret, workspaceUrl } = login
  const script = Path.join(import.meta.dirname, "pythonSender.py")
  const args = [script, endpoint, workspaceUrl, clientId, clientSecret, String(batch), compression]
  const child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async (): Promise<SenderReport> => {
    for (;;) {
      const { done, value } = await lines.next()
      if (done === true) throw new Error("The Python SDK's client ended early.")
      // The SDK writes its log between the answers.
      if (value.startsWith("{")) return JSON.parse(value) as SenderReport
    }
  }
  await next()
  return {
    send: (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`)
      return next()
    },
    stop: async () => {
      child.stdin.end()
    }
  }
}

interface Served {
  readonly local: LocalServer
  readonly ask: <A>(order: "begin" | "report") => Promise<A>
  readonly stop: () => Promise<void>
}

const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bench-arrow-"))

const startServer = async (name: string): Promise<Served> => {
  const child = start(here("../server/served.ts"), [Path.join(folder, name), definition])
  const what = "The local server"
  const local = await nextMessage<LocalServer>(child, what)
  return { local, ask: (order) => ask(child, order, what), stop: () => stop(child) }
}

interface Measured extends SenderReport {
  readonly server: number
}

/** The forms by name; those of the Python SDK only if it is available. */
const names: ReadonlyArray<string> = [
  "typed",
  "json",
  "arrow-none",
  "arrow-zstd",
  "arrow-lz4",
  "columns-none",
  "columns-zstd",
  ...(Fs.existsSync(python) ? ["python-none", "python-zstd"] : [])
]

const figures = (runs: ReadonlyMap<string, ReadonlyArray<Measured>>, served: boolean): string => {
  const typed = runs.get("typed")!
  const micros = (seconds: number) => (seconds / rows) * 1e6
  const lines = [...runs].map(([name, found]) => {
    const spread = (pick: (run: Measured, round: number) => number) =>
      spreadText(spreadOf(found.map(pick)))
    return [
      name,
      spread(({ seconds }) => rows / seconds / 1000),
      spread(({ cpu }) => micros(cpu)),
      spread(({ cpu }, round) => typed[round]!.cpu / cpu),
      ...(served
        ? [
            spread(({ server }) => micros(server)),
            spread(({ server }, round) => typed[round]!.server / server)
          ]
        : [])
    ]
  })
  const head = ["form", "thousand rows/s", "client, us/row", "typed over it"]
  return table(served ? [...head, "server, us/row", "typed over it"] : head, lines)
}

const sink = await startSink()
const servers = new Map<string, Served>()
const senders: Array<Sender> = []
try {
  await sink.order({ flightRows: batch })
  for (const name of names) servers.set(name, await startServer(name))
  for (const neutral of [true, false]) {
    const clients = new Map<string, Sender>()
    for (const name of names) {
      const { local } = servers.get(name)!
      const [language, compression] = name.split("-")
      const endpoint = neutral ? `http://127.0.0.1:${sink.port}` : local.serverEndpoint
      const client =
        language === "python"
          ? await startPython(local, endpoint, compression!)
          : await startSender(name as FormName, neutral ? { port: sink.port } : { local })
      clients.set(name, client)
      senders.push(client)
    }
    const runs = new Map(names.map((name) => [name, [] as Array<Measured>]))
    // The first round includes compiling and the first use of memory; it does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const name of names) {
        const server = servers.get(name)!
        if (!neutral) await server.ask("begin")
        const sent = await clients.get(name)!.send({ first: round * rows, rows })
        let cpu = 0
        if (!neutral) {
          const report = await server.ask<ServedReport>("report")
          const wanted = (round + 1) * rows
          if (report.rows !== wanted) throw new Error(`${name}: ${report.rows} of ${wanted} rows.`)
          cpu = report.cpu
        }
        if (round > 0) runs.get(name)!.push({ ...sent, server: cpu })
      }
    }
    for (const client of clients.values()) await client.stop()
    console.log(`\nInto the ${neutral ? "neutral server" : "local server on disk"}:\n`)
    console.log(figures(runs, !neutral))
  }
} finally {
  await Promise.all([...senders, ...servers.values()].map(({ stop }) => stop()))
  await sink.stop()
  Fs.rmSync(folder, { recursive: true, force: true })
}
if (!Fs.existsSync(python))
  console.log("\nThe Python SDK was not measured: `npm run interop:arrow` makes its environment.")
console.log(
  `\n${Os.cpus().length} cores (${Os.cpus()[0]?.model.trim()}), Node ${process.version}, ` +
    `load ${digits(Os.loadavg()[0]!)}, ${rows} rows, ${rounds} rounds, ` +
    `calls of ${batch}; median (min to max)`
)
