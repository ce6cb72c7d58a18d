/**
 * The text of each planted bug of the simulation occurs in the sources exactly once. `npm run
 * sim:planted` runs the bugs themselves.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { mutations } from "../simulation/plantedBugs.ts"
import { replaced } from "../simulation/plantedText.ts"

const source = Path.resolve(import.meta.dirname, "../../src")

describe("planted bugs", () => {
  it("each replace a text that occurs once in the sources", () => {
    const wrong = mutations.flatMap((mutation) =>
      [mutation, ...(mutation.also ?? [])].flatMap(({ file, find, replace }) => {
        const text = replaced(Fs.readFileSync(Path.join(source, file), "utf8"), { find, replace })
        return typeof text === "number"
          ? [`${mutation.name}: its text occurs ${text} times in ${file}`]
          : []
      })
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("are found in another layout, and never in part", () => {
    assert.strictEqual(replaced("a(b,\n  c)", { find: "a(b, c)", replace: "x" }), "x")
    assert.strictEqual(replaced("a(b) a(b)", { find: "a(b)", replace: "x" }), 2)
    assert.strictEqual(replaced("a(b)", { find: "a(c)", replace: "x" }), 0)
    assert.strictEqual(replaced("ab c d", { find: "  b c\n", replace: "\n  x" }), "ax d")
  })
})
