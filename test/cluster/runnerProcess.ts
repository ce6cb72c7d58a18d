/**
 * A runner of the cluster in a separate process. It owns shards, and ingests the records of the
 * parts that its parent assigns.
 *
 * The order arrives as JSON in the first argument. Parts arrive as messages `{ part, done }`;
 * `done` are the journals of the runners that had the part before. Records acknowledged there are
 * not ingested again. For each record it writes to its journal, at once, when it was passed on and
 * when it was acknowledged, so that a kill loses no acknowledgement. At SIGTERM it passes on no
 * more records, waits for those in flight, and stops.
 */
import { NodeClusterSocket } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import {
  Cause,
  Deferred,
  Effect,
  Exit,
  FiberSet,
  Layer,
  Logger,
  Option,
  Queue,
  Redacted,
  References,
  Schema
} from "effect"
import { RunnerAddress } from "effect/cluster"
import { RpcClient } from "effect/rpc"
import { TableProperties, type ZerobusError, ZerobusLayer } from "effect-zerobus"
import { ZerobusShards } from "effect-zerobus/cluster"
import { Journal, readJournal } from "./journal.ts"

/** The order of a runner. */
export interface RunnerOrder {
  readonly port: number
  readonly database: string
  readonly journal: string
  readonly shards: number
  readonly recordsPerPart: number
  readonly keysPerPart: number
}

/** A message of a runner. */
export interface RunnerWord {
  /** All records of this part are acknowledged. */
  readonly finished?: number
  readonly event?: "connection lost" | "leases lost" | "leases renewed" | "batch again" | "replay"
  /** The time of the event, in milliseconds since 1970. */
  readonly at?: number
}

/** A part of the records, and the journals of the runners that had it before. */
export interface PartOrder {
  readonly part: number
  readonly done: ReadonlyArray<string>
}

const order = JSON.parse(process.argv[2]!) as RunnerOrder

/** Concurrent calls of `ingest`. */
const CONCURRENCY = 8192

const Reading = Schema.Struct({ part: Schema.Int, key: Schema.Int, n: Schema.Int })

const Shards = ZerobusShards.layer({
  table: TableProperties.json("main.default.readings", Reading),
  shards: order.shards,
  key: ({ key, part }: typeof Reading.Type) => `${part}-${key}`
})

/**
 * Notifies the parent when a connection to another runner was lost, for example because a busy
 * machine answered no ping for five seconds. Batches in flight on it are sent again.
 */
const connections = Layer.succeed(RpcClient.ConnectionHooks, {
  onConnect: Effect.void,
  onDisconnect: Effect.sync(() => tell("connection lost"))
})

const Cluster = NodeClusterSocket.layer({
  shardingConfig: {
    runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", order.port)),
    entityTerminationTimeout: "10 seconds",
    // A busy machine may not answer within a third of this time, which would end the entities of a
    // runner.
    shardLockExpiration: "15 seconds",
    refreshAssignmentsInterval: "500 millis",
    runnerHealthCheckInterval: "1 second"
  }
}).pipe(Layer.provide([PgClient.layer({ url: Redacted.make(order.database) }), connections]))

let stopping = false
const stop = Deferred.makeUnsafe<void>()
process.on("SIGTERM", () => {
  stopping = true
  Deferred.doneUnsafe(stop, Exit.void)
})

// The parent process has ended.
process.on("disconnect", () => process.exit(1))

const journal = new Journal(order.journal)

/** Ingests the records that no journal has as acknowledged. */
const ingestPart = ({ done, part }: PartOrder) =>
  Effect.gen(function* () {
    const first = part * order.recordsPerPart
    const acknowledged = new Set(done.flatMap((path) => [...readJournal(path).acknowledged.keys()]))
    const left = Array.from({ length: order.recordsPerPart }, (_, n) => n).filter(
      (n) => !acknowledged.has(first + n)
    )
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
  // A returned record ends the runner.
  yield* Effect.raceAllFirst([starting, FiberSet.join(ingesting), Deferred.await(stop)])
  yield* FiberSet.awaitEmpty(ingesting)
})

const tell = (event: NonNullable<RunnerWord["event"]>): void => {
  process.send?.({ event, at: Date.now() } satisfies RunnerWord)
}

/**
 * Notifies the parent when records in flight are sent again: the runner could not renew its leases
 * in time and released its shards, as on an overloaded machine; the owner of a shard did not accept
 * a batch; or a stream replays on another connection.
 */
const log = Logger.make(({ message }) => {
  const [text, details] = Array.isArray(message) ? message : [message]
  if (typeof text !== "string") return
  if (text.startsWith("Shard lock storage is unhealthy")) tell("leases lost")
  if (text.startsWith("Shard lock storage has recovered")) tell("leases renewed")
  if (text.startsWith("The owner of a shard did not take a batch")) tell("batch again")
  if (text.startsWith("A connection is open") && details.toSendAgain > 0) tell("replay")
})

// Not with `runMain`, which would interrupt records in flight at SIGTERM.
Effect.runFork(
  program.pipe(
    Effect.scoped,
    Effect.provide(Shards.pipe(Layer.provide([Cluster, ZerobusLayer]))),
    Effect.provide(Logger.layer([log])),
    Effect.provideService(References.MinimumLogLevel, "Debug")
  )
).addObserver((exit) => {
  if (Exit.isFailure(exit)) console.error(Cause.pretty(exit.cause))
  process.exit(Exit.isFailure(exit) ? 1 : 0)
})
