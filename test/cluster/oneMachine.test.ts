/**
 * The shards of a table in one process, with the cluster's storage in SQLite: ingested records
 * arrive in order, refused ones are reported, and stored ones survive the process that accepted
 * them.
 */
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Result, Schedule, Schema } from "effect"
import { SingleRunner } from "effect/cluster"
import { InvalidArgument, InvalidTable, TableProperties } from "effect-zerobus"
import { ZerobusShards } from "effect-zerobus/cluster"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { sqliteLayer } from "../support/sqliteClient.ts"

const Reading = Schema.Struct({ device: Schema.String, n: Schema.Int })
type Reading = typeof Reading.Type

const shardsOf = (table: string, stream: ZerobusShards.ShardStreamOptions<Reading> = {}) =>
  ZerobusShards.layer({
    table: TableProperties.json(table, Reading),
    shards: 4,
    key: ({ device }: Reading) => device,
    stream: { recoveryBackoff: 1, ...stream }
  })

/** A cluster of one runner. Its storage is a file, so that another cluster can continue with it. */
const cluster = (file: string) =>
  SingleRunner.layer({
    shardingConfig: {
      entityMessagePollInterval: 100,
      entityTerminationTimeout: 200,
      shardsPerGroup: 16
    }
  }).pipe(Layer.provide([sqliteLayer(file), NodeCrypto.layerDigest]))

const databaseFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-cluster-"))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => Path.join(folder, "cluster.db")
)

const readings = (count: number): ReadonlyArray<Reading> =>
  Array.from({ length: count }, (_, n) => ({ device: `sensor-${n % 13}`, n }))

/** The numbers of each device, in the order of the table. */
const byDevice = (records: ReadonlyArray<Record<string, unknown>>) => {
  const numbers = new Map<unknown, Array<number>>()
  for (const { device, n } of records)
    numbers.set(device, [...(numbers.get(device) ?? []), Number(n)])
  return numbers
}

/** Waits until the table holds `count` rows. */
const settled = <E>(records: Effect.Effect<ReadonlyArray<unknown>, E>, count: number) =>
  Effect.repeat(records, { until: (rows) => rows.length >= count, schedule: Schedule.spaced(20) })

layer(ZerobusLocal.layerMemory, { excludeTestServices: true })("shards on one machine", (it) => {
  const table = (name: string) =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(`main.default.${name}(device STRING, n BIGINT)`)
      return { name: `main.default.${name}`, records: local.records(`main.default.${name}`), local }
    })

  it.effect("make records durable, each once and in the order of its key", () =>
    Effect.gen(function* () {
      const { name, records } = yield* table("durable")
      const given = readings(2000)
      yield* Effect.forEach(given, (reading) => ZerobusShards.ingest(reading), {
        concurrency: 500
      }).pipe(Effect.provide(shardsOf(name).pipe(Layer.provide(cluster(yield* databaseFile)))))
      assert.deepStrictEqual(byDevice(yield* records), byDevice(given))
    })
  )

  it.effect("name a refused record to its caller and keep the others", () =>
    Effect.gen(function* () {
      const { name, records } = yield* table("refused")
      const untyped = ZerobusShards.layer({
        table: TableProperties.json(name),
        shards: 1,
        key: () => 0,
        stream: { recoveryBackoff: 1 }
      })
      const given = [1, 2, "no number", 4]
      const results = yield* Effect.forEach(
        given,
        (n) => Effect.result(ZerobusShards.ingest({ device: "sensor", n })),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(untyped.pipe(Layer.provide(cluster(yield* databaseFile)))))
      assert.deepStrictEqual(
        results.map(({ _tag }) => _tag),
        ["Success", "Success", "Failure", "Success"]
      )
      const refusal = Result.getOrThrow(Result.flip(results[2]!))
      assert.instanceOf(refusal, InvalidArgument)
      assert.include(refusal.message, "column n")
      assert.deepStrictEqual(byDevice(yield* records), new Map([["sensor", [1, 2, 4]]]))
    })
  )

  it.effect(
    "return the error that ends a shard's stream to callers, with its class, and open a new one",
    () =>
      Effect.gen(function* () {
        const { local, name, records } = yield* table("ended")
        yield* local.dropTable(name)
        yield* Effect.gen(function* () {
          const failure = yield* Effect.flip(ZerobusShards.ingest({ device: "sensor", n: 1 }))
          assert.instanceOf(failure, InvalidTable)
          assert.deepInclude(failure, { tableName: name, isRetryable: false })
          yield* table("ended")
          yield* ZerobusShards.ingest({ device: "sensor", n: 2 })
        }).pipe(Effect.provide(shardsOf(name).pipe(Layer.provide(cluster(yield* databaseFile)))))
        assert.deepStrictEqual(byDevice(yield* records), new Map([["sensor", [2]]]))
      })
  )

  it.effect("refuse records that cannot be sent before they leave the process", () =>
    Effect.gen(function* () {
      const { name } = yield* table("local")
      yield* Effect.gen(function* () {
        const bad = yield* Effect.flip(ZerobusShards.ingest({ device: "sensor", n: 1.5 }))
        assert.deepInclude(bad, { _tag: "InvalidArgument", path: ["n"] })
        const large = yield* Effect.flip(ZerobusShards.ingest({ device: "x".repeat(2000), n: 1 }))
        assert.deepInclude(large, {
          _tag: "PayloadTooLarge",
          limit: 1000,
          option: "maxPayloadBytes"
        })
        const unattended = yield* Effect.flip(
          ZerobusShards.ingest({ device: "x", n: 1 }, { persisted: true })
        )
        assert.deepInclude(unattended, { _tag: "InvalidArgument", path: ["persisted"] })
      }).pipe(
        Effect.provide(
          shardsOf(name, { maxPayloadBytes: 1000 }).pipe(
            Layer.provide(cluster(yield* databaseFile))
          )
        )
      )
    })
  )

  it.effect(
    "keep stored records while the server refuses streams, and send them from the next process, " +
      "in order",
    () =>
      Effect.gen(function* () {
        const { local, name, records } = yield* table("stored")
        const file = yield* databaseFile
        const given = readings(200)
        const letters: Array<Reading> = []
        const shards = shardsOf(name, {
          onRefused: ({ records: refused }) => Effect.sync(() => letters.push(...refused))
        }).pipe(Layer.provide(cluster(file)))
        yield* local.inject(name, Faults.reject({ status: "PERMISSION_DENIED", times: 1_000_000 }))
        yield* Effect.forEach(
          given,
          (reading) => ZerobusShards.ingest(reading, { persisted: true }),
          {
            concurrency: 50
          }
        ).pipe(Effect.provide(shards))
        assert.deepStrictEqual(yield* records, [])
        yield* local.clearFaults(name)
        yield* settled(records, given.length).pipe(Effect.provide(shards))
        assert.deepStrictEqual(byDevice(yield* records), byDevice(given))
        assert.deepStrictEqual(letters, [])
      })
  )
})

describe("options of shards", () => {
  const good = {
    table: TableProperties.json("main.default.t", Reading),
    shards: 4,
    key: ({ device }: Reading) => device
  }
  it.effect.each([
    [{ ...good, shards: 0 }, ["shards"]],
    [{ ...good, shards: 1.5 }, ["shards"]],
    [{ ...good, key: "device" }, ["key"]],
    [{ ...good, stream: { spool: {} } }, ["stream", "spool"]],
    [{ ...good, stream: { onUnacked: () => Effect.void } }, ["stream", "onUnacked"]],
    [{ ...good, batch: { maxRecords: 0 } }, ["batch", "maxRecords"]],
    [{ ...good, timeout: 0 }, ["timeout"]],
    [{ ...good, other: 1 }, ["other"]]
  ] as const)("are refused by name: %$", ([options, path]) =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Layer.build(ZerobusShards.layer(options as never)))
      assert.deepInclude(refused, { _tag: "InvalidArgument", path })
    }).pipe(Effect.provide([ZerobusLocal.layerMemory, cluster(":memory:")]))
  )

  it.effect("include the name of the table", () =>
    Effect.gen(function* () {
      const options = { ...good, table: TableProperties.json("t", Reading) }
      const refused = yield* Effect.flip(Layer.build(ZerobusShards.layer(options)))
      assert.strictEqual(refused._tag, "InvalidTable")
    }).pipe(Effect.provide([ZerobusLocal.layerMemory, cluster(":memory:")]))
  )
})
