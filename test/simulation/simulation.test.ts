import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { check } from "./checker.ts"
import type { Happening, HistoryEvent, StreamSettings } from "./history.ts"
import { type Generation, type Plan, profiles } from "./plan.ts"
import { makeCrashPlan } from "./crashes/crashPlan.ts"
import { runCrashSeed } from "./crashes/crashRun.ts"
import { runSeed } from "./simulation.ts"

/**
 * A seed that found a bug of the engine, which `npm run sim:planted` checks it still finds; or one
 * for which the checker was wrong.
 */
interface PastFailure {
  readonly seed: string
  readonly generation: Generation
  readonly by?: "crashes"
  readonly bug?: string
  readonly judge?: string
}

const pastFailures = JSON.parse(
  Fs.readFileSync(Path.join(import.meta.dirname, "pastFailures.json"), "utf8")
) as ReadonlyArray<PastFailure>

const kindsOf = (event: HistoryEvent): ReadonlyArray<string> => {
  switch (event.e) {
    case "return":
      if (event.outcome._tag === "Error")
        return [event.outcome.error, `${event.outcome.error} ${event.outcome.reason ?? ""}`]
      return event.outcome._tag === "Records" && event.outcome.groups.length > 0
        ? ["handed back"]
        : [event.outcome._tag]
    case "call":
      return event.op === "leave" ? ["withStream or sink"] : []
    case "state":
      return [event.state]
    case "ended":
      return [event.ended.how]
    case "unacked":
    case "invalidate":
    case "probe":
    case "mint":
    case "minted":
    case "readerEnd":
      return [event.e]
    case "fault":
      return [event.what.split(/[ ,:]/)[0]!]
    default:
      return []
  }
}

const traitsOf = (plan: Plan): ReadonlyArray<string> => [
  ...(plan.crowd === true ? ["crowd"] : []),
  ...(plan.shared === true && plan.streams.length > 1 ? ["shared"] : []),
  ...plan.streams.flatMap(({ format, wider }) => [
    format,
    ...(wider?.policy === undefined ? [] : ["policy"])
  ])
]

/** Cases that at least one run must have covered, or the runs prove nothing. */
const mustHappen = [
  "Done",
  "Offset",
  "Nothing",
  "Interrupted",
  "Summary",
  "Taken",
  "UserFailure",
  "FlushTimeout",
  "InvalidArgument",
  "InvalidState",
  "InvalidToken",
  "PayloadTooLarge",
  "ProtocolViolation",
  "StreamClosed",
  "Retryable AckTimeout",
  "Retryable ConnectTimeout",
  "Retryable ConnectionLost",
  "Retryable ServerUnavailable",
  "handed back",
  "unacked",
  "invalidate",
  "probe",
  "replaying",
  "paused",
  "recovering",
  "failed",
  "closed",
  "ok",
  "status",
  "lost",
  "kill",
  "shutdown",
  "cut",
  "black",
  "stall",
  "storage",
  "pressure",
  "revoke",
  "lie",
  "script",
  "mint",
  "minted",
  "readerEnd",
  "withStream or sink",
  "crowd",
  "shared",
  "policy",
  "typed",
  "schema"
]

describe("simulation", () => {
  it("keeps every promise on 150 seeds, each profile among them", { timeout: 120_000 }, () => {
    const seen = new Set<string>()
    const happened = new Set<string>()
    let durable = 0
    for (let index = 0; index < 150; index++) {
      const { history, plan, statistics, violations } = runSeed(`suite/${index}`)
      seen.add(plan.profile)
      for (const what of traitsOf(plan)) happened.add(what)
      for (const event of history.events) for (const what of kindsOf(event)) happened.add(what)
      durable += statistics.durable
      assert.deepStrictEqual(
        violations,
        [],
        `npm run sim -- --seed suite --from ${index} --seeds 1`
      )
    }
    assert.deepStrictEqual([...seen].sort(), [...profiles].sort())
    assert.isAbove(durable, 1_000)
    // Seeds that cover no case prove nothing.
    assert.deepStrictEqual(
      mustHappen.filter((what) => !happened.has(what)),
      []
    )
  })

  it("gives the same trace for the same seed, and another one for another", () => {
    const hashes = [1, 2, 3].map((index) => runSeed(`suite/${index}`).hash)
    assert.deepStrictEqual(
      [1, 2, 3].map((index) => runSeed(`suite/${index}`).hash),
      hashes
    )
    assert.strictEqual(new Set(hashes).size, 3)
  })

  for (const { bug, by, generation, judge, seed } of pastFailures) {
    const what =
      bug === undefined ? `on which the judge found in vain: ${judge}` : `which found: ${bug}`
    it(`passes seed ${seed}${by === undefined ? "" : ` with ${by}`}, ${what}`, async () => {
      const { violations } =
        by === "crashes"
          ? await runCrashSeed(seed, makeCrashPlan(seed, generation))
          : runSeed(seed, generation)
      assert.deepStrictEqual(violations, [])
    })
  }
})

const settings: StreamSettings = {
  maxInflightRecords: 2,
  maxInflightBytes: 1_000,
  recovery: true,
  recoveryTimeout: 1_000,
  recoveryBackoff: 10,
  recoveryRetries: 1,
  serverLackOfAckTimeout: 5_000,
  flushTimeout: 1_000,
  drainTimeout: 100,
  scopeCloseTimeout: 1_000
}

/**
 * A stream that opens, ingests records 0 and 1, has both acknowledged, and is closed. Tests change
 * parts of it.
 */
const goodRun: ReadonlyArray<Happening> = [
  { e: "call", id: 0, stream: 0, op: "createStream", settings },
  { e: "headers", stream: 0, outcome: "asked" },
  { e: "headers", stream: 0, outcome: "ok" },
  { e: "open", conn: 0, stream: 0, token: "t" },
  { e: "sendCreate", conn: 0 },
  { e: "sent", conn: 0 },
  { e: "response", conn: 0, text: { created: true }, hostile: false },
  { e: "return", id: 0, outcome: { _tag: "Done" } },
  { e: "call", id: 1, stream: 0, op: "ingest", records: [0] },
  { e: "return", id: 1, outcome: { _tag: "Offset", offset: 0 } },
  { e: "call", id: 2, stream: 0, op: "ingest", records: [1] },
  { e: "return", id: 2, outcome: { _tag: "Offset", offset: 1 } },
  { e: "send", conn: 0, wireOffset: 0, records: [0, 1] },
  { e: "sent", conn: 0 },
  { e: "durable", conn: 0, records: [0, 1] },
  { e: "response", conn: 0, text: { ack: 0 }, hostile: false },
  { e: "watermark", stream: 0, reader: 0, offset: 1 },
  { e: "call", id: 3, stream: 0, op: "close" },
  { e: "halfClose", conn: 0 },
  { e: "ended", conn: 0, ended: { how: "ok" } },
  { e: "released", conn: 0 },
  { e: "return", id: 3, outcome: { _tag: "Done" } },
  { e: "call", id: 4, stream: 0, op: "unacked" },
  { e: "return", id: 4, outcome: { _tag: "Records", groups: [] } },
  { e: "final", stream: 0, offset: 0, durable: true },
  { e: "final", stream: 0, offset: 1, durable: true },
  { e: "left", fibers: 0, sleeps: 0, open: 0, unfinished: 0 }
]

const judge = (happenings: ReadonlyArray<Happening>): ReadonlyArray<string> =>
  check(
    happenings.map((happening, seq): HistoryEvent => ({ ...happening, seq, t: seq, quiet: seq })),
    "lossy"
  ).map((text) => text.split(":")[0]!)

const without = (unwanted: (happening: Happening) => boolean) =>
  goodRun.filter((happening) => !unwanted(happening))
/** The good run with events between its acknowledgement and its close. */
const withMore = (more: ReadonlyArray<Happening>) =>
  goodRun.flatMap((happening) => (happening.e === "watermark" ? [happening, ...more] : [happening]))
const changed = (change: (happening: Happening) => Happening) => goodRun.map(change)

describe("the history checker", () => {
  it("finds no violation in a good run", () => {
    assert.deepStrictEqual(judge(goodRun), [])
  })

  const bad: ReadonlyArray<
    readonly [rule: string, what: string, history: ReadonlyArray<Happening>]
  > = [
    ["server", "a record acknowledged that is not stored", without(({ e }) => e === "durable")],
    [
      "I2",
      "a record called durable without an acknowledgement",
      without((h) => h.e === "response" && h.text.ack !== undefined)
    ],
    [
      "I1",
      "a record that is neither durable nor handed back",
      changed((h) => (h.e === "final" && h.offset === 1 ? { ...h, durable: false } : h))
    ],
    [
      "I1",
      "a durable record handed back",
      changed((h) =>
        h.e === "return" && h.id === 4 ? { ...h, outcome: { _tag: "Records", groups: [[1]] } } : h
      )
    ],
    [
      "I3",
      "a watermark that goes down",
      goodRun.flatMap((h): ReadonlyArray<Happening> =>
        h.e === "watermark" ? [h, { ...h, offset: 0 }] : [h]
      )
    ],
    [
      "I4",
      "an offset that belongs to another call",
      changed((h) =>
        h.e === "return" && h.id === 2 ? { ...h, outcome: { _tag: "Offset", offset: 2 } } : h
      )
    ],
    [
      "I5",
      "a wire offset out of sequence",
      changed((h) => (h.e === "send" ? { ...h, wireOffset: 1 } : h))
    ],
    ["I7", "a close without half-close", without((h) => h.e === "halfClose" || h.e === "ended")],
    ["I10", "a connection left open", without((h) => h.e === "released")],
    ["I10", "a fiber left", changed((h) => (h.e === "left" ? { ...h, fibers: 1 } : h))],
    [
      "I14",
      "a connection without fresh headers",
      without((h) => h.e === "headers" && h.outcome === "ok")
    ],
    ["LIVE", "a call that never ends", without((h) => h.e === "return" && h.id === 3)],
    [
      "violation",
      "a connection that continues after an impossible acknowledgement",
      changed((h) =>
        h.e === "response" && h.text.ack !== undefined ? { ...h, text: { ack: -1 } } : h
      )
    ],
    [
      "mint",
      "two requests for a token at a time",
      withMore([
        { e: "mint", request: 0, lead: 0 },
        { e: "mint", request: 1, lead: 0 }
      ])
    ],
    [
      "mint",
      "a token requested without need",
      withMore([
        { e: "mint", request: 0, lead: 0 },
        { e: "minted", request: 0, token: "t1", life: 1_000, end: 1_000 },
        { e: "mint", request: 1, lead: 0 }
      ])
    ],
    [
      "misfit",
      "an invalid record that is accepted",
      withMore([
        { e: "call", id: 9, stream: 0, op: "ingestMisfit", records: [] },
        { e: "return", id: 9, outcome: { _tag: "Offset", offset: 2 } }
      ])
    ],
    [
      "sink",
      "a sink that miscounts",
      withMore([
        { e: "call", id: 9, stream: 0, op: "toSink" },
        {
          e: "return",
          id: 9,
          outcome: { _tag: "Summary", records: 1, bytes: 0, lastOffset: 1, calls: [1, 2] }
        }
      ])
    ],
    [
      "sink",
      "a sink that changes the order",
      withMore([
        { e: "call", id: 9, stream: 0, op: "toSink" },
        {
          e: "return",
          id: 9,
          outcome: { _tag: "Summary", records: 2, bytes: 0, lastOffset: 0, calls: [2, 1] }
        }
      ])
    ],
    [
      "state",
      "a closed stream that opens",
      withMore([
        { e: "state", stream: 0, reader: 1, state: "closed" },
        { e: "state", stream: 0, reader: 1, state: "open" }
      ])
    ],
    [
      "reader",
      "a reader that misses the last offset",
      withMore([
        { e: "watermark", stream: 0, reader: 1, offset: 0 },
        { e: "readerEnd", stream: 0, reader: 1, outcome: { _tag: "Done" } }
      ])
    ],
    [
      "I9",
      "more in flight than the bound",
      changed((h) =>
        h.e === "call" && h.settings !== undefined
          ? { ...h, settings: { ...settings, maxInflightRecords: 1 } }
          : h
      )
    ]
  ]
  for (const [rule, what, history] of bad) {
    it(`notices ${what} (${rule})`, () => {
      assert.include(judge(history), rule)
    })
  }
})
