/**
 * A stream of the server without sockets, on a virtual clock: the timing of acknowledgements, the
 * lifetime of a stream, back-pressure and failures of the store, each at an exact moment.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { databricks } from "../../generated/zerobus_service.js"
import { RecordRejected, StorageFailure } from "../../../src/local/log/storageErrors.ts"
import type { StreamLimits } from "../../../src/local/stream/streamContract.ts"
import { startStream } from "../../../src/local/stream/serverStream.ts"
import { defaultLimits, makeStreamHub } from "../../../src/local/stream/streamHost.ts"
import type { TableStoreShape, TableWriter } from "../../../src/local/store/tableStore.ts"
import { makeServerCounters } from "../../../src/local/endpoints/serverCounters.ts"
import { makeTimers } from "../../../src/local/timers.ts"

const { EphemeralStreamRequest, EphemeralStreamResponse } = databricks.zerobus
const table = "main.default.orders"

/** A store whose disk the test controls. */
const handStore = () => {
  const waiting: Array<(failure: StorageFailure | undefined) => void> = []
  const roomWaiting: Array<() => void> = []
  const state = { pressed: false, closed: 0, tickets: 0 }
  const writer: TableWriter = {
    appendUnsafe: (records) =>
      Buffer.from(records[0]!).toString() === "bad"
        ? new RecordRejected(0, "id", "expected BIGINT")
        : state.tickets++,
    onDurable: (_, callback) => waiting.push(callback),
    pressure: () => state.pressed,
    onRoom: (callback) => {
      if (state.pressed) roomWaiting.push(callback)
      else callback()
    },
    close: () => {
      state.closed++
    }
  }
  return {
    state,
    store: {
      openWriter: () => Effect.succeed(writer)
    } as Partial<TableStoreShape> as TableStoreShape,
    /** Makes the oldest groups durable, or fails them. */
    sync: (count: number, failure?: StorageFailure) => {
      for (const callback of waiting.splice(0, count)) callback(failure)
    },
    room: () => {
      state.pressed = false
      for (const callback of roomWaiting.splice(0)) callback()
    }
  }
}

const open = Effect.fnUntraced(function* (limits: Partial<StreamLimits> = {}) {
  const disk = handStore()
  const counts = { opened: 0, closed: 0, latencies: [] as Array<number> }
  const hub = makeStreamHub({
    store: disk.store,
    timers: makeTimers(yield* Clock.Clock),
    limits: { ...defaultLimits, streamLife: Infinity, ...limits },
    auditBytes: 1024,
    observe: () => ({
      opened: () => counts.opened++,
      closed: () => counts.closed++,
      refused: () => {},
      received: () => {},
      durable: () => {},
      noted: () => {},
      acked: (_, latency) => counts.latencies.push(latency ?? Number.NaN)
    })
  })
  const said: Array<string> = []
  let reading = true
  const peer = {
    write: (bytes: Uint8Array) => {
      const { closeStreamSignal, ingestRecordResponse, payload } =
        EphemeralStreamResponse.decode(bytes)
      if (payload === "createStreamResponse") said.push("created")
      if (payload === "ingestRecordResponse")
        said.push(`ack ${ingestRecordResponse?.durabilityAckUpToOffset}`)
      if (payload === "closeStreamSignal")
        said.push(`close in ${closeStreamSignal?.duration?.seconds}`)
    },
    finish: (status: { readonly code: number } | undefined) =>
      said.push(status === undefined ? "OK" : `status ${status.code}`),
    cut: () => said.push("cut"),
    pause: () => {
      reading = false
    },
    resume: () => {
      reading = true
    }
  }
  const stream = startStream(hub, peer, table)
  const send = (request: Parameters<typeof EphemeralStreamRequest.encode>[0]) =>
    stream.receive(EphemeralStreamRequest.encode(request).finish())
  send({ createStream: { tableName: table, recordType: 2 } })
  yield* Effect.yieldNow
  assert.deepStrictEqual(said.splice(0), ["created"])
  let next = 0
  return {
    disk,
    counts,
    hub,
    stream,
    send,
    reading: () => reading,
    record: (text = "{}") => send({ ingestRecord: { offsetId: next++, jsonRecord: text } }),
    said: () => said.splice(0)
  }
})

describe("acknowledgements", () => {
  it.effect("wait for the disk, then for the interval, and cover everything durable by then", () =>
    Effect.gen(function* () {
      const { counts, disk, record, said } = yield* open({ ackInterval: 100 })
      for (let n = 0; n < 5; n++) record()
      assert.deepStrictEqual(said(), [])
      yield* TestClock.adjust(40)
      disk.sync(2)
      assert.deepStrictEqual(said(), ["ack 0"])
      disk.sync(1)
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(said(), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(said(), ["ack 2"])
      disk.sync(2)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(said(), ["ack 4"])
      assert.deepStrictEqual(counts.latencies, [40, 140, 240])
    })
  )

  it.effect("come at once at the half-close, and the call ends only when all is durable", () =>
    Effect.gen(function* () {
      const { disk, record, said, stream } = yield* open({ ackInterval: 1_000_000 })
      for (let n = 0; n < 3; n++) record()
      stream.halfClosed()
      disk.sync(2)
      assert.deepStrictEqual(said(), ["ack 0"])
      disk.sync(1)
      assert.deepStrictEqual(said(), ["ack 2", "OK"])
      assert.strictEqual(disk.state.closed, 1)
    })
  )
})

describe("refusals", () => {
  it.effect("wait until what came before is acknowledged", () =>
    Effect.gen(function* () {
      const { disk, record, said } = yield* open()
      record()
      record("bad")
      record()
      assert.deepStrictEqual(said(), [])
      disk.sync(1)
      assert.deepStrictEqual(said(), ["ack 0", "status 3"])
      assert.strictEqual(disk.state.tickets, 1)
    })
  )

  it.effect(
    "of a failed disk end the stream with UNAVAILABLE, with the durable part acknowledged",
    () =>
      Effect.gen(function* () {
        const { disk, record, said } = yield* open({ ackInterval: 1000 })
        for (let n = 0; n < 4; n++) record()
        disk.sync(2)
        const full = new StorageFailure({ reason: "DiskFull", message: "canary-path" })
        disk.sync(2, full)
        assert.deepStrictEqual(said(), ["ack 0", "ack 1", "status 14"])
      })
  )
})

describe("the life of a stream", () => {
  it.effect("ends with a signal and, after the grace, with UNAVAILABLE", () =>
    Effect.gen(function* () {
      const { counts, said } = yield* open({ streamLife: 60_000, closeGrace: 5000 })
      yield* TestClock.adjust(59_999)
      assert.deepStrictEqual(said(), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(said(), ["close in 5"])
      yield* TestClock.adjust(4999)
      assert.deepStrictEqual(said(), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(said(), ["status 14"])
      assert.deepStrictEqual([counts.opened, counts.closed], [1, 1])
    })
  )

  it.effect("leaves no timer behind when the client goes away", () =>
    Effect.gen(function* () {
      const { disk, record, said, stream } = yield* open({ streamLife: 60_000, ackInterval: 1000 })
      record()
      record()
      disk.sync(1)
      said()
      stream.cancelled()
      disk.sync(1)
      yield* TestClock.adjust(200_000)
      assert.deepStrictEqual(said(), [])
      assert.strictEqual(disk.state.closed, 1)
    })
  )
})

describe("a call without a create request", () => {
  it.effect("is ended after 30 seconds", () =>
    Effect.gen(function* () {
      const hub = makeStreamHub({
        store: handStore().store,
        timers: makeTimers(yield* Clock.Clock),
        limits: defaultLimits,
        auditBytes: 0,
        observe: () => makeServerCounters().observer
      })
      const ended: Array<number | undefined> = []
      const peer = {
        write: () => {},
        finish: (status: { readonly code: number } | undefined) => ended.push(status?.code),
        cut: () => {},
        pause: () => {},
        resume: () => {}
      }
      startStream(hub, peer, table)
      yield* TestClock.adjust(29_999)
      assert.deepStrictEqual(ended, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ended, [4])
    })
  )
})

describe("reading", () => {
  it.effect("stops while too many bytes wait for the disk, and goes on at half of it", () =>
    Effect.gen(function* () {
      const { disk, reading, record } = yield* open({ maxUndurableBytes: 100 })
      for (let n = 0; n < 5; n++) record("x".repeat(20))
      assert.isTrue(reading())
      record("x".repeat(20))
      assert.isFalse(reading())
      disk.sync(3)
      assert.isFalse(reading())
      disk.sync(1)
      assert.isTrue(reading())
    })
  )

  it.effect("stops while the store is under pressure", () =>
    Effect.gen(function* () {
      const { disk, reading, record } = yield* open()
      disk.state.pressed = true
      record()
      assert.isFalse(reading())
      disk.sync(1)
      assert.isFalse(reading())
      disk.room()
      assert.isTrue(reading())
    })
  )

  it.effect("keeps to the configured rate", () =>
    Effect.gen(function* () {
      const { reading, record } = yield* open({ maxRecordsPerSecond: 100 })
      record()
      assert.isTrue(reading())
      record()
      assert.isFalse(reading())
      yield* TestClock.adjust(19)
      assert.isFalse(reading())
      yield* TestClock.adjust(1)
      assert.isTrue(reading())
    })
  )
})

describe("the shutdown of a hub", () => {
  it.effect("waits for the disk, and no longer than its limit", () =>
    Effect.gen(function* () {
      const { disk, hub, record, said } = yield* open()
      record()
      const waiting = yield* Effect.forkChild(hub.shutdown(1000), { startImmediately: true })
      assert.deepStrictEqual(said(), ["close in 0"])
      disk.sync(1)
      assert.deepStrictEqual(said(), ["ack 0", "status 14"])
      yield* TestClock.adjust(0)
      assert.isDefined(waiting.pollUnsafe())
      const stuck = yield* open()
      stuck.record()
      const limited = yield* Effect.forkChild(stuck.hub.shutdown(1000), { startImmediately: true })
      yield* TestClock.adjust(999)
      assert.isUndefined(limited.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.isDefined(limited.pollUnsafe())
    })
  )
})
