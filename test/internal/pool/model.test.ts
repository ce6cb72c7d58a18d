/**
 * Pools under random traffic and random faults, compared with a model that is a list per table.
 * Nothing is lost, records of a table arrive in order, exactly the records that did not get through
 * come back, and the limit of open streams holds.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import type { RecordAck, Unacked } from "effect-zerobus"
import * as StreamPool from "../../../src/StreamPool.ts"
import * as A from "../../support/acceptance.ts"
import { code, type Script } from "../../support/scriptedServer.ts"
import { clientOf, tableOf } from "../../support/tablesServer.ts"
import { seeded } from "../../support/zones.ts"

/** An accepted record, and its receipt. */
interface Taken {
  readonly text: string
  readonly ack: RecordAck
}

/** What happened to one table. */
interface Told {
  readonly taken: Array<Taken>
  /** Acknowledged by the server. */
  readonly durable: Set<string>
  readonly returned: Array<string>
}

const run = (seed: number) =>
  Effect.gen(function* () {
    const random = seeded(seed)
    const names = Array.from({ length: 2 + random.below(12) }, (_, n) => `t${n}`)
    const maxOpen = 1 + random.below(4)
    const told = new Map<string, Told>(
      names.map((name) => [name, { taken: [], durable: new Set(), returned: [] }])
    )
    const toldOf = (tableName: string): Told => told.get(tableName.slice("main.default.".length))!

    /**
     * One connection: it opens or fails, acknowledges now or later, and may break after some
     * messages.
     */
    const script = (tableName: string): Script => {
      const kind = random.below(20)
      if (kind === 0) return A.refusing(code.UNAVAILABLE)
      if (kind === 1) return A.refusing(code.NOT_FOUND)
      if (kind === 2) return { onCreate: () => {} }
      const breaksAfter = kind < 8 ? random.below(5) : Infinity
      const lazy = random.below(3)
      const ackUpTo = (
        connection: Parameters<NonNullable<Script["onMessage"]>>[0],
        wireOffset: number
      ): void => {
        for (const { records } of connection.messages.slice(0, wireOffset + 1)) {
          for (const text of records) toldOf(tableName).durable.add(text)
        }
        connection.ack(wireOffset)
      }
      return {
        onMessage: (connection, { wireOffset }) => {
          if (wireOffset >= breaksAfter)
            return random.below(2) === 0 ? connection.cut() : connection.closing(0)
          if (random.below(3) >= lazy) ackUpTo(connection, wireOffset)
        },
        onHalfClose: (connection) => {
          if (connection.messages.length > 0) ackUpTo(connection, connection.messages.length - 1)
          connection.end()
        }
      }
    }
    const { context, server } = yield* clientOf(script)
    const scope = yield* Scope.make()
    const pool = yield* StreamPool.make({
      maxOpen,
      idleTimeToLive: 1 + random.below(20_000),
      maxInflightBytes: 2_000 + random.below(20_000),
      stream: {
        recoveryBackoff: 100,
        recoveryTimeout: 1_000,
        serverLackOfAckTimeout: 3_000,
        recoveryRetries: 2,
        onUnacked: ({ records, tableName }: Unacked<unknown>) =>
          Effect.sync(() => toldOf(tableName).returned.push(...(records as ReadonlyArray<string>)))
      }
    }).pipe(Effect.provideContext(context), Effect.provideService(Scope.Scope, scope))

    let n = 0
    const producer = Effect.gen(function* () {
      for (let left = 20 + random.below(60); left > 0; left--) {
        // Few tables get most of the records.
        const name = names[Math.min(random.below(names.length), random.below(names.length))]!
        const text = `{"n":${n++},"x":"${"x".repeat(random.below(200))}"}`
        const ingesting = Effect.map(pool.ingest(tableOf(name), text), (ack) => {
          told.get(name)!.taken.push({ text, ack })
        })
        const called =
          random.below(8) === 0 ? Effect.timeoutOption(ingesting, random.below(100)) : ingesting
        const exit = yield* Effect.exit(called)
        if (Exit.isFailure(exit)) yield* Effect.sleep(500)
        if (random.below(4) === 0) yield* Effect.sleep(random.below(3_000))
        if (random.below(20) === 0) yield* Effect.exit(pool.flush)
      }
    })
    // One producer, so that calls have the order of the model.
    const producing = yield* Effect.forkChild(producer)
    for (let turns = 0; producing.pollUnsafe() === undefined; turns++) {
      assert.isBelow(turns, 10_000, "the producer hangs")
      yield* A.advance(1_000, 250)
    }
    yield* Fiber.join(producing)
    const closing = yield* A.started(Scope.close(scope, Exit.void))
    yield* A.advance(40_000, 500)
    assert.isTrue(closing.done(), "the scope closes within its limits")

    assert.isAtMost(server.mostOpen, maxOpen)
    assert.strictEqual(server.open, 0)
    let records = 0
    for (const [name, { durable, returned, taken }] of told) {
      const arrived = [...new Set(server.recordsOf(`main.default.${name}`))]
      const texts = taken.map(({ text }) => text)
      records += texts.length
      // A record whose call was interrupted while it was admitted was accepted, too.
      const known = new Set(texts)
      assert.deepStrictEqual(
        arrived.filter((text) => known.has(text)),
        texts.filter((text) => arrived.includes(text)),
        `order of ${name}`
      )
      for (const { ack, text } of taken) {
        const state = yield* ack.poll
        const settled =
          state._tag === "Some" ? state.value : assert.fail(`${name}: ${text} is neither`)
        if (Exit.isSuccess(settled)) {
          assert.isTrue(durable.has(text), `${name}: ${text} was not acknowledged`)
          assert.isFalse(returned.includes(text), `${name}: ${text} came back, too`)
        } else
          assert.strictEqual(
            returned.filter((one) => one === text).length,
            1,
            `${name}: ${text} is lost`
          )
      }
    }
    return {
      records,
      openings: server.connections.length,
      returned: [...told.values()].flatMap((one) => one.returned)
    }
  })

describe("a pool", () => {
  it.effect(
    "loses nothing and keeps its rules, whatever happens",
    () =>
      Effect.gen(function* () {
        let records = 0
        let returned = 0
        for (let seed = 1; seed <= 40; seed++) {
          const result = yield* Effect.scoped(run(seed)).pipe(
            Effect.onError(() => Effect.sync(() => console.error(`seed ${seed}`)))
          )
          records += result.records
          returned += result.returned.length
        }
        // The seeds produce both outcomes of a record.
        assert.isAbove(records, 1_000)
        assert.isAbove(returned, 100)
      }),
    120_000
  )
})
