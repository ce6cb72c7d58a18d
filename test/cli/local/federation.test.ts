/** Trusted issuers and subjects on the command line. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { issuerOf, subjectsOf } from "../../../src/cli/local/federation.ts"

describe("a trusted issuer", () => {
  it.live("is its name and the file of its keys", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "zerobus-keys-"))),
        (path) => Effect.promise(() => Fs.rm(path, { recursive: true }))
      )
      const file = Path.join(folder, "a=b.json")
      yield* Effect.promise(() => Fs.writeFile(file, "{}"))
      assert.deepStrictEqual(yield* issuerOf(`https://idp.example.com = ${file}`), {
        issuer: "https://idp.example.com",
        keys: "{}"
      })
      yield* Effect.promise(() => Fs.writeFile(file, "x".repeat(1024 * 1024 + 1)))
      for (const [text, says] of [
        [`https://idp=${file}`, /larger than 1048576 bytes/],
        [`https://idp=${folder}/none`, /cannot be read from .*none: ENOENT/],
        ["https://idp", /must read https:\/\/issuer\.example=keys\.json/],
        ["=keys.json", /must read/],
        ["https://idp=", /must read/]
      ] as const) {
        assert.match((yield* Effect.flip(issuerOf(text))).message, says)
      }
    })
  )
})

describe("subjects", () => {
  it.effect("belong to principals that there are", () =>
    Effect.gen(function* () {
      const subjects = yield* subjectsOf(["a=system:x", "b=y=z", "a=second"], ["a", "b", "c"])
      assert.deepStrictEqual(
        [subjects("a"), subjects("b"), subjects("c")],
        [["system:x", "second"], ["y=z"], []]
      )
      const { message } = yield* Effect.flip(subjectsOf(["d=x"], ["a", "b"]))
      assert.match(message, /no principal d for --subject\. There are a, b/)
      assert.match(
        (yield* Effect.flip(subjectsOf(["nobody"], ["a"]))).message,
        /must read principal=subject/
      )
    })
  )
})
