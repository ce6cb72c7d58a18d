/**
 * Checks the samples of the README and the guides: all are type-checked, and each complete program
 * runs against a local server and prints what its `// prints:` lines contain. In a program with `//
 * logs:` lines the output must also contain those texts; other programs print nothing else.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LocalEnvironment, root, runSource, runTool } from "../support/localEnvironment.ts"
import { pages, type Sample, samples } from "../support/pageSamples.ts"

/**
 * Inside the repository, so that the package name resolves as it does in the package's own tests.
 */
const folder = Path.join(root, ".cache", "samples")
const complete = samples.filter(({ kind }) => kind !== "fragment")
const fragments = samples.filter(({ kind }) => kind === "fragment")

const tables = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)"
]

/** Writes the files of samples into a separate folder and compiles them. */
const compile = (name: string, files: ReadonlyArray<Sample>, options: object = {}) => {
  const place = Path.join(folder, name)
  Fs.rmSync(place, { recursive: true, force: true })
  Fs.mkdirSync(place, { recursive: true })
  for (const { code, file } of files) Fs.writeFileSync(Path.join(place, file), code)
  const compilerOptions = { noEmit: true, ...options }
  const config = { extends: "../../../tsconfig.base.json", compilerOptions, include: ["*.ts"] }
  Fs.writeFileSync(Path.join(place, "tsconfig.json"), JSON.stringify(config))
  return runTool("typescript/bin/tsc", ["-p", place])
}

const linesAfter = (mark: string, code: string) =>
  [...code.matchAll(new RegExp(`^// ${mark}: (.*)$`, "gm"))].map(([, line]) => line!)

layer(LocalEnvironment.layer(tables), { excludeTestServices: true, timeout: 60_000 })(
  "samples",
  (it) => {
    it.effect(
      "of programs compile",
      () =>
        Effect.gen(function* () {
          assert.isAtLeast(complete.length, 10)
          const { output, status } = yield* compile("programs", complete)
          assert.strictEqual(status, 0, output)
        }),
      60_000
    )

    it.effect(
      "of fragments compile",
      () =>
        Effect.gen(function* () {
          assert.isAtLeast(fragments.length, 10)
          const { output, status } = yield* compile("fragments", fragments, {
            noUnusedLocals: false
          })
          assert.strictEqual(status, 0, output)
        }),
      60_000
    )

    it.effect("are all of the TypeScript in the pages", () =>
      Effect.sync(() => {
        const opened = pages.flatMap(
          (page) =>
            Fs.readFileSync(Path.join(root, page), "utf8").match(
              /^```(?:ts|typescript|js|javascript)\b.*$/gm
            ) ?? []
        )
        assert.strictEqual(samples.length, opened.length)
      })
    )

    for (const { code, file, kind } of complete) {
      it.effect(
        `${file} ${kind === "test" ? "passes" : `prints ${linesAfter("prints", code).join(", ")}`}`,
        () =>
          Effect.gen(function* () {
            const place = Path.join(folder, "programs")
            if (kind === "test") {
              const config = Path.join(root, "test/support/sampleConfig.ts")
              const args = ["run", "--root", place, "--config", config, file]
              const { output, status } = yield* runTool("vitest/vitest.mjs", args)
              assert.strictEqual(status, 0, output)
              assert.match(output, /1 passed/)
              return
            }
            const prints = linesAfter("prints", code)
            const logs = linesAfter("logs", code)
            assert.isAbove(prints.length, 0, "a program has a prints line")
            const { environment } = yield* LocalEnvironment
            const { output, status } = yield* runSource(Path.join(place, file), environment)
            assert.strictEqual(status, 0, output)
            if (logs.length === 0)
              assert.strictEqual(output, prints.map((line) => `${line}\n`).join(""))
            for (const text of logs) assert.include(output, text)
            for (const line of prints) assert.include(output, `${line}\n`)
          }),
        60_000
      )
    }
  }
)
