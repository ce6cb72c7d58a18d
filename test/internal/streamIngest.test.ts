/**
 * An ingest call is an effect like any other, although `yield*` takes a shortcut through it; and a caller that never waits lets
 * others run.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as A from "../support/acceptance.ts"

describe("an ingest call", () => {
  it.effect("does nothing until it runs, and ingests anew each time it runs", () =>
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
      assert.deepStrictEqual((yield* Effect.all(acks.map((ack) => ack.await))).map(Number), [0, 1, 2])
    })
  )

  it.effect("fails in a generator as it fails elsewhere", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({})
      const bad = stream.ingestRecord("[1]")
      const inGenerator = yield* Effect.exit(Effect.gen(() => bad[Symbol.iterator]() as never))
      const piped = yield* Effect.exit(Effect.asVoid(bad))
      for (const exit of [inGenerator, piped]) assert.strictEqual(A.failureOf(exit)._tag, "InvalidArgument")
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
