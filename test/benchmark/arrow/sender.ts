/**
 * A client of `bench:arrow`, in a separate process. It prepares all rows of an order before it
 * sends the first one. It answers each order with the cost of the rows until the last
 * acknowledgement.
 */
import { Effect, Redacted } from "effect"
import { HeadersProvider, Zerobus } from "effect-zerobus"
import type { LocalServer } from "../clients/client.ts"
import { type FormName, forms } from "./rows.ts"

export interface SenderOrder {
  readonly first: number
  readonly rows: number
}

export interface SenderReport {
  readonly seconds: number
  /** Processor time of this process, in seconds. */
  readonly cpu: number
}

/** The neutral server by its port, or the local server. */
export type Target = { readonly port: number } | { readonly local: LocalServer }

const [name, batchText, targetText] = process.argv.slice(2) as [FormName, string, string]
const target = JSON.parse(targetText) as Target
const batch = Number(batchText)
const form = forms[name]()

const layer = Zerobus.layer(
  "local" in target
    ? { ...target.local, clientSecret: Redacted.make(target.local.clientSecret), proxy: false }
    : {
        serverEndpoint: `http://127.0.0.1:${target.port}`,
        proxy: false,
        stream: {
          headersProvider: HeadersProvider.make({
            getHeaders: Effect.succeed({ authorization: "Bearer benchmark" })
          })
        }
      }
)

const send = (calls: ReadonlyArray<ReadonlyArray<unknown>>) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    return yield* zerobus.withStream(form.table, (stream) =>
      Effect.gen(function* () {
        const cpu = process.cpuUsage()
        const began = performance.now()
        for (const records of calls) yield* stream.ingestRecords(records)
        yield* stream.flush
        const seconds = (performance.now() - began) / 1000
        const { system, user } = process.cpuUsage(cpu)
        const report: SenderReport = { seconds, cpu: (system + user) / 1e6 }
        return report
      })
    )
  }).pipe(Effect.provide(layer))

process.on("message", ({ first, rows }: SenderOrder) => {
  const calls: Array<ReadonlyArray<unknown>> = []
  for (let n = first; n < first + rows; n += batch) calls.push(form.call(n, batch))
  globalThis.gc?.()
  Effect.runPromise(send(calls)).then(
    (report) => process.send!(report),
    (error) => process.send!({ error: String(error) })
  )
})
process.on("disconnect", () => process.exit(0))
process.send!({})
