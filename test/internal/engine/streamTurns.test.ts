/**
 * Streams of one client at full load: a caller that never waits shares the event loop with other
 * callers and with timers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { Zerobus } from "effect-zerobus"
import { ackResponse } from "../../../src/local/stream/streamMessages.ts"
import { makeIngest } from "../../../src/internal/engine/streamIngest.ts"
import * as A from "../../support/acceptance.ts"
import { makeCore } from "../../support/cores.ts"
import { ingestServer, memoryClient } from "../../support/memoryClient.ts"

const KiB = 1024
const MiB = 1024 * KiB
const record = Buffer.alloc(16 * KiB, 65)
const each = 4 * MiB

const openAll = (count: number) =>
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client()
    const streams = yield* Effect.forEach(Array.from({ length: count }), () =>
      zerobus.createStream(A.protoTable)
    )
    return { server, streams, zerobus }
  })

describe("streams of a client that are handed records without a pause", () => {
  it.effect("take turns: each gets its share, and the loop turns in between", () =>
    Effect.gen(function* () {
      const { server, streams } = yield* openAll(6)
      const accepted = streams.map(() => 0)
      let total = 0
      let atTurn = 0
      let longest = 0
      let widest = 0
      const turns = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            A.turn,
            Effect.sync(() => void (atTurn = total))
          )
        )
      )
      yield* Effect.forEach(
        streams,
        (stream, n) =>
          Effect.gen(function* () {
            while (accepted[n]! < each) {
              yield* stream.ingestRecord(record)
              accepted[n]! += record.length
              total += record.length
              longest = Math.max(longest, total - atTurn)
              widest = Math.max(widest, Math.max(...accepted) - Math.min(...accepted))
            }
          }),
        { concurrency: "unbounded", discard: true }
      )
      yield* Fiber.interrupt(turns)
      yield* Effect.forEach(streams, (stream) => stream.flush, { discard: true })
      // The bytes of a turn, and the stretch of each caller before it checks; at most two turns
      // between two checks.
      assert.isAtMost(longest, 2 * (2 * MiB + 6 * 64 * KiB))
      assert.isAtMost(widest, 2 * MiB)
      for (let n = 0; n < streams.length; n++)
        assert.strictEqual(server.connection(n).records.length, each / record.length)
    })
  )

  it.effect("go on when others are interrupted or closed while they wait in line", () =>
    Effect.gen(function* () {
      const { server, streams } = yield* openAll(6)
      const handIn = (stream: (typeof streams)[number]) =>
        Effect.gen(function* () {
          for (let n = 0; n < each / record.length; n++) yield* stream.ingestRecord(record)
        })
      const callers = yield* Effect.forEach(streams, (stream) => Effect.forkChild(handIn(stream)))
      yield* A.turn
      // After one turn no caller is finished, so each of them is in line or partly served.
      assert.isTrue(callers.every((caller) => caller.pollUnsafe() === undefined))
      yield* Fiber.interrupt(callers[1]!)
      yield* streams[2]!.close
      yield* Fiber.interrupt(callers[4]!)
      const exits = yield* Effect.forEach(callers, Fiber.await)
      assert.deepStrictEqual(
        exits.map(Exit.isSuccess),
        exits.map((_, n) => [0, 3, 5].includes(n))
      )
      assert.strictEqual(A.tagged(A.failureOf(exits[2]!), "StreamClosed").operation, "ingestRecord")
      for (const n of [0, 3, 5]) {
        yield* streams[n]!.flush
        assert.strictEqual(server.connection(n).records.length, each / record.length)
      }
    })
  )

  it.effect("let callers in line go first, however many come later", () =>
    Effect.gen(function* () {
      // A core without a connection: its queue does not shrink.
      const core = yield* makeCore({ maxInflightBytes: 512 * MiB })
      const { ingestRecord, ingestRecords, offerUnsafe } = makeIngest(core)
      const large = JSON.stringify({ text: "x".repeat(100_000) })
      for (let n = 0; n < 30; n++) offerUnsafe(large)
      for (const ingest of [ingestRecord(large), ingestRecords([large])]) {
        const first = yield* Effect.forkChild(ingest, { startImmediately: true })
        assert.isUndefined(first.pollUnsafe())
        // The first of them was checked just before; the next one has to wait.
        for (let n = 0; n < 3; n++)
          yield* Effect.forkChild(ingestRecord(large), { startImmediately: true })
        yield* A.turn
        yield* A.turn
        assert.isDefined(first.pollUnsafe())
        yield* A.settle
      }
    })
  )

  it.effect("are served whole in a program that runs synchronously", () =>
    Effect.gen(function* () {
      const { streams } = yield* openAll(1)
      for (let n = 0; n < each / record.length; n++) {
        assert.strictEqual(Effect.runSync(streams[0]!.ingestRecord(record)).offset, n)
      }
    })
  )
})

describe("callers that wait for room", () => {
  it.live("are let in however many they are, and hand in more when they are", () => {
    let accepted = 0
    const program = Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(A.table, { maxInflightRecords: 2000 })
      yield* Effect.forEach(
        Array.from({ length: 4000 }, (_, n) => n),
        (n) => Effect.forEach([1, 2, 3], (part) => stream.ingestRecord({ n, part })),
        { concurrency: "unbounded", discard: true }
      )
      yield* stream.close
    })
    const counting = ingestServer((offset, records, peer) => {
      accepted += records
      peer.write(ackResponse(offset))
    })
    return program.pipe(
      Effect.scoped,
      Effect.provide(memoryClient(counting)),
      Effect.andThen(Effect.sync(() => assert.strictEqual(accepted, 12_000)))
    )
  })
})
