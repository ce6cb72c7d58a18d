/**
 * Streams of Arrow batches over Arrow Flight: opening, acknowledgements by rows, flush and close.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as A from "../support/acceptance.ts"
import * as F from "../support/arrowAcceptance.ts"
import { code } from "../support/scriptedServer.ts"

/** Acknowledges nothing until the test does. */
const { silent } = F

describe("a stream of Arrow batches", () => {
  it.effect("AR-01 AR-02 opens with the schema at once, before there is a batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      const [connection] = server.connections
      assert.strictEqual(connection!.rpc, "DoPut")
      assert.strictEqual(connection!.headers["x-databricks-zerobus-table-name"], F.table.tableName)
      assert.strictEqual(connection!.headers["authorization"], "Bearer token-0")
      assert.deepStrictEqual(
        connection!.table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`),
        ["n Int32", "text LargeUtf8"]
      )
      assert.strictEqual(connection!.frames.length, 0)
      yield* stream.close
    })
  )

  it.effect("AR-03 AR-04 gives each batch one offset, however many rows", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      for (let n = 0; n < 3; n++) {
        const ack = yield* stream.ingestRecord(F.batch(n * 10, 10))
        assert.strictEqual(yield* ack.await, n)
      }
      yield* stream.close
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(0, 30))
      assert.strictEqual(server.last.table.getChild("text")!.get(29), "row 29")
      assert.deepStrictEqual(
        server.last.frames.map(({ offset, rows }) => [offset, rows]),
        [
          [0, 10],
          [1, 10],
          [2, 10]
        ]
      )
    })
  )

  it.effect("AR-05 takes batches of many fibers at once", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      const ingest = (n: number) =>
        Effect.flatMap(stream.ingestRecord(F.batch(n * 4, 4)), (ack) => ack.await)
      yield* Effect.forEach(F.numbers(0, 50), ingest, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        [...F.numbersOf(server.last.table)].sort((a, b) => a - b),
        F.numbers(0, 200)
      )
      yield* stream.close
    })
  )

  it.effect("AR-06 AR-07 flushes when every row is durable, at once when there is none", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      yield* stream.flush
      yield* stream.ingestRecord(F.batch(0, 5))
      yield* stream.ingestRecord(F.batch(5, 5))
      const flush = yield* A.started(stream.flush)
      server.last.ack(9)
      yield* A.settle
      assert.isFalse(flush.done())
      server.last.ack(10)
      yield* flush.join
      yield* stream.close
    })
  )

  it.effect("AR-08 AR-11 AR-14 closes once, takes nothing then and has nothing left", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      yield* stream.ingestRecord(F.batch(0, 5))
      yield* Effect.all([stream.close, stream.close], { concurrency: 2 })
      yield* stream.close
      A.tagged(yield* Effect.flip(stream.ingestRecord(F.batch(5, 1))), "StreamClosed")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
      assert.deepStrictEqual([server.connections.length, server.last.halfCloses], [1, 1])
    })
  )

  it.effect("AR-09 AR-15 ends with a final status, which waits and receipts fail with", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      const ack = yield* stream.ingestRecord(F.batch(0, 3))
      yield* stream.ingestRecord(F.batch(3, 4))
      const waiting = yield* A.started(ack.await)
      server.last.fail(code.NOT_FOUND, "no such table")
      yield* A.settle
      A.tagged(waiting.error(), "InvalidTable")
      A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
      const left = yield* stream.getUnackedRecords
      assert.deepStrictEqual(left.map(F.numbersOf), [F.numbers(0, 3), F.numbers(3, 4)])
    })
  )

  it.effect("AR-12 ends a session whose oldest batch is silent, whatever part is durable", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({ serverLackOfAckTimeout: 1_000 }, silent, {})
      yield* stream.ingestRecord(F.batch(0, 10))
      yield* A.advance(600)
      server.last.ack(4)
      yield* A.advance(399)
      assert.strictEqual(server.connections.length, 1)
      yield* A.advance(1)
      yield* A.advance(20)
      yield* stream.flush
      assert.deepStrictEqual(F.numbersOf(server.last.table), F.numbers(4, 6))
      yield* stream.close
    })
  )

  it.effect("AR-13 fails a flush at its limit and goes on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({ flushTimeout: 500 }, silent)
      yield* stream.ingestRecord(F.batch(0, 2))
      const flush = yield* A.started(stream.flush)
      yield* A.advance(500)
      A.tagged(flush.error(), "FlushTimeout")
      server.last.ack(2)
      yield* stream.flush
      yield* stream.close
    })
  )

  it.effect("AR-18 counts rows alone, whatever offset an acknowledgement has", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      const first = yield* stream.ingestRecord(F.batch(0, 2))
      const second = yield* stream.ingestRecord(F.batch(2, 2))
      yield* A.settle
      server.last.send({ ack_up_to_offset: 99, ack_up_to_records: 2 })
      assert.strictEqual(yield* first.await, 0)
      const waiting = yield* A.started(second.await)
      server.last.send({ ack_up_to_offset: 1, ack_up_to_records: 0 })
      yield* A.settle
      assert.isFalse(waiting.done())
      server.last.send({ ack_up_to_offset: -1, ack_up_to_records: 4 })
      yield* waiting.join
      yield* stream.close
    })
  )

  it.effect("AR-20 refuses rows that were not sent, and nothing changes", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      yield* stream.ingestRecord(F.batch(0, 2))
      yield* A.settle
      server.last.ack(3)
      yield* A.settle
      const error = A.tagged(yield* Effect.flip(stream.flush), "ProtocolViolation")
      assert.include(error.message, "3 rows")
      assert.deepStrictEqual((yield* stream.getUnackedRecords).map(F.numbersOf), [[0, 1]])
    })
  )

  it.effect("AR-22 ignores acknowledgements of fewer rows than before", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      yield* stream.ingestRecord(F.batch(0, 4))
      const second = yield* stream.ingestRecord(F.batch(4, 4))
      yield* A.settle
      for (const rows of [6, 5, 1, 6]) server.last.ack(rows)
      yield* A.settle
      server.last.ack(8)
      assert.strictEqual(yield* second.await, 1)
      yield* stream.close
    })
  )

  it.effect("AR-24 skips responses that it cannot read, however many, and still closes", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({}, silent)
      yield* stream.ingestRecord(F.batch(0, 4))
      yield* A.settle
      for (let n = 0; n < 300; n++) server.last.send(n % 2 === 0 ? "noise" : "{}")
      yield* A.settle
      server.last.ack(4)
      yield* stream.close
      assert.strictEqual(server.connections.length, 1)
    })
  )

  it.effect("AR-38 AR-39 refuses records without rows, and IPC streams without one batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* F.open({})
      const refused = (record: never) =>
        Effect.map(
          Effect.flip(stream.ingestRecord(record)),
          (error) => A.tagged(error, "InvalidArgument").message
        )
      assert.include(yield* refused(F.batch(0, 0) as never), "no rows")
      assert.include(yield* refused(F.ipcOf() as never), "no rows")
      const two = F.batch(0, 2)
      const bytes = F.ipcOf(two.slice(0, 1), two.slice(1))
      assert.include(yield* refused(bytes as never), "2 batches")
      assert.include(yield* refused(Uint8Array.of(1, 2, 3) as never), "hold no batch")
      assert.include(yield* refused({ n: 1 } as never), "must be a Table")
      const ack = yield* stream.ingestRecord(F.ipcOf(F.batch(7, 3)))
      assert.strictEqual(yield* ack.await, 0)
      assert.deepStrictEqual(F.numbersOf(server.last.table), [7, 8, 9])
      yield* stream.close
    })
  )

  it.effect("AR-46 has no spool and is not persistent", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client()
      const error = A.tagged(
        yield* Effect.flip(zerobus.createPersistentStream(F.table)),
        "InvalidArgument"
      )
      assert.include(error.message, "no Arrow batches")
      assert.strictEqual(server.connections.length, 0)
    })
  )

  it.effect("AR-47 has lanes as any other stream", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* F.client()
      const opening = yield* Effect.forkScoped(
        zerobus.createStream(F.table, { ...F.testOptions, lanes: 3 })
      )
      yield* A.advance(1_000)
      const stream = yield* Fiber.join(opening)
      for (let n = 0; n < 12; n++) yield* stream.ingestRecord(F.batch(n * 5, 5))
      yield* stream.flush
      const received = server.connections.flatMap((connection) => F.numbersOf(connection.table))
      assert.deepStrictEqual(
        [...received].sort((a, b) => a - b),
        F.numbers(0, 60)
      )
      assert.strictEqual(server.connections.length, 3)
      yield* stream.close
    })
  )
})
