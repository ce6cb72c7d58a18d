/**
 * Further parts of streams, with Arrow batches: sinks, durable offsets, metrics, pools, dead
 * letters and memory bounds.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arrow from "apache-arrow"
import { Effect, Fiber, Metric, Stream } from "effect"
import * as Fs from "node:fs"
import { DeadLetters, StreamPool, Zerobus, ZerobusMetrics } from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import { temporaryFolder } from "../support/commandLine.ts"
import { code } from "../support/scriptedServer.ts"

const folder = temporaryFolder()

describe("a stream of Arrow batches", () => {
  it.effect("is a sink that counts batches", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client()
      const batches = Stream.fromArray([F.batch(0, 3), F.batch(3, 4), F.batch(7, 5)])
      const summary = yield* Stream.run(batches, zerobus.sink(F.table, F.testOptions))
      assert.deepStrictEqual([summary.records, summary.refused, summary.lastOffset], [3, 0, 2])
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 12))
    })
  )

  it.effect("reports offsets whose rows are durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, F.silent)
      const seen: Array<number> = []
      const watching = yield* Effect.forkScoped(
        Stream.runForEach(stream.durableOffsets, (offset) =>
          Effect.sync(() => void seen.push(offset))
        )
      )
      yield* stream.ingestRecord(F.batch(0, 3))
      const both = yield* stream.ingestRecords([F.batch(3, 3), F.batch(6, 3)])
      yield* A.settle
      for (const rows of [2, 3, 8]) {
        server.last.ack(rows)
        yield* A.settle
      }
      assert.deepStrictEqual([seen, both?.offset], [[0], 1])
      server.last.ack(9)
      yield* stream.close
      yield* Fiber.join(watching)
      assert.deepStrictEqual(seen, [0, 1])
    })
  )

  it.effect("keeps as unacknowledged the records of an offset whose rows are not durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({ recovery: false }, F.silent)
      yield* stream.ingestRecords([F.batch(0, 3), F.batch(3, 3), F.batch(6, 3)])
      yield* A.settle
      server.last.ack(4)
      yield* A.settle
      server.last.fail(code.NOT_FOUND)
      yield* A.settle
      const batches = yield* stream.getUnackedBatches
      assert.deepStrictEqual(
        batches.map((records) => records.map(F.numbersOf)),
        [
          [
            [4, 5],
            [6, 7, 8]
          ]
        ]
      )
    })
  )

  it.effect("counts bytes that became durable in part", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, F.silent, {})
      const count = (metric: Metric.Metric<number, Metric.CounterState<number>>) =>
        Effect.map(
          Metric.value(Metric.withAttributes(metric, { table: F.table.tableName })),
          (state) => state.count
        )
      yield* stream.ingestRecord(F.batch(0, 1_000))
      yield* A.settle
      server.last.ack(900)
      yield* A.settle
      server.last.cut()
      yield* A.settle
      const part = yield* count(ZerobusMetrics.bytesDurable)
      assert.isAbove(part, 0)
      yield* A.advance(20)
      yield* stream.flush
      const ingested = yield* count(ZerobusMetrics.bytesIngested)
      const durable = yield* count(ZerobusMetrics.bytesDurable)
      assert.strictEqual(durable, ingested)
      assert.strictEqual(yield* count(ZerobusMetrics.recordsDurable), 1)
      yield* stream.close
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("keeps its records unchanged when the program reuses its buffers", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      const numbers = Int32Array.of(1, 2, 3)
      yield* stream.ingestRecord(new Arrow.Table({ n: Arrow.makeVector(numbers) }))
      numbers.fill(9)
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), [1, 2, 3])
    })
  )

  it.effect("takes batches of more bytes than a record of another kind may have", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({ maxPayloadBytes: 1_000 })
      yield* stream.ingestRecord(F.batch(0, 5_000))
      yield* stream.flush
      assert.strictEqual(server.last.rows, 5_000)
      const { stream: small } = yield* F.open({ maxInflightBytes: 20_000 })
      const error = A.tagged(
        yield* Effect.flip(small.ingestRecord(F.batch(0, 50_000))),
        "PayloadTooLarge"
      )
      assert.strictEqual(error.option, "maxInflightBytes")
      yield* stream.close
      yield* small.close
    })
  )

  it.effect("refuses options that it does not support, by name", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* F.client()
      const opening = Effect.scoped(zerobus.createStream(F.table, { onSchemaChange: "reopen" }))
      const { path } = A.tagged(yield* Effect.flip(opening), "InvalidArgument")
      assert.deepStrictEqual(path, ["onSchemaChange"])
    })
  )

  it.effect("can be one of a pool", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client()
      const pool = yield* StreamPool.make({ maxOpen: 1, idleTimeToLive: "1 minute" }).pipe(
        Effect.provideService(Zerobus, zerobus)
      )
      for (let n = 0; n < 3; n++) yield* pool.ingest(F.table, F.batch(n * 2, 2))
      yield* pool.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 6))
    })
  )
})

describe("letters of Arrow batches", () => {
  const linesOf = (path: string): ReadonlyArray<Readonly<Record<string, string>>> =>
    Fs.readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Readonly<Record<string, string>>)

  const tableIn = (base64: string | undefined) => F.readIpc(Buffer.from(base64 ?? "", "base64"))

  it.live("hold the IPC stream of a refused batch", () =>
    Effect.gen(function* () {
      const path = `${folder}/refused.ndjson`
      const { stream } = yield* F.open(
        { onRefused: DeadLetters.file(path) },
        {
          onFrame: (connection) => {
            if (F.numbersOf(connection.table).includes(4)) connection.fail(code.INVALID_ARGUMENT)
            else connection.ack(connection.rows)
          }
        }
      )
      yield* stream.ingestRecord(F.batch(0, 3))
      yield* stream.ingestRecord(F.batch(3, 3))
      yield* stream.close
      const [letter] = linesOf(path)
      assert.deepStrictEqual(F.numbersOf(tableIn(letter!["payloadBase64"])), [3, 4, 5])
    })
  )

  it.live("hold the IPC stream of rows that are not durable", () =>
    Effect.gen(function* () {
      const path = `${folder}/unacked.ndjson`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { server, stream } = yield* F.open(
            { onUnacked: DeadLetters.file(path), recovery: false },
            F.silent
          )
          yield* stream.ingestRecord(F.batch(0, 5))
          yield* A.settle
          server.last.ack(2)
          yield* A.settle
          server.last.fail(code.NOT_FOUND)
          yield* A.settle
        })
      )
      const [letter] = linesOf(path)
      assert.deepStrictEqual(F.numbersOf(tableIn(letter!["record"])), [2, 3, 4])
    })
  )
})
