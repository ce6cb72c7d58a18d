/**
 * Parquet files with damaged bits: no value becomes NULL, no row is added, and each ends with a
 * sentence. Large values are given a few at a time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll } from "vitest"
import { openTyped } from "../../../src/cli/typed/typedFile.ts"
import { temporaryFolder } from "../../support/commandLine.ts"

const fixtures = Path.resolve(import.meta.dirname, "../../fixtures/typedFiles")
const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

const whole = Fs.readFileSync(Path.join(fixtures, "twoRows.parquet"))
const checked = Fs.readFileSync(Path.join(fixtures, "checksums.parquet"))

/** The rows of a fixture with one byte changed. */
const read = (at: number, bits: number, fixture = whole) => {
  const content = Buffer.from(fixture)
  content[at] = content[at]! ^ bits
  const path = Path.join(folder, "damaged.parquet")
  Fs.writeFileSync(path, content)
  return Effect.gen(function* () {
    const { rows } = yield* openTyped({ file: path, format: "parquet", gzip: false })
    return yield* Stream.runFold(
      rows,
      () => [] as Array<string>,
      (texts, some) => [...texts, ...some.map(({ text }) => text)]
    )
  }).pipe(Effect.scoped)
}

describe("damaged Parquet files", () => {
  it.effect.each([
    ["the type of a page", 12, 1],
    ["a level of a struct", 97, 4],
    ["a level of a cell", 71, 1]
  ] as const)("refuses %s that is damaged instead of giving NULL", ([, at, bits]) =>
    Effect.map(Effect.flip(read(at, bits)), ({ message }) =>
      assert.match(message, /its row group 1 \(from row 1\) is damaged in column \w+\.$/)
    )
  )

  it.effect.each([
    ["rows of a group", 598, 64],
    ["children of a group", 274, 2],
    ["children of a group", 291, 64],
    ["types of a column", 277, 4],
    ["types of a column", 294, 4]
  ] as const)("refuses a footer with other %s", ([, at, bits]) =>
    Effect.map(Effect.flip(read(at, bits)), ({ message }) =>
      assert.match(message, /is a Parquet file whose end is damaged or cut off\.$/)
    )
  )

  it.effect("refuses a changed value where the writer stored checksums of pages", () =>
    Effect.gen(function* () {
      // The second id, a number of 64 bits.
      assert.strictEqual(checked.readBigInt64LE(87), 2n)
      assert.lengthOf(yield* read(87, 0, checked), 2)
      const { message } = yield* Effect.flip(read(87, 1, checked))
      assert.match(message, /its row group 1 \(from row 1\) is damaged in column id\.$/)
    })
  )

  it.effect("gives both rows with all values, or a sentence, for each bit", () =>
    Effect.gen(function* () {
      let refused = 0
      for (let at = 0; at < whole.length; at++) {
        const result = yield* Effect.result(read(at, 1 << (at % 8)))
        if (result._tag === "Failure") {
          refused++
          assert.match(result.failure.message, /damaged\.parquet (?:is|cannot be read: its|has) /)
          continue
        }
        assert.strictEqual(result.success.length, 2, `byte ${at}`)
        for (const text of result.success) {
          assert.notInclude(text, "null", `byte ${at}`)
          assert.strictEqual(text.split(":").length, 5, `byte ${at}`)
        }
      }
      assert.isAbove(refused, 100)
    })
  )

  it.effect("gives rows of large values a few at a time", () =>
    Effect.gen(function* () {
      const file = Path.join(fixtures, "largeValue.parquet")
      const { rows } = yield* openTyped({ file, format: "parquet", gzip: false })
      const sizes = yield* Stream.runCollect(
        Stream.take(
          Stream.map(rows, (some) => some.length),
          20
        )
      )
      assert.strictEqual(sizes.length, 20)
      assert.isAtMost(Math.max(...sizes), 2)
    }).pipe(Effect.scoped)
  )
})
