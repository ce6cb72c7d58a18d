/**
 * Where acknowledgements take long, the first search for a refused record is careful and later ones
 * are quick. On a virtual clock.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Clock } from "effect"
import { Effect, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as A from "../../support/acceptance.ts"
import { code, type Connection, type Script } from "../../support/scriptedServer.ts"

const ACK_AFTER = 150

/**
 * Acknowledges after some time, and refuses in the same order or at once. `turn` runs the due
 * actions.
 */
const slowTable = (refuses: "in order" | "at once") => {
  const stored: Array<string> = []
  let due: Array<{
    readonly at: number
    readonly connection: Connection
    readonly run: () => void
  }> = []
  /** Connections about to end: nothing more is read from them. */
  const ending = new Set<Connection>()
  let now = 0
  const refuse = (connection: Connection) => connection.fail(code.INVALID_ARGUMENT, "no")
  const later = (connection: Connection, run: () => void) =>
    due.push({ at: now + ACK_AFTER, connection, run })
  const script: Script = {
    onMessage: (connection, { records, wireOffset }) => {
      if (connection.over || ending.has(connection)) return
      if (!records.some((text) => text.includes("bad"))) {
        stored.push(...records)
        later(connection, () => connection.ack(wireOffset))
      } else if (refuses === "at once") refuse(connection)
      else {
        ending.add(connection)
        later(connection, () => refuse(connection))
      }
    }
  }
  const turn = Effect.clockWith((clock: Clock.Clock) =>
    Effect.sync(() => {
      now = clock.currentTimeMillisUnsafe()
      const ready = due.filter(({ at }) => at <= now)
      due = due.filter(({ at }) => at > now)
      for (const { connection, run } of ready) if (!connection.over) run()
    })
  )
  return { stored, script, turn }
}

/** Moves the clock until the call has ended. */
const pass = Effect.fnUntraced(function* (
  call: { readonly done: () => boolean },
  turn: Effect.Effect<void>
) {
  for (let step = 0; step < 10_000 && !call.done(); step++) {
    yield* TestClock.adjust(5)
    for (let turns = 0; turns < 4; turns++) yield* A.turn
    yield* turn
  }
})

for (const refuses of ["at once", "in order"] as const) {
  describe(`a server that acknowledges after ${ACK_AFTER} ms and refuses ${refuses}`, () => {
    it.effect("is searched within two seconds once one record was found", () =>
      Effect.gen(function* () {
        const table = slowTable(refuses)
        const found: Array<{ readonly offset: number; readonly at: number }> = []
        const { server, stream } = yield* A.open(
          {
            batching: { maxRecords: 1_000 },
            recoverySchedule: Schedule.recurs(0),
            onRefused: ({ offset }) =>
              Effect.clockWith((clock) =>
                Effect.sync(() => found.push({ offset, at: clock.currentTimeMillisUnsafe() }))
              )
          },
          table.script
        )
        const bad = [1_500, 3_700, 5_100, 5_101]
        const texts = Array.from({ length: 6_000 }, (_, n) =>
          bad.includes(n) ? `{"bad":${n}}` : A.record(n)
        )
        for (const text of texts) yield* stream.ingestRecord(text)
        const flush = yield* A.started(stream.flush)
        yield* pass(flush, table.turn)
        flush.value()
        assert.deepStrictEqual(
          found.map(({ offset }) => offset),
          bad
        )
        for (let n = 1; n < found.length; n++)
          assert.isAtMost(found[n]!.at - found[n - 1]!.at, 2_000)
        assert.deepStrictEqual(
          [...new Set(table.stored)],
          texts.filter((text) => !text.includes("bad"))
        )
        // One search with at most 5 connections, three with at most 7, and the first connection.
        assert.isAtMost(server.connections.length, 27)
      })
    )
  })
}

describe("a server that does not refuse as before", () => {
  it.effect("costs only connections: no good record is refused, and none is lost", () =>
    Effect.gen(function* () {
      // The first bad record is refused at once, the second in order, the third at once again.
      const tables = { once: slowTable("at once"), order: slowTable("in order") }
      const found: Array<number> = []
      const manner = () => (found.length % 2 === 0 ? tables.once : tables.order)
      const { server, stream } = yield* A.open(
        {
          batching: { maxRecords: 100 },
          recoverySchedule: Schedule.recurs(0),
          onRefused: ({ offset }) => Effect.sync(() => found.push(offset))
        },
        { onMessage: (connection, message) => manner().script.onMessage!(connection, message) }
      )
      const bad = [450, 1_333, 1_900]
      const texts = Array.from({ length: 2_000 }, (_, n) =>
        bad.includes(n) ? `{"bad":${n}}` : A.record(n)
      )
      for (const text of texts) yield* stream.ingestRecord(text)
      const flush = yield* A.started(stream.flush)
      yield* pass(flush, Effect.andThen(tables.once.turn, tables.order.turn))
      flush.value()
      assert.deepStrictEqual(found, bad)
      const stored = new Set([...tables.once.stored, ...tables.order.stored])
      assert.strictEqual(stored.size, 1_997)
      assert.isAtMost(server.connections.length, 40)
    })
  )
})
