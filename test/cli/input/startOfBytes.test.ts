/** The start of a byte stream, and the whole stream that is read afterwards. */
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { startOfBytes } from "../../../src/cli/input/startOfBytes.ts"

const chunk = (n: number) => Uint8Array.of(n)

it.effect.each([0, 1, 2, 5])(
  "the whole has every chunk once, in order, after %i were looked at",
  (looked) =>
    Effect.gen(function* () {
      let pulled = 0
      const source = Stream.fromIterable([1, 2, 3, 4]).pipe(
        Stream.rechunk(1),
        Stream.map((n) => {
          pulled++
          return chunk(n)
        })
      )
      const seen: Array<number> = []
      const whole = yield* startOfBytes(source, ([n]) => {
        seen.push(n!)
        return seen.length < looked
      })
      assert.deepStrictEqual(seen, [1, 2, 3, 4].slice(0, Math.max(looked, 1)))
      assert.strictEqual(pulled, seen.length)
      const all = yield* Stream.runCollect(whole)
      assert.deepStrictEqual(
        all.map(([n]) => n),
        [1, 2, 3, 4]
      )
    })
)

it.effect("an empty stream stays empty, and a failure is that of the stream", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(
      yield* Stream.runCollect(yield* startOfBytes(Stream.empty, () => true)),
      []
    )
    const failing = Stream.concat(Stream.make(chunk(1)), Stream.fail("broken" as const))
    assert.strictEqual(yield* Effect.flip(startOfBytes(failing, () => true)), "broken")
    const later = yield* startOfBytes(failing, () => false)
    assert.strictEqual(yield* Effect.flip(Stream.runDrain(later)), "broken")
  })
)
