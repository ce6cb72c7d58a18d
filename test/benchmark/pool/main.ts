/**
 * `npm run bench:pool -- [--records N] [--tables N] [--open N] [--rounds N] [--shared]`: many
 * tables through a pool, compared with as many fixed streams as the pool may have open.
 *
 * The default is 1,000,000 records of 100 B for 1,000 tables over 64 streams, with the n-th table's
 * share in proportion to 1/n; the fixed streams have 64 tables with the same distribution. Both run
 * in turns, each in a separate process, and end when everything is acknowledged. The sink reads
 * every message: it counts records and streams, and checks offsets. Its counts must match the
 * records sent, each once; the run fails with more streams than allowed or with a lost record. With
 * `--shared` all streams of a process share one connection, which opens them faster.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { digits, spreadOf, spreadText, table } from "../figures.ts"
import { nextMessage, start, startSink, stop } from "../processes.ts"
import type { PoolLoaded, PoolOrder } from "./load.ts"

const { values } = parseArgs({
  options: {
    records: { type: "string", default: "1000000" },
    tables: { type: "string", default: "1000" },
    open: { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
    shared: { type: "boolean", default: false }
  }
})
const [records, tables, open, rounds] = [
  Number(values.records),
  Number(values.tables),
  Number(values.open),
  Number(values.rounds)
]
/** The minimum rate of the pool, relative to the fixed streams of the same round. */
const GOAL = 0.5

interface Round extends PoolLoaded {
  readonly opened: number
  readonly mostCalls: number
}

const sink = await startSink()
const problems: Array<string> = []

const measure = async (way: PoolOrder["way"], seed: number): Promise<Round> => {
  await sink.order({ verify: true })
  const order: PoolOrder = {
    way,
    port: sink.port,
    records,
    tables,
    open,
    shared: values.shared,
    seed
  }
  const child = start(new URL("./load.ts", import.meta.url), [JSON.stringify(order)])
  try {
    const loaded = await nextMessage<PoolLoaded>(child, way)
    const arrived = await sink.order({})
    const expect = (holds: boolean, what: string): void => {
      if (!holds) problems.push(`${way}, seed ${seed}: ${what}`)
    }
    expect(arrived.records === records, `${arrived.records} records arrived, not ${records}`)
    expect(loaded.returned === 0, `${loaded.returned} records were returned`)
    expect(arrived.mostCalls <= open, `${arrived.mostCalls} streams were open`)
    expect(arrived.violation === undefined, String(arrived.violation))
    return { ...loaded, opened: arrived.opened, mostCalls: arrived.mostCalls }
  } finally {
    await stop(child)
  }
}

const [cpu] = Os.cpus()
console.log(
  `${Os.cpus().length} cores (${cpu?.model.trim()}), Node ${process.version}, load ` +
    `${digits(Os.loadavg()[0]!)}; ` +
    `${records} records of 100 B, ${rounds} rounds in turns; median (min to max)\n`
)
const results: Record<PoolOrder["way"], Array<Round>> = { fixed: [], pool: [] }
try {
  for (let round = 1; round <= rounds; round++) {
    for (const way of ["fixed", "pool"] as const) results[way].push(await measure(way, round))
  }
} finally {
  await sink.stop()
}
const of = (way: PoolOrder["way"], figure: (round: Round) => number) =>
  spreadText(spreadOf(results[way].map(figure)))
const row = (way: PoolOrder["way"], title: string): ReadonlyArray<string> => [
  title,
  of(way, ({ millis }) => records / millis),
  of(way, ({ ingested }) => records / ingested),
  of(way, ({ cpu }) => (cpu / records) * 1e6),
  of(way, ({ slowest }) => slowest),
  of(way, ({ opened }) => opened),
  of(way, ({ mostCalls }) => mostCalls),
  of(way, ({ rss }) => rss / 2 ** 20)
]
console.log(
  table(
    [
      "way",
      "thousand records/s durable",
      "thousand records/s accepted",
      "CPU us/record",
      "last record of a table, ms at most",
      "openings",
      "most open",
      "RSS MiB"
    ],
    [
      row("fixed", `${open} tables, ${open} fixed streams`),
      row("pool", `${tables} tables, pool of ${open}`)
    ]
  )
)
const ratio = spreadOf(results.pool.map(({ millis }, n) => results.fixed[n]!.millis / millis))
console.log(`\nRate of the pool over the fixed streams: ${spreadText(ratio)}, goal ${GOAL}`)
if (ratio.median < GOAL)
  problems.push(`the rate is ${digits(ratio.median)} of the fixed streams, goal ${GOAL}`)
if (problems.length > 0) {
  console.log(`\n${problems.join("\n")}`)
  process.exitCode = 1
} else console.log("Every record arrived once, over no more streams than allowed.")
