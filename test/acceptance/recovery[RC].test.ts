/**
 * Recovery and replay.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { HeadersProvider, Zerobus } from "effect-zerobus"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import { Transport, type TransportCall } from "../../src/Transport.ts"
import * as A from "../support/acceptance.ts"
import { code, type Connection, type Script, ScriptedServer } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

/** Acknowledges every record until `count` have arrived, then calls `act`. */
const after = (count: number, act: (connection: Connection) => void): Script => ({
  onMessage: (connection, message) => {
    if (connection.over) return
    if (connection.messages.length <= count) connection.ack(message.wireOffset)
    if (connection.messages.length === count) act(connection)
  }
})

/** A client over a transport that reports false counts of sent messages. */
const overTransport = (
  lie: (call: TransportCall) => TransportCall,
  ...scripts: ReadonlyArray<Script>
) =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
    const lying = Layer.effect(
      Transport,
      Effect.map(Transport, (transport) => ({
        open: (headers: Readonly<Record<string, string>>) =>
          Effect.map(transport.open(headers), lie)
      }))
    ).pipe(Layer.provide(MemoryTransport.layer(server.serve)))
    const provider = HeadersProvider.make({
      getHeaders: Effect.succeed({ authorization: "Bearer t" })
    })
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(Layer.provide([lying, Layer.succeed(HeadersProvider, provider)]))
    )
    const stream = yield* Effect.flatMap(Zerobus, (zerobus) =>
      zerobus.createStream(A.table, {
        ...single,
        flushTimeout: 100,
        drainTimeout: 50,
        scopeCloseTimeout: 0
      })
    ).pipe(Effect.provideContext(context))
    return { server, stream }
  })

/** Ten producers; the first two connections end like this. */
const tenProducers = (loss: (connection: Connection) => void) =>
  Effect.gen(function* () {
    const { server, stream } = yield* A.open(single, after(7, loss), after(9, loss), {})
    yield* Effect.forEach(
      [...Array(10).keys()],
      (producer) =>
        Effect.forEach(A.recordsFrom(producer * 10, 3), (text) =>
          Effect.andThen(Effect.yieldNow, stream.ingestRecord(text))
        ),
      { concurrency: "unbounded" }
    )
    yield* A.advance(100)
    yield* stream.flush
    assert.isAtLeast(server.connections.length, 2)
    const expected = [...Array(10).keys()].flatMap((producer) => A.recordsFrom(producer * 10, 3))
    assert.deepStrictEqual([...new Set(server.records)].sort(), expected.sort())
  })

describe("recovery", () => {
  it.effect("RC-01 keeps offsets over a temporary status and sends the rest again", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        single,
        after(2, (connection) => connection.fail(code.UNAVAILABLE)),
        {}
      )
      const acks = yield* Effect.forEach(A.recordsFrom(0, 5), stream.ingestRecord)
      yield* A.advance(20)
      assert.deepStrictEqual(
        yield* Effect.forEach(acks, (ack) => ack.await),
        acks.map((ack) => ack.offset)
      )
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(2, 3))
      assert.isAtLeast(server.writes, 5)
    })
  )

  it.effect("RC-02 sends exactly the five records to the next server after a silent one", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, serverLackOfAckTimeout: 100 },
        A.silent,
        {}
      )
      const acks = yield* Effect.forEach(A.recordsFrom(0, 5), stream.ingestRecord)
      yield* A.advance(110)
      assert.strictEqual(yield* acks[4]!.await, 4)
      assert.strictEqual(server.connection(1).messages.length, 5)
      assert.strictEqual(server.connection(1).messages[4]?.wireOffset, 4)
    })
  )

  it.effect("RC-03 sends batches again as the batches that they were", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { recoverySchedule: Schedule.spaced(10) },
        {
          onMessage: (connection) =>
            connection.messages.length === 2 && connection.fail(code.UNAVAILABLE)
        },
        {}
      )
      yield* stream.ingestRecords(A.recordsFrom(0, 3))
      yield* stream.ingestRecords(A.recordsFrom(3, 4))
      yield* A.advance(10)
      yield* stream.flush
      const shapes = server.connections.map((c) =>
        c.messages.map(({ kind, records }) => [kind, records.length])
      )
      assert.deepStrictEqual(shapes[1], [
        ["batch", 3],
        ["batch", 4]
      ])
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 7))
    })
  )

  it.effect(
    "RC-04 RC-08 fails with the last real error when the budget is spent, still marked retryable",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(
          { ...single, recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 3 })) },
          A.silent,
          {
            onCreate: (connection) =>
              connection.fail(code.UNAVAILABLE, `down, attempt ${connection.index}`)
          }
        )
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.advance(100)
        for (const call of [ack.await, stream.flush, stream.close]) {
          const error = A.tagged(yield* Effect.flip(call), "Retryable")
          assert.isTrue(error.isRetryable)
          assert.include(error.message, "down, attempt 3")
          assert.include(error.message, "Gave up after 4 attempts")
        }
        const refused = A.tagged(
          yield* Effect.flip(stream.ingestRecord(A.record(1))),
          "StreamClosed"
        )
        assert.isTrue(refused.isRetryable)
        assert.strictEqual(server.connections.length, 4)
      })
  )

  it.effect("S-18 RC-05 H-21 spends the budget on a server that opens and ends in a loop", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        { ...single, recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 2 })) },
        { onCreate: (connection) => (connection.accept(), connection.end()) }
      )
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.advance(100)
      assert.strictEqual(server.connections.length, 3)
      A.tagged(yield* Effect.flip(ack.await), "Retryable")
    })
  )

  it.effect(
    "RC-06 H-20 gives the budget back after a connection that stayed up, even when idle",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({
          ...single,
          recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 1 }))
        })
        for (let loss = 1; loss <= 5; loss++) {
          yield* A.advance(15_000, 5_000)
          server.last.cut()
          yield* A.advance(10)
          assert.strictEqual(server.connections.length, loss + 1)
        }
        yield* stream.ingestRecord(A.record(0))
        yield* stream.flush
        const { length } = server.connections
        // Short connections without progress do spend it.
        for (let cuts = 0; cuts < 5; cuts++) {
          server.last.cut()
          yield* A.advance(20)
        }
        // Nothing is unacknowledged, so this is not a failure: no connection until the next record.
        assert.strictEqual(server.connections.length, length + 2)
        yield* stream.ingestRecord(A.record(1))
        yield* stream.flush
        assert.strictEqual(server.connections.length, length + 3)
      })
  )

  it.effect("RC-07 ends at once when the reconnect meets a final status", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(
        single,
        A.silent,
        A.refusing(code.NOT_FOUND, "dropped meanwhile")
      )
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.advance(20)
      assert.include(
        A.tagged(yield* Effect.flip(ack.await), "InvalidTable").message,
        "dropped meanwhile"
      )
      assert.strictEqual(server.connections.length, 2)
    })
  )

  it.effect("RC-09 starts wire offsets at 0 on the new connection", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single)
      for (const text of A.recordsFrom(0, 5)) yield* stream.ingestRecord(text)
      yield* stream.flush
      server.last.cut()
      yield* A.advance(10)
      const acks = yield* Effect.forEach(A.recordsFrom(5, 2), stream.ingestRecord)
      assert.deepStrictEqual(
        yield* Effect.forEach(acks, (ack) => ack.await),
        acks.map((ack) => ack.offset)
      )
      assert.deepStrictEqual(
        server.connection(1).messages.map((message) => message.wireOffset),
        [0, 1]
      )
    })
  )

  it.effect("RC-10 sends only the unacknowledged tail again", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent, {})
      for (const text of A.recordsFrom(0, 50)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.ack(29)
      yield* A.settle
      server.last.cut()
      yield* A.advance(10)
      yield* stream.flush
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(30, 20))
    })
  )

  it.effect("RC-11 misses nothing of ten producers while connections break under them", () =>
    tenProducers((connection) => connection.cut())
  )
  it.effect(
    "RC-12 misses nothing of ten producers while the server rotates connections under them",
    () => tenProducers((connection) => connection.closing(0))
  )

  it.effect(
    "RC-13 keeps records ingested without a connection, and sends them after the replay",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(single, A.silent, A.refusing(code.UNAVAILABLE), {})
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.settle
        const later = yield* Effect.forEach(A.recordsFrom(1, 2), stream.ingestRecord)
        yield* A.advance(20)
        assert.deepStrictEqual(
          later.map((ack) => Number(ack.offset)),
          [1, 2]
        )
        yield* stream.flush
        assert.deepStrictEqual(server.last.records, A.recordsFrom(0, 3))
      })
  )

  it.effect("RC-15 RC-16 notices a lost connection without waiting for acknowledgements", () =>
    Effect.gen(function* () {
      const on = yield* A.open(single, A.silent, {})
      yield* on.stream.ingestRecord(A.record(0))
      yield* A.settle
      on.server.last.cut()
      yield* A.advance(10)
      yield* on.stream.flush

      const off = yield* A.open({ ...single, recovery: false }, A.silent)
      yield* off.stream.ingestRecord(A.record(0))
      const flush = yield* A.started(off.stream.flush)
      off.server.last.cut()
      yield* A.settle
      A.tagged(flush.error(), "Retryable")
      assert.deepStrictEqual(yield* off.stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect("RC-17 stops recovering when the stream's scope ends", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({}, A.refusing(code.UNAVAILABLE))
      const scope = yield* Scope.make()
      yield* zerobus
        .createStream(A.table, { recoverySchedule: Schedule.spaced(10) })
        .pipe(Scope.provide(scope))
      server.last.cut()
      yield* A.advance(50)
      yield* Scope.close(scope, Exit.void)
      const connections = server.connections.length
      assert.isAbove(connections, 2)
      yield* A.advance(1000)
      assert.strictEqual(server.connections.length, connections)
    })
  )

  it.effect("RC-18 refuses a recovery time that no timer can hold before anything is sent", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      for (const option of ["recoveryTimeout", "recoveryBackoff"]) {
        const error = yield* Effect.flip(
          zerobus.createStream(A.table, { [option]: Number.MAX_VALUE })
        )
        assert.deepStrictEqual(A.tagged(error, "InvalidArgument").path, [option])
      }
      assert.strictEqual(server.connections.length, 0)
    })
  )

  it.effect("RC-19 RC-20 sends again in order and charges nothing twice", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...single, maxInflightRecords: 4 }, A.silent)
      for (const text of A.recordsFrom(0, 3)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.cut()
      yield* A.advance(10)
      assert.deepStrictEqual(server.connection(1).records, A.recordsFrom(0, 3))
      assert.isDefined(stream.offerUnsafe(A.record(3)))
      assert.isUndefined(stream.offerUnsafe(A.record(4)))
      yield* A.settle
      server.last.ack(3)
      yield* stream.flush
      for (const text of A.recordsFrom(4, 4)) assert.isDefined(stream.offerUnsafe(text))
      assert.isUndefined(stream.offerUnsafe(A.record(8)))
    })
  )

  it.effect("RC-21 sends only the rest again when a part had left and was acknowledged", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent, {})
      for (const text of A.recordsFrom(0, 2)) yield* stream.ingestRecord(text)
      yield* A.settle
      server.last.pause()
      yield* stream.ingestRecord(A.record(2))
      yield* A.settle
      server.last.ack(1)
      yield* A.settle
      server.last.cut()
      yield* A.advance(10)
      yield* stream.flush
      assert.deepStrictEqual(
        server.connections.map((c) => c.records),
        [A.recordsFrom(0, 2), [A.record(2)]]
      )
    })
  )

  it.effect(
    "RC-22 H-16 does not apply an acknowledgement because a transport claims to have sent more " +
      "than it was given",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* overTransport(
          (call) => ({ ...call, sentUnsafe: () => 1000 }),
          A.silent
        )
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.ack(5)
        yield* A.settle
        A.tagged(yield* Effect.flip(ack.await), "ProtocolViolation")
        assert.strictEqual(server.connections.length, 1)
        assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
      })
  )

  it.effect("RC-23 does not hang on a transport that never counts anything as sent", () =>
    Effect.gen(function* () {
      const { stream } = yield* overTransport((call) => ({
        ...call,
        sentUnsafe: () => 0,
        onSentUnsafe: () => {}
      }))
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      yield* A.advance(150)
      A.tagged(closing.error(), "FlushTimeout")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  it.effect("RC-24 replays what a failed flush left behind on a recreated stream", () =>
    Effect.gen(function* () {
      const { server, stream, zerobus } = yield* A.open({ recovery: false }, A.silent, {})
      yield* stream.ingestRecord(A.record(0))
      const flush = yield* A.started(stream.flush)
      server.last.cut()
      yield* A.settle
      A.tagged(flush.error(), "Retryable")
      const next = yield* zerobus.recreateStream(stream)
      yield* next.close
      assert.deepStrictEqual(server.connection(1).records, [A.record(0)])
    })
  )
})
