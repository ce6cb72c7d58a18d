/**
 * Text of dates and times, compared with `Date` and with its own inverse.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import {
  daysOfText,
  microsOfText,
  textOfDays,
  textOfMicros
} from "../../../src/internal/columns/timeText.ts"

const minMicros = -62_135_596_800_000_000n
const maxMicros = 253_402_300_799_999_999n

describe("a date", () => {
  it.each<readonly [text: string, days: number]>([
    ["1970-01-01", 0],
    ["1969-12-31", -1],
    ["2026-11-22", 20_779],
    ["2024-02-29", 19_782],
    ["2000-02-29", 11_016],
    ["1900-03-01", -25_508],
    ["0001-01-01", -719_162],
    ["0099-12-31", -683_004],
    ["9999-12-31", 2_932_896]
  ])("%s is day %d", (text, days) => {
    assert.strictEqual(daysOfText(text), days)
    assert.strictEqual(textOfDays(days), text)
  })

  it.each(
    (
      "2026,2026-11,2026-1-2,26-11-22,12026-11-22,2026/11/22, 2026-11-22,2026-11-22 ," +
      "2026-11-22\n," +
      "2026-11-22T00:00:00Z,2026-00-10,2026-13-10,2026-11-00,2026-11-31,2026-02-29,2026-02-30," +
      "1900-02-29,0000-12-31,-001-01-01,+002026-11-22,２０２６-11-22,"
    ).split(",")
  )("is not %j", (text) => assert.isUndefined(daysOfText(text)))
})

describe("a timestamp", () => {
  it.each<readonly [text: string, micros: bigint, zoned: boolean]>([
    ["1970-01-01T00:00:00Z", 0n, true],
    ["1970-01-01 00:00:00.000001", 1n, true],
    ["1969-12-31T23:59:59.999999", -1n, false],
    ["2026-11-22T08:30:00Z", 1_795_336_200_000_000n, true],
    ["2026-11-22t08:30:00z".toUpperCase(), 1_795_336_200_000_000n, true],
    ["2026-11-22 08:30", 1_795_336_200_000_000n, false],
    ["2026-11-22 08:30:00 UTC", 1_795_336_200_000_000n, true],
    ["2026-11-22T10:30+02", 1_795_336_200_000_000n, true],
    ["2026-11-22T10:30:00+0200", 1_795_336_200_000_000n, true],
    ["2026-11-22T05:00:00,5-03:30", 1_795_336_200_500_000n, true],
    ["2026-11-22T08:30:00.1234569Z", 1_795_336_200_123_456n, true],
    ["1960-02-29", -310_521_600_000_000n, true],
    ["0001-01-01T00:00:00Z", minMicros, true],
    ["9999-12-31T23:59:59.999999999Z", maxMicros, true]
  ])("%s is %d", (text, micros, zoned) => assert.strictEqual(microsOfText(text, zoned), micros))

  it.each<readonly [text: string, zoned: boolean]>([
    ["", true],
    ["soon", true],
    ["2026-11-22T", true],
    ["2026-11-22T8:30:00Z", true],
    ["2026-11-22T24:00:00Z", true],
    ["2026-11-22T08:60:00Z", true],
    ["2026-11-22T08:30:60Z", true],
    ["2026-11-22T08:30:00.Z", true],
    ["2026-11-22T08:30:00.1234567890Z", true],
    ["2026-11-22T08:30:00+19:00", true],
    ["2026-11-22T08:30:00+01:60", true],
    ["2026-11-22T08:30:00 CET", true],
    ["2026-11-22Z", true],
    ["2026-02-30T08:30:00Z", true],
    ["2026-11-22T08:30:00Z", false],
    ["2026-11-22T08:30:00+01:00", false],
    ["0001-01-01T00:00:00+00:01", true],
    ["9999-12-31T23:59:59-00:01", true]
  ])("is not %j with zoned %s", (text, zoned) => assert.isUndefined(microsOfText(text, zoned)))

  it.each<readonly [micros: bigint, text: string]>([
    [0n, "1970-01-01T00:00:00.000000"],
    [-1n, "1969-12-31T23:59:59.999999"],
    [-1_000n, "1969-12-31T23:59:59.999000"],
    [1_795_336_200_000_007n, "2026-11-22T08:30:00.000007"],
    [minMicros, "0001-01-01T00:00:00.000000"],
    [maxMicros, "9999-12-31T23:59:59.999999"]
  ])("%d is written %s", (micros, text) => assert.strictEqual(textOfMicros(micros), text))
})

const Day = Schema.Int.check(Schema.isBetween({ minimum: -719_162, maximum: 2_932_896 }))
const Micros = Schema.BigInt.check(
  Schema.isBetweenBigInt({ minimum: minMicros, maximum: maxMicros })
)
const Zone = Schema.Int.check(Schema.isBetween({ minimum: -18 * 60, maximum: 18 * 60 }))

it.effect.prop(
  "every day reads back from its text, and is the day of Date",
  { day: Day },
  ({ day }) =>
    Effect.sync(() => {
      const text = textOfDays(day)
      assert.strictEqual(daysOfText(text), day)
      assert.strictEqual(Date.parse(`${text}T00:00:00Z`), day * 86_400_000)
      assert.strictEqual(microsOfText(text, false), BigInt(day) * 86_400_000_000n)
    }),
  { arbitrary: { runs: 500 } }
)

it.effect.prop(
  "every microsecond reads back from its text, in every zone, and texts sort as times do",
  { micros: Micros, other: Micros, zone: Zone },
  ({ micros, other, zone }) =>
    Effect.sync(() => {
      const text = textOfMicros(micros)
      assert.strictEqual(microsOfText(text, false), micros)
      assert.strictEqual(microsOfText(`${text}Z`, true), micros)
      assert.strictEqual(text < textOfMicros(other), micros < other)
      const minutes = Math.abs(zone)
      const clock = [Math.floor(minutes / 60), minutes % 60]
        .map((part) => String(part).padStart(2, "0"))
        .join(":")
      const moved = micros - BigInt(zone) * 60_000_000n
      assert.strictEqual(
        microsOfText(`${text}${zone < 0 ? "-" : "+"}${clock}`, true),
        moved < minMicros || moved > maxMicros ? undefined : moved
      )
    }),
  { arbitrary: { runs: 500 } }
)

it("every text of an invalid day is refused, as Date refuses it", () => {
  for (const year of [
    "0000",
    "0001",
    "0004",
    "0100",
    "1600",
    "1900",
    "2000",
    "2023",
    "2024",
    "9999"
  ]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const text = `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`
        const millis = Date.parse(`${text}T00:00:00Z`)
        const exists = year !== "0000" && new Date(millis).getUTCDate() === day
        assert.strictEqual(daysOfText(text), exists ? millis / 86_400_000 : undefined, text)
      }
    }
  }
})
