/**
 * How often a stream tries to recover, and when it stops. The servers end every session or
 * acknowledge nothing, and schedules throw.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { Zerobus } from "effect-zerobus"
import { TestClock } from "effect/testing"
import * as A from "../../support/acceptance.ts"
import { ingestServer, memoryClient } from "../../support/memoryClient.ts"
import { reporting } from "../../support/reports.ts"

const quiet = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }

describe("a stream that recovers", () => {
  it.effect(
    "connects at most every 100 ms to a server that ends each session at once, whatever its " +
      "backoff",
    () =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client({
          onCreate: (connection) => {
            connection.accept()
            connection.closing(0)
          }
        })
        yield* zerobus.createStream(A.table, { ...quiet, recoveryBackoff: 0 })
        yield* A.settle
        const before = server.connections.length
        yield* A.advance(99)
        assert.isAtMost(server.connections.length - before, 1)
        yield* A.advance(1_000)
        assert.isAtMost(server.connections.length - before, 12)
        assert.isAbove(server.connections.length, before)
      })
  )

  it.effect(
    "logs a recovery schedule that throws, and fails with what it was to recover from",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { server, zerobus } = yield* A.client(A.silent)
          const stream = yield* zerobus.createStream(A.table, {
            ...quiet,
            recoverySchedule: Schedule.spaced(10).pipe(
              Schedule.tap(() => Effect.die(new Error("a bug")))
            )
          })
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.cut()
          yield* A.settle
          A.tagged(yield* Effect.flip(ack.await), "Retryable")
          assert.include(
            reports.lines.map(({ text }) => text),
            "The recoverySchedule threw, so the stream does not recover"
          )
        })
      )
  )
})

describe("a server that opens sessions and acknowledges nothing", () => {
  it.effect(
    "comes to an end when the budget is spent, although silence outlasts the stable uptime",
    () => {
      let sessions = 0
      return Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const stream = yield* zerobus.createStream(A.table, { recoveryRetries: 2 })
        const ack = yield* stream.ingestRecord({ n: 1 })
        const waiting = yield* Effect.forkChild(Effect.flip(ack.await), { startImmediately: true })
        for (let n = 0; n < 12; n++) {
          yield* TestClock.adjust("20 seconds")
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
        }
        const failure = yield* Fiber.join(waiting)
        assert.strictEqual(failure._tag, "Retryable")
        assert.strictEqual(sessions, 3)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          memoryClient(
            ingestServer(
              () => {},
              () => sessions++
            )
          )
        )
      )
    }
  )
})
