/**
 * Checks the README's start command against its samples and the examples: the server has every
 * table that they use. Also checks the length of the README.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseTableDefinition } from "../../src/internal/columns/columnType.ts"
import { root } from "../support/localEnvironment.ts"

const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")
const readme = read("README.md")

/** The tables that the `zerobus local` commands of a text, or of its comments, create. */
const started = (text: string) =>
  [...text.replace(/\n \* +/g, " ").matchAll(/--table '([^']+)'/g)].map(([, table]) =>
    Result.getOrThrow(parseTableDefinition(table!))
  )
const start = /```sh\n(npx effect-zerobus local[^`]*)```/.exec(readme)![1]!

describe("the tables of the start command", () => {
  it("are those of the samples", () => {
    const samples = [...readme.matchAll(/```(?:ts|typescript)\n(?!\/\/)([^]*?)```/g)]
      .map(([, code]) => code!)
      .join("")
    const used = new Set([...samples.matchAll(/"(main\.default\.\w+)"/g)].map(([, name]) => name!))
    assert.isAtLeast(used.size, 2)
    assert.sameMembers(
      started(start).map(({ name }) => name),
      [...used]
    )
  })

  it("are those of the examples that need more than the first one", () => {
    const readings = started(start).filter(({ name }) => name === "main.default.readings")
    assert.lengthOf(readings, 1)
    for (const file of Fs.globSync("examples/*.ts", { cwd: root })) {
      if (read(file).includes('"main.default.readings"'))
        assert.deepStrictEqual(started(read(file)), readings, file)
    }
  })
})

it("has 1,200 to 1,500 words", () => {
  const words = readme.split(/\s+/).filter((word) => word !== "").length
  assert.isAtLeast(words, 1200)
  assert.isAtMost(words, 1500)
})
