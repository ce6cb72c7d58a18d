/**
 * The server of `bench:server`, in a separate process: a local server on disk, with the folder and
 * the table's definition as arguments. It sends its address to the parent and answers each message.
 * `begin` starts a measurement; `report` makes it commit all rows and returns their cost.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** The result of a measurement. */
export interface ServedReport {
  readonly rows: number
  readonly bytes: number
  /** Processor time of the whole process until every row was committed, in seconds. */
  readonly cpu: number
  /** The longest turn of the main loop, in milliseconds. */
  readonly held: number
  /**
   * Acknowledgements by the upper bound of their time since the arrival of the first message they
   * cover, in milliseconds.
   */
  readonly acknowledged: ReadonlyArray<readonly [bound: number, count: number]>
}

const [folder, definition] = process.argv.slice(2) as [string, string]
const tableName = definition.slice(0, definition.indexOf("("))

const program = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable(definition)
  const { clientId, serverEndpoint, workspaceUrl } = local
  const clientSecret = Redacted.value(local.clientSecret)
  const buckets = async () => {
    const text = await (await fetch(`${workspaceUrl}/metrics`)).text()
    const found = text.matchAll(/ack_latency_milliseconds_bucket\{le="([^"]+)"\} (\d+)/g)
    return [...found].map(
      ([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), Number(count)] as const
    )
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  let cpu = process.cpuUsage()
  let before = yield* Effect.promise(buckets)
  process.send!({ serverEndpoint, workspaceUrl, clientId, clientSecret })
  const gone = once(process, "disconnect")
  process.on("message", (order: "begin" | "report") => {
    if (order === "begin") {
      void buckets().then((now) => {
        before = now
        delay.reset()
        cpu = process.cpuUsage()
        process.send!({})
      })
      return
    }
    const held = delay.max / 1e6
    void Effect.runPromise(
      Effect.gen(function* () {
        yield* local.flush(tableName)
        const { system, user } = process.cpuUsage(cpu)
        const { bytes, rows } = yield* local.stats(tableName)
        const now = yield* Effect.promise(buckets)
        const acknowledged = now.map(
          ([bound, count], n) => [bound, count - (before[n]?.[1] ?? 0)] as const
        )
        const report: ServedReport = { rows, bytes, cpu: (system + user) / 1e6, held, acknowledged }
        process.send!(report)
      })
    )
  })
  yield* Effect.promise(() => gone)
})

program.pipe(
  Effect.provide(Layer.fresh(ZerobusLocal.layerServer({ dataDir: folder }))),
  NodeRuntime.runMain
)
