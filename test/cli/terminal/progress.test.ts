/**
 * Output of an ingest: the line on a terminal and elsewhere, the summary, and the position to
 * continue from.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Places } from "../../../src/cli/ingest/places.ts"
import {
  noCounts,
  type Outcome,
  progressLine,
  showProgress,
  summary,
  summaryJson
} from "../../../src/cli/terminal/progress.ts"

const counts = { ...noCounts(), bytes: 12_345_678, accepted: 1000, durable: 1000 }
const outcome = (changes: Partial<Outcome>): Outcome => ({
  table: "a.b.c",
  millis: 2000,
  counts,
  durableTo: { line: 1001, records: 1000 },
  stopped: undefined,
  rejectsFile: undefined,
  ...changes
})

describe("progress", () => {
  it.effect("rewrites one line on a terminal, no wider than it, and clears it at the end", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const shown = { ...noCounts(), accepted: 500, durable: 200, bytes: 1_000_000 }
      const output = { write: (text: string) => written.push(text), isTTY: true, columns: 40 }
      const fiber = yield* Effect.forkChild(showProgress(shown, output), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      shown.accepted = 1500
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(written.length, 3)
      assert.strictEqual(written[0], "\r\u001b[K500 records  1.0 MB  2,000/s  300 in fl")
      assert.isTrue(written[1]!.startsWith("\r\u001b[K1,500 records"))
      assert.isAtMost(written[1]!.length, "\r\u001b[K".length + 39)
      assert.strictEqual(written[2], "\r\u001b[K")
    })
  )

  it.effect("is a plain line every five seconds elsewhere", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const shown = {
        ...noCounts(),
        accepted: 1_000_000,
        durable: 900_000,
        bytes: 2_000_000,
        rejected: 3
      }
      const fiber = yield* Effect.forkChild(
        showProgress(shown, { write: (text) => written.push(text) }),
        {
          startImmediately: true
        }
      )
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(written, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(written, [
        "1,000,000 records  2.0 MB  180,000/s  100,000 in flight  900,000 durable  3 rejected\n"
      ])
    })
  )
})

describe("the line of progress", () => {
  it("has the share that was read and the time that is left, where the size is known", () => {
    const half = {
      ...noCounts(),
      accepted: 10,
      durable: 5,
      stored: 50,
      total: 100,
      resent: 3,
      refused: 1
    }
    assert.strictEqual(
      progressLine(half, 1, 30_000),
      "50 %  30 s left  10 records  0.0 MB  1/s  4 in flight  5 durable  1 rejected  3 sent again"
    )
    assert.match(progressLine({ ...half, stored: 10 }, 1, 60_000), /^10 %  9 min left  /)
    assert.match(progressLine({ ...half, stored: 1 }, 1, 600_000), /^1 %  16\.5 h left  /)
    assert.match(progressLine({ ...half, stored: 100 }, 1, 600_000), /^100 %  10 records/)
    assert.match(progressLine({ ...half, stored: 0 }, 1, 600_000), /^0 %  10 records/)
    assert.match(progressLine({ ...half, total: undefined }, 1, 600_000), /^10 records/)
  })
})

describe("summary", () => {
  it(
    "says what the server refused, what was sent again, and in which of several files the " +
      "place is",
    () => {
      const shown = outcome({
        counts: { ...counts, accepted: 1002, refused: 2, rejected: 1, resent: 7 },
        durableTo: { file: "b.csv", line: 7, records: 1003 },
        rejectsFile: "bad.ndjson",
        stopped: "error"
      })
      assert.deepStrictEqual(summary(shown).split("\n").slice(1), [
        "3 records rejected (2 by the server), see bad.ndjson.",
        "7 records sent again after a lost connection, which may be in the table twice.",
        "Done up to record 1,003 of the files (line 7 of b.csv). " +
          "To continue from there: --skip 1003"
      ])
      const read = JSON.parse(summaryJson(shown))
      assert.deepStrictEqual(
        [read.rejected, read.refusedByServer, read.sentAgain, read.durableFile],
        [3, 2, 7, "b.csv"]
      )
    }
  )

  it("of a whole file is one sentence", () => {
    assert.strictEqual(
      summary(outcome({})),
      "1,000 records durable in a.b.c (12.3 MB read in 2.00 s, 500 records/s)."
    )
    assert.isTrue(JSON.parse(summaryJson(outcome({}))).complete)
  })

  it("names what was rejected, what is not durable, and where to go on", () => {
    const stopped = outcome({
      counts: { ...counts, skipped: 10, rejected: 2, durable: 900 },
      durableTo: { line: 950, records: 912 },
      stopped: "error",
      rejectsFile: "bad.ndjson"
    })
    assert.deepStrictEqual(summary(stopped).split("\n"), [
      "900 records durable in a.b.c (12.3 MB read in 2.00 s, 450 records/s).",
      "10 records at the start skipped.",
      "2 records rejected, see bad.ndjson.",
      "100 records queued and not known to be durable.",
      "Done up to record 912 of the file (line 950). To continue from there: --skip 912"
    ])
    const read = JSON.parse(summaryJson(stopped))
    assert.deepStrictEqual(
      {
        complete: read.complete,
        durableLine: read.durableLine,
        durableRecords: read.durableRecords,
        records: read.records
      },
      { complete: false, durableLine: 950, durableRecords: 912, records: 1012 }
    )
  })

  it("says when nothing is durable", () => {
    const nothing = outcome({ counts: noCounts(), durableTo: undefined, stopped: "error" })
    assert.match(
      summary(nothing),
      /No record of the file is durable\. To continue, ingest it from its start\.$/
    )
    const skipped = outcome({
      counts: { ...noCounts(), skipped: 2 },
      durableTo: undefined,
      stopped: "error"
    })
    assert.match(
      summary(skipped),
      /No record after the skipped ones is durable\. To continue from there: --skip 2$/
    )
  })

  it("says when the file ends within what is passed over", () => {
    const beyond = outcome({ counts: { ...noCounts(), skipped: 2 }, durableTo: undefined })
    assert.match(
      summary(beyond),
      /2 records at the start skipped\.\nThe file ends there, so there was nothing to ingest\.$/
    )
  })
})

describe("places", () => {
  it("give the place of the last durable record, long after it too, and drop older ones", () => {
    const places = new Places()
    assert.isUndefined(places.reached(0))
    for (let index = 0; index < 300_000; index++) {
      places.add(index + 10, index + 1)
      if (index % 1000 === 999)
        assert.deepStrictEqual(places.reached(index - 500), {
          line: index - 491,
          records: index - 500
        })
    }
    assert.deepStrictEqual(places.reached(300_000), { line: 300_009, records: 300_000 })
    assert.deepStrictEqual(places.reached(300_000), { line: 300_009, records: 300_000 })
  })
})
