/**
 * Every option of a stream at its limits: which values are accepted, which are refused, with which
 * path and text.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result, Schedule } from "effect"
import { HeadersProvider, type StreamConfigurationOptions } from "effect-zerobus"
import { type ResolvedStreamOptions, resolve } from "../../../src/StreamConfigurationOptions.ts"
import * as A from "../../support/acceptance.ts"

const LONGEST = 2 ** 31 - 1

/** The result of one option alone: its resolved value, or its refusal. */
const given = (
  option: string,
  value: unknown,
  resolved: keyof ResolvedStreamOptions
):
  | { readonly value: unknown }
  | { readonly path: ReadonlyArray<string | number>; readonly message: string } => {
  const [outer = "", inner] = option.split(".")
  const result = resolve({
    [outer]: inner === undefined ? value : { [inner]: value }
  } as StreamConfigurationOptions)
  if (Result.isSuccess(result)) return { value: result.success[resolved] }
  assert.strictEqual(result.failure._tag, "InvalidArgument")
  return { path: result.failure.path, message: result.failure.message }
}

const counts: ReadonlyArray<
  readonly [option: string, resolved: keyof ResolvedStreamOptions, lowest: number, highest: number]
> = [
  ["maxInflightRecords", "maxInflightRecords", 1, Number.MAX_SAFE_INTEGER],
  ["maxInflightBytes", "maxInflightBytes", 1, Number.MAX_SAFE_INTEGER],
  ["maxPayloadBytes", "maxPayloadBytes", 1, Number.MAX_SAFE_INTEGER],
  ["maxBatchRecords", "maxBatchRecords", 1, Number.MAX_SAFE_INTEGER],
  ["batching.maxBytes", "coalesceBytes", 1, 262_144],
  ["batching.maxRecords", "coalesceRecords", 1, Number.MAX_SAFE_INTEGER],
  ["recoveryRetries", "recoveryRetries", 0, Number.MAX_SAFE_INTEGER]
]

const durations: ReadonlyArray<
  readonly [option: keyof StreamConfigurationOptions & keyof ResolvedStreamOptions, zero: boolean]
> = [
  ["recoveryTimeout", false],
  ["recoveryBackoff", true],
  ["serverLackOfAckTimeout", false],
  ["flushTimeout", false],
  ["streamPausedMaxWaitTime", true],
  ["drainTimeout", true],
  ["scopeCloseTimeout", true]
]

describe("counts", () => {
  for (const [option, resolved, lowest, highest] of counts) {
    it(`${option} is a whole number from ${lowest} to ${highest}`, () => {
      for (const value of [lowest, lowest + 1, highest - 1, highest]) {
        assert.deepStrictEqual(given(option, value, resolved), { value })
      }
      const refused = {
        path: option.split("."),
        message: `The option ${option} must be a whole number from ${lowest} to ${highest}.`
      }
      const bad = [
        lowest - 1,
        -1,
        highest + 1,
        1.5,
        NaN,
        Infinity,
        -Infinity,
        "5",
        "",
        null,
        true,
        5n,
        {},
        [5]
      ]
      for (const value of bad)
        assert.deepStrictEqual(given(option, value, resolved), refused, String(value))
    })
  }
})

describe("durations", () => {
  for (const [option, zero] of durations) {
    it(`${option} is a duration ${zero ? "from" : "above"} zero that a timer can hold`, () => {
      const good: ReadonlyArray<readonly [unknown, number]> = [
        [1, 1],
        [0.5, 0.5],
        [LONGEST, LONGEST],
        [`${LONGEST} millis`, LONGEST],
        ["15 seconds", 15_000],
        [Duration.minutes(2), 120_000],
        [5_000_000n, 5],
        ...(zero
          ? ([
              [0, 0],
              ["0 millis", 0]
            ] as const)
          : [])
      ]
      for (const [value, millis] of good)
        assert.deepStrictEqual(given(option, value, option), { value: millis })
      const refused = {
        path: [option],
        message:
          `The option ${option} must be a duration ${zero ? "from" : "above"} zero, such ` +
          `as "15 seconds", at most 2147483647 milliseconds (24 days).`
      }
      const bad = [
        ...(zero ? [] : [0, "0 millis", Duration.zero]),
        -1,
        "-1 millis",
        LONGEST + 1,
        `${LONGEST + 1} millis`,
        "25 days",
        Infinity,
        -Infinity,
        Duration.infinity,
        NaN,
        "",
        "soon",
        "5",
        null,
        true
      ]
      for (const value of bad)
        assert.deepStrictEqual(given(option, value, option), refused, String(value))
    })
  }
})

describe("the others", () => {
  const provider = HeadersProvider.make({ getHeaders: Effect.succeed({}) })
  const cases: ReadonlyArray<
    readonly [
      option: string,
      rule: string,
      good: ReadonlyArray<unknown>,
      bad: ReadonlyArray<unknown>
    ]
  > = [
    ["recovery", "true or false", [true, false], ["false", 0, 1, null, NaN, {}]],
    [
      "batching",
      `"off", or an object with maxBytes and maxRecords`,
      ["off", {}, { maxBytes: 1 }, { maxRecords: 1 }],
      ["on", "", false, null, 5, NaN]
    ],
    [
      "recoverySchedule",
      "a Schedule",
      [Schedule.recurs(1), Schedule.spaced("1 second")],
      [{}, null, "1 second", 5, () => Schedule.recurs(1)]
    ],
    [
      "headersProvider",
      "made with HeadersProvider.make",
      [provider, { getHeaders: () => Effect.succeed({}) }],
      [{}, null, "Bearer canary", { getHeaders: Effect.succeed({}) }, { authorization: "canary" }]
    ],
    [
      "beforeOpen",
      "an Effect",
      [Effect.void, Effect.fail(1)],
      [{}, null, () => Effect.void, Promise.resolve(), 5]
    ],
    [
      "onUnacked",
      "a function that returns an Effect",
      [() => Effect.void],
      [Effect.void, null, {}, "log"]
    ]
  ]
  for (const [option, rule, good, bad] of cases) {
    it(`${option} is ${rule}`, () => {
      for (const value of good) {
        assert.isTrue(
          Result.isSuccess(resolve({ [option]: value } as StreamConfigurationOptions)),
          String(value)
        )
      }
      for (const value of bad) {
        const result = resolve({ [option]: value } as StreamConfigurationOptions)
        if (Result.isSuccess(result)) assert.fail(`${option} took ${String(value)}`)
        else {
          assert.deepStrictEqual(result.failure.path, [option])
          assert.strictEqual(result.failure.message, `The option ${option} must be ${rule}.`)
          assert.notInclude(result.failure.message, "canary")
        }
      }
    })
  }

  it("keep their values, and off means one record per message", () => {
    const onUnacked = () => Effect.void
    const recoverySchedule = Schedule.recurs(1)
    const resolved = Result.getOrThrow(
      resolve({
        recovery: false,
        recoverySchedule,
        headersProvider: provider,
        onUnacked,
        batching: "off"
      })
    )
    assert.strictEqual(resolved.recovery, false)
    assert.strictEqual(resolved.recoverySchedule, recoverySchedule)
    assert.strictEqual(resolved.headersProvider, provider)
    assert.strictEqual(resolved.onUnacked, onUnacked)
    assert.deepStrictEqual([resolved.coalesceBytes, resolved.coalesceRecords], [262_144, 1])
  })

  it("are refused one at a time when several are wrong, and undefined ones are not given", () => {
    const several = resolve({ maxInflightRecords: 0, flushTimeout: -1 })
    assert.deepStrictEqual(Result.isFailure(several) && several.failure.path, [
      "maxInflightRecords"
    ])
    const names = [
      ...counts.map(([name]) => name.split(".")[0]!),
      ...durations.map(([name]) => name),
      ...cases.map(([name]) => name)
    ]
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]))
    assert.deepStrictEqual(Result.getOrThrow(resolve(nothing)), Result.getOrThrow(resolve()))
  })
})

describe("a client", () => {
  it.effect("refuses a bad option before it runs anything of the stream", () =>
    Effect.gen(function* () {
      const { provider, server, zerobus } = yield* A.client()
      let ran = 0
      const beforeOpen = Effect.sync(() => void ran++)
      const bad: ReadonlyArray<StreamConfigurationOptions<any>> = [
        { beforeOpen, flushTimeout: 0 },
        { beforeOpen: {} as never },
        { beforeOpen, recovery: "no" as never }
      ]
      for (const options of bad)
        A.tagged(yield* Effect.flip(zerobus.createStream(A.table, options)), "InvalidArgument")
      assert.deepStrictEqual([ran, provider.asked, server.connections.length], [0, 0, 0])
      yield* zerobus.createStream(A.table, { beforeOpen })
      assert.strictEqual(ran, 1)
    })
  )
})
