/**
 * Streams with several lanes: order by key, settled offsets, and lanes that are lost, refused or
 * fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Metric, Option, Schedule, Scope, Stream } from "effect"
import {
  type Offset,
  type RecordAck,
  type Refused,
  Spool,
  type StreamConfigurationOptions,
  type ZerobusStream
} from "effect-zerobus"
import type { JsonRecord } from "../../src/TableProperties.ts"
import { laneOfKey } from "../../src/internal/lanes/laneKey.ts"
import * as A from "../support/acceptance.ts"
import { realClient } from "../support/realClient.ts"
import { scriptedGrpc } from "../support/scriptedGrpc.ts"
import { code, type Connection, type Script, ScriptedServer } from "../support/scriptedServer.ts"

const LANES = 4

const record = (key: number, n: number) => ({ key, n })
const keyOfRecord = (one: JsonRecord) => (one as { readonly key: number }).key
/** The number of a record that was read back. */
const numberOf = (one: JsonRecord) => (JSON.parse(one as string) as { readonly n: number }).n

/** Keys of which the first belongs to lane 0, the second to lane 1, and so on. */
const keys = Array.from({ length: LANES }, (_, lane) => {
  let key = 0
  while (laneOfKey(key, LANES) !== lane) key++
  return key
})

/** An open stream with one lane per connection, in order. */
const opened = Effect.fnUntraced(function* (
  options: StreamConfigurationOptions<JsonRecord> = {},
  ...scripts: ReadonlyArray<Script>
) {
  const { server, zerobus } = yield* A.client(...scripts)
  const opening = yield* A.started(
    zerobus.createStream(A.table, {
      lanes: LANES,
      laneKey: keyOfRecord,
      scopeCloseTimeout: 0,
      onUnacked: () => Effect.void,
      ...options
    })
  )
  yield* A.advance(1000)
  const stream = yield* opening.join
  return { server, stream, zerobus }
})

/** The records that arrived on a connection. */
const parsed = (connection: Connection) =>
  connection.records.map((text) => JSON.parse(text) as { readonly key: number; readonly n: number })

/** The numbers of each key, in order of arrival. */
const byKey = (server: ScriptedServer) => {
  const found = new Map<number, Array<number>>()
  for (const connection of server.connections) {
    for (const { key, n } of parsed(connection)) found.set(key, [...(found.get(key) ?? []), n])
  }
  return found
}

const silent: Script = { onMessage: () => {} }

/** Acknowledges nothing by itself, and does not end after a half-close. */
const lingering: Script = { onMessage: () => {}, onHalfClose: () => {} }

/** Whether a receipt's record is durable. */
const isDurable = (ack: RecordAck) =>
  Effect.map(ack.poll, (polled) => Option.isSome(polled) && Exit.isSuccess(polled.value))

describe("a stream with several lanes", () => {
  it.effect(
    "MX-11 keeps the records of one key on one lane and in order, and closes every lane",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* opened()
        assert.lengthOf(server.connections, LANES)
        for (let n = 0; n < 500; n++) yield* stream.ingestRecord(record(n % 20, n))
        yield* stream.flush
        const found = byKey(server)
        assert.lengthOf([...found.keys()], 20)
        for (const [key, numbers] of found) {
          assert.deepStrictEqual(
            numbers,
            Array.from({ length: 25 }, (_, i) => key + 20 * i)
          )
        }
        const lanes = server.connections.map(
          (connection) => new Set(parsed(connection).map(({ key }) => key))
        )
        assert.strictEqual(
          lanes.reduce((sum, { size }) => sum + size, 0),
          20
        )
        yield* stream.close
        assert.deepStrictEqual(
          server.connections.map(({ halfCloses }) => halfCloses),
          [1, 1, 1, 1]
        )
      })
  )

  it.effect("MX-03 spreads records without a key over all lanes", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({ laneKey: undefined })
      for (let n = 0; n < 40; n++) {
        yield* stream.ingestRecord(record(0, n))
        yield* A.turn
      }
      yield* stream.flush
      for (const connection of server.connections) assert.isAbove(connection.records.length, 5)
      assert.lengthOf(server.records, 40)
      yield* stream.close
    })
  )

  it.effect(
    "WO-12 counts offsets once, and settles only up to the offset that every lane has reached",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* opened({}, {}, silent, {}, {})
        const acks: Array<RecordAck> = []
        for (let n = 0; n < 8; n++)
          acks.push(yield* stream.ingestRecord(record(keys[n % LANES]!, n)))
        assert.deepStrictEqual(
          acks.map(({ offset }) => offset as number),
          [0, 1, 2, 3, 4, 5, 6, 7]
        )
        yield* A.settle
        assert.deepStrictEqual(yield* Effect.forEach(acks, isDurable), [
          true,
          false,
          true,
          true,
          true,
          false,
          true,
          true
        ])
        const first = yield* A.started(stream.waitForOffset(0 as Offset))
        assert.strictEqual(first.value(), 0)
        const third = yield* A.started(stream.waitForOffset(2 as Offset))
        assert.isFalse(third.done())
        const flush = yield* A.started(stream.flush)
        assert.isFalse(flush.done())
        server.connection(1).ack(0)
        yield* A.settle
        assert.strictEqual(third.value(), 2)
        assert.isTrue(flush.done())
        const heard = yield* Stream.runCollect(Stream.take(stream.durableOffsets, 1))
        assert.deepStrictEqual([...heard] as ReadonlyArray<number>, [7])
        yield* stream.close
      })
  )

  it.effect(
    "MX-08 MX-12 UN-17 ends once with the cause of the lane that failed, and hands back exactly " +
      "what was not settled",
    () =>
      Effect.gen(function* () {
        const { server, stream, zerobus } = yield* opened({}, {}, silent, lingering, {}, {})
        const acks: Array<RecordAck> = []
        for (let n = 0; n < 12; n++)
          acks.push(yield* stream.ingestRecord(record(keys[n % LANES]!, n)))
        yield* A.settle
        const waiting = yield* A.started(stream.flush)
        server.connection(1).fail(code.NOT_FOUND)
        yield* A.settle
        // Lane 2 drains before the stream ends, because its records may still be acknowledged.
        assert.isFalse(waiting.done())
        server.connection(2).ack(0)
        yield* A.settle
        yield* A.advance(1000)
        A.tagged(waiting.error(), "InvalidTable")
        A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
        A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
        const polled = yield* Effect.forEach(acks, isDurable)
        assert.deepStrictEqual(
          polled,
          acks.map((_, n) => n % LANES !== 1)
        )
        A.tagged(yield* Effect.flip(acks[1]!.await), "InvalidTable")
        const left = yield* stream.getUnackedRecords
        assert.deepStrictEqual(left.map(numberOf), [1, 5, 9])
        const states = yield* Stream.runCollect(stream.stateChanges)
        assert.deepStrictEqual([...states], ["failed"])

        const again = yield* A.started(zerobus.recreateStream(stream))
        yield* A.advance(1000)
        const next = yield* again.join
        yield* next.flush
        assert.deepStrictEqual(
          parsed(server.connection(5)).map(({ n }) => n),
          [1, 5, 9]
        )
        yield* next.close
      })
  )

  it.effect(
    "returns the unacknowledged records of all lanes by offset, and sends them again in key order",
    () =>
      Effect.gen(function* () {
        const { server, stream, zerobus } = yield* opened(
          { drainTimeout: 0, recovery: false },
          silent,
          silent,
          silent,
          silent,
          {}
        )
        for (let n = 0; n < 50; n++) yield* stream.ingestRecord(record(n % 7, n))
        yield* stream.ingestRecords([record(3, 50), record(3, 51)])
        for (let n = 52; n < 60; n++) yield* stream.ingestRecord(record(n % 7, n))
        yield* A.settle
        server.connection(0).cut()
        yield* A.advance(1000)
        const batches = yield* stream.getUnackedBatches
        assert.deepStrictEqual(
          batches.map((batch) => batch.map(numberOf)),
          [
            ...Array.from({ length: 50 }, (_, n) => [n]),
            [50, 51],
            ...Array.from({ length: 8 }, (_, n) => [52 + n])
          ]
        )
        const again = yield* A.started(zerobus.recreateStream(stream))
        yield* A.advance(1000)
        const next = yield* again.join
        const ack = yield* next.ingestRecord(record(0, 60))
        assert.strictEqual(ack.offset as number, 59)
        yield* next.flush
        const resent = server.connections.slice(LANES)
        assert.strictEqual(
          resent.reduce((sum, { records }) => sum + records.length, 0),
          61
        )
        for (const connection of resent) {
          for (const key of new Set(parsed(connection).map((one) => one.key))) {
            const numbers = parsed(connection)
              .filter((one) => one.key === key)
              .map(({ n }) => n)
            assert.deepStrictEqual(
              numbers,
              [...numbers].sort((a, b) => a - b)
            )
          }
        }
        yield* next.close
      })
  )

  it.effect("MX-09 recovers a lane by itself while the others go on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({}, {}, silent, {}, {}, {})
      const lost = yield* stream.ingestRecord(record(keys[1]!, 0))
      yield* A.settle
      server.connection(1).cut()
      yield* A.settle
      const states = yield* Stream.runCollect(Stream.take(stream.stateChanges, 1))
      assert.deepStrictEqual([...states], ["recovering"])
      const other = yield* stream.ingestRecord(record(keys[2]!, 1))
      yield* A.settle
      assert.isTrue(yield* isDurable(other))
      assert.isFalse(yield* isDurable(lost))
      yield* A.advance(3000)
      assert.isTrue(yield* isDurable(lost))
      assert.deepStrictEqual(parsed(server.connection(4)), [record(keys[1]!, 0)])
      const after = yield* Stream.runCollect(Stream.take(stream.stateChanges, 1))
      assert.deepStrictEqual([...after], ["open"])
      yield* stream.close
    })
  )

  it.effect(
    "rotates a lane that the server announces the end of, without a record sent twice",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* opened()
        for (const key of keys) yield* stream.ingestRecord(record(key, 0))
        yield* stream.flush
        server.connection(2).closing(200)
        yield* A.settle
        for (const key of keys) yield* stream.ingestRecord(record(key, 1))
        yield* A.advance(2000)
        yield* stream.flush
        assert.lengthOf(server.connections, LANES + 1)
        assert.lengthOf(server.records, 2 * LANES)
        yield* stream.close
      })
  )

  it.effect("MX-04 leaves at least half of the room to the others when a lane has no session", () =>
    Effect.gen(function* () {
      const options = { maxInflightRecords: 10, recoverySchedule: Schedule.spaced(60_000) }
      const { server, stream } = yield* opened(options, {}, silent, {})
      for (let n = 0; n < 2; n++) yield* stream.ingestRecord(record(keys[1]!, n))
      yield* A.settle
      server.connection(1).cut()
      yield* A.settle
      const calls = yield* Effect.forEach([2, 3, 4, 5], (n) =>
        A.started(stream.ingestRecord(record(keys[1]!, n)))
      )
      assert.deepStrictEqual(
        calls.map((call) => call.done()),
        [true, true, true, false]
      )
      // A caller that waits for its lane does not block the others.
      for (let n = 0; n < 20; n++) {
        const other = yield* A.started(stream.ingestRecord(record(keys[2]!, n)))
        assert.isTrue(other.done())
        yield* A.settle
      }
      yield* A.advance(60_000)
      yield* A.settle
      assert.isTrue(calls[3]!.done())
      yield* stream.flush
      assert.deepStrictEqual(
        parsed(server.connection(4)).map(({ n }) => n),
        [0, 1, 2, 3, 4, 5]
      )
      yield* stream.close
    })
  )

  it.effect(
    "MX-05 MX-07 admits callers in the order of their arrival, whatever their lane is",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* opened({ maxInflightRecords: 1 }, silent)
        yield* stream.ingestRecord(record(keys[0]!, 0))
        yield* A.settle
        const order: Array<number> = []
        const calls = yield* Effect.forEach([3, 1, 0, 2], (lane) =>
          A.started(
            Effect.tap(stream.ingestRecord(record(keys[lane]!, 0)), () =>
              Effect.sync(() => order.push(lane))
            )
          )
        )
        yield* calls[1]!.interrupt
        server.connection(0).ack(0)
        yield* A.settle
        server.connection(3).ack(0)
        yield* A.settle
        server.connection(0).ack(1)
        yield* A.settle
        assert.deepStrictEqual(order, [3, 0, 2])
        assert.strictEqual(calls[3]!.value().offset as number, 3)
        server.connection(2).ack(0)
        yield* stream.close
      })
  )

  it.effect("MX-06 fails a call that waited too long for room, and goes on", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened(
        { maxInflightRecords: 1, ingestTimeout: 1000 },
        silent
      )
      yield* stream.ingestRecord(record(keys[0]!, 0))
      const late = yield* A.started(stream.ingestRecord(record(keys[1]!, 1)))
      yield* A.advance(1000)
      const error = A.tagged(late.error(), "FlushTimeout")
      assert.strictEqual(error.operation, "ingestRecord")
      assert.strictEqual(error.pending, 1)
      server.connection(0).ack(0)
      yield* A.settle
      const ack = yield* stream.ingestRecord(record(keys[1]!, 2))
      assert.strictEqual(ack.offset as number, 1)
      yield* A.settle
      server.connection(1).ack(0)
      yield* stream.close
    })
  )

  it.effect("MX-07 fails calls that wait for room when the stream ends", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({ maxInflightRecords: 1 }, silent)
      yield* stream.ingestRecord(record(keys[0]!, 0))
      const calls = yield* Effect.forEach(keys, (key) =>
        A.started(stream.ingestRecord(record(key, 1)))
      )
      yield* A.settle
      server.connection(2).fail(code.NOT_FOUND)
      yield* A.advance(1000)
      for (const call of calls)
        A.tagged(A.tagged(call.error(), "StreamClosed").cause!, "InvalidTable")
      assert.lengthOf(yield* stream.getUnackedRecords, 1)
    })
  )

  it.effect("hands a refused record to onRefused with its offset, and goes on without it", () =>
    Effect.gen(function* () {
      const refused: Array<Refused<JsonRecord>> = []
      const refusing: Script = {
        onMessage: (connection, message) =>
          message.records.some((text) => text.includes("-1"))
            ? connection.fail(code.INVALID_ARGUMENT)
            : connection.ack(message.wireOffset)
      }
      const { stream } = yield* opened(
        { onRefused: (one) => Effect.sync(() => refused.push(one)) },
        ...Array.from({ length: 4 }, () => refusing)
      )
      const acks: Array<RecordAck> = []
      for (let n = 0; n < 20; n++) {
        acks.push(
          yield* stream.ingestRecord(record(keys[n % LANES]!, n === 9 || n === 14 ? -1 : n))
        )
      }
      yield* A.advance(20_000)
      yield* stream.flush
      assert.deepStrictEqual(refused.map(({ offset }) => offset as number).sort(), [14, 9])
      assert.deepStrictEqual(
        refused.map(({ cause, offset }) => cause.offset === offset),
        [true, true]
      )
      assert.strictEqual(refused[0]?.streamId, stream.streamId)
      const error = A.tagged(yield* Effect.flip(acks[9]!.await), "InvalidArgument")
      assert.strictEqual(error.offset, 9)
      assert.strictEqual(yield* acks[10]!.await, 10)
      yield* stream.close
    })
  )

  it.effect("takes records of any lane inside onRefused, and refuses to wait for itself", () =>
    Effect.gen(function* () {
      const refusing: Script = {
        onMessage: (connection, message) =>
          message.records.some((text) => text.includes("-1"))
            ? connection.fail(code.INVALID_ARGUMENT)
            : connection.ack(message.wireOffset)
      }
      const told: Array<string> = []
      let instead: RecordAck | undefined
      const own: { stream?: ZerobusStream<JsonRecord> } = {}
      const { stream } = yield* opened(
        {
          maxInflightRecords: 1,
          onRefused: () =>
            Effect.gen(function* () {
              instead = yield* own.stream!.ingestRecord(record(keys[2]!, 7))
              told.push(
                (yield* Effect.flip(own.stream!.flush))._tag,
                (yield* Effect.flip(instead.await))._tag
              )
            })
        },
        refusing
      )
      own.stream = stream
      yield* stream.ingestRecord(record(keys[1]!, -1))
      yield* A.advance(20_000)
      assert.deepStrictEqual(told, ["InvalidState", "InvalidState"])
      assert.isTrue(yield* isDurable(instead!))
      yield* stream.close
    })
  )

  it.effect("MX-02 opens all lanes or none", () =>
    Effect.gen(function* () {
      const missing: Script = { onCreate: (connection) => connection.fail(code.NOT_FOUND) }
      const { server, zerobus } = yield* A.client({}, {}, missing, {})
      const opening = yield* A.started(zerobus.createStream(A.table, { lanes: LANES }))
      yield* A.advance(2000)
      A.tagged(opening.error(), "InvalidTable")
      for (const connection of server.connections) {
        assert.isTrue(connection.over || connection.halfCloses + connection.resets > 0)
      }
    })
  )

  it.effect("fails to open when a lane that was open fails before the last one is", () =>
    Effect.gen(function* () {
      const waiting: Script = { onCreate: () => {} }
      const { server, zerobus } = yield* A.client({}, {}, waiting, {})
      const opening = yield* A.started(zerobus.createStream(A.table, { lanes: LANES }))
      yield* A.advance(1000)
      assert.isFalse(opening.done())
      server.connection(0).fail(code.NOT_FOUND)
      yield* A.advance(1000)
      A.tagged(opening.error(), "InvalidTable")
    })
  )

  it.effect(
    "MX-02 opens 64 lanes within a second, and leaves nothing when that is interrupted",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client({})
        const opening = yield* A.started(zerobus.createStream(A.table, { lanes: 64 }))
        yield* A.advance(500)
        assert.isAbove(server.connections.length, 16)
        assert.isBelow(server.connections.length, 48)
        yield* opening.interrupt
        yield* A.advance(1000)
        assert.isTrue(server.connections.every(({ over }) => over))
        const count = server.connections.length
        const whole = yield* A.started(zerobus.createStream(A.table, { lanes: 64 }))
        yield* A.advance(1000)
        assert.strictEqual(server.connections.length - count, 64)
        yield* (yield* whole.join).close
      })
  )

  it.effect("is idle when all lanes are, and wakes the lane of the next record alone", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* opened({ recoverySchedule: Schedule.recurs(0) }, {})
      for (const connection of server.connections.slice()) connection.cut()
      yield* A.advance(5000)
      const states = yield* Stream.runCollect(Stream.take(stream.stateChanges, 1))
      assert.deepStrictEqual([...states], ["idle"])
      const before = server.connections.length
      const ack = yield* stream.ingestRecord(record(keys[3]!, 0))
      yield* A.advance(1000)
      assert.isTrue(yield* isDurable(ack))
      assert.lengthOf(server.connections, before + 1)
      yield* stream.close
    })
  )

  it.effect("MX-10 refuses batches with several keys, and records whose key cannot be had", () =>
    Effect.gen(function* () {
      const { stream } = yield* opened({
        laneKey: (one) => {
          if (keyOfRecord(one) === 99) throw new Error("secret")
          return keyOfRecord(one) === 98 ? (undefined as never) : keyOfRecord(one)
        }
      })
      const mixed = A.tagged(
        yield* Effect.flip(stream.ingestRecords([record(1, 0), record(1, 1), record(2, 2)])),
        "InvalidArgument"
      )
      assert.deepStrictEqual(mixed.path, [2])
      for (const key of [98, 99]) {
        const error = A.tagged(
          yield* Effect.flip(stream.ingestRecord(record(key, 0))),
          "InvalidArgument"
        )
        assert.notInclude(error.message, "secret")
      }
      const ack = yield* stream.ingestRecord(record(1, 3))
      assert.strictEqual(ack.offset as number, 0)
      yield* stream.close
    })
  )

  it.effect("has gauges and counters per lane", () =>
    Effect.gen(function* () {
      const { stream } = yield* opened({}, {}, silent, {}, {})
      for (let n = 0; n < 8; n++) yield* stream.ingestRecord(record(keys[n % LANES]!, n))
      yield* A.settle
      const series = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        attributes?.["lane"] === undefined ? [] : [[id, attributes["lane"], state] as const]
      )
      const of = (name: string) =>
        series
          .filter(([id]) => id === name)
          .sort(([, a], [, b]) => Number(a) - Number(b))
          .map(
            ([, , state]) =>
              (state as { readonly count?: number; readonly value?: number }).count ??
              (state as any).value
          )
      assert.deepStrictEqual(of("zerobus_records_durable"), [2, 0, 2, 2])
      assert.deepStrictEqual(of("zerobus_records_in_flight"), [0, 2, 0, 0])
      assert.deepStrictEqual(of("zerobus_sessions_opened"), [1, 1, 1, 1])
      yield* stream.close.pipe(Effect.ignore, Effect.forkScoped)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("hands unacknowledged records to onUnacked when its scope closes", () =>
    Effect.gen(function* () {
      const left: Array<number> = []
      const scope = yield* Scope.make()
      const { stream } = yield* opened(
        {
          onUnacked: ({ records }) => Effect.sync(() => left.push(...records.map(numberOf))),
          scopeCloseTimeout: 100
        },
        {},
        silent,
        silent,
        {}
      ).pipe(Scope.provide(scope))
      for (let n = 0; n < 8; n++) yield* stream.ingestRecord(record(keys[n % LANES]!, n))
      yield* A.settle
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(2000)
      assert.isTrue(closing.done())
      assert.deepStrictEqual(left, [1, 2, 5, 6])
    })
  )
})

describe("the connections of lanes", () => {
  const peersOf = (connectionPerStream: boolean) =>
    Effect.gen(function* () {
      const server = new ScriptedServer([])
      const { peers, port } = yield* scriptedGrpc(server)
      const zerobus = yield* realClient(`http://127.0.0.1:${port}`, { connectionPerStream })
      const stream = yield* zerobus.createStream(A.table, { lanes: 3, laneKey: keyOfRecord })
      for (let n = 0; n < 30; n++) yield* stream.ingestRecord(record(n, n))
      yield* stream.close
      assert.lengthOf(server.records, 30)
      assert.lengthOf(server.connections, 3)
      return new Set(peers).size
    })

  it.live("MX-01 are one per lane", () =>
    Effect.map(peersOf(true), (connections) => assert.strictEqual(connections, 3))
  )

  it.live("MX-01 are one for all by option", () =>
    Effect.map(peersOf(false), (connections) => assert.strictEqual(connections, 1))
  )
})

describe("the options of lanes", () => {
  const refusedPath = Effect.fnUntraced(function* (options: unknown) {
    const { zerobus } = yield* A.client({})
    const error = yield* Effect.flip(
      zerobus.createStream(A.table, options as StreamConfigurationOptions<JsonRecord>)
    )
    return A.tagged(error, "InvalidArgument").path
  })

  it.effect("CV-11 are refused out of their range, and where they are not available", () =>
    Effect.gen(function* () {
      for (const lanes of [0, 65, 1.5, "two"])
        assert.deepStrictEqual(yield* refusedPath({ lanes }), ["lanes"])
      assert.deepStrictEqual(yield* refusedPath({ laneKey: "device" }), ["laneKey"])
      for (const other of [
        { laneKey: keyOfRecord },
        { spool: Spool.directory("spool") },
        { recovery: false }
      ]) {
        assert.deepStrictEqual(yield* refusedPath({ lanes: "auto", ...other }), ["lanes"])
      }
    })
  )

  it.effect("CV-11 are refused for persistent streams", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const refused = (options: StreamConfigurationOptions<JsonRecord>) =>
        Effect.map(
          Effect.flip(zerobus.createPersistentStream(A.table, options)),
          (error) => A.tagged(error, "InvalidArgument").path
        )
      assert.deepStrictEqual(yield* refused({ lanes: 2 }), ["lanes"])
      assert.deepStrictEqual(yield* refused({ lanes: "auto" }), ["lanes"])
      assert.deepStrictEqual(yield* refused({ laneKey: () => "a" }), ["laneKey"])
    })
  )
})
