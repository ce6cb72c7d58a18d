/**
 * The throughput of lanes if each session is limited as in the real service:
 * `npm run bench:lanes -- [options]`.
 *
 * - `--rounds N`: rounds, 3 by default.
 * - `--millis N`: how long each stream ingests, 4,000 by default.
 *
 * The neutral server of the benchmark reads at most 100,000 records and 100 MB per second of each
 * stream. Streams with 1, 4, 16 and 64 lanes and a key per record run in turns with one stream
 * without limits, each in a separate process. A ratio is taken within a round, to the smaller of
 * the limit of all lanes together and 0.8 of the rate without limits. Before the rounds every
 * number of lanes runs once with a server that reads all records: those of each key must arrive in
 * order and without gaps. Exits with 1 if they do not, or if a median ratio is below 0.9.
 */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import { startSink } from "../processes.ts"
import type { Loaded, LoadOrder } from "./load.ts"

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, millis: { type: "string", default: "4000" } }
})
const [rounds, millis] = [Number(values.rounds), Number(values.millis)]
const script = fileURLToPath(new URL("./load.ts", import.meta.url))

/** What the service accepts from one stream in a second. */
const LIMIT = { records: 100_000, bytes: 100_000_000 }
/** Tag and length of a record. */
const FRAMING = 3
const GOAL = 0.9
const OF_UNLIMITED = 0.8

const load = (order: LoadOrder): Promise<Loaded> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--conditions=effect-zerobus-source", "--no-warnings", script, JSON.stringify(order)],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    let loaded: Loaded | undefined
    createInterface({ input: child.stdout }).on("line", (line) => {
      loaded = JSON.parse(line) as Loaded
    })
    child.once("exit", () =>
      loaded === undefined ? reject(new Error("a client gave no result")) : resolve(loaded)
    )
  })

let missed = 0
const rows: Array<ReadonlyArray<string>> = []
const sink = await startSink()
try {
  for (const bytes of [100, 1024]) {
    const perLane = Math.min(LIMIT.records, LIMIT.bytes / (bytes + FRAMING))
    const bytesPerSecond = perLane * (bytes + FRAMING)
    const one = async (lanes: number, limit: boolean, verify: boolean): Promise<Loaded> => {
      await sink.order({
        bytesPerSecond: String(limit ? bytesPerSecond : Infinity),
        verify,
        keyed: verify
      })
      const loaded = await load({
        port: sink.port,
        lanes,
        keyed: lanes > 1,
        bytes,
        millis: verify ? 1000 : millis
      })
      const { violation } = await sink.order({})
      if (violation !== undefined) {
        missed++
        console.error(`${lanes} lanes, ${bytes} B: ${violation}`)
      }
      return loaded
    }
    const numbers = [1, 4, 16, 64]
    for (const lanes of numbers) await one(lanes, true, true)
    const unlimited: Array<Loaded> = []
    const limited = numbers.map((): Array<Loaded> => [])
    for (let round = 0; round < rounds; round++) {
      unlimited.push(await one(1, false, false))
      for (const [n, lanes] of numbers.entries()) limited[n]!.push(await one(lanes, true, false))
    }
    const inMillions = (all: ReadonlyArray<Loaded>) =>
      spreadText(spreadOf(all.map(({ rate }) => rate / 1e6)))
    const costs = (all: ReadonlyArray<Loaded>) => [
      digits(spreadOf(all.map(({ cpu }) => cpu)).median),
      String(Math.round(spreadOf(all.map(({ memory }) => memory)).median))
    ]
    rows.push([
      `${bytes} B, one stream without limits`,
      inMillions(unlimited),
      "-",
      "-",
      ...costs(unlimited)
    ])
    for (const [n, lanes] of numbers.entries()) {
      const mayCarry = (round: number) =>
        Math.min(lanes * perLane, OF_UNLIMITED * unlimited[round]!.rate)
      const ratio = spreadOf(limited[n]!.map(({ rate }, round) => rate / mayCarry(round)))
      if (!(ratio.median >= GOAL)) missed++
      const bound =
        lanes * perLane < OF_UNLIMITED * spreadOf(unlimited.map(({ rate }) => rate)).median
          ? "lanes"
          : "one stream"
      rows.push([
        `${bytes} B, ${lanes} lanes`,
        inMillions(limited[n]!),
        spreadText(ratio),
        bound,
        ...costs(limited[n]!)
      ])
    }
  }
  console.log(
    table(["records", "million/s", `ratio, goal ${GOAL}`, "bound by", "CPU µs/record", "MiB"], rows)
  )
  console.log(
    missed === 0 ? "records of each key arrived in order; every goal was met" : `${missed} missed`
  )
} finally {
  await sink.stop()
}
process.exitCode = missed === 0 ? 0 : 1
