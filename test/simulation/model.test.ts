import { assert, describe, it } from "@effect/vitest"
import { type Command, firstDifference, runCommands, shorten } from "./model.ts"

describe("the stream against its model", () => {
  it("gives the model's results for 200 random sequences of calls", { timeout: 120_000 }, () => {
    assert.isUndefined(firstDifference(0, 200))
  })

  it("passes the sequence that found a stream still active after its end was reported", () => {
    const tags = [
      "Cut",
      "Recreate",
      "Recreate",
      "Close",
      "Recreate",
      "Recreate",
      "Ingest",
      "Refuse",
      "Recreate"
    ] as const
    assert.deepStrictEqual(
      runCommands(
        "model/26",
        tags.map((_tag) => ({ _tag }))
      ),
      []
    )
  })

  it("shortens a sequence to the part that fails", () => {
    const commands: ReadonlyArray<Command> = [
      { _tag: "Ingest" },
      { _tag: "Close" },
      { _tag: "Flush" },
      { _tag: "Ingest" }
    ]
    const fails = (shorter: ReadonlyArray<Command>) => {
      const closed = shorter.findIndex(({ _tag }) => _tag === "Close")
      return closed >= 0 && shorter.slice(closed).some(({ _tag }) => _tag === "Ingest")
    }
    assert.deepStrictEqual(shorten(commands, fails), [{ _tag: "Close" }, { _tag: "Ingest" }])
  })
})
