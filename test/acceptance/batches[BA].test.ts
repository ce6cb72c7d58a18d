/**
 * Batches: one call, one message, one offset.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MESSAGE_OVERHEAD } from "../../src/internal/landing/chunk.ts"
import * as A from "../support/acceptance.ts"
import { code, type Script } from "../support/scriptedServer.ts"

describe("ingesting batches", () => {
  it.effect(
    "BA-01 BA-03 BA-14 takes one offset and one request for a batch, with its records apart",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({})
        for (const [offset, count] of [3, 5, 100].entries()) {
          const ack = yield* stream.ingestRecords(A.recordsFrom(0, count))
          assert.strictEqual(ack?.offset, offset)
          yield* ack!.await
          assert.deepStrictEqual(server.last.messages[offset], {
            wireOffset: offset,
            kind: "batch",
            format: "json",
            records: A.recordsFrom(0, count)
          })
        }
      })
  )

  it.effect("BA-02 does nothing for an empty batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      assert.isUndefined(yield* stream.ingestRecords([]))
      assert.strictEqual((yield* stream.ingestRecord(A.record(0))).offset, 0)
      assert.isUndefined(yield* stream.ingestRecords([]))
      assert.strictEqual((yield* stream.ingestRecord(A.record(1))).offset, 1)
      yield* stream.flush
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 2))
    })
  )

  it.effect("BA-04 mixes singles and batches in one sequence and never merges a batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const offsets = [
        (yield* stream.ingestRecord(A.record(0))).offset,
        (yield* stream.ingestRecords(A.recordsFrom(1, 2)))?.offset,
        (yield* stream.ingestRecord(A.record(3))).offset
      ]
      assert.deepStrictEqual(offsets.map(Number), [0, 1, 2])
      yield* stream.flush
      assert.deepStrictEqual(
        server.last.messages.map((message) => message.records),
        [[A.record(0)], A.recordsFrom(1, 2), [A.record(3)]]
      )
    })
  )

  it.effect("BA-05 ends with the server's text when it refuses the size of a batch", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open(
        {},
        {
          onMessage: (connection) => connection.fail(code.INVALID_ARGUMENT, "batch too large")
        }
      )
      const ack = yield* stream.ingestRecords(A.recordsFrom(0, 3))
      yield* A.settle
      assert.include(
        A.tagged(yield* Effect.flip(ack!.await), "InvalidArgument").message,
        "batch too large"
      )
      assert.deepStrictEqual(yield* stream.getUnackedBatches, [A.recordsFrom(0, 3)])
    })
  )

  it.effect(
    "BA-06 BA-07 counts a batch as one record in flight and lets the next one in after its " +
      "acknowledgement",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ maxInflightRecords: 2 }, A.silent)
        yield* stream.ingestRecords(A.recordsFrom(0, 10))
        yield* stream.ingestRecords(A.recordsFrom(10, 10))
        const third = yield* A.started(stream.ingestRecords(A.recordsFrom(20, 10)))
        yield* A.advance(100)
        assert.isFalse(third.done())
        server.last.ack(0)
        yield* A.settle
        assert.strictEqual(third.value()?.offset, 2)
        yield* A.settle
        assert.deepStrictEqual(server.records, A.recordsFrom(0, 30))
      })
  )

  it.effect(
    "BA-08 gives concurrent batches a complete set of offsets and keeps each together",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ maxInflightRecords: 4 })
        const acks = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, task) => task),
          (task) => stream.ingestRecords(A.recordsFrom(task * 10, 10)),
          { concurrency: "unbounded" }
        )
        yield* stream.flush
        assert.deepStrictEqual(
          acks.map((ack) => Number(ack!.offset)).sort((a, b) => a - b),
          [...Array(10).keys()]
        )
        for (const [task, ack] of acks.entries()) {
          assert.deepStrictEqual(
            server.last.messages[ack!.offset]!.records,
            A.recordsFrom(task * 10, 10)
          )
        }
      })
  )

  it.effect("BA-09 makes everything durable when the last offset is awaited", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      let last = yield* stream.ingestRecord(A.record(0))
      for (let batch = 0; batch < 11; batch++) {
        yield* stream.ingestRecord(A.record(1000 + batch))
        last = (yield* stream.ingestRecords(A.recordsFrom(batch * 20, 20)))!
      }
      yield* last.await
      assert.strictEqual(server.records.length, 1 + 11 + 220)
      yield* stream.close
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )

  it.effect("BA-10 takes JSON texts and objects in one batch", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const object: object = { n: 1 }
      yield* stream.ingestRecords([A.record(0), object])
      yield* stream.flush
      assert.deepStrictEqual(server.last.messages[0]?.records, A.recordsFrom(0, 2))
    })
  )

  it.effect(
    "BA-11 BA-12 H-35 takes empty protobuf records, but charges them to the byte budget",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        const stream = yield* zerobus.createStream(A.protoTable, {
          maxInflightBytes: 200 + MESSAGE_OVERHEAD
        })
        const empty = new Uint8Array()
        yield* stream.ingestRecords([empty, Uint8Array.of(0x0a, 0x00), empty])
        yield* stream.flush
        assert.deepStrictEqual(server.last.messages[0]?.records, ["", "\n\0", ""])
        const error = yield* Effect.flip(
          stream.ingestRecords(Array.from({ length: 100 }, () => empty))
        )
        assert.strictEqual(A.tagged(error, "PayloadTooLarge").option, "maxInflightBytes")
        // The refused batch no longer takes bytes of the budget: the whole budget can be used.
        yield* stream.ingestRecords(Array.from({ length: 84 }, () => empty))
        yield* stream.flush
        assert.strictEqual(server.last.messages[1]?.records.length, 84)
      })
  )

  it.effect("BA-13 refuses more records than maxBatchRecords and takes exactly that many", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ maxBatchRecords: 2 })
      const error = A.tagged(
        yield* Effect.flip(stream.ingestRecords(A.recordsFrom(0, 3))),
        "PayloadTooLarge"
      )
      assert.deepStrictEqual([error.option, error.size, error.limit], ["maxBatchRecords", 3, 2])
      yield* stream.ingestRecords(A.recordsFrom(0, 2))
      yield* stream.flush
      assert.strictEqual(server.writes, 1)
    })
  )

  it.effect("BA-14 keeps the records of a protobuf batch apart", () =>
    Effect.gen(function* () {
      const script: Script = {}
      const { server, zerobus } = yield* A.client(script)
      const stream = yield* zerobus.createStream(A.protoTable)
      yield* stream.ingestRecords([
        Uint8Array.of(0x0a, 1, 65),
        Uint8Array.of(0x0a, 1, 66),
        Uint8Array.of(0x0a, 1, 67)
      ])
      yield* stream.flush
      assert.deepStrictEqual(server.last.messages[0], {
        wireOffset: 0,
        kind: "batch",
        format: "proto",
        records: ["\n\u0001A", "\n\u0001B", "\n\u0001C"]
      })
    })
  )
})
