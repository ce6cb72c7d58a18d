/**
 * Ingestion of single records.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, Stream } from "effect"
import { Column, Table, TableProperties } from "effect-zerobus"
import { MESSAGE_OVERHEAD } from "../../src/internal/landing/chunk.ts"
import * as A from "../support/acceptance.ts"
import { type Connection, code, type Script } from "../support/scriptedServer.ts"

/** Acknowledges everything once `count` requests have arrived, and nothing before. */
const ackAt = (count: number): Script => ({
  onMessage: (connection) => {
    if (connection.messages.length === count) connection.ack(count - 1)
  }
})

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"))

/** A typed table on a scripted server. */
const typed = <A>(table: Table.Table<A>) =>
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client()
    return { server, stream: yield* zerobus.createStream(table, { scopeCloseTimeout: 0 }) }
  })

const Nested = Table.make("main.default.nested", {
  id: Column.BigInt,
  place: Column.Struct({ city: Column.String, at: Column.Struct({ lat: Column.Double }) }),
  items: Column.Array(Column.Struct({ sku: Column.String })),
  tags: Column.Map(Column.String, Column.Struct({ value: Column.String }))
})
const nested: typeof Nested.Type = {
  id: 7n,
  place: { city: "Split", at: { lat: 43.5 } },
  items: [{ sku: "a" }],
  tags: new Map([["k", { value: "v" }]])
}

describe("ingesting records", () => {
  it.effect(
    "IN-01 IN-37 gives the first record offset 0, one write, and a receipt that resolves",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({}, A.silent)
        const ack = yield* stream.ingestRecord(A.record(0))
        assert.strictEqual(ack.offset, 0)
        const waiting = yield* A.started(ack.await)
        assert.isFalse(waiting.done())
        assert.isTrue(Option.isNone(yield* ack.poll))
        server.last.ack(0)
        yield* A.settle
        assert.strictEqual(waiting.value(), 0)
        assert.isTrue(Option.isSome(yield* ack.poll))
        assert.strictEqual(server.writes, 1)
      })
  )

  it.effect(
    "IN-02 IN-03 IN-31 counts up from 0 and resolves all by one cumulative acknowledgement",
    () =>
      Effect.gen(function* () {
        for (const count of [3, 10, 100]) {
          const { server, stream } = yield* A.open({ batching: "off" }, ackAt(count))
          const acks = yield* Effect.forEach(A.recordsFrom(0, count), stream.ingestRecord)
          assert.deepStrictEqual(
            acks.map((ack) => Number(ack.offset)),
            Array.from({ length: count }, (_, n) => n)
          )
          yield* acks[count - 1]!.await
          for (const ack of acks) assert.isTrue(Option.isSome(yield* ack.poll))
          assert.deepStrictEqual(server.records, A.recordsFrom(0, count))
        }
      })
  )

  it.effect("IN-04 IN-05 sends JSON text unchanged and turns an object into text once", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      let written = 0
      const counted = { toJSON: () => ({ written: ++written }) }
      yield* stream.ingestRecord('  {"b": 1,\n "a": "\u010d"}')
      yield* stream.ingestRecord(counted)
      yield* stream.flush
      assert.deepStrictEqual(server.records, ['  {"b": 1,\n "a": "\u010d"}', '{"written":1}'])
      assert.strictEqual(written, 1)
    })
  )

  it.effect("IN-06 encodes a typed object by its schema", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const readings = TableProperties.json(
        "main.default.readings",
        Schema.Struct({ at: Schema.DateFromString })
      )
      const stream = yield* zerobus.createStream(readings)
      yield* stream.ingestRecord({ at: new Date("2026-01-31T00:00:00Z") })
      yield* stream.flush
      assert.deepStrictEqual(server.records, ['{"at":"2026-01-31T00:00:00.000Z"}'])
      const error = yield* Effect.flip(stream.ingestRecord({ at: "yesterday" } as never))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["at"])
    })
  )

  it.effect(
    "IN-07 IN-09 IN-10 sends prepared bytes and typed objects as the same protobuf bytes",
    () =>
      Effect.gen(function* () {
        const Blobs = Table.make("main.default.blobs", { payload: Column.String })
        const message = bytesOf("\u000a\u0002hi")
        const { server, zerobus } = yield* A.client()
        const bytes = yield* zerobus.createStream(
          TableProperties.proto(Blobs.tableName, Blobs.descriptor!)
        )
        const objects = yield* zerobus.createStream(Blobs)
        yield* bytes.ingestRecord(message)
        yield* objects.ingestRecord({ payload: "hi" })
        yield* Effect.andThen(bytes.flush, objects.flush)
        for (const connection of server.connections)
          assert.deepStrictEqual(bytesOf(connection.records[0]!), message)
      })
  )

  it.effect(
    "IN-11 IN-12 refuses a record without a field, at every depth, by the field's path",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* typed(Nested)
        const bad: ReadonlyArray<readonly [record: unknown, path: ReadonlyArray<string | number>]> =
          [
            [{ ...nested, id: undefined }, ["id"]],
            [{ ...nested, place: { at: { lat: 1 } } }, ["place", "city"]],
            [{ ...nested, place: { city: "Split", at: {} } }, ["place", "at", "lat"]],
            [{ ...nested, items: [{ sku: "a" }, {}] }, ["items", 1, "sku"]],
            [{ ...nested, tags: new Map([["k", {}]]) }, ["tags", 0, "value", "value"]]
          ]
        for (const [record, path] of bad) {
          const error = yield* Effect.flip(stream.ingestRecord(record as typeof nested))
          assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, path)
        }
        const ack = yield* stream.ingestRecord(nested)
        assert.strictEqual(ack.offset, 0)
        yield* stream.flush
        assert.strictEqual(server.writes, 1)
      })
  )

  // Differs: a BIGINT is a `bigint` here, exact over its whole range; text is refused, not
  // converted.
  it.effect("IN-13 carries 64-bit integers exactly as bigint, and refuses them as text", () =>
    Effect.gen(function* () {
      const Big = Table.make("main.default.big", { n: Column.BigInt })
      const { server, stream } = yield* typed(Big)
      yield* stream.ingestRecord({ n: 2n ** 63n - 1n })
      yield* stream.flush
      assert.deepStrictEqual(
        bytesOf(server.records[0]!),
        bytesOf("\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f")
      )
      const error = yield* Effect.flip(stream.ingestRecord({ n: "123" } as never))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["n"])
    })
  )

  // Stricter than the official SDKs, which drop such a field silently.
  it.effect("IN-14 refuses a field that the table has no column for", () =>
    Effect.gen(function* () {
      const Small = Table.make("main.default.small", { n: Column.Int })
      const { server, stream } = yield* typed(Small)
      const error = yield* Effect.flip(stream.ingestRecord({ n: 1, extra: "not sent" } as never))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["extra"])
      yield* stream.ingestRecord({ n: 1 })
      yield* stream.flush
      assert.deepStrictEqual(server.records.map(bytesOf), [bytesOf("\u0008\u0001")])
    })
  )

  it.effect("IN-15 refuses a malformed descriptor before anything is sent", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const garbage = TableProperties.proto("main.default.blobs", Uint8Array.of(0xff, 0xff))
      const error = yield* Effect.flip(zerobus.createStream(garbage))
      assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, ["descriptor"])
      assert.strictEqual(server.connections.length, 0)
    })
  )

  it.effect("IN-16 H-56 measures the encoded bytes, not their source", () =>
    Effect.gen(function* () {
      const Wide = Table.make("main.default.wide", { a_column_with_a_rather_long_name: Column.Int })
      const { server, zerobus } = yield* A.client()
      const stream = yield* zerobus.createStream(Wide, { maxPayloadBytes: 32 })
      const value = { a_column_with_a_rather_long_name: 1 }
      assert.isAbove(JSON.stringify(value).length, 32)
      yield* stream.ingestRecord(value)
      yield* stream.flush
      assert.strictEqual(server.writes, 1)
    })
  )

  it.effect(
    "IN-17 IN-18 IN-08 IN-38 H-13 refuses records of the wrong kind and leaves the stream usable",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client()
        const proto = yield* zerobus.createStream(A.protoTable)
        const json = yield* zerobus.createStream(A.table)
        const refused = (effect: Effect.Effect<unknown, { readonly _tag: string }>) =>
          Effect.map(Effect.flip(effect), (error) =>
            assert.strictEqual(error._tag, "InvalidArgument")
          )
        for (const wrong of ['{"a":1}', { a: 1 }, null, undefined, 5, [1]]) {
          yield* refused(proto.ingestRecord(wrong as never))
          yield* refused(proto.ingestRecords([Uint8Array.of(), wrong as never]))
        }
        for (const wrong of [Uint8Array.of(1), null, undefined, 5, [1], "[]", "text", () => {}]) {
          yield* refused(json.ingestRecord(wrong as never))
          yield* refused(json.ingestRecords([A.record(0), wrong as never]))
        }
        assert.strictEqual((yield* proto.ingestRecord(Uint8Array.of(0x0a, 0x00))).offset, 0)
        assert.strictEqual((yield* json.ingestRecord(A.record(0))).offset, 0)
        yield* Effect.andThen(proto.flush, json.flush)
        assert.strictEqual(server.writes, 2)
      })
  )

  it.effect("IN-19 takes a protobuf record of zero bytes and refuses an empty JSON text", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const proto = yield* zerobus.createStream(A.protoTable)
      const json = yield* zerobus.createStream(A.table)
      yield* proto.ingestRecord(new Uint8Array())
      yield* proto.flush
      assert.deepStrictEqual(server.connection(0).messages[0]?.records, [""])
      A.tagged(yield* Effect.flip(json.ingestRecord("")), "InvalidArgument")
    })
  )

  it.effect(
    "IN-20 gives 50 concurrent producers offsets 0 to n-1, and the wire has each record at its " +
      "offset",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ batching: "off", maxInflightRecords: 64 })
        const sent = new Map<number, string>()
        yield* Effect.forEach(
          Array.from({ length: 50 }, (_, producer) => producer),
          (producer) =>
            Effect.forEach(A.recordsFrom(producer * 100, 20), (text) =>
              Effect.gen(function* () {
                const { offset } = yield* stream.ingestRecord(text)
                assert.isFalse(sent.has(offset))
                sent.set(offset, text)
                yield* Effect.yieldNow
              })
            ),
          { concurrency: "unbounded" }
        )
        yield* stream.flush
        assert.strictEqual(sent.size, 1000)
        assert.deepStrictEqual(
          server.records,
          Array.from({ length: 1000 }, (_, offset) => sent.get(offset) ?? "nothing sent")
        )
      })
  )

  it.effect("IN-22 IN-11 H-11 gives room and offset back when encoding fails", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxInflightRecords: 1 }, A.silent)
      const throwing = {
        toJSON: () => {
          throw new Error("secret value")
        }
      }
      const Small = Table.make("main.default.small", { n: Column.Int })
      const small = yield* typed(Small)
      const getter = {
        get n(): number {
          throw new Error("secret value")
        }
      }
      for (const call of [
        small.stream.ingestRecord(getter),
        small.stream.ingestRecords([{ n: 1 }, getter])
      ]) {
        assert.notInclude(
          A.tagged(yield* Effect.flip(call), "InvalidArgument").message,
          "secret value"
        )
      }
      assert.strictEqual((yield* small.stream.ingestRecord({ n: 1 })).offset, 0)
      const error = A.tagged(yield* Effect.flip(stream.ingestRecord(throwing)), "InvalidArgument")
      assert.notInclude(error.message, "secret value")
      const second = yield* A.started(stream.ingestRecord(A.record(0)))
      assert.strictEqual(second.value().offset, 0)
    })
  )

  it.effect("IN-23 makes the record above the limit wait until an acknowledgement frees room", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { maxInflightRecords: 10, batching: "off" },
        A.silent
      )
      for (const text of A.recordsFrom(0, 10)) yield* stream.ingestRecord(text)
      assert.isUndefined(stream.offerUnsafe(A.record(10)))
      const waiting = yield* A.started(stream.ingestRecord(A.record(10)))
      yield* A.advance(500)
      assert.isFalse(waiting.done())
      server.last.ack(0)
      yield* A.settle
      assert.strictEqual(waiting.value().offset, 10)
    })
  )

  it.effect("IN-24 makes a record wait that does not fit the byte budget", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { maxInflightBytes: 60 + MESSAGE_OVERHEAD, batching: "off" },
        A.silent
      )
      yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(stream.ingestRecord(A.record(1)))
      yield* A.advance(500)
      assert.isFalse(waiting.done())
      server.last.ack(0)
      yield* A.settle
      assert.strictEqual(waiting.value().offset, 1)
    })
  )

  it.effect("IN-25 refuses what can never fit the byte budget", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxInflightBytes: 1 })
      const error = A.tagged(
        yield* Effect.flip(stream.ingestRecord(A.record(0))),
        "PayloadTooLarge"
      )
      assert.strictEqual(error.option, "maxInflightBytes")
    })
  )

  it.effect(
    "IN-26 H-33 admits waiting calls in order of arrival, even small records after a large one",
    () =>
      Effect.gen(function* () {
        const large = JSON.stringify({ text: "x".repeat(60) })
        const { server, stream } = yield* A.open(
          { maxInflightBytes: 120 + 2 * MESSAGE_OVERHEAD, batching: "off" },
          A.silent
        )
        yield* stream.ingestRecord(A.record(0))
        yield* stream.ingestRecord(A.record(1))
        const first = yield* A.started(stream.ingestRecord(large))
        const second = yield* A.started(stream.ingestRecord(A.record(2)))
        assert.isUndefined(stream.offerUnsafe(A.record(3)))
        server.last.ack(0)
        yield* A.settle
        // There is room for the small one, but it does not overtake.
        assert.deepStrictEqual([first.done(), second.done()], [false, false])
        server.last.ack(1)
        yield* A.settle
        assert.strictEqual(first.value().offset, 2)
        server.last.ack(2)
        yield* A.settle
        assert.strictEqual(second.value().offset, 3)
      })
  )

  it.effect("IN-27 IN-28 takes no offset and no room when a waiting call is interrupted", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ maxInflightRecords: 1 }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const single = yield* A.started(stream.ingestRecord(A.record(1)))
      const batch = yield* A.started(stream.ingestRecords(A.recordsFrom(2, 2)))
      yield* Effect.andThen(single.interrupt, batch.interrupt)
      const flush = yield* A.started(stream.flush)
      server.last.ack(0)
      yield* A.settle
      flush.value()
      assert.strictEqual((yield* stream.ingestRecord(A.record(4))).offset, 1)
      yield* A.settle
      assert.deepStrictEqual(server.records, [A.record(0), A.record(4)])
    })
  )

  it.effect("IN-29 fails calls that wait for room at once when the stream closes", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxInflightRecords: 1 }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const waiting = yield* A.started(stream.ingestRecord(A.record(1)))
      yield* A.started(stream.close)
      A.tagged(waiting.error(), "StreamClosed")
    })
  )

  it.effect("IN-30 runs single, unsafe and batch calls through one gap-free sequence", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const offsets = [
        (yield* stream.ingestRecord(A.record(0))).offset,
        stream.offerUnsafe(A.record(1))?.offset,
        (yield* stream.ingestRecords(A.recordsFrom(2, 2)))?.offset,
        stream.offerUnsafe(A.record(4))?.offset
      ]
      assert.deepStrictEqual(offsets.map(Number), [0, 1, 2, 3])
      yield* stream.flush
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 5))
    })
  )

  it.effect("IN-32 makes records offered without waiting durable before close returns", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({}, A.silent)
      for (const text of A.recordsFrom(0, 100)) assert.isDefined(stream.offerUnsafe(text))
      const closing = yield* A.started(stream.close)
      assert.isFalse(closing.done())
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 100))
      server.last.ack(server.last.messages.length - 1)
      yield* A.settle
      closing.value()
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [])
    })
  )

  it.effect("IN-33 shows the refusal of an offered record at the next flush and at close", () =>
    Effect.gen(function* () {
      const refuse = (connection: Connection) =>
        connection.fail(code.INVALID_ARGUMENT, "bad record")
      const { stream } = yield* A.open({}, { onMessage: refuse })
      const ack = stream.offerUnsafe(A.record(0))
      yield* A.settle
      assert.include(
        A.tagged(yield* Effect.flip(stream.flush), "InvalidArgument").message,
        "bad record"
      )
      assert.include(
        A.tagged(yield* Effect.flip(stream.close), "InvalidArgument").message,
        "bad record"
      )
      A.tagged(yield* Effect.flip(ack!.await), "InvalidArgument")
    })
  )

  it.effect("IN-35 keeps the sequences of two streams to one table apart", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const one = yield* zerobus.createStream(A.table)
      const two = yield* zerobus.createStream(A.table)
      const acks = yield* Effect.forEach([one, two, one, two], (stream, n) =>
        stream.ingestRecord(A.record(n))
      )
      yield* Effect.forEach(acks, (ack) => ack.await)
      assert.deepStrictEqual(
        acks.map((ack) => Number(ack.offset)),
        [0, 0, 1, 1]
      )
      assert.deepStrictEqual(
        server.connections.map((c) => c.records),
        [
          [A.record(0), A.record(2)],
          [A.record(1), A.record(3)]
        ]
      )
    })
  )

  it.effect("IN-02 ends a sink with its summary when everything is durable", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const summary = yield* Stream.fromIterable(A.recordsFrom(0, 250)).pipe(
        Stream.run(zerobus.sink(A.table))
      )
      assert.strictEqual(summary.records, 250)
      assert.strictEqual(summary.lastOffset, 249)
      assert.deepStrictEqual(server.records, A.recordsFrom(0, 250))
    })
  )
})
