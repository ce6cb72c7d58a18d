/**
 * The server of the sustained run and of the end-to-end benchmark: a local server on disk in a
 * separate process. It prints its addresses first. For each input line, and at the end of the
 * input, it commits all rows and reports its measurements so far. Each output is a line of JSON.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, Stream } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { createInterface } from "node:readline"
import { Rows } from "./row.ts"

/**
 * The server's report. `rows` are the committed rows; CPU time is that of the process since it
 * started serving.
 */
export interface ServerReport {
  readonly rows: number
  readonly files: number
  readonly cpuSeconds: number
  readonly rssMb: number
  readonly stallMs: number
}

/** The lines of the input, and one more at its end. */
const inputLines = Stream.concat(
  Stream.fromAsyncIterable(createInterface(process.stdin), (error) => new Error(String(error))),
  Stream.make("end")
)

const program = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable(Rows)
  const delay = monitorEventLoopDelay({ resolution: 5 })
  let peak = 0
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 100)
  delay.enable()
  const { clientId, serverEndpoint, workspaceUrl } = local
  const clientSecret = Redacted.value(local.clientSecret)
  const before = process.cpuUsage()
  yield* Console.log(JSON.stringify({ serverEndpoint, workspaceUrl, clientId, clientSecret }))
  yield* Stream.runForEach(inputLines, () =>
    Effect.gen(function* () {
      yield* local.flush(Rows)
      const { system, user } = process.cpuUsage(before)
      const { rows, files } = yield* local.stats(Rows.tableName)
      const report: ServerReport = {
        rows,
        files,
        cpuSeconds: (system + user) / 1e6,
        rssMb: peak / 1e6,
        stallMs: delay.max / 1e6
      }
      yield* Console.log(JSON.stringify(report))
    })
  )
  clearInterval(sampler)
})

program.pipe(
  Effect.provide(ZerobusLocal.layerServer({ dataDir: process.argv[2]! })),
  NodeRuntime.runMain
)
