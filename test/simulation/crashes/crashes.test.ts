/**
 * Runs with crashes keep every promise and cover the cases they exist for. The disk loses what a
 * real one may lose.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Happening } from "../history.ts"
import { makeRandom } from "../seededRandom.ts"
import { checkCrashes } from "./crashRules.ts"
import { makeCrashPlan } from "./crashPlan.ts"
import { runCrashSeed } from "./crashRun.ts"
import { DiskImage } from "./diskImage.ts"

/** Cases that at least one run must have covered, or the runs prove nothing. */
const mustHappen = [
  "kill",
  "power",
  "end",
  "group",
  "os",
  "sync changes",
  "bound changes",
  "resumes with records",
  "loses bytes",
  "time",
  "task",
  "operation",
  "disk",
  "fail",
  "slow",
  "full",
  "letter",
  "position",
  "duplicates",
  "kill of the server",
  "lanes",
  "lanes change",
  "one lane among lanes",
  "lanes without keys"
]

describe("simulation with crashes of the client", () => {
  it("keeps every promise on 60 seeds", { timeout: 120_000 }, async () => {
    const happened = new Set<string>()
    let durable = 0
    for (let index = 0; index < 60; index++) {
      const { history, plan, statistics, violations } = await runCrashSeed(`suite/${index}`)
      assert.deepStrictEqual(
        violations,
        [],
        `npm run sim -- --crashes --seed suite --from ${index} --seeds 1`
      )
      durable += statistics.durable
      if (statistics.duplicates > 0) happened.add("duplicates")
      for (const { kind } of plan.troubles) happened.add(kind)
      for (const [i, { crash, lanes, maxBytes, sync }] of plan.processes.entries()) {
        const before = plan.processes[i - 1]
        happened.add(sync)
        if (crash !== undefined) happened.add(crash.moment.at)
        if (before !== undefined && before.sync !== sync) happened.add("sync changes")
        if (before !== undefined && before.maxBytes !== maxBytes) happened.add("bound changes")
        if (before !== undefined && before.lanes > 1 && lanes > 1 && before.lanes !== lanes)
          happened.add("lanes change")
        if (before !== undefined && plan.lanes && (before.lanes === 1) !== (lanes === 1)) {
          happened.add("one lane among lanes")
        }
        if (lanes > 1)
          happened.add(plan.stream.settings.keys === undefined ? "lanes without keys" : "lanes")
      }
      let bytes = 0
      for (const event of history.events) {
        if (event.e === "letter") happened.add("letter")
        if (event.e === "call" && event.op === "position") happened.add("position")
        if (event.e === "fault" && event.what.startsWith("kill")) happened.add("kill of the server")
        if (event.e === "logBytes") bytes = event.bytes
        if (event.e !== "process") continue
        happened.add(event.how)
        if (event.how === "power" && (event.bytes ?? 0) < bytes && event.files! > 0)
          happened.add("loses bytes")
        if (event.how === "start" && event.files! > 0) happened.add("resumes with records")
      }
    }
    assert.isAbove(durable, 1_000)
    assert.deepStrictEqual(
      mustHappen.filter((what) => !happened.has(what)),
      []
    )
  })

  it("gives the same trace for the same seed, and another one for another", async () => {
    const hashes = [1, 2, 1, 2].map(async (index) => (await runCrashSeed(`suite/${index}`)).hash)
    const [first, second, ...again] = await Promise.all(hashes)
    assert.deepStrictEqual(again, [first, second])
    assert.notStrictEqual(first, second)
  })
})

describe("the rules for runs with crashes", () => {
  /** Two records are logged in order and reach the table in reverse order. */
  const inWrongOrder = (between: ReadonlyArray<Happening>): ReadonlyArray<string> => {
    const happenings: ReadonlyArray<Happening> = [
      { e: "logged", offset: 1, batch: true, records: [10] },
      { e: "logged", offset: 2, batch: true, records: [20] },
      ...between,
      { e: "durable", conn: 1, records: [20] },
      { e: "durable", conn: 2, records: [10] }
    ]
    const events = happenings.map((happening, seq) => ({ ...happening, seq, t: seq, quiet: 0 }))
    return checkCrashes(events, makeCrashPlan("order", 4)).filter((violation) =>
      violation.startsWith("ORDER")
    )
  }

  it("permit earlier records after later ones only if the earlier ones had been refused", () => {
    // After a loss of power the spool sends records again that the server had refused, and the
    // server accepts them.
    assert.deepStrictEqual(inWrongOrder([{ e: "letter", records: [10] }]), [])
    const wrong = ["ORDER: record 20 of offset 2 is in the table before offset 1"]
    assert.deepStrictEqual(inWrongOrder([]), wrong)
    assert.deepStrictEqual(inWrongOrder([{ e: "letter", records: [30] }]), wrong)
  })
})

describe("a file of the simulated disk", () => {
  const sector = 512
  const filled = (text: string, sectors = 1) => Buffer.from(text.repeat(sector * sectors))
  /**
   * The results of a loss of power for a file, over many seeds: the first letters of its sectors.
   */
  const outcomes = (before: (image: DiskImage) => void) =>
    new Set(
      Array.from({ length: 300 }, (_, seed) => {
        const image = new DiskImage()
        before(image)
        image.losePower(makeRandom(`disk/${seed}`))
        const { content } = image
        return Array.from({ length: Math.ceil(content.length / sector) }, (_, i) =>
          String.fromCharCode(content[i * sector]! || 0x30)
        ).join("")
      })
    )

  it("keeps synchronised bytes, and any sectors of those written since", () => {
    const found = outcomes((image) => {
      image.write(0, filled("a"))
      image.sync()
      image.write(sector, filled("b", 2))
    })
    assert.deepStrictEqual([...found].sort(), ["a", "a00", "a0b", "ab0", "abb"])
  })

  it("loses bytes that a failed synchronisation did not write, even after a later success", () => {
    const found = outcomes((image) => {
      image.write(0, filled("a"))
      image.failSync({ ...makeRandom("failed"), pick: (choices) => choices[0]! })
      assert.strictEqual(image.content.length, sector)
      image.write(sector, filled("b"))
      image.sync()
    })
    assert.deepStrictEqual([...found], ["0b"])
  })

  it("may return to the length it had before it was truncated", () => {
    const found = outcomes((image) => {
      image.write(0, filled("a", 2))
      image.sync()
      image.truncate(sector)
    })
    // The truncated bytes may be zeros afterwards.
    assert.deepStrictEqual([...found].sort(), ["a", "a0", "aa"])
  })
})
