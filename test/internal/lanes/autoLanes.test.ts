/**
 * Streams whose number of lanes adapts to the load, on a virtual clock. The server accepts a
 * limited number of records in a tenth of a second, per stream or in total.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Stream } from "effect"
import { type StreamConfigurationOptions, Zerobus, type ZerobusStream } from "effect-zerobus"
import { ZerobusVirtual } from "effect-zerobus/testing"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import * as A from "../../support/acceptance.ts"
import {
  code,
  type Connection,
  type Script,
  type ScriptedServer
} from "../../support/scriptedServer.ts"

const silent: Script = { onMessage: () => {} }

const options = {
  lanes: "auto",
  batching: "off",
  maxInflightRecords: 200,
  scopeCloseTimeout: 0,
  onUnacked: () => Effect.void
} satisfies StreamConfigurationOptions<JsonRecord>

/** The number of messages that a connection has acknowledged. */
const acknowledged = new WeakMap<Connection, number>()

/** Acknowledges at most this many more messages of a connection. Returns how many. */
const take = (connection: Connection, most: number): number => {
  const before = acknowledged.get(connection) ?? 0
  const upTo = Math.min(connection.messages.length, before + Math.floor(most))
  if (connection.over || upTo === before) return 0
  acknowledged.set(connection, upTo)
  connection.ack(upTo - 1)
  return upTo - before
}

/** The limits of a server: records per stream, or in total, in a step of some milliseconds. */
interface Pace {
  readonly perStream?: number
  readonly inAll?: number
  readonly step?: number
}

/** Runs this many steps, and ingests this many records in each. */
const run = Effect.fnUntraced(function* (
  stream: ZerobusStream<JsonRecord>,
  server: ScriptedServer,
  steps: number,
  load: number,
  { inAll = Infinity, perStream = Infinity, step = 100 }: Pace
) {
  for (let n = 0; n < steps; n++) {
    yield* Effect.forkScoped(
      Effect.forEach(A.recordsFrom(0, load), (record) => stream.ingestRecord(record), {
        concurrency: "unbounded"
      })
    )
    yield* A.advance(step, step)
    const open = server.connections.filter(({ over }) => !over)
    for (const connection of open) take(connection, Math.min(perStream, inAll / open.length))
    yield* A.settle
  }
})

const openNow = (server: ScriptedServer) => server.connections.filter(({ over }) => !over).length

describe("a stream with lanes: auto", () => {
  it.effect(
    "opens lanes while the server's pace per stream is the limit, and closes them when the load " +
      "is gone",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(options, silent)
        assert.lengthOf(server.connections, 1)
        const states: Array<string> = []
        yield* Effect.forkScoped(
          Stream.runForEach(stream.stateChanges, (state) => Effect.sync(() => states.push(state)))
        )
        const pace = { perStream: 10 }
        yield* run(stream, server, 100, 60, pace)
        const most = openNow(server)
        assert.isAtLeast(most, 6)
        assert.isAtMost(most, 16)
        yield* run(stream, server, 180, 5, { perStream: 100, step: 1000 })
        assert.strictEqual(openNow(server), 1)
        // Adding or giving up lanes is not a loss of connections, and nothing was sent twice.
        assert.deepStrictEqual(states, ["open"])
        assert.lengthOf(server.records, 100 * 60 + 180 * 5)
        const open = yield* Metric.snapshot
        assert.isAbove(open.filter(({ attributes }) => attributes?.["lane"] === "3").length, 0)
        yield* stream.close
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("takes a lane back that does not make it faster, and keeps one stream's pace", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(options, silent)
      yield* run(stream, server, 250, 40, { inAll: 20 })
      assert.strictEqual(openNow(server), 1)
      assert.lengthOf(server.connections, 2)
      const taken = server.connections.reduce(
        (sum, connection) => sum + (acknowledged.get(connection) ?? 0),
        0
      )
      // A little less, while the lane to be given up sends less than it could.
      assert.isAtLeast(taken, 0.95 * 250 * 20)
    })
  )

  it.effect("recovers its lanes when all of them are lost", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({ ...options, recoveryRetries: 1000 }, silent)
      yield* run(stream, server, 60, 100, { perStream: 10 })
      const before = openNow(server)
      assert.isAbove(before, 1)
      for (const connection of server.connections) if (!connection.over) connection.cut()
      yield* run(stream, server, 60, 1, { perStream: 10 })
      // Measurements in the meantime may undo the last growth.
      assert.isAtLeast(openNow(server), before / 2)
      yield* stream.close.pipe(Effect.ignore, Effect.forkScoped)
    })
  )

  it.effect("is recreated with as many lanes, which send all that was left", () =>
    Effect.gen(function* () {
      const { server, stream, zerobus } = yield* A.open({ ...options, drainTimeout: 0 }, silent)
      yield* run(stream, server, 60, 100, { perStream: 10 })
      const lanes = openNow(server)
      assert.isAbove(lanes, 1)
      server.connections.find(({ over }) => !over)!.fail(code.NOT_FOUND)
      yield* A.advance(1000)
      const left = yield* stream.getUnackedRecords
      assert.lengthOf(left, 200)
      const before = server.connections.length
      const again = yield* A.started(zerobus.recreateStream(stream))
      yield* A.advance(2000)
      const next = yield* again.join
      const flush = yield* A.started(next.flush)
      yield* A.settle
      const fresh = server.connections.slice(before)
      assert.isAtLeast(fresh.length, lanes)
      assert.lengthOf(
        fresh.flatMap(({ records }) => records),
        200
      )
      for (const connection of fresh) take(connection, Infinity)
      yield* A.settle
      assert.isTrue(flush.done())
      yield* next.close
    })
  )

  it.effect("closes with lanes that never opened", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(options, {})
      yield* stream.ingestRecord(A.record(0))
      yield* stream.close
      assert.lengthOf(server.connections, 1)
      assert.deepStrictEqual([...(yield* Stream.runCollect(stream.stateChanges))], ["closed"])
    })
  )

  it.effect(
    "carries over the local server what many of its streams may, whose pace is limited",
    () =>
      Effect.gen(function* () {
        const virtual = yield* ZerobusVirtual
        yield* virtual.createTable("main.default.readings(n BIGINT)")
        const zerobus = yield* Zerobus
        const opening = yield* A.started(
          zerobus.createStream(A.table, {
            ...options,
            batching: { maxRecords: 5 },
            maxInflightRecords: 500
          })
        )
        yield* A.advance(100)
        const stream = yield* opening.join
        const count = 6_000
        const ingesting = yield* A.started(
          Effect.andThen(
            Effect.forEach(A.recordsFrom(0, count), (record) => stream.ingestRecord(record), {
              discard: true
            }),
            stream.flush
          )
        )
        // One stream would need a minute.
        yield* A.advance(15_000, 250)
        assert.isTrue(ingesting.done())
        const audit = yield* virtual.audit(A.table)
        assert.deepStrictEqual(
          [audit.distinctRecords, audit.ackedButMissing, audit.duplicates],
          [count, 0, 0]
        )
        assert.isAtLeast(audit.connections, 8)
        const closing = yield* A.started(stream.close)
        yield* A.advance(1000)
        yield* closing.join
      }).pipe(Effect.provide(ZerobusVirtual.layer({ rateLimit: { records: 100 } })))
  )
})
