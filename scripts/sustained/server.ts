/**
 * The server of the sustained run: says where it is, runs until its input ends, then reports what it measured of itself.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Rows } from "./row.ts"

const inputEnded = Effect.callback<void>((resume) => {
  process.stdin.on("end", () => resume(Effect.void))
  process.stdin.resume()
})

const program = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  yield* local.createTable(Rows)
  const delay = monitorEventLoopDelay({ resolution: 5 })
  let peak = 0
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 100)
  delay.enable()
  const { clientId, serverEndpoint, workspaceUrl } = local
  const clientSecret = Redacted.value(local.clientSecret)
  yield* Console.log(JSON.stringify({ serverEndpoint, workspaceUrl, clientId, clientSecret }))
  yield* inputEnded
  yield* local.flush(Rows)
  clearInterval(sampler)
  const { system, user } = process.cpuUsage()
  const { rows, files } = yield* local.stats(Rows.tableName)
  yield* Console.log(
    JSON.stringify({ rows, files, cpuSeconds: (system + user) / 1e6, rssMb: peak / 1e6, stallMs: delay.max / 1e6 })
  )
})

program.pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir: process.argv[2]! })), NodeRuntime.runMain)
