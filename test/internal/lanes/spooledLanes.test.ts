/**
 * Streams with several lanes and a spool: order by key over processes and numbers of lanes, what
 * the spool may delete, and lanes that are lost, refused or fail.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Stream } from "effect"
import {
  type Offset,
  type RecordAck,
  type Refused,
  Spool,
  type StreamConfigurationOptions,
  type ZerobusStream
} from "effect-zerobus"
import { laneOfKey } from "../../../src/internal/lanes/laneKey.ts"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import * as A from "../../support/acceptance.ts"
import { failure, faultyDisk } from "../../support/faultyDisk.ts"
import {
  code,
  type Connection,
  type Script,
  type ScriptedServer
} from "../../support/scriptedServer.ts"
import { spoolOn } from "../../support/spoolFolder.ts"
import { temporaryFolder } from "../../support/storedTables.ts"

const LANES = 4

const record = (key: number, n: number) => ({ key, n })
const keyOfRecord = (one: JsonRecord) => (one as { readonly key: number }).key

/** The first of these keys belongs to lane 0, the second to lane 1 and so on. */
const keys = Array.from({ length: LANES }, (_, lane) => {
  let key = 0
  while (laneOfKey(key, LANES) !== lane) key++
  return key
})

const parsed = (connection: Connection) =>
  connection.records.map((text) => JSON.parse(text) as { readonly key: number; readonly n: number })

const numbersOn = (connection: Connection) => parsed(connection).map(({ n }) => n)

/** The numbers of each key, in the order of arrival over all connections. */
const byKey = (connections: ReadonlyArray<Connection>) => {
  const found = new Map<number, Array<number>>()
  for (const connection of connections) {
    for (const { key, n } of parsed(connection)) found.set(key, [...(found.get(key) ?? []), n])
  }
  return found
}

const assertOrder = (connections: ReadonlyArray<Connection>) => {
  for (const [key, numbers] of byKey(connections)) {
    assert.deepStrictEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `key ${key}`
    )
  }
}

const refusing = A.refusing(code.UNAVAILABLE)
const silent: Script = { onMessage: () => {} }

/** Acknowledges everything that a connection has received. */
const ackAll = (connection: Connection) => {
  if (connection.messages.length > 0 && !connection.over)
    connection.ack(connection.messages.length - 1)
}

const isDurable = (ack: RecordAck) =>
  Effect.map(ack.poll, (polled) => Option.isSome(polled) && Exit.isSuccess(polled.value))

/** Runs a program with a stream in a separate scope, like successive processes. */
const session = <X, E, R>(
  spool: Spool.Spool,
  options: StreamConfigurationOptions<JsonRecord>,
  scripts: ReadonlyArray<Script>,
  program: (stream: ZerobusStream<JsonRecord>, server: ScriptedServer) => Effect.Effect<X, E, R>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(...scripts)
      const stream = yield* zerobus.createStream(A.table, {
        spool,
        lanes: LANES,
        laneKey: keyOfRecord,
        scopeCloseTimeout: 0,
        ...options
      })
      yield* A.advance(1000)
      yield* program(stream, server)
      return server
    })
  )

/** Waits until groups are on disk and the server has their records. */
const sent = (server: ScriptedServer, count: number) =>
  A.until(`${count} records are sent`, () => server.records.length >= count)

const ingest = (stream: ZerobusStream<JsonRecord>, records: ReadonlyArray<JsonRecord>) =>
  Effect.forEach(records, (one) => stream.ingestRecord(one), { concurrency: "unbounded" })

describe("a stream with several lanes and a spool", () => {
  it.effect("sends the records of a key on one lane and in order, and leaves an empty spool", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const server = yield* session(Spool.directory(folder), {}, [{}], (stream) =>
        Effect.gen(function* () {
          yield* ingest(
            stream,
            Array.from({ length: 500 }, (_, n) => record(n % 20, n))
          )
          const batch = yield* stream.ingestRecords([record(3, 500), record(3, 501)])
          assert.strictEqual(batch?.offset, 500)
          yield* stream.close
        })
      )
      assert.lengthOf(server.records, 502)
      assertOrder(server.connections)
      const lanes = server.connections.map(
        (connection) => new Set(parsed(connection).map(({ key }) => key))
      )
      assert.strictEqual(
        lanes.reduce((sum, { size }) => sum + size, 0),
        20
      )
      const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
      assert.deepStrictEqual([firstOffset, nextOffset], [501, 501])
    })
  )

  it.effect("forgets only what all lanes have settled, and a receipt waits for its own lane", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* session(Spool.directory(folder), {}, [{}, silent, {}, {}], (stream, server) =>
        Effect.gen(function* () {
          const acks = yield* ingest(
            stream,
            Array.from({ length: 8 }, (_, n) => record(keys[n % LANES]!, n))
          )
          yield* sent(server, 8)
          yield* A.settle
          assert.deepStrictEqual(
            yield* Effect.forEach(acks, isDurable),
            acks.map((_, n) => n % LANES !== 1)
          )
          assert.strictEqual(yield* stream.waitForOffset(0 as Offset), 0)
          assert.isFalse((yield* A.started(stream.waitForOffset(2 as Offset))).done())
          const { firstOffset, waitingRecords } = yield* Spool.inspect(folder)
          assert.deepStrictEqual([firstOffset, waitingRecords], [1, 7])
        })
      )
      const server = yield* session(Spool.directory(folder), {}, [{}], (stream) => stream.flush)
      // Records that other lanes had settled after the oldest unsettled one arrive once more.
      assert.deepStrictEqual(server.connections.map(numbersOn), [[4], [1, 5], [2, 6], [3, 7]])
    })
  )

  it.effect("keeps the order of keys when the number of lanes changes, also to one", () =>
    Effect.gen(function* () {
      for (const lanes of [3, 1, 7]) {
        const folder = yield* temporaryFolder
        const records = Array.from({ length: 60 }, (_, n) => record(n % 9, n))
        yield* session(Spool.directory(folder), {}, [refusing], (stream) =>
          ingest(stream, records.slice(0, 40))
        )
        const server = yield* session(Spool.directory(folder), { lanes }, [{}], (stream) =>
          Effect.andThen(ingest(stream, records.slice(40)), stream.flush)
        )
        assert.lengthOf(server.records, 60)
        assertOrder(server.connections)
        if (lanes === 1)
          assert.deepStrictEqual(
            numbersOn(server.connections[0]!),
            records.map(({ n }) => n)
          )
      }
    })
  )

  it.effect(
    "sends what one lane has logged on one lane, and nothing else before that is settled",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const records = Array.from({ length: 30 }, (_, n) => record(n % 9, n))
        yield* session(Spool.directory(folder), { lanes: 1 }, [refusing], (stream) =>
          ingest(stream, records.slice(0, 20))
        )
        yield* session(Spool.directory(folder), {}, [silent], (stream, server) =>
          Effect.gen(function* () {
            yield* ingest(stream, records.slice(20))
            yield* sent(server, 20)
            yield* A.settle
            assert.deepStrictEqual(
              server.connections.map(({ records }) => records.length),
              [20, 0, 0, 0]
            )
            ackAll(server.connection(0))
            yield* sent(server, 30)
            assertOrder(server.connections)
            assert.isAbove(
              server.connection(1).records.length + server.connection(2).records.length,
              0
            )
          })
        )
      })
  )

  it.effect("spreads what has no key over the lanes, and what one lane has logged", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const pad = "x".repeat(10_000)
      const records = Array.from({ length: 60 }, (_, n) => ({ n, pad }))
      yield* session(
        Spool.directory(folder),
        { lanes: 1, laneKey: undefined },
        [refusing],
        (stream) => ingest(stream, records)
      )
      const server = yield* session(
        Spool.directory(folder),
        { laneKey: undefined },
        [silent],
        (stream, server) =>
          Effect.gen(function* () {
            yield* sent(server, 60)
            const acks = yield* ingest(stream, records)
            yield* sent(server, 120)
            for (const connection of server.connections)
              assert.isAbove(connection.records.length, 10)
            yield* A.settle
            assert.deepStrictEqual(
              new Set(yield* Effect.forEach(acks, isDurable)),
              new Set([false])
            )
            server.connections.forEach(ackAll)
            yield* stream.flush
            assert.deepStrictEqual(new Set(yield* Effect.forEach(acks, isDurable)), new Set([true]))
          })
      )
      assert.lengthOf(server.connections, LANES)
    })
  )

  it.effect(
    "sends again on a lost lane what that lane had not settled, and nothing of the others",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* session(
          Spool.directory(folder),
          {},
          [silent, silent, silent, silent, {}],
          (stream, server) =>
            Effect.gen(function* () {
              yield* ingest(
                stream,
                Array.from({ length: 12 }, (_, n) => record(keys[n % LANES]!, n))
              )
              yield* sent(server, 12)
              server.connection(1).cut()
              yield* A.advance(3000)
              assert.deepStrictEqual(numbersOn(server.connection(4)), [1, 5, 9])
              for (const lane of [0, 2, 3]) ackAll(server.connection(lane))
              yield* stream.flush
              assert.lengthOf(server.records, 15)
            })
        )
      })
  )

  it.effect("gives refused records to onRefused, after which they leave the spool", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const script: Script = {
        onMessage: (connection, message) =>
          message.records.some((text) => text.includes("-1"))
            ? connection.fail(code.INVALID_ARGUMENT)
            : connection.ack(message.wireOffset)
      }
      const refused: Array<Refused<JsonRecord>> = []
      const options = {
        onRefused: (one: Refused<JsonRecord>) => Effect.sync(() => refused.push(one))
      }
      yield* session(Spool.directory(folder), options, [script], (stream) =>
        Effect.gen(function* () {
          const acks = yield* ingest(
            stream,
            Array.from({ length: 20 }, (_, n) => record(keys[n % LANES]!, n === 9 ? -1 : n))
          )
          yield* A.advance(20_000)
          yield* stream.flush
          const error = A.tagged(yield* Effect.flip(acks[9]!.await), "InvalidArgument")
          assert.strictEqual(error.offset, 9)
          assert.strictEqual(yield* acks[13]!.await, 13)
        })
      )
      assert.deepStrictEqual(
        refused.map(({ offset }) => offset as number),
        [9]
      )
      const { firstOffset, nextOffset } = yield* Spool.inspect(folder)
      assert.deepStrictEqual([firstOffset, nextOffset], [20, 20])
    })
  )

  it.effect(
    "ends once by what cannot be retried, hands back what was not settled, and is recreated on " +
      "its spool",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { server, zerobus } = yield* A.client({}, silent, {}, {}, {})
        const stream = yield* zerobus.createStream(A.table, {
          spool: Spool.directory(folder),
          lanes: LANES,
          laneKey: keyOfRecord,
          scopeCloseTimeout: 0
        })
        yield* A.advance(1000)
        const acks = yield* ingest(
          stream,
          Array.from({ length: 12 }, (_, n) => record(keys[n % LANES]!, n))
        )
        yield* sent(server, 12)
        server.connection(1).fail(code.NOT_FOUND)
        yield* A.advance(1000)
        A.tagged(yield* Effect.flip(stream.flush), "InvalidTable")
        A.tagged(yield* Effect.flip(acks[1]!.await), "InvalidTable")
        assert.deepStrictEqual(
          yield* Effect.forEach(acks, isDurable),
          acks.map((_, n) => n % LANES !== 1)
        )
        const left = yield* stream.getUnackedRecords
        assert.deepStrictEqual(
          left.map((one) => (JSON.parse(one as string) as { readonly n: number }).n),
          [1, 5, 9]
        )
        const next = yield* zerobus.recreateStream(stream)
        yield* A.advance(1000)
        assert.strictEqual((yield* next.ingestRecord(record(keys[1]!, 12))).offset, 12)
        yield* next.flush
        assertOrder(server.connections.slice(LANES))
        assert.deepStrictEqual(numbersOn(server.connection(LANES + 1)), [1, 5, 9, 12])
        yield* next.close
      })
  )

  it.effect("opens and takes records while the server cannot be reached, and is waiting then", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      let down = true
      const script: Script = {
        onCreate: (connection) => (down ? connection.fail(code.UNAVAILABLE) : connection.accept())
      }
      yield* session(Spool.directory(folder), {}, [script], (stream, server) =>
        Effect.gen(function* () {
          const states: Array<string> = []
          yield* Effect.forkScoped(
            Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => states.push(state)))
          )
          yield* ingest(
            stream,
            Array.from({ length: 12 }, (_, n) => record(keys[n % LANES]!, n))
          )
          yield* A.advance(20_000)
          assert.strictEqual(states.at(-1), "waiting")
          down = false
          yield* A.advance(40_000)
          assert.strictEqual(states.at(-1), "open")
          yield* stream.flush
          assert.lengthOf(server.records, 12)
        })
      )
    })
  )

  it.effect("keeps its lanes within the bounds however much waits, and drains all of it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const records = Array.from({ length: 3000 }, (_, n) => record(n % 50, n))
      const small = { maxInflightRecords: 100, batching: { maxRecords: 10 } }
      yield* session(Spool.directory(folder), small, [refusing], (stream) =>
        ingest(stream, records)
      )
      const server = yield* session(Spool.directory(folder), small, [silent], (stream, server) =>
        Effect.gen(function* () {
          const flush = yield* A.started(stream.flush)
          let acknowledged = 0
          while (!flush.done()) {
            yield* A.settle
            assert.isAtMost(server.records.length - acknowledged, 100 + 10)
            acknowledged = server.records.length
            server.connections.forEach(ackAll)
          }
          yield* flush.join
        })
      )
      assert.lengthOf(server.records, 3000)
      assertOrder(server.connections)
    })
  )

  it.effect("ends on all lanes when the log cannot be read any more, and keeps everything", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const pad = "x".repeat(10_000)
      const records = Array.from({ length: 400 }, (_, n) => ({ ...record(n % 9, n), pad }))
      yield* session(Spool.directory(folder), {}, [refusing], (stream) => ingest(stream, records))
      const disk = faultyDisk()
      const small = { maxInflightBytes: 400_000 }
      yield* session(spoolOn(disk, folder), small, [silent], (stream, server) =>
        Effect.gen(function* () {
          yield* sent(server, 10)
          disk.before = (operation) => {
            if (operation === "read") throw failure("EIO")
          }
          const flush = yield* A.started(stream.flush)
          while (!flush.done()) {
            server.connections.forEach(ackAll)
            yield* A.advance(100)
          }
          assert.include((flush.error() as { readonly message: string }).message, "EIO")
          assert.deepStrictEqual([...(yield* Stream.runCollect(stream.stateChanges))], ["failed"])
        })
      )
      const { waitingRecords } = yield* Spool.inspect(folder)
      assert.isAbove(waitingRecords, 0)
      const server = yield* session(Spool.directory(folder), {}, [{}], (stream) => stream.flush)
      assertOrder(server.connections)
      assert.strictEqual(Math.max(...server.connections.flatMap(numbersOn)), 399)
    })
  )

  it.effect("refuses records whose key cannot be had, and takes nothing of them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const laneKey = (one: JsonRecord) => {
        if (keyOfRecord(one) === 99) throw new Error("secret")
        return keyOfRecord(one)
      }
      yield* session(Spool.directory(folder), { laneKey }, [{}], (stream) =>
        Effect.gen(function* () {
          const error = A.tagged(
            yield* Effect.flip(stream.ingestRecord(record(99, 0))),
            "InvalidArgument"
          )
          assert.notInclude(error.message, "secret")
          const mixed = yield* Effect.flip(stream.ingestRecords([record(1, 0), record(2, 1)]))
          assert.deepStrictEqual(A.tagged(mixed, "InvalidArgument").path, [1])
          assert.strictEqual((yield* stream.ingestRecord(record(1, 0))).offset, 0)
          yield* stream.close
        })
      )
    })
  )
})
