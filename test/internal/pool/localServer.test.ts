/**
 * Pools on the real local server, over TCP.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, FileSystem, Layer, Scope } from "effect"
import { StreamPool, TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"

const tables = ["a", "b", "c"].map((name) => TableProperties.json(`main.default.${name}`))
const columns = "(id BIGINT, device_name STRING)"

/** Reads from a trace how many streams were open at most, and how many were opened. */
const streamsOf = (trace: string): { readonly opened: number; readonly mostOpen: number } => {
  let open = 0
  let opened = 0
  let mostOpen = 0
  for (const line of trace.split("\n")) {
    const event = line === "" ? undefined : (JSON.parse(line) as { readonly event: string }).event
    if (event === "created") {
      opened++
      mostOpen = Math.max(mostOpen, ++open)
    } else if (event === "end") open--
  }
  return { opened, mostOpen }
}

describe("a pool on a local server", () => {
  it.live("sends three tables over two streams, with few openings", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      for (const { tableName } of tables) yield* local.createTable(`${tableName}${columns}`)
      const pool = yield* StreamPool.make({ maxOpen: 2, idleTimeToLive: "1 minute" })
      for (let n = 0; n < 3000; n++)
        yield* pool.ingest(tables[n % 3]!, { id: n, device_name: `sensor-${n}` })
      yield* pool.flush
      for (const [at, table] of tables.entries()) {
        const ids = (yield* local.records(table)).map((row) => Number(row["id"]))
        assert.deepStrictEqual(
          ids,
          Array.from({ length: 1000 }, (_, n) => n * 3 + at)
        )
      }
      const { mostOpen, opened } = streamsOf(yield* local.trace)
      assert.isAtMost(mostOpen, 2)
      assert.isAtMost(opened, 50)
    }).pipe(Effect.scoped, Effect.provide(ZerobusLocal.layerMemoryWith({ traceEvents: 100_000 })))
  )

  it.live("goes on when the server is stopped and started again under load", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-pool-" })
      const start = (ports: object) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
          const layer = ZerobusLocal.layerServer({ dataDir, ...ports })
          const context = yield* Layer.buildWithScope(layer, scope)
          return { local: Context.get(context, ZerobusLocal), stop: Scope.close(scope, Exit.void) }
        })
      const first = yield* start({})
      const { clientId, clientSecret, serverEndpoint, workspaceUrl } = first.local
      for (const { tableName } of tables) yield* first.local.createTable(`${tableName}${columns}`)
      const client = Zerobus.layer({
        serverEndpoint,
        workspaceUrl,
        clientId,
        clientSecret,
        proxy: false
      })
      yield* Effect.gen(function* () {
        const pool = yield* StreamPool.make({
          maxOpen: 2,
          idleTimeToLive: "1 minute",
          stream: { recoveryBackoff: "100 millis", recoveryRetries: 100 }
        })
        let ingested = 0
        let goOn = true
        const ingesting = yield* Effect.forkChild(
          Effect.gen(function* () {
            for (; goOn; ingested++) {
              yield* pool.ingest(tables[ingested % 3]!, { id: ingested, device_name: "x" })
              if (ingested % 100 === 0) yield* Effect.sleep(1)
            }
          })
        )
        const reached = (count: number) =>
          Effect.gen(function* () {
            const goal = ingested + count
            while (ingested < goal) yield* Effect.sleep(5)
          })
        yield* reached(3000)
        yield* first.stop
        yield* reached(3000)
        const port = Number(new URL(serverEndpoint).port)
        const second = yield* start({ port, httpPort: Number(new URL(workspaceUrl).port) })
        yield* reached(3000)
        goOn = false
        yield* Fiber.join(ingesting)
        yield* pool.flush
        for (const [at, table] of tables.entries()) {
          const ids = (yield* second.local.records(table)).map((row) => Number(row["id"]))
          const expected = Array.from({ length: ingested }, (_, n) => n).filter((n) => n % 3 === at)
          assert.deepStrictEqual([...new Set(ids)], expected)
        }
      }).pipe(Effect.scoped, Effect.provide(client))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
