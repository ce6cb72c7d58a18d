/**
 * Values as text: their forms, escaping, and that a large value costs no more than its shown part.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseColumnType } from "../../../src/internal/columns/columnType.ts"
import { shownText, shownValue } from "../../../src/local/console/shownValue.ts"

const shown = (type: string, value: unknown, limit = 160) =>
  shownValue(Result.getOrThrow(parseColumnType(type)), value, limit)

describe("a value", () => {
  it.each<readonly [type: string, value: unknown, text: string | null]>([
    ["INT", null, null],
    ["INT", undefined, null],
    ["INT", -7, "-7"],
    ["DOUBLE", -0, "-0"],
    ["DOUBLE", Number.NaN, "NaN"],
    ["BOOLEAN", false, "false"],
    ["BIGINT", 9_007_199_254_740_993n, "9007199254740993"],
    ["DECIMAL(10,2)", "12.50", "12.50"],
    ["STRING", "", ""],
    ["STRING", "plain", "plain"],
    ["DATE", 20_000, "2024-10-04"],
    ["DATE", -1, "1969-12-31"],
    ["DATE", 1e12, "day 1000000000000"],
    ["TIMESTAMP", 1_767_225_600_000_000n, "2026-01-01 00:00:00Z"],
    ["TIMESTAMP", 1_767_225_600_120_000n, "2026-01-01 00:00:00.12Z"],
    ["TIMESTAMP", -1n, "1969-12-31 23:59:59.999999Z"],
    ["TIMESTAMP_NTZ", 1_767_225_600_000_001n, "2026-01-01 00:00:00.000001"],
    ["TIMESTAMP", 10n ** 19n, "10000000000000000000 µsZ"],
    ["BINARY", Uint8Array.of(0, 255, 16), "0x00ff10"],
    ["VARIANT", '{"a":[1,null]}', '{"a":[1,null]}'],
    ["ARRAY<STRING>", ["a", 'quo"te', null], '["a", "quo\\"te", null]'],
    ["MAP<STRING, INT>", new Map([["k", 1]]), '{"k": 1}'],
    ["STRUCT<lat: DOUBLE, tags: ARRAY<INT>>", { lat: 1.5, tags: [] }, "{lat: 1.5, tags: []}"]
  ])("of %s %s is shown as %s", (type, value, text) => assert.strictEqual(shown(type, value), text))

  it("is cut, whatever its type, and read no further", () => {
    const endless = function* () {
      for (let n = 0; ; n++) yield n
    }
    const long = "x".repeat(1000)
    assert.strictEqual(shown("STRING", long), `${"x".repeat(160)}…`)
    for (const [type, value] of [
      ["ARRAY<BIGINT>", endless()],
      ["ARRAY<STRING>", [long, long]],
      ["BINARY", new Uint8Array(1000)],
      ["VARIANT", long],
      ["STRUCT<a: STRING, b: STRING>", { a: long, b: long }]
    ] as const) {
      const text = shown(type, value)!
      assert.isAtMost(text.length, 161, type)
      assert.isTrue(text.endsWith("…"), type)
    }
  })
})

describe("a text", () => {
  it("has no character that a reader cannot see or that turns it around", () => {
    assert.strictEqual(
      shownText("a\u202Eb\u0000c\u001b[31m\u2066\u200b\ud800d", 100),
      "a\\u{202e}b\\u{0}c\\u{1b}[31m\\u{2066}\\u{200b}\\u{d800}d"
    )
    assert.strictEqual(shownText("one\ntwo\tthree\r", 100), "one\\ntwo\\tthree\\u{d}")
  })

  it("keeps markup as it is, for a page that sets text, and letters of all scripts", () => {
    const text = '<img src=x onerror=alert(1)> & "quoted" Grüße 数据 👍 عربى'
    assert.strictEqual(shownText(text, 100), text)
  })
})
