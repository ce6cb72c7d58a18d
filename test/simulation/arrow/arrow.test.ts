/** Runs with Arrow batches keep every promise, and cover the cases they exist for. */
import { assert, describe, it } from "@effect/vitest"
import { runArrowSeed } from "./arrowRun.ts"

/** Cases that at least one run must have covered, or the runs prove nothing. */
const mustHappen = [
  "a batch is acknowledged in part",
  "a connection begins within a batch",
  "part of a batch is handed back",
  "recreated",
  "duplicates",
  "closing",
  "FlushTimeout"
]

describe("simulation with Arrow batches", () => {
  it("keeps every promise on 60 seeds", { timeout: 120_000 }, () => {
    const happened = new Set<string>()
    let durable = 0
    for (let index = 0; index < 60; index++) {
      const { history, statistics, violations } = runArrowSeed(`suite/${index}`)
      assert.deepStrictEqual(
        violations,
        [],
        `npm run sim -- --arrow --seed suite --from ${index} --seeds 1`
      )
      durable += statistics.durable
      if (statistics.duplicates > 0) happened.add("duplicates")
      const firstRows = new Set<number>()
      const rows = new Set<number>()
      const frames = new Map<number, Array<number>>()
      for (const event of history.events) {
        if (event.e === "call" && event.records !== undefined && event.records.length > 0) {
          firstRows.add(event.records[0]!)
          for (const row of event.records) rows.add(row)
        }
        if (event.e === "call" && event.op === "recreateStream") happened.add("recreated")
        if (event.e === "send") {
          const sent = frames.get(event.conn) ?? []
          if (sent.length === 0 && !firstRows.has(event.records[0]!))
            happened.add("a connection begins within a batch")
          const before = sent.at(-1) ?? 0
          frames.set(event.conn, [...sent, before + event.records.length])
        }
        if (event.e === "response") {
          const { closeAfter, rows: acknowledged } = event.text
          if (closeAfter !== undefined) happened.add("closing")
          if (acknowledged !== undefined && !frames.get(event.conn)!.includes(acknowledged))
            happened.add("a batch is acknowledged in part")
        }
        if (event.e !== "return") continue
        const { outcome } = event
        if (outcome._tag === "Error") happened.add(outcome.error)
        const groups = outcome._tag === "Records" ? outcome.groups : []
        if (groups.some(([row]) => row !== undefined && rows.has(row) && !firstRows.has(row)))
          happened.add("part of a batch is handed back")
      }
    }
    assert.isAbove(durable, 1_000)
    assert.deepStrictEqual(
      mustHappen.filter((what) => !happened.has(what)),
      []
    )
  })
})
