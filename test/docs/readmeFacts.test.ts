/**
 * Holds the README's facts to the code: every option, variable, error, module, script and file it
 * names exists, and none is left out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { defaults } from "../../src/StreamConfigurationOptions.ts"
import { zerobus } from "../support/commandLine.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const require = createRequire(import.meta.url)
const readme = Fs.readFileSync(Path.join(root, "README.md"), "utf8")

/** The rows of the table that follows a heading, as cells without back-ticks. */
const rowsBelow = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const section = readme.slice(readme.indexOf(`\n${heading}\n`)).split(/\n#+ /)[1] ?? ""
  return section
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim())
    )
    .filter(([first]) => first !== undefined && !first.startsWith("---"))
}

const named = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

describe("what the README names", () => {
  it("is every option of a stream, with its default", () => {
    const source = Fs.readFileSync(Path.join(root, "src/StreamConfigurationOptions.ts"), "utf8")
    const declaration = /export interface StreamConfigurationOptions<[\s\S]*?\n}/.exec(source)![0]
    const options = [...declaration.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name!)
    const rows = rowsBelow("## Configuration").filter(([first]) => /^`[a-z]/.test(first!))
    assert.deepStrictEqual(
      rows.map(([name]) => named(name!)[0]),
      options
    )
    const known: Readonly<Record<string, unknown>> = defaults
    for (const [name, text] of rows) {
      const expected = known[named(name!)[0]!]
      if (expected === undefined) continue
      const value =
        typeof expected === "boolean"
          ? text === "true"
          : / /.test(text!)
            ? Option.getOrThrow(
                Option.map(Duration.fromInput(text as Duration.Input), Duration.toMillis)
              )
            : Number(text!.replaceAll(",", ""))
      assert.strictEqual(value, expected, name)
    }
  })

  it("is every variable that is read", () => {
    const source = Fs.readFileSync(Path.join(root, "src/ZerobusOptions.ts"), "utf8")
    const documented = /\/\*\*(?:(?!\*\/)[\s\S])*?\*\/\nexport const zerobusConfig/.exec(source)![0]
    const variables = new Set(documented.match(/\b(?:ZEROBUS|DATABRICKS)_[A-Z_]+/g))
    const inReadme = new Set(
      rowsBelow("## Configuration").flatMap(
        (row) =>
          row
            .slice(0, 3)
            .join(" ")
            .match(/\b(?:ZEROBUS|DATABRICKS)_[A-Z_]+/g) ?? []
      )
    )
    assert.deepStrictEqual([...inReadme].sort(), [...variables].sort())
  })

  it("is every metric", () => {
    const source = Fs.readFileSync(Path.join(root, "src/ZerobusMetrics.ts"), "utf8")
    const metrics = [...source.matchAll(/Metric\.\w+\("(zerobus_\w+)"/g)].map(([, name]) => name!)
    const inReadme = rowsBelow("## Metrics")
      .slice(1)
      .flatMap(([names]) => named(names!))
    assert.isAbove(metrics.length, 0)
    assert.deepStrictEqual([...inReadme].sort(), metrics.sort())
  })

  it("is every error", () => {
    const source = Fs.readFileSync(Path.join(root, "src/ZerobusError.ts"), "utf8")
    const tags = [...source.matchAll(/TaggedError\("(\w+)"\)/g)].map(([, tag]) => tag!)
    const inReadme = rowsBelow("## Errors")
      .slice(1)
      .map(([tag]) => named(tag!)[0]!)
    assert.deepStrictEqual([...inReadme].sort(), tags.sort())
  })

  it("is where the modules of Effect 4 are", () => {
    const modules = rowsBelow("### Where the modules of Effect 3 went")
      .flatMap(([, now]) => named(now!))
      .filter((name) => name.startsWith("effect/"))
    assert.isAtLeast(modules.length, 10)
    for (const name of modules) assert.doesNotThrow(() => require.resolve(name), undefined, name)
  })

  it("is a file that exists, or an npm script", () => {
    const scripts = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8")).scripts
    const documents = Fs.globSync(["*.md", "docs/*.md", "test/**/*.md"], {
      cwd: root,
      exclude: ["test/golden/**"]
    })
    assert.includeMembers(documents, ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
    for (const document of documents) {
      const text = Fs.readFileSync(Path.join(root, document), "utf8")
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const file = Path.resolve(root, Path.dirname(document), target!)
        assert.isTrue(Fs.existsSync(file), `${document} links to ${target}`)
      }
      for (const [, script] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
        assert.property(scripts, script!, `${document} names the script ${script}`)
      }
    }
  })

  it("is every command, with its flags", async () => {
    const commands = [...readme.matchAll(/^(?:zerobus|npx effect-zerobus) (.*)$/gm)].map(
      ([, line]) => line!
    )
    assert.isAtLeast(commands.length, 6)
    for (const line of commands) {
      const path = /^[a-z]+(?: (?:create|list|show)\b)?/.exec(line)![0].split(" ")
      const { code, out } = await zerobus([...path, "--help"], {})
      assert.strictEqual(code, 0, line)
      assert.include(out, `zerobus ${path.join(" ")}`, line)
      for (const [flag] of line.replace(/'[^']*'/g, "").matchAll(/--[a-z-]+/g)) {
        assert.match(out, new RegExp(`^ +${flag}\\b`, "m"), line)
      }
    }
  })
})
