/**
 * The header `retry-after` in all forms of HTTP.
 */
import { assert, describe, it } from "@effect/vitest"
import { retryAfterMillis } from "../../../src/internal/net/retryAfter.ts"

const now = Date.UTC(2026, 10, 29, 12, 0, 0)
const after = (value: string | undefined, date?: string) =>
  retryAfterMillis({ "retry-after": value, date }, now)

describe("retry-after", () => {
  it("is a number of seconds", () => {
    for (const [value, millis] of [
      ["7", 7_000],
      [" 120 ", 120_000],
      ["0", undefined]
    ] as const) {
      assert.strictEqual(after(value), millis, value)
    }
  })

  it("is a date in each form of HTTP, counted from the date of the answer", () => {
    const oneMinuteLater = [
      "Sun, 29 Nov 2026 12:01:00 GMT",
      "Sunday, 29-Nov-26 12:01:00 GMT",
      "Sun Nov 29 12:01:00 2026"
    ]
    for (const value of oneMinuteLater) {
      assert.strictEqual(after(value), 60_000, value)
      assert.strictEqual(after(value, "Sun, 29 Nov 2026 11:59:00 GMT"), 120_000, value)
      assert.strictEqual(after(value, "Sun, 29 Nov 2026 12:01:00 GMT"), undefined, value)
      assert.strictEqual(after(value, "no date"), 60_000, value)
    }
    assert.strictEqual(after("Sun, 29 Nov 2026 11:59:59 GMT"), undefined)
    assert.strictEqual(after("Wed Nov  4 12:00:00 2026", "Wed, 04 Nov 2026 11:59:59 GMT"), 1_000)
  })

  it("is nothing else", () => {
    const others = [
      "",
      "soon",
      "-5",
      "1e3",
      "0x10",
      "2026-11-29T12:01:00Z",
      "2027-01-01",
      "Sun, 99 Nov 2026 12:01:00 GMT"
    ]
    for (const value of [undefined, ...others]) assert.strictEqual(after(value), undefined, value)
  })
})
