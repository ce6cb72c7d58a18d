/**
 * The cost of the metrics on the hot path: the client with its metric reports switched on and off
 * in turns, in one process, so that both have the same compiled code and the same heap. The ratio
 * of processor time per record is taken within each round. Its smallest and largest value, and the
 * same ratio between two runs with reports, show the noise. Without the reports, the sums that the
 * landing zone keeps for its bounds remain.
 */
import { fileURLToPath } from "node:url"
import { digits, type Spread, spreadOf } from "./figures.ts"
import type { Sink } from "./processes.ts"
import type { RunResult } from "./runner.ts"
import { type ScenarioResult, withClient } from "./scenario.ts"

/** The permitted share of the metrics in the cost of a record. */
const LIMIT = 0.03
/**
 * One round is accurate to about ten per cent; the median of fewer rounds cannot show three per
 * cent.
 */
const MIN_ROUNDS = 41

const flags = ["--import", fileURLToPath(new URL("./telemetryHook.ts", import.meta.url))]

/**
 * In each round: on, off, on again, or the reverse, because the heap left by one run affects the
 * next.
 */
const measureSize = (
  sink: Sink,
  size: number,
  rounds: number,
  records: number
): Promise<ScenarioResult> =>
  withClient(sink, "ours", { size, flags }, async (client) => {
    const cost = async (on: boolean): Promise<number> => {
      await client.ask({ do: "telemetry", on })
      const run = await client.ask<RunResult>({ do: "count", records })
      return (run.cpu / run.records) * 1e6
    }
    await cost(true)
    await cost(false)
    const [on, off, again]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
    for (let round = 0; round < Math.max(rounds, MIN_ROUNDS); round++) {
      const turned = round % 2 === 1
      const first = await cost(true)
      off.push(await cost(false))
      const last = await cost(true)
      on.push(turned ? last : first)
      again.push(turned ? first : last)
    }
    const ratio: Spread = spreadOf(off.map((without, n) => (on[n]! + again[n]!) / 2 / without))
    return {
      id: `telemetry, records of ${size} B`,
      client: "ours",
      figures: {
        "CPU us/record": spreadOf([...on, ...again]),
        "without metrics": spreadOf(off),
        "with / without": ratio,
        "with / with": spreadOf(on.map((cost, n) => cost / again[n]!)),
        "rounds": off.length
      },
      budget: { text: `< ${digits(1 + LIMIT)}`, met: ratio.median < 1 + LIMIT }
    }
  })

/** Measures it for records of 100 B, which cost least each, and of 1 KB. */
export const measureTelemetry = async (
  sink: Sink,
  rounds: number,
  quick: boolean
): Promise<ReadonlyArray<ScenarioResult>> => {
  const small = await measureSize(sink, 100, rounds, 800_000)
  return quick ? [small] : [small, await measureSize(sink, 1024, rounds, 400_000)]
}
