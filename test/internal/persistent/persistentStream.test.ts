/**
 * Persistent streams of the client, with the local server over real gRPC.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import {
  audit,
  create,
  created,
  ingest,
  inject,
  onServer,
  quick,
  record,
  resume,
  rows,
  table,
  tagOf,
  upTo
} from "../../support/persistentStreams.ts"

describe("a persistent stream", () => {
  it.live("goes on where it was, and is over once it is retired", () =>
    onServer(
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const id = yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* create()
            assert.strictEqual(stream.resumedAt, 0)
            yield* ingest(stream, upTo(20))
            yield* stream.ingestRecords([record(20), record(21)])
            yield* stream.close
            return stream.streamId
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* resume(id)
            // A batch has one offset.
            assert.strictEqual(stream.resumedAt, 21)
            assert.strictEqual(stream.streamId, id)
            const ack = yield* stream.ingestRecord(record(22))
            assert.strictEqual(yield* ack.await, 21)
            yield* stream.close
          })
        )
        assert.deepStrictEqual(yield* rows, upTo(23))
        const { perConnection } = yield* audit
        assert.deepStrictEqual(
          perConnection.map(({ firstOffset, receivedMessages, streamId }) => [
            streamId,
            firstOffset,
            receivedMessages
          ]),
          [
            [id, 0, 21],
            [id, 21, 1]
          ]
        )
        yield* zerobus.retireStream(table.tableName, id)
        yield* zerobus.retireStream(table.tableName, id)
        const refused = yield* Effect.flip(Effect.scoped(resume(id)))
        assert.deepStrictEqual(
          [refused._tag, "path" in refused ? refused.path : []],
          ["InvalidArgument", ["streamId"]]
        )
        const unknown = yield* Effect.flip(zerobus.retireStream(table.tableName, "nothing"))
        assert.strictEqual(unknown._tag, "InvalidArgument")
      })
    )
  )

  it.live(
    "settles what was committed when its acknowledgement is lost, and sends only the rest again",
    () =>
      onServer(
        Effect.gen(function* () {
          // Durable but not acknowledged when the connection breaks.
          yield* inject(
            Faults.disconnect({ at: "ack", offset: 60 }),
            Faults.stallAcks({ connection: 1 })
          )
          const stream = yield* create()
          yield* ingest(stream, upTo(100))
          yield* stream.flush
          assert.deepStrictEqual(yield* rows, upTo(100))
          const { connections, duplicates, receivedRecords } = yield* audit
          assert.deepStrictEqual([connections, duplicates, receivedRecords], [2, 0, 100])
        })
      )
  )

  it.live("is resumed after every loss of its connection, without a record twice", () =>
    onServer(
      Effect.gen(function* () {
        yield* inject(
          Faults.disconnect({ afterRecords: 50 }),
          Faults.disconnect({ at: "durable", offset: 120 }),
          Faults.closeSignal({ afterRecords: 200 }),
          Faults.disconnect({ at: "resume", nth: 2 }),
          Faults.rejectResume({ status: "UNAVAILABLE", nth: 4 })
        )
        const stream = yield* create()
        for (const n of upTo(300)) {
          const ack = yield* stream.ingestRecord(record(n))
          if (n % 20 === 19) yield* ack.await
        }
        yield* stream.flush
        assert.deepStrictEqual(yield* rows, upTo(300))
        assert.strictEqual((yield* audit).duplicates, 0)
      })
    )
  )

  it.live("ends when the server has less than it acknowledged before", () =>
    onServer(
      Effect.gen(function* () {
        const stream = yield* create()
        yield* ingest(stream, upTo(3))
        yield* stream.flush
        yield* inject(Faults.committedOffset(-1), Faults.disconnect({}))
        yield* stream.ingestRecord(record(3))
        const failure = yield* Effect.flip(stream.flush)
        assert.strictEqual(failure._tag, "ProtocolViolation")
        assert.include(failure.message, "offset 2 was acknowledged before")
        assert.strictEqual((yield* stream.getUnackedRecords).length, 1)
      })
    )
  )

  it.live("ends when the server has committed offsets that were not given out", () =>
    onServer(
      Effect.gen(function* () {
        const stream = yield* create()
        yield* ingest(stream, upTo(3))
        yield* stream.flush
        yield* inject(Faults.committedOffset(2), Faults.disconnect({}))
        yield* stream.ingestRecord(record(3))
        const failure = yield* Effect.flip(stream.flush)
        assert.strictEqual(failure._tag, "ProtocolViolation")
        assert.include(failure.message, "the next offset of this stream is 4")
        assert.strictEqual((yield* stream.getUnackedRecords).length, 1)
      })
    )
  )

  it.live("leaves a stream on the server when the response to its creation is lost", () =>
    onServer(
      Effect.gen(function* () {
        yield* inject(Faults.loseCreateAnswer())
        const stream = yield* create()
        yield* ingest(stream, upTo(5))
        yield* stream.flush
        assert.deepStrictEqual(yield* rows, upTo(5))
        assert.strictEqual((yield* audit).connections, 2)
      })
    )
  )

  it.live("ends with InvalidState when it is resumed elsewhere, and the other one goes on", () =>
    onServer(
      Effect.gen(function* () {
        const one = yield* create()
        yield* ingest(one, upTo(10))
        const two = yield* resume(one.streamId)
        // It waited for pending records of the older connection.
        assert.strictEqual(two.resumedAt, 10)
        yield* ingest(two, upTo(10, 10))
        yield* two.flush
        const failure = yield* Effect.flip(Effect.andThen(one.ingestRecord(record(99)), one.flush))
        const cause = failure._tag === "StreamClosed" ? failure.cause : failure
        assert.strictEqual(cause?._tag, "InvalidState")
        assert.deepStrictEqual(yield* rows, upTo(20))
      })
    )
  )

  it.live("belongs to one of two that resume it at once", () =>
    onServer(
      Effect.gen(function* () {
        const id = yield* created(upTo(7))
        yield* inject(Faults.hold("resume", 1))
        const held = yield* Effect.forkScoped(Effect.exit(resume(id)))
        yield* ZerobusLocal.use((local) => local.waitFor(table, "held"))
        const second = yield* resume(id)
        yield* ZerobusLocal.use((local) => local.release(table))
        const exit = yield* Fiber.join(held)
        assert.isTrue(Exit.isFailure(exit))
        yield* ingest(second, upTo(3, 7))
        yield* second.flush
        assert.deepStrictEqual(yield* rows, upTo(10))
      })
    )
  )

  it.live("ends when it is retired elsewhere", () =>
    onServer(
      Effect.gen(function* () {
        const stream = yield* create()
        yield* ingest(stream, upTo(4))
        yield* stream.flush
        yield* Zerobus.use((zerobus) => zerobus.retireStream(table.tableName, stream.streamId))
        const states = yield* stream
          .ingestRecord(record(4))
          .pipe(Effect.andThen(stream.flush), Effect.flip)
        const cause = states._tag === "StreamClosed" ? states.cause : states
        assert.strictEqual(cause?._tag, "InvalidArgument")
      })
    )
  )

  it.live("ends with the offset of a refused record, everything before it durable", () =>
    onServer(
      Effect.gen(function* () {
        const stream = yield* create()
        yield* ingest(stream, upTo(30))
        yield* stream.ingestRecord({ n: "thirty" })
        yield* ingest(stream, upTo(5, 31))
        const failure = yield* Effect.flip(stream.flush)
        assert.deepStrictEqual(
          [failure._tag, "offset" in failure ? failure.offset : -1],
          ["InvalidArgument", 30]
        )
        assert.deepStrictEqual(yield* rows, upTo(30))
        assert.strictEqual((yield* stream.getUnackedRecords).length, 6)
      })
    )
  )

  it.live("is recreated by being resumed, and its records are stored once", () =>
    onServer(
      Effect.gen(function* () {
        yield* inject(Faults.disconnect({ at: "ack", nth: 1 }), Faults.stallAcks({ connection: 1 }))
        const stream = yield* create({ recovery: false })
        yield* ingest(stream, upTo(40))
        assert.strictEqual((yield* Effect.flip(stream.flush))._tag, "Retryable")
        const again = yield* Zerobus.use((zerobus) => zerobus.recreateStream(stream))
        assert.strictEqual(again.streamId, stream.streamId)
        const ack = yield* again.ingestRecord(record(40))
        assert.strictEqual(ack.offset, 40)
        yield* again.close
        assert.deepStrictEqual(yield* rows, upTo(41))
        assert.strictEqual((yield* audit).duplicates, 0)
      })
    )
  )

  it.live("takes no onRefused, no empty id and no other record type", () =>
    onServer(
      Effect.gen(function* () {
        const id = yield* created([])
        assert.strictEqual(
          yield* tagOf(create({ onRefused: () => Effect.void })),
          "InvalidArgument"
        )
        assert.strictEqual(yield* tagOf(resume("")), "InvalidArgument")
        assert.strictEqual(yield* tagOf(resume("x".repeat(300))), "InvalidArgument")
        const descriptor = new Uint8Array([0x0a, 1, 0x6d, 0x12, 7, 0x0a, 1, 0x6e, 0x18, 1, 0x28, 5])
        const proto = TableProperties.proto("main.default.sources", descriptor)
        const other = Zerobus.use((zerobus) => zerobus.resumePersistentStream(proto, id, quick))
        assert.strictEqual(yield* tagOf(other), "InvalidArgument")
        const elsewhere = yield* Effect.flip(resume("no-such-stream"))
        assert.include(elsewhere.message, "no-such-stream")
        yield* ZerobusLocal.use((local) => local.createTable("main.default.others(n INT)"))
        const others = TableProperties.json("main.default.others")
        const foreign = Zerobus.use((zerobus) => zerobus.resumePersistentStream(others, id, quick))
        assert.strictEqual(yield* tagOf(foreign), "InvalidArgument")
        // None of them took the stream over.
        assert.strictEqual((yield* resume(id)).resumedAt, 0)
      })
    )
  )

  it.live("can be given up while it is created or resumed", () =>
    onServer(
      Effect.gen(function* () {
        const id = yield* created(upTo(3))
        yield* inject(Faults.hold("create", 1), Faults.hold("resume", 1))
        for (const [opening, held] of [
          [create(), 1],
          [resume(id), 2]
        ] as const) {
          const fiber = yield* Effect.forkScoped(opening)
          yield* ZerobusLocal.use((local) => local.waitFor(table, "held", held))
          yield* Fiber.interrupt(fiber)
        }
        yield* ZerobusLocal.use((local) => local.release(table))
        assert.strictEqual((yield* resume(id)).resumedAt, 3)
      })
    )
  )
})

describe("a server without persistent streams", () => {
  it.live("is Unsupported", () =>
    onServer(
      Effect.gen(function* () {
        yield* inject(Faults.reject({ status: "UNIMPLEMENTED" }))
        const failure = yield* Effect.flip(create())
        assert.strictEqual(failure._tag, "Unsupported")
        assert.include(failure.message, "no persistent streams")
      })
    )
  )
})
