/**
 * The benchmark: `npm run bench -- [--quick] [--json FILE]`. Every case runs each client in a fresh process against the same neutral
 * server, alternating, and reports the median of the rounds with the smallest and largest value. Read the ratios, not the rates.
 */
import { fork, type ChildProcess } from "node:child_process"
import { writeFileSync } from "node:fs"
import * as Os from "node:os"
import { parseArgs } from "node:util"

const { values: flags } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "string" }, rounds: { type: "string" } }
})
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5))
const scale = flags.quick ? 1 : 4

interface Case {
  readonly api: "single" | "batch"
  readonly size: number
  readonly count: number
}

const cases: ReadonlyArray<Case> = [
  { api: "single", size: 1000, count: 400_000 * scale },
  { api: "single", size: 100, count: 1_500_000 * scale },
  { api: "batch", size: 1000, count: 400_000 * scale },
  { api: "batch", size: 100, count: 1_500_000 * scale }
]
const clients = ["ours", "raw"] as const

interface Measured {
  readonly rate: number
  readonly cpuMicros: number
  readonly rss: number
}

const start = (file: string, args: ReadonlyArray<string>): ChildProcess =>
  fork(new URL(file, import.meta.url), args, { execArgv: ["--conditions=effect-zerobus-source", "--expose-gc"] })

const message = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process of the benchmark ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (value) => {
      child.off("exit", ended)
      resolve(value as A)
    })
  })

const runOnce = async (
  sink: ChildProcess,
  port: number,
  client: string,
  { api, count, size }: Case
): Promise<Measured> => {
  const child = start("./client.ts", [String(port), client, api, String(size), String(count)])
  const { cpuSeconds, rss, seconds } = await message<{ seconds: number; cpuSeconds: number; rss: number }>(child)
  await new Promise((resolve) => child.once("exit", resolve))
  sink.send("count")
  const { records } = await message<{ records: number }>(sink)
  const expected = count + count / 5
  if (records !== expected)
    throw new Error(`${client} ${api} ${size} B: the server counted ${records} records, not ${expected}`)
  return { rate: count / seconds, cpuMicros: (cpuSeconds / count) * 1e6, rss }
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const spread = (values: ReadonlyArray<number>, digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`

const sink = start("./sink.ts", [])
const { port } = await message<{ port: number }>(sink)

console.log(
  `${Os.cpus().length} cores, ${Os.cpus()[0]?.model.trim()}, Node ${process.version}, ${rounds} rounds, median (min to max)\n`
)
console.log("| case | client | million records/s | MB/s | CPU us/record | RSS MB | rate against raw |")
console.log("| --- | --- | --- | --- | --- | --- | --- |")
const results = []
for (const one of cases) {
  const measured: Record<(typeof clients)[number], Array<Measured>> = { ours: [], raw: [] }
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) measured[client].push(await runOnce(sink, port, client, one))
  }
  const limit = median(measured.raw.map(({ rate }) => rate))
  for (const client of clients) {
    const rates = measured[client].map(({ rate }) => rate)
    const rate = median(rates)
    const row = [
      `${one.api === "single" ? "ingestRecord" : "ingestRecords x100"}, ${one.size} B`,
      client === "ours" ? "effect-zerobus" : "grpc-js, prepared bytes, 100 per message",
      spread(
        rates.map((value) => value / 1e6),
        2
      ),
      ((rate * one.size) / 1e6).toFixed(0),
      spread(
        measured[client].map(({ cpuMicros }) => cpuMicros),
        2
      ),
      (median(measured[client].map(({ rss }) => rss)) / 1e6).toFixed(0),
      (rate / limit).toFixed(2)
    ]
    console.log(`| ${row.join(" | ")} |`)
    results.push({ ...one, client, measured: measured[client], ratioToRaw: rate / limit })
  }
}
if (flags.json !== undefined)
  writeFileSync(flags.json, JSON.stringify({ node: process.version, rounds, results }, undefined, 2))
sink.disconnect()
