/**
 * How long the slowest acknowledgements take of one stream that gets a hundred records a second: of
 * the very first records of a process, and of the same stream once its code has run for a while.
 */
import { digits, spreadOf, spreadText } from "../figures.ts"
import type { LoneOrder, LoneResult } from "./load.ts"

/** Records a second, and milliseconds. */
const RATE = 100
const MILLIS = 4000
/** Runs a stream warm: the functions that a record goes through are compiled by then. */
const WARM: LoneOrder = { rate: 2000, millis: 5000, observeEvery: 1 }

/** An open stream of a new process. */
interface Load {
  readonly ask: (order: LoneOrder) => Promise<LoneResult>
  readonly stop: () => Promise<void>
}

/** The columns of {@link measureSlowest}. */
export const SLOWEST_HEAD = ["client", "process", "first ms", "p50 ms", "p99 ms", "slowest but the first ms", "GC ms"]

/** Starts each client so many times, in turns, and measures it new and warm. */
export const measureSlowest = async <A extends { readonly title: string }>(
  clients: ReadonlyArray<A>,
  rounds: number,
  startOne: (client: A) => Promise<Load>
): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const order: LoneOrder = { rate: RATE, millis: MILLIS, observeEvery: 1 }
  const results = clients.map((): Record<"new" | "warm", Array<LoneResult>> => ({ new: [], warm: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const [n, client] of clients.entries()) {
      const load = await startOne(client)
      try {
        results[n]!.new.push(await load.ask(order))
        await load.ask(WARM)
        results[n]!.warm.push(await load.ask(order))
      } finally {
        await load.stop()
      }
    }
  }
  return clients.flatMap(({ title }, n) =>
    (["new", "warm"] as const).map((age) => {
      const of = (figure: (result: LoneResult) => number) => spreadText(spreadOf(results[n]![age].map(figure)))
      const collecting = digits(spreadOf(results[n]![age].map(({ gc }) => gc)).max)
      return [
        title,
        age,
        of(({ first }) => first),
        of(({ p50 }) => p50),
        of(({ p99 }) => p99),
        of(({ rest }) => rest),
        collecting
      ]
    })
  )
}
