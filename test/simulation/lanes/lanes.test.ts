/** Runs with lanes keep every promise, and cover the cases they exist for. */
import { assert, describe, it } from "@effect/vitest"
import { runLaneSeed } from "./laneRun.ts"

/** Cases that at least one run must have covered, or the runs prove nothing. */
const mustHappen = [
  "keyed",
  "without keys",
  "2 lanes",
  "8 lanes",
  "recreated",
  "handed back",
  "refused",
  "a lane recovers while another one sends",
  "duplicates",
  "FlushTimeout",
  "ProtocolViolation",
  "lanes are added",
  "lanes are given up"
]

describe("simulation with lanes", () => {
  it("keeps every promise on 60 seeds", { timeout: 120_000 }, () => {
    const happened = new Set<string>()
    let durable = 0
    for (let index = 0; index < 60; index++) {
      const { history, plan, statistics, violations } = runLaneSeed(`suite/${index}`)
      assert.deepStrictEqual(
        violations,
        [],
        `npm run sim -- --lanes --seed suite --from ${index} --seeds 1`
      )
      durable += statistics.durable
      if (statistics.duplicates > 0) happened.add("duplicates")
      for (const { settings } of plan.streams) {
        happened.add(settings.keys === undefined ? "without keys" : "keyed")
        happened.add(`${settings.lanes} lanes`)
      }
      const links = new Set<number>()
      let givenUp = false
      let recovering = false
      for (const event of history.events) {
        if (event.e === "state") recovering = event.state === "recovering"
        if (event.e === "send" && recovering)
          happened.add("a lane recovers while another one sends")
        // Streams whose number of lanes follows the load.
        const of =
          event.e === "open" && event.stream === 0 && plan.streams[0]!.options.lanes === "auto"
        if (of) links.add(event.conn)
        if (links.size > 1) happened.add("lanes are added")
        if (event.e === "response" && event.text.closeAfter !== undefined) links.delete(event.conn)
        if (event.e === "released") links.delete(event.conn)
        if (event.e === "halfClose" && links.delete(event.conn)) givenUp = true
        if (event.e === "send" && givenUp && links.has(event.conn))
          happened.add("lanes are given up")
        if (event.e === "refused") happened.add("refused")
        if (event.e === "call" && event.op === "recreateStream") happened.add("recreated")
        if (event.e !== "return") continue
        const { outcome } = event
        if (outcome._tag === "Error") happened.add(outcome.error)
        if (outcome._tag === "Records" && outcome.groups.length > 0) happened.add("handed back")
      }
    }
    assert.isAbove(durable, 1_000)
    assert.deepStrictEqual(
      mustHappen.filter((what) => !happened.has(what)),
      []
    )
  })
})
