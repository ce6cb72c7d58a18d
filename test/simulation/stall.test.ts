import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { Zerobus } from "effect-zerobus"
import { closeScope, ingestOne, type Life, recorded, settle, stage, type World } from "./calls.ts"
import { makePlan, type Plan, type StreamPlan } from "./plan.ts"
import { makeRandom } from "./seededRandom.ts"
import { simulate } from "./simulation.ts"

const hour = 3_600_000
const room = 10
const records = 40

const settings = {
  maxInflightRecords: room,
  maxInflightBytes: 134_217_728,
  recovery: true,
  recoveryTimeout: 15_000,
  recoveryBackoff: 2_000,
  recoveryRetries: 4,
  serverLackOfAckTimeout: 2 * hour,
  flushTimeout: 300_000,
  drainTimeout: 500,
  scopeCloseTimeout: 30_000
}

const stream: StreamPlan = {
  ...makePlan("stall").streams[0]!,
  format: "json",
  settings,
  options: { ...settings, batching: "off" }
}

/**
 * A calm world in which the connection stalls for an hour in one direction, while pings are
 * answered.
 */
const stalled = (direction: "up" | "down"): Plan => ({
  ...makePlan("stall"),
  profile: "lossy",
  horizon: 1e9,
  schedule: { shuffle: 0, yields: 0 },
  latency: [1, 2],
  window: 4,
  fsync: [1, 1],
  streamLife: Infinity,
  readDelay: 0,
  tokens: undefined,
  tokenLife: Infinity,
  poison: false,
  faults: [{ at: 50, kind: "stall", direction, millis: hour }],
  streams: [stream]
})

const users = (world: World) =>
  Effect.gen(function* () {
    const zerobus = yield* Zerobus
    const current = { id: world.streams++ }
    const scope = yield* Scope.make()
    const { options, table } = stage(world, stream, current, makeRandom("stall"))
    const opened = yield* recorded(
      world,
      { stream: current.id, op: "createStream", settings },
      zerobus.createStream(table, options).pipe(Scope.provide(scope))
    )
    const life: Life = {
      id: current.id,
      plan: stream,
      stream: opened,
      acks: [],
      readers: [],
      random: makeRandom("stall")
    }
    yield* Effect.sleep(100)
    for (let n = 0; n < records; n++) yield* ingestOne(world, life, life.random)
    yield* recorded(world, { stream: life.id, op: "close" }, opened.close)
    yield* closeScope(world, life, scope)
    yield* settle(world, life)
  }).pipe(Effect.orDie)

describe("a connection that stalls for an hour", () => {
  for (const direction of ["up", "down"] as const) {
    it(`is kept, ingest waits, and all is durable in the end: ${direction}`, () => {
      const { history, statistics, violations } = simulate(
        `stall/${direction}`,
        stalled(direction),
        users
      )
      assert.deepStrictEqual(violations, [])
      assert.deepStrictEqual(
        [statistics.connections, statistics.durable, statistics.duplicates],
        [1, records, 0]
      )
      // Only part of the records was accepted before the hour was over.
      const early = history.events.filter(
        (event) => event.e === "return" && event.outcome._tag === "Offset" && event.t < hour
      )
      assert.strictEqual(early.length, room)
    })
  }
})
