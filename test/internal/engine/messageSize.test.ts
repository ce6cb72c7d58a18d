/**
 * Messages that a server or a proxy refuses as too large are halved. A single record that is too
 * large is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"

const padded = (n: number, size = 60): string => `{"n":${n},"p":"${"x".repeat(size)}"}`

/** Accepts messages up to a size in characters. */
const upTo = (limit: number, sizes: Array<number>, message: string): Script => ({
  onMessage: (connection, { records, wireOffset }) => {
    if (connection.over) return
    const size = records.join("").length
    if (size > limit) return connection.fail(code.RESOURCE_EXHAUSTED, message)
    sizes.push(size)
    connection.ack(wireOffset)
  }
})
const words = "Received message larger than max (99999 vs. 1000)"
const noRetries = { recoveryRetries: 0 } as const

describe("a server that takes small messages only", () => {
  it.effect(
    "gets smaller ones, without a retry, and larger ones again after 100 acknowledged",
    () =>
      Effect.gen(function* () {
        const sizes: Array<number> = []
        const { server, stream } = yield* A.open(noRetries, upTo(1000, sizes, words))
        for (let n = 0; n < 500; n++) yield* stream.ingestRecord(padded(n))
        const flush = yield* A.started(stream.flush)
        yield* A.until("all durable", flush.done)
        flush.value()
        assert.isAtMost(server.connections.length, 10)
        const before = server.connections.length
        for (let n = 500; n < 620; n++) {
          yield* stream.ingestRecord(padded(n))
          yield* A.turn
        }
        yield* stream.flush
        for (let n = 620; n < 720; n++) yield* stream.ingestRecord(padded(n))
        const again = yield* A.started(stream.flush)
        yield* A.until("all durable", again.done)
        again.value()
        assert.strictEqual(new Set(server.records).size, 720)
        // A larger size was tried again, and refused again.
        assert.isAbove(server.connections.length, before)
      })
  )

  it.effect("refuses a lone record that is larger", () =>
    Effect.gen(function* () {
      const refused: Array<number> = []
      const { stream } = yield* A.open(
        { ...noRetries, onRefused: ({ offset }) => Effect.sync(() => refused.push(offset)) },
        upTo(1000, [], words)
      )
      for (let n = 0; n < 40; n++)
        yield* stream.ingestRecord(n === 17 ? padded(n, 3000) : padded(n))
      const flush = yield* A.started(stream.flush)
      yield* A.until("all settled", flush.done)
      flush.value()
      assert.deepStrictEqual(refused, [17])
    })
  )

  it.effect(
    "uses up retries when it does not name the size as the reason, and no single record is refused",
    () =>
      Effect.gen(function* () {
        const refused: Array<number> = []
        const { server, stream } = yield* A.open(
          {
            recoverySchedule: Schedule.recurs(3),
            onRefused: ({ offset }) => Effect.sync(() => refused.push(offset))
          },
          {
            onMessage: (connection) =>
              connection.over || connection.fail(code.RESOURCE_EXHAUSTED, "quota")
          }
        )
        for (let n = 0; n < 10; n++) yield* stream.ingestRecord(padded(n))
        const flush = yield* A.started(stream.flush)
        yield* A.until("the end", flush.done)
        A.tagged(flush.error(), "Retryable")
        assert.deepStrictEqual([refused, server.connections.length], [[], 4])
        assert.strictEqual((yield* stream.getUnackedRecords).length, 10)
      })
  )
})
