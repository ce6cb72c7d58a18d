/**
 * Persistent streams of a server on disk, over real gRPC: the responses of a killed server after
 * its restart.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { type PersistentStream, TableProperties, UnityCatalog, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { quick, upTo } from "../../support/persistentStreams.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const table = TableProperties.json("main.default.durable")
const definition = "main.default.durable(n INT, pad STRING)"
const record = (n: number, pad = "") => ({ n, pad })
const create = Zerobus.use((zerobus) => zerobus.createPersistentStream(table, quick))
const resume = (id: string) =>
  Zerobus.use((zerobus) => zerobus.resumePersistentStream(table, id, quick))
const rows = ZerobusLocal.use((local) => local.records(table)).pipe(
  Effect.map((all) => all.map(({ n }) => n as number).sort((a, b) => a - b))
)
const ingest = (stream: PersistentStream<any>, numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => stream.ingestRecord(record(n)), { discard: true })

const disk = (dataDir: string, visibleOnceAcked = false) =>
  ZerobusLocal.layer({ dataDir, visibleOnceAcked })

/**
 * Copies the data folder in its state after a kill at this moment. The lock of a dead process is
 * ignored.
 */
const killed = (folder: string, image: string) =>
  Effect.promise(async () => {
    await Fs.cp(folder, image, { recursive: true })
    await Fs.rm(Path.join(image, ".lock"), { force: true })
  })

/**
 * The offsets of a persistent stream in the commits of a table: the version of each `txn`, oldest
 * first.
 */
const committedOffsets = (folder: string, streamId: string) =>
  Effect.promise(async () => {
    const log = Path.join(folder, "main", "default", "durable", "_delta_log")
    const names = (await Fs.readdir(log))
      .filter((name) => name.endsWith(".json") && !name.startsWith("_"))
      .sort()
    const offsets: Array<number> = []
    for (const name of names) {
      for (const line of (await Fs.readFile(Path.join(log, name), "utf8")).split("\n")) {
        const txn = line === "" ? undefined : JSON.parse(line).txn
        if (txn?.appId === `effect-zerobus-stream-${streamId}`) offsets.push(txn.version)
      }
    }
    return offsets
  })

describe("the persistent streams of a data folder", () => {
  it.live(
    "are resumed behind what was acknowledged when the server is killed, its rows committed or not",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const image = Path.join(yield* temporaryFolder, "data")
        const scope = yield* Scope.make()
        const { empty, id } = yield* Effect.gen(function* () {
          const local = yield* ZerobusLocal
          yield* local.createTable(definition)
          const empty = (yield* create).streamId
          const stream = yield* create
          yield* ingest(stream, upTo(40))
          yield* stream.flush
          yield* local.flush()
          yield* ingest(stream, upTo(25, 40))
          yield* stream.flush
          yield* killed(folder, image)
          return { empty, id: stream.streamId }
        }).pipe(Effect.provide(disk(folder)), Scope.provide(scope))
        yield* Scope.close(scope, Exit.void)
        yield* Effect.gen(function* () {
          const stream = yield* resume(id)
          assert.strictEqual(stream.resumedAt, 65)
          assert.strictEqual((yield* resume(empty)).resumedAt, 0)
          yield* ingest(stream, upTo(5, 65))
          yield* stream.flush
          assert.deepStrictEqual(yield* rows, upTo(70))
          const offsets = yield* committedOffsets(image, id)
          assert.strictEqual(offsets.at(-1), 69)
          assert.deepStrictEqual(
            offsets,
            [...offsets].sort((a, b) => a - b)
          )
        }).pipe(Effect.scoped, Effect.provide(disk(image)))
      }).pipe(Effect.scoped)
  )

  it.live("stay retired, and go with their table", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const ids = yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        yield* ZerobusLocal.use((local) => local.createTable(definition))
        const [kept, retired] = [yield* create, yield* create]
        for (const stream of [kept, retired]) {
          yield* ingest(stream, upTo(3))
          yield* stream.close
        }
        yield* zerobus.retireStream(table.tableName, retired.streamId)
        return { kept: kept.streamId, retired: retired.streamId }
      }).pipe(Effect.scoped, Effect.provide(disk(folder)))
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        assert.strictEqual((yield* Effect.flip(resume(ids.retired)))._tag, "InvalidArgument")
        const streams = yield* local.streams(table)
        assert.deepStrictEqual(
          streams.map(({ committed, retiredAt, streamId }) => [
            streamId,
            committed,
            retiredAt !== undefined
          ]),
          [
            [ids.kept, 2, false],
            [ids.retired, 2, true]
          ]
        )
        const { clientId, clientSecret, workspaceUrl } = local
        const listed = yield* UnityCatalog.use((catalog) => catalog.getTable(table.tableName)).pipe(
          Effect.provide(UnityCatalog.layer({ workspaceUrl, clientId, clientSecret, proxy: false }))
        )
        assert.deepStrictEqual(
          listed.persistentStreams.map(({ committedOffset, recordType, streamId }) => [
            streamId,
            recordType,
            committedOffset
          ]),
          [
            [ids.kept, "json", 2],
            [ids.retired, "json", 2]
          ]
        )
        assert.isAbove(listed.persistentStreams[1]?.retiredAt ?? 0, 0)
        yield* local.dropTable(table)
        yield* local.createTable(definition)
        assert.strictEqual((yield* Effect.flip(resume(ids.kept)))._tag, "InvalidArgument")
        assert.deepStrictEqual(yield* local.streams(table), [])
      }).pipe(Effect.scoped, Effect.provide(disk(folder)))
    }).pipe(Effect.scoped)
  )

  it.live("store large batches once, however often they are resumed while these are decoded", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(definition)
        const pad = "x".repeat(3000)
        const first = yield* create
        const id = first.streamId
        let stream: PersistentStream<any> = first
        for (let round = 0; round < 3; round++) {
          for (let offset: number = stream.resumedAt; offset < 12; offset++) {
            yield* stream.ingestRecords(upTo(100, offset * 100).map((n) => record(n, pad)))
          }
          // Resumed while the older connection has batches in flight.
          stream = yield* resume(id)
        }
        for (let offset: number = stream.resumedAt; offset < 12; offset++) {
          yield* stream.ingestRecords(upTo(100, offset * 100).map((n) => record(n, pad)))
        }
        yield* stream.flush
        assert.deepStrictEqual(yield* rows, upTo(1200))
      }).pipe(Effect.scoped, Effect.provide(disk(folder)))
    }).pipe(Effect.scoped)
  )

  it.live("count only what a query sees with visibleOnceAcked", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* local.createTable(definition)
        yield* local.inject(table, Faults.stallAcks({ connection: 1 }))
        const one = yield* create
        yield* ingest(one, upTo(12))
        yield* local.waitFor(table, "message", 12)
        const two = yield* resume(one.streamId)
        assert.strictEqual((yield* local.stats("main.default.durable")).rows, two.resumedAt)
      }).pipe(Effect.scoped, Effect.provide(disk(folder, true)))
    }).pipe(Effect.scoped)
  )
})
