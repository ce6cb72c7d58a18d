/**
 * What an ingest shows: the line on a terminal and elsewhere, the summary, and the place it names for going on.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Places } from "../../../src/cli/ingest/ingestFile.ts"
import { noCounts, type Outcome, showProgress, summary, summaryJson } from "../../../src/cli/terminal/progress.ts"

const counts = { bytes: 12_345_678, skipped: 0, accepted: 1000, rejected: 0, durable: 1000 }
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
      const shown = { ...noCounts(), accepted: 1_000_000, durable: 900_000, bytes: 2_000_000, rejected: 3 }
      const fiber = yield* Effect.forkChild(showProgress(shown, { write: (text) => written.push(text) }), {
        startImmediately: true
      })
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

describe("summary", () => {
  it("of a whole file is one sentence", () => {
    assert.strictEqual(summary(outcome({})), "1,000 records durable in a.b.c (12.3 MB read in 2.00 s, 500 records/s).")
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
      "10 records at the start passed over.",
      "2 records rejected, see bad.ndjson.",
      "100 records queued and not known to be durable.",
      "Done up to record 912 of the file (line 950). To go on from there: --skip 912"
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
    assert.match(summary(nothing), /Nothing of the file is durable\. To go on, ingest it from its start\.$/)
    const skipped = outcome({ counts: { ...noCounts(), skipped: 2 }, durableTo: undefined, stopped: "error" })
    assert.match(summary(skipped), /Nothing behind the records passed over is durable\. To go on from there: --skip 2$/)
  })

  it("says when the file ends within what is passed over", () => {
    const beyond = outcome({ counts: { ...noCounts(), skipped: 2 }, durableTo: undefined })
    assert.match(
      summary(beyond),
      /2 records at the start passed over\.\nThe file ends there, so there was nothing to ingest\.$/
    )
  })
})

describe("places", () => {
  it("give the place of the last durable record, also long after it, and forget what lies before", () => {
    const places = new Places()
    assert.isUndefined(places.reached(0))
    for (let index = 0; index < 300_000; index++) {
      places.add(index + 10, index + 1)
      if (index % 1000 === 999)
        assert.deepStrictEqual(places.reached(index - 500), { line: index - 491, records: index - 500 })
    }
    assert.deepStrictEqual(places.reached(300_000), { line: 300_009, records: 300_000 })
    assert.deepStrictEqual(places.reached(300_000), { line: 300_009, records: 300_000 })
  })
})
