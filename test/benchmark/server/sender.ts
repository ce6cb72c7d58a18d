/**
 * The client of `bench:server`, in a separate process. It prepares all rows before it sends the
 * first, so that sending takes as little processor time as possible. It answers each order with the
 * time of the rows from the call to their acknowledgement.
 */
import { Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import type { LocalServer } from "../clients/client.ts"
import { percentile } from "../figures.ts"
import { shapes, type ShapeName } from "./shapes.ts"

/** Rows to send at full speed, with this many per call, or a VARIANT of this many bytes. */
export type SenderOrder =
  | {
      readonly do: "rows"
      readonly first: number
      readonly rows: number
      readonly inflightBytes: number | undefined
    }
  | { readonly do: "variant"; readonly bytes: number }

/** The result of sending. */
export interface SenderReport {
  /** From the first call to the last acknowledgement, in seconds. */
  readonly seconds: number
  /** Processor time of this process, in seconds. */
  readonly cpu: number
  /** From the call to the acknowledgement, in milliseconds. */
  readonly p50: number
  readonly p99: number
}

const [name, batchText, serverText] = process.argv.slice(2) as [
  ShapeName | "variant",
  string,
  string
]
const server = JSON.parse(serverText) as LocalServer
const batch = Number(batchText)
const shape = name === "variant" ? undefined : shapes[name]()
const table = shape?.table ?? TableProperties.json("main.default.variants")

const settings = {
  ...server,
  clientSecret: Redacted.make(server.clientSecret),
  proxy: false
} as const

const send = (calls: ReadonlyArray<ReadonlyArray<any>>, inflightBytes: number | undefined) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const options = inflightBytes === undefined ? {} : { maxInflightBytes: inflightBytes }
    return yield* zerobus.withStream(table, options, (stream) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const cpu = process.cpuUsage()
        const began = performance.now()
        // A few thousand calls give the same percentiles as all.
        const every = Math.max(1, Math.floor(calls.length / 3000))
        let sent = 0
        for (const records of calls) {
          const called = performance.now()
          const ack =
            batch === 1
              ? yield* stream.ingestRecord(records[0])
              : yield* stream.ingestRecords(records)
          if (sent++ % every !== 0) continue
          yield* Effect.forkChild(
            Effect.map(ack!.await, () => {
              times.push(performance.now() - called)
            })
          )
        }
        yield* stream.flush
        const seconds = (performance.now() - began) / 1000
        const { system, user } = process.cpuUsage(cpu)
        const report: SenderReport = {
          seconds,
          cpu: (system + user) / 1e6,
          p50: percentile(times, 0.5),
          p99: percentile(times, 0.99)
        }
        return report
      })
    )
  }).pipe(Effect.provide(Zerobus.layer(settings)))

const item = (n: number): string => `{"id":${n},"name":"item ${n}","valid":${n % 2 === 0}}`

const variant = (bytes: number): ReadonlyArray<ReadonlyArray<string>> => {
  const items: Array<string> = []
  for (let size = 0, n = 0; size < bytes; n++) size += items[items.push(item(n)) - 1]!.length + 1
  return [[JSON.stringify({ value: `[${items.join(",")}]` })]]
}

const rowsOf = (first: number, rows: number): ReadonlyArray<ReadonlyArray<any>> => {
  const calls: Array<ReadonlyArray<any>> = []
  for (let n = first; n < first + rows; n += batch) {
    calls.push(
      Array.from({ length: Math.min(batch, first + rows - n) }, (_, at) => shape!.record(n + at))
    )
  }
  return calls
}

process.on("message", (order: SenderOrder) => {
  const calls = order.do === "rows" ? rowsOf(order.first, order.rows) : variant(order.bytes)
  Effect.runPromise(send(calls, order.do === "rows" ? order.inflightBytes : undefined)).then(
    (report) => process.send!(report),
    (error) => process.send!({ error: String(error) })
  )
})
process.on("disconnect", () => process.exit(0))
process.send!({})
