/**
 * A stream whose large messages are decoded elsewhere, without sockets and threads: the test
 * decides when a block is decoded.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { databricks } from "../../generated/zerobus_service.js"
import { RecordRejected, StorageFailure } from "../../../src/local/log/storageErrors.ts"
import type { Appended } from "../../../src/local/store/appended.ts"
import type { TableStoreShape, TableWriter } from "../../../src/local/store/tableStore.ts"
import { startStream } from "../../../src/local/stream/serverStream.ts"
import { defaultLimits, makeStreamHub } from "../../../src/local/stream/streamHost.ts"
import { makeTimers } from "../../../src/local/timers.ts"

const { EphemeralStreamRequest, EphemeralStreamResponse } = databricks.zerobus
const table = "main.default.orders"
/** Texts of at least this many letters are decoded elsewhere. */
const large = 20
const long = (text: string): string => text.padEnd(large, ".")

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const open = Effect.fnUntraced(function* (maxUndurableBytes = 10_000) {
  const stored: Array<string> = []
  const waiting: Array<(failure: StorageFailure | undefined) => void> = []
  const blocks: Array<() => void> = []
  let failure: StorageFailure | undefined
  const append = (records: ReadonlyArray<Uint8Array>): number | RecordRejected => {
    const texts = records.map((bytes) => Buffer.from(bytes).toString())
    const bad = texts.findIndex((text) => text.startsWith("bad"))
    if (bad >= 0) return new RecordRejected(bad, "id", "expected BIGINT")
    return stored.push(...texts)
  }
  const appendAll = (messages: ReadonlyArray<ReadonlyArray<Uint8Array>>): Appended => {
    const tickets: Array<number> = []
    if (failure !== undefined) return { tickets, problem: failure }
    for (const records of messages) {
      const ticket = append(records)
      if (typeof ticket !== "number") return { tickets, problem: ticket }
      tickets.push(ticket)
    }
    return { tickets, problem: undefined }
  }
  const writer: TableWriter = {
    appendUnsafe: append,
    isForElsewhere: (bytes) => bytes >= large,
    appendElsewhere: (messages, done) => blocks.push(() => done(appendAll(messages))),
    onDurable: (_, callback) => waiting.push(callback),
    pressure: () => false,
    onRoom: (callback) => callback(),
    close: () => {}
  }
  const hub = makeStreamHub({
    store: {
      openWriter: () => Effect.succeed(writer)
    } as Partial<TableStoreShape> as TableStoreShape,
    timers: makeTimers(yield* Clock.Clock),
    limits: { ...defaultLimits, streamLife: Infinity, ackInterval: 0, maxUndurableBytes },
    auditBytes: 1024,
    observe: () => ({
      opened: () => {},
      closed: () => {},
      refused: () => {},
      received: () => {},
      durable: () => {},
      acked: () => {},
      noted: () => {}
    })
  })
  const said: Array<string> = []
  let reading = true
  const peer = {
    write: (bytes: Uint8Array) => {
      const { ingestRecordResponse, payload } = EphemeralStreamResponse.decode(bytes)
      if (payload === "ingestRecordResponse")
        said.push(`ack ${ingestRecordResponse?.durabilityAckUpToOffset}`)
    },
    finish: (status: { readonly code: number; readonly message: string } | undefined) =>
      said.push(status === undefined ? "OK" : `${status.code} ${status.message}`),
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
  let next = 0
  return {
    stored,
    blocks,
    stream,
    send,
    reading: () => reading,
    said: () => said.splice(0),
    record: (text: string) => send({ ingestRecord: { offsetId: next++, jsonRecord: text } }),
    /** Decodes the next block, after the turn in which it collects. */
    decode: Effect.promise(async () => {
      await new Promise<void>((resolve) => setImmediate(resolve))
      assert.lengthOf(blocks, 1)
      blocks.shift()!()
    }),
    failDecoding: () => {
      failure = new StorageFailure({ reason: "Io", message: "The decode thread failed." })
    },
    sync: (reason?: StorageFailure) => {
      for (const callback of waiting.splice(0)) callback(reason)
    }
  }
})

describe("messages decoded elsewhere", () => {
  it.effect("keep their order with those decoded at once, which wait behind them", () =>
    Effect.gen(function* () {
      const { decode, record, said, stored, sync } = yield* open()
      record("0")
      record(long("1"))
      record("2")
      assert.deepStrictEqual(stored, ["0"])
      yield* decode
      assert.deepStrictEqual(stored, ["0", long("1"), "2"])
      record("3")
      assert.deepStrictEqual(stored, ["0", long("1"), "2", "3"])
      sync()
      yield* TestClock.adjust(1)
      assert.strictEqual(said().at(-1), "ack 3")
    })
  )

  it.effect("collect while a block is decoded, and are the next one", () =>
    Effect.gen(function* () {
      const { blocks, decode, record, stored } = yield* open()
      record(long("0"))
      yield* turn
      record(long("1"))
      record("2")
      assert.lengthOf(blocks, 1)
      yield* decode
      assert.deepStrictEqual(stored, [long("0")])
      yield* decode
      assert.deepStrictEqual(stored, [long("0"), long("1"), "2"])
      assert.lengthOf(blocks, 0)
    })
  )

  it.effect(
    "end the stream at one that is refused, with its offset and column, behind the acknowledgement",
    () =>
      Effect.gen(function* () {
        const { decode, record, said, stored, sync } = yield* open()
        for (const text of ["0", "bad", "2"]) record(long(text))
        record("3")
        yield* decode
        record("4")
        assert.deepStrictEqual(stored, [long("0")])
        assert.deepStrictEqual(said(), [])
        sync()
        const [acknowledged, status, ...rest] = said()
        assert.strictEqual(acknowledged, "ack 0")
        assert.match(status!, /^3 .*At offset 1: .*id.*expected BIGINT/)
        assert.deepStrictEqual(rest, [])
      })
  )

  it.effect("are stored and acknowledged before a half-close counts", () =>
    Effect.gen(function* () {
      const { decode, record, said, stream, sync } = yield* open()
      record(long("0"))
      stream.halfClosed()
      assert.deepStrictEqual(said(), [])
      yield* decode
      assert.deepStrictEqual(said(), [])
      sync()
      assert.deepStrictEqual(said(), ["ack 0", "OK"])
    })
  )

  it.effect("are refused before a half-close counts", () =>
    Effect.gen(function* () {
      const { decode, record, said, stream } = yield* open()
      record(long("bad"))
      stream.halfClosed()
      yield* decode
      const [status, ...rest] = said()
      assert.match(status!, /^3 .*At offset 0/)
      assert.deepStrictEqual(rest, [])
    })
  )

  it.effect("are stored before a violation of the protocol behind them ends the stream", () =>
    Effect.gen(function* () {
      const { decode, record, said, send, stored, sync } = yield* open()
      record(long("0"))
      send({ ingestRecord: { offsetId: 7, jsonRecord: "7" } })
      record("1")
      yield* decode
      sync()
      assert.deepStrictEqual(stored, [long("0")])
      const [acknowledged, status, ...rest] = said()
      assert.strictEqual(acknowledged, "ack 0")
      assert.match(status!, /expected 1, got 7/)
      assert.deepStrictEqual(rest, [])
    })
  )

  it.effect("count as bytes that are not durable, at whose limit the client is not read", () =>
    Effect.gen(function* () {
      const { decode, reading, record, sync } = yield* open(100)
      for (let n = 0; n < 6; n++) record(long(String(n)))
      assert.isFalse(reading())
      yield* decode
      assert.isFalse(reading())
      sync()
      assert.isTrue(reading())
    })
  )

  it.effect("end the stream for another try when the thread dies", () =>
    Effect.gen(function* () {
      const { decode, failDecoding, record, said, stored } = yield* open()
      record(long("0"))
      failDecoding()
      yield* decode
      assert.deepStrictEqual(stored, [])
      assert.match(said().join(), /^14 .*could not decode.*try again/)
    })
  )

  it.effect("are dropped when the log fails, or the client goes, while they are decoded", () =>
    Effect.gen(function* () {
      const failing = yield* open()
      failing.record("0")
      failing.record(long("1"))
      yield* turn
      failing.sync(new StorageFailure({ reason: "Io", message: "planted" }))
      assert.match(failing.said().join(), /^14 /)
      failing.blocks.shift()!()
      assert.deepStrictEqual(failing.said(), [])

      const gone = yield* open()
      gone.record(long("0"))
      gone.stream.cancelled()
      yield* turn
      assert.lengthOf(gone.blocks, 0)
      assert.deepStrictEqual(gone.said(), [])
    })
  )
})
