/**
 * A runner of the cluster in a process of its own: it owns shards, and ingests the records of the parts that its parent gives it.
 *
 * The order comes as JSON in the first argument. Parts come as messages `{ part, done }`, where `done` are the journals of the runners
 * that had the part before: what is acknowledged there is not ingested again. For each record it writes when it was handed over
 * and when it was acknowledged to its journal, at once, so that a kill loses no acknowledgement. With SIGTERM it hands over no more
 * records, waits for those that are on their way, and stops.
 */
import { NodeClusterSocket } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Cause, Deferred, Effect, Exit, FiberSet, Layer, Logger, Option, Queue, Redacted, Schema } from "effect"
import { RunnerAddress } from "effect/cluster"
import { TableProperties, type ZerobusError, ZerobusLayer } from "effect-zerobus"
import { ZerobusShards } from "effect-zerobus/cluster"
import { Journal, readJournal } from "./journal.ts"

/** What a runner is told. */
export interface RunnerOrder {
  readonly port: number
  readonly database: string
  readonly journal: string
  readonly shards: number
  readonly recordsPerPart: number
  readonly keysPerPart: number
}

/** A part of the records, and the journals of those who had it before. */
export interface PartOrder {
  readonly part: number
  readonly done: ReadonlyArray<string>
}

const order = JSON.parse(process.argv[2]!) as RunnerOrder

/** Calls of `ingest` at a time. */
const CONCURRENCY = 8192

const Reading = Schema.Struct({ part: Schema.Int, key: Schema.Int, n: Schema.Int })

const Shards = ZerobusShards.layer({
  table: TableProperties.json("main.default.readings", Reading),
  shards: order.shards,
  key: ({ key, part }: typeof Reading.Type) => `${part}-${key}`
})

const Cluster = NodeClusterSocket.layer({
  shardingConfig: {
    runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", order.port)),
    entityTerminationTimeout: "10 seconds",
    // A busy machine may not answer within a third of it, which ends the entities of a runner.
    shardLockExpiration: "15 seconds",
    refreshAssignmentsInterval: "500 millis",
    runnerHealthCheckInterval: "1 second"
  }
}).pipe(Layer.provide(PgClient.layer({ url: Redacted.make(order.database) })))

let stopping = false
const stop = Deferred.makeUnsafe<void>()
process.on("SIGTERM", () => {
  stopping = true
  Deferred.doneUnsafe(stop, Exit.void)
})

const journal = new Journal(order.journal)

/** Ingests what no journal has as acknowledged. */
const ingestPart = ({ done, part }: PartOrder) =>
  Effect.gen(function* () {
    const first = part * order.recordsPerPart
    const acknowledged = new Set(done.flatMap((path) => [...readJournal(path).acknowledged.keys()]))
    const left = Array.from({ length: order.recordsPerPart }, (_, n) => n).filter((n) => !acknowledged.has(first + n))
    yield* Effect.forEach(
      left,
      (n) =>
        Effect.suspend(() => {
          if (stopping) return Effect.void
          journal.handedOver(first + n)
          const ingested = ZerobusShards.ingest({ part, key: n % order.keysPerPart, n })
          return Effect.andThen(
            ingested,
            Effect.sync(() => journal.acknowledged(first + n))
          )
        }),
      { concurrency: CONCURRENCY, discard: true }
    )
    journal.flush()
    if (!stopping) process.send!({ finished: part })
  })

const program = Effect.gen(function* () {
  const parts = yield* Queue.unbounded<PartOrder>()
  process.on("message", (message: PartOrder) => Queue.offerUnsafe(parts, message))
  process.send!({ ready: true })
  const ingesting = yield* FiberSet.make<void, ZerobusError>()
  const starting = Effect.forever(
    Effect.flatMap(Queue.take(parts), (part) => FiberSet.run(ingesting, ingestPart(part)))
  )
  // A record that is returned ends the runner.
  yield* Effect.raceAllFirst([starting, FiberSet.join(ingesting), Deferred.await(stop)])
  yield* FiberSet.awaitEmpty(ingesting)
})

/**
 * Tells the parent when the runner could not renew its leases in time and gives its shards up, as it does on a machine that is too
 * busy; and when it could again.
 */
const leases = Logger.make(({ message }) => {
  const text = String(Array.isArray(message) ? message[0] : message)
  if (text.startsWith("Shard lock storage is unhealthy")) process.send?.({ leases: "lost" })
  if (text.startsWith("Shard lock storage has recovered")) process.send?.({ leases: "renewed" })
})

// Not with runMain, which would interrupt records on their way at SIGTERM.
Effect.runFork(
  program.pipe(
    Effect.scoped,
    Effect.provide(Shards.pipe(Layer.provide([Cluster, ZerobusLayer]))),
    Effect.provide(Logger.layer([leases]))
  )
).addObserver((exit) => {
  if (Exit.isFailure(exit)) console.error(Cause.pretty(exit.cause))
  process.exit(Exit.isFailure(exit) ? 1 : 0)
})
