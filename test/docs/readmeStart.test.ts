/**
 * Holds the README's start command to its samples and the examples: the server has every table they
 * use. And its list of spans to the code, and runs the recipe for refused records, whose log line
 * `docs/readme.test.ts` could not compare.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseTableDefinition } from "../../src/internal/columns/columnType.ts"
import { LocalEnvironment, root, runSource, runTool } from "../support/localEnvironment.ts"

const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")
const readme = read("README.md")

/** The tables that the `zerobus local` commands of a text or of its comments start with. */
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

it("names every span of the client", () => {
  const sources = Fs.globSync(["src/*.ts", "src/internal/**/*.ts"], { cwd: root })
    .map(read)
    .join("")
  const spans = [
    ...sources.matchAll(/Effect\.fn\("([\w.]+)"|"(Zerobus(?:Stream)?\.[a-z]\w+)"/g)
  ].map(([, fn, span]) => fn ?? span!)
  const named = /^Spans are [^]*?\n\n/m.exec(readme)![0].match(/(?<=`)\w+\.\w+(?=`)/g)!
  assert.sameMembers([...new Set(spans)], named)
})

const air = "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)"

layer(LocalEnvironment.layer([air]), { excludeTestServices: true, timeout: 60_000 })(
  "the recipe",
  (it) => {
    it.effect(
      "for a record that the server refused saves the others",
      () =>
        Effect.gen(function* () {
          const folder = Path.join(root, ".cache", "readme-refused")
          const code = /```typescript\n([^]*?)```/.exec(readme)![1]!
          Fs.rmSync(folder, { recursive: true, force: true })
          Fs.mkdirSync(folder, { recursive: true })
          Fs.writeFileSync(Path.join(folder, "refused.ts"), code)
          Fs.writeFileSync(
            Path.join(folder, "tsconfig.json"),
            JSON.stringify({
              extends: "../../tsconfig.base.json",
              compilerOptions: { noEmit: true },
              include: ["*.ts"]
            })
          )
          const types = yield* runTool("typescript/bin/tsc", ["-p", folder])
          assert.strictEqual(types.status, 0, types.output)
          const { environment } = yield* LocalEnvironment
          const { output, status } = yield* runSource(Path.join(folder, "refused.ts"), environment)
          assert.strictEqual(status, 0, output)
          assert.match(output, /The server refused a record/)
          const prints = code.slice(code.indexOf("and prints:")).match(/(?<=^\/\/ ).*$/gm)!
          assert.lengthOf(prints, 2)
          for (const line of prints) assert.include(output, `${line}\n`)
        }),
      60_000
    )
  }
)
