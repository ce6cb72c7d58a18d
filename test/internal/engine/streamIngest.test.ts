/**
 * An ingest call is an effect like any other, although `yield*` takes a shortcut. A caller that
 * never waits lets others run. All ways to call give the same result on a closed, full or waiting
 * stream.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import type { JsonRecord } from "../../../src/TableProperties.ts"
import { Offset } from "../../../src/Offset.ts"
import { ProtocolViolation } from "../../../src/ZerobusError.ts"
import { refuseRecordsUnsafe } from "../../../src/internal/engine/streamCore.ts"
import { awaitSettled, makeIngest } from "../../../src/internal/engine/streamIngest.ts"
import * as A from "../../support/acceptance.ts"
import { acknowledge, makeCore, offer, take } from "../../support/cores.ts"

describe("an ingest call", () => {
  it.effect("does nothing until it runs, and ingests again each time it runs", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open({})
      const call = stream.ingestRecord(A.record(7))
      const others = stream.ingestRecord(A.record(8))
      assert.strictEqual((yield* stream.ingestRecord(A.record(0))).offset, 0)
      const first = yield* call
      const second = yield* call
      const third = yield* Effect.map(call, (ack) => ack.offset)
      const rest = yield* Effect.all([call, others, call])
      assert.deepStrictEqual([first.offset, second.offset, third].map(Number), [1, 2, 3])
      assert.deepStrictEqual(
        rest.map((ack) => Number(ack.offset)),
        [4, 5, 6]
      )
      yield* stream.flush
      assert.deepStrictEqual(server.records, [0, 7, 7, 7, 7, 8, 7].map(A.record))
    })
  )

  it.effect("gives each call its own receipt", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({})
      const acks = []
      for (let n = 0; n < 3; n++) acks.push(yield* stream.ingestRecord(A.record(n)))
      assert.deepStrictEqual(
        acks.map((ack) => Number(ack.offset)),
        [0, 1, 2]
      )
      assert.deepStrictEqual(
        (yield* Effect.all(acks.map((ack) => ack.await))).map(Number),
        [0, 1, 2]
      )
    })
  )

  it.effect("fails in a generator as it fails elsewhere", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({})
      const bad = stream.ingestRecord("[1]")
      const inGenerator = yield* Effect.exit(Effect.gen(() => bad[Symbol.iterator]() as never))
      const piped = yield* Effect.exit(Effect.asVoid(bad))
      for (const exit of [inGenerator, piped])
        assert.strictEqual(A.failureOf(exit)._tag, "InvalidArgument")
      yield* stream.close
      const closed = yield* Effect.exit(
        Effect.gen(function* () {
          return yield* stream.ingestRecord(A.record(0))
        })
      )
      assert.isTrue(Exit.isFailure(closed))
      assert.strictEqual(A.failureOf(closed)._tag, "StreamClosed")
    })
  )

  for (const [api, size] of [
    ["ingestRecord", 1],
    ["ingestRecords", 20]
  ] as const) {
    it.effect(`gives the event loop turns in a loop of ${api} that never waits`, () =>
      Effect.gen(function* () {
        const { stream } = yield* A.open({})
        const text = `{"text":"${"x".repeat(1000)}"}`
        const batch = Array.from({ length: size }, () => text)
        let turns = 0
        let running = true
        const turn = () => {
          turns++
          if (running) setImmediate(turn)
        }
        setImmediate(turn)
        // 16 MiB, far below the landing zone's limit.
        for (let sent = 0; sent < 16_384; sent += size) {
          yield* size === 1 ? stream.ingestRecord(text) : stream.ingestRecords(batch)
        }
        running = false
        assert.isAbove(turns, 4)
        yield* stream.flush
      })
    )
  }
})

/**
 * The ways to ingest one record with an effect: in a generator, through the run loop, and as a
 * batch of one.
 */
const ways = (door: ReturnType<typeof makeIngest<JsonRecord>>) =>
  [
    [
      "ingestRecord",
      (record: JsonRecord) =>
        Effect.gen(function* () {
          return yield* door.ingestRecord(record)
        })
    ],
    ["ingestRecord", (record: JsonRecord) => Effect.map(door.ingestRecord(record), (ack) => ack)],
    [
      "ingestRecords",
      (record: JsonRecord) => Effect.map(door.ingestRecords([record]), (ack) => ack!)
    ]
  ] as const

describe("an ingest call in a generator", () => {
  it.effect("that need not wait is accepted without a turn of the run loop", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const { ingestRecord } = makeIngest(core)
      assert.isTrue(
        ingestRecord(A.record(0))
          [Symbol.iterator]()
          .next(undefined as never).done
      )
      assert.strictEqual(core.zone.nextOffset, 1)
    })
  )
})

describe("a caller that never waits", () => {
  it.effect(
    "gives way once for each stretch of bytes above a megabyte, in whatever way it calls",
    () =>
      Effect.gen(function* () {
        const core = yield* makeCore()
        const door = makeIngest(core)
        const stretch = `{"text":"${"x".repeat(64 * 1024)}"}`
        offer(
          core,
          Array.from({ length: 16 }, () => stretch)
        )
        for (const [name, call] of ways(door)) {
          const offset = core.zone.nextOffset
          const first = yield* Effect.forkChild(call(stretch), { startImmediately: true })
          assert.isUndefined(first.pollUnsafe(), `${name} gives way`)
          assert.strictEqual(core.zone.nextOffset, offset)
          yield* A.settle
          assert.deepStrictEqual(
            Exit.map(first.pollUnsafe()!, (ack) => Number(ack.offset)),
            Exit.succeed(offset)
          )
        }
      })
  )
})

describe("an ingest call on a closed stream", () => {
  it.effect("fails because it is closed, whatever the argument", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const door = makeIngest(core)
      refuseRecordsUnsafe(core)
      const closed = (call: Effect.Effect<unknown, any>) =>
        Effect.map(Effect.flip(call), (error) => [error._tag, error.operation])
      for (const record of [A.record(0), "[1]"]) {
        for (const [operation, call] of ways(door)) {
          assert.deepStrictEqual(yield* closed(call(record)), ["StreamClosed", operation])
        }
        assert.isUndefined(door.offerUnsafe(record))
      }
      for (const records of [[], "no array"]) {
        assert.deepStrictEqual(yield* closed(door.ingestRecords(records as never)), [
          "StreamClosed",
          "ingestRecords"
        ])
      }
    })
  )
})

describe("what needs no wait", () => {
  it.effect(
    "is accepted in whatever way it is handed in, one offset each, and an empty batch takes none",
    () =>
      Effect.gen(function* () {
        const core = yield* makeCore({ maxInflightRecords: 4 })
        const door = makeIngest(core)
        assert.isUndefined(yield* door.ingestRecords([]))
        const offsets = [Number(door.offerUnsafe(A.record(0))?.offset)]
        for (const [, call] of ways(door)) offsets.push(Number((yield* call(A.record(1))).offset))
        assert.deepStrictEqual(offsets, [0, 1, 2, 3])
        assert.isUndefined(door.offerUnsafe(A.record(4)))
        assert.isUndefined(yield* door.ingestRecords([]))
        assert.strictEqual(core.zone.nextOffset, 4)
      })
  )
})

describe("what can never be accepted", () => {
  it.effect("is refused at once, even where others wait for room", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ maxInflightRecords: 1 })
      const door = makeIngest(core)
      offer(core, [A.record(0)])
      const waiting = yield* A.started(door.ingestRecord(A.record(1)))
      for (const [name, call] of ways(door)) {
        const bad = yield* A.started(call("[1]"))
        assert.strictEqual(bad.error()._tag, "InvalidArgument", name)
      }
      assert.isFalse(waiting.done())
      take(core)
      acknowledge(core, 1)
      yield* A.settle
      assert.strictEqual(waiting.value().offset, 1)
    })
  )

  it.effect("is thrown by offerUnsafe, and is an error of ingestRecords when it is no array", () =>
    Effect.gen(function* () {
      const core = yield* makeCore()
      const door = makeIngest(core)
      for (const [name, call] of ways(door)) {
        assert.strictEqual((yield* Effect.flip(call("[1]")))._tag, "InvalidArgument", name)
      }
      let thrown: unknown
      try {
        door.offerUnsafe("[1]")
      } catch (error) {
        thrown = error
      }
      assert.strictEqual(
        (thrown as { readonly _tag?: string } | undefined)?._tag,
        "InvalidArgument"
      )
      for (const records of ["[]", { length: 0 }, new Set([A.record(0)]), undefined]) {
        const { message, path } = A.tagged(
          yield* Effect.flip(door.ingestRecords(records as never)),
          "InvalidArgument"
        )
        assert.deepStrictEqual([message, path], ["ingestRecords takes an array of records.", []])
      }
      assert.strictEqual(core.zone.nextOffset, 0)
    })
  )

  it.effect("is not described by the size at which its encoding stopped", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxPayloadBytes: 1000 })
      const batch = Array.from({ length: 1000 }, () => `{"a":"${"x".repeat(100)}"}`)
      const error = A.tagged(yield* Effect.flip(stream.ingestRecords(batch)), "PayloadTooLarge")
      assert.match(error.message, /^The call needs at least \d{4} bytes, above the limit of 1000 /)
    })
  )
})

describe("an ingest call that waits for room", () => {
  it.effect("names the call when the stream closes", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ maxInflightRecords: 1 })
      const door = makeIngest(core)
      offer(core, [A.record(0)])
      const all = []
      for (const [operation, call] of ways(door))
        all.push([operation, yield* A.started(call(A.record(1)))] as const)
      refuseRecordsUnsafe(core)
      yield* A.settle
      for (const [operation, call] of all) {
        assert.strictEqual(A.tagged(call.error(), "StreamClosed").operation, operation)
      }
    })
  )

  it.effect("hands in a single record as one, which others may join, and a batch as a batch", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ maxInflightRecords: 1 })
      const door = makeIngest(core)
      offer(core, [A.record(0)])
      const all = []
      for (const [, call] of ways(door)) all.push(yield* A.started(call(A.record(1))))
      const atomic = []
      for (let n = 0; n < 4; n++) {
        const [message, ...more] = take(core)
        assert.deepStrictEqual([message?.offset, more.length], [n, 0])
        atomic.push(message?.atomic)
        acknowledge(core, 1)
      }
      yield* A.settle
      assert.deepStrictEqual(atomic, [false, false, false, true])
      assert.deepStrictEqual(
        all.map((call) => Number(call.value().offset)),
        [1, 2, 3]
      )
    })
  )
})

describe("waiting for an offset", () => {
  it.effect("fails at its limit with what is pending, and why the stream last recovered", () =>
    Effect.gen(function* () {
      const core = yield* makeCore({ batching: "off", flushTimeout: 1000 })
      offer(core, A.recordsFrom(0, 5))
      take(core)
      acknowledge(core, 2)
      const lastFailure = new ProtocolViolation({ message: "A reason." })
      core.lastFailure = lastFailure
      assert.strictEqual(yield* awaitSettled(core, Offset(1)), 1)
      const waiting = yield* A.started(awaitSettled(core, Offset(4)))
      yield* A.advance(999)
      assert.isFalse(waiting.done())
      yield* A.advance(1)
      const error = A.tagged(waiting.error(), "FlushTimeout")
      assert.deepStrictEqual(
        [error.operation, error.timeoutMillis, error.pending, error.lastFailure],
        ["waitForOffset", 1000, 3, lastFailure]
      )
    })
  )
})
