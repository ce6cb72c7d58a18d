/**
 * Table properties: intervals in Spark's form, lists of columns, and values that cannot be parsed.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Metadata } from "../../../src/local/delta/deltaActions.ts"
import { intervalMillis, propertiesOf } from "../../../src/local/delta/tableProperties.ts"

const second = 1000
const hour = 3600 * second
const day = 24 * hour
const of = (configuration: Record<string, string>) =>
  propertiesOf({
    id: "t",
    format: { provider: "parquet", options: {} },
    schemaString: "{}",
    partitionColumns: [],
    configuration
  } satisfies Metadata)

describe("intervals", () => {
  const good: ReadonlyArray<readonly [string, number]> = [
    ["interval 30 days", 30 * day],
    ["interval 1 week", 7 * day],
    ["INTERVAL 2 WEEKS", 14 * day],
    ["168 hours", 168 * hour],
    ["1 day", day],
    [
      "  interval   1 day   12 hours 3 minutes 4 seconds 5 milliseconds ",
      day + 12 * hour + 184_005
    ],
    ["interval 1500000 microseconds", 1500],
    ["interval 1.5 seconds", 1500],
    ["interval 1 day -2 hours", 22 * hour],
    ["interval + 1 day", day],
    ["interval 0 seconds", 0]
  ]
  for (const [text, millis] of good) {
    it(`${JSON.stringify(text)} is ${millis} ms`, () =>
      assert.strictEqual(intervalMillis(text), millis))
  }
  const bad = [
    "",
    "interval",
    "7",
    "interval 7",
    "days",
    "interval 1 month",
    "interval 1 year",
    "interval 1.5 days",
    "interval -1 day",
    "interval 7days",
    "interval 1 day, 2 hours",
    "interval 1 dayss",
    "interval 1 constructor",
    "interval '7' days",
    "7 days ago",
    "NaN days",
    `interval ${"9".repeat(400)} days`
  ]
  for (const text of bad) {
    it(`${JSON.stringify(text.slice(0, 40))} is none`, () =>
      assert.isUndefined(intervalMillis(text)))
  }
})

describe("properties", () => {
  it("of a table without any are Delta's defaults", () => {
    assert.deepStrictEqual(of({}), {
      deletedFileRetention: 7 * day,
      logRetention: 30 * day,
      expiredLogCleanup: true,
      checkpointInterval: undefined,
      transactionRetention: undefined,
      indexed: { first: 32, only: undefined },
      problems: []
    })
  })

  it("are read", () => {
    assert.deepStrictEqual(
      of({
        "delta.deletedFileRetentionDuration": "interval 1 hours",
        "delta.logRetentionDuration": "interval 2 days",
        "delta.enableExpiredLogCleanup": "FALSE",
        "delta.checkpointInterval": "25",
        "delta.setTransactionRetentionDuration": "interval 3 days",
        "delta.dataSkippingNumIndexedCols": "-1",
        "delta.dataSkippingStatsColumns": "a, `b.c`.d ,`e``f`",
        "delta.appendOnly": "true",
        "other": "x"
      }),
      {
        deletedFileRetention: hour,
        logRetention: 2 * day,
        expiredLogCleanup: false,
        checkpointInterval: 25,
        transactionRetention: 3 * day,
        indexed: { first: Infinity, only: [["a"], ["b.c", "d"], ["e`f"]] },
        problems: []
      }
    )
  })

  it("that cannot be read are told of and count as absent, or delete nothing", () => {
    const configuration = {
      "delta.deletedFileRetentionDuration": "a week",
      "delta.logRetentionDuration": "interval -1 day",
      "delta.enableExpiredLogCleanup": "no",
      "delta.checkpointInterval": "0",
      "delta.setTransactionRetentionDuration": "interval 1 month",
      "delta.dataSkippingNumIndexedCols": "-2",
      "delta.dataSkippingStatsColumns": "a,,`b"
    }
    const { problems, ...found } = of(configuration)
    const { problems: _, ...defaults } = of({})
    assert.deepStrictEqual(found, {
      ...defaults,
      deletedFileRetention: Infinity,
      logRetention: Infinity,
      expiredLogCleanup: false
    })
    assert.lengthOf(problems, Object.keys(configuration).length)
    for (const [name, value] of Object.entries(configuration)) {
      assert.isTrue(
        problems.some((problem) => problem.includes(`${name} is ${JSON.stringify(value)}, not `)),
        name
      )
    }
  })

  it("tell no more than the beginning of a long value", () => {
    const [problem] = of({ "delta.checkpointInterval": "x".repeat(10_000) }).problems
    assert.isBelow(problem!.length, 250)
  })
})
