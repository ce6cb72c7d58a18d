/**
 * Holds the README's samples to the code: each is type-checked, run against a local server, and
 * prints what it says it prints.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LocalEnvironment, root, runSource, runTool } from "../support/localEnvironment.ts"

const readme = Fs.readFileSync(Path.join(root, "README.md"), "utf8")

/**
 * The samples: every block of TypeScript. One that opens with a file name of a test is run by
 * vitest, the others as programs.
 */
const samples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code], index) => {
  const name = /^\/\/ (\S+\.ts)\n/.exec(code!)?.[1]
  return {
    code: code!,
    file: name ?? `sample-${index + 1}.ts`,
    isTest: name?.endsWith(".test.ts") === true,
    prints: [...code!.matchAll(/^\/\/ prints: (.*)$/gm)].map(([, line]) => `${line}\n`).join("")
  }
})

/**
 * The samples stand inside the repository, so that the package's name resolves as it does for its
 * tests.
 */
const folder = Path.join(root, ".cache", "readme")

const tables = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)"
]

layer(LocalEnvironment.layer(tables), { excludeTestServices: true, timeout: 60_000 })(
  "samples of the README",
  (it) => {
    it.effect(
      "type-check",
      () =>
        Effect.gen(function* () {
          Fs.rmSync(folder, { recursive: true, force: true })
          Fs.mkdirSync(folder, { recursive: true })
          for (const { code, file } of samples) Fs.writeFileSync(Path.join(folder, file), code)
          Fs.writeFileSync(
            Path.join(folder, "tsconfig.json"),
            JSON.stringify({
              extends: "../../tsconfig.base.json",
              compilerOptions: { noEmit: true },
              include: ["*.ts"]
            })
          )
          assert.isAtLeast(samples.length, 4)
          const { output, status } = yield* runTool("typescript/bin/tsc", ["-p", folder])
          assert.strictEqual(status, 0, output)
        }),
      60_000
    )

    for (const { file, isTest, prints } of samples) {
      it.effect(
        `${file} ${isTest ? "passes" : `prints ${prints.trim()}`}`,
        () =>
          Effect.gen(function* () {
            const { environment } = yield* LocalEnvironment
            if (isTest) {
              const { output, status } = yield* runTool("vitest/vitest.mjs", [
                "run",
                "--root",
                folder,
                "--config",
                Path.join(root, "test/support/sampleConfig.ts"),
                file
              ])
              assert.strictEqual(status, 0, output)
              return
            }
            assert.notStrictEqual(prints, "", "says what it prints")
            const { output, status } = yield* runSource(Path.join(folder, file), environment)
            assert.deepStrictEqual({ output, status }, { output: prints, status: 0 })
          }),
        60_000
      )
    }
  }
)
