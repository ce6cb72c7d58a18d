/**
 * The slowest acknowledgements of one stream with a hundred records per second, from the first
 * record of a process on, and again after its code has run for a while. The table also has the
 * processor time of the main thread in that interval, which other work on the machine does not
 * lengthen. The native SDK does its own work in other threads.
 */
import { digits, spreadOf, spreadText } from "../figures.ts"
import type { LoneOrder, LoneResult } from "./load.ts"

/** Records per second, and milliseconds. */
const RATE = 100
const MILLIS = 4000
/** Warms a stream up: afterwards the functions that a record passes through are compiled. */
const WARM: LoneOrder = { rate: 2000, millis: 5000, observeEvery: 1 }

type Results = Record<"new" | "warm", Array<LoneResult>>

/** An open stream of a new process. */
interface Load {
  readonly ask: (order: LoneOrder) => Promise<LoneResult>
  readonly stop: () => Promise<void>
}

/** The columns of {@link measureSlowest}. */
export const SLOWEST_HEAD = [
  "client",
  "process",
  "ack p50 ms",
  "slowest ack ms",
  "CPU of the first, ms",
  "CPU p50 ms",
  "most CPU but the first, ms",
  "longest GC ms"
]

/** Starts each client this many times, in turns, and measures it new and warm. */
export const measureSlowest = async <A extends { readonly title: string }>(
  clients: ReadonlyArray<A>,
  rounds: number,
  startOne: (client: A) => Promise<Load>
): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const order: LoneOrder = { rate: RATE, millis: MILLIS, observeEvery: 1, spent: true }
  const results = clients.map((): Results => ({ new: [], warm: [] }))
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
      const own = results[n]![age]
      const of = (figure: (result: LoneResult) => number) => spreadText(spreadOf(own.map(figure)))
      return [
        title,
        age,
        of(({ p50 }) => p50),
        of(({ max }) => max),
        of(({ spent }) => spent.first),
        of(({ spent }) => spent.median),
        of(({ spent }) => spent.rest),
        digits(spreadOf(own.map(({ gc }) => gc)).max)
      ]
    })
  )
}
