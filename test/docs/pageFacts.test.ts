/**
 * Checks the README and the guides against the code: every option, variable, error, state, module
 * and command that a page lists exists, and the lists are complete.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { defaults } from "../../src/StreamConfigurationOptions.ts"
import { zerobus } from "../support/commandLine.ts"
import { root } from "../support/localEnvironment.ts"
import { named, read, rowsBelow } from "../support/pages.ts"

const require = createRequire(import.meta.url)
const options = read("docs/options.md")

/** The fields of an interface, in order. */
const fieldsOf = (file: string, declaration: RegExp): ReadonlyArray<string> =>
  [...declaration.exec(read(file))![0].matchAll(/^ {2}readonly (\w+)\??:/gm)].map(
    ([, name]) => name!
  )

describe("what the pages list", () => {
  it("is every option of a stream, with its default", () => {
    const declared = fieldsOf(
      "src/StreamConfigurationOptions.ts",
      /export interface StreamConfigurationOptions<[\s\S]*?\n}/
    )
    const rows = rowsBelow(options, "## Stream options").slice(1)
    assert.deepStrictEqual(
      rows.map(([name]) => named(name!)[0]),
      [...declared]
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

  it("is every setting of a client", () => {
    const settings = fieldsOf(
      "src/ZerobusOptions.ts",
      /export interface ZerobusOptions<[\s\S]*?\n}/
    )
    const tls = fieldsOf("src/ZerobusOptions.ts", /export interface TlsOptions [\s\S]*?\n}/)
    const keepalive = fieldsOf(
      "src/StreamConfigurationOptions.ts",
      /export interface KeepaliveOptions [\s\S]*?\n}/
    )
    for (const [heading, fields] of [
      ["## Settings of a client", settings],
      ["## TLS", tls],
      ["## Keepalive", keepalive]
    ] as const) {
      const rows = rowsBelow(options, heading).slice(1)
      assert.sameMembers(
        rows.flatMap(([name]) => named(name!)),
        [...fields],
        heading
      )
    }
  })

  it("is every state of a stream", () => {
    const states = [...read("src/StreamState.ts").matchAll(/^ {2}\| "(\w+)"/gm)].map(
      ([, state]) => state!
    )
    const rows = rowsBelow(read("docs/ingest.md"), "## Observe a stream").slice(1)
    assert.sameMembers(
      rows.map(([name]) => named(name!)[0]!),
      states
    )
  })

  it("is every variable that is read", () => {
    const source = read("src/ZerobusOptions.ts")
    const documented = /\/\*\*(?:(?!\*\/)[\s\S])*?\*\/\nexport const zerobusConfig/.exec(source)![0]
    const variables = new Set(documented.match(/\b(?:ZEROBUS|DATABRICKS)_[A-Z_]+/g))
    const listed = new Set(
      [...rowsBelow(options, "## Variables"), ...rowsBelow(options, "## Stream options")].flatMap(
        (row) =>
          row
            .slice(0, 3)
            .join(" ")
            .match(/\b(?:ZEROBUS|DATABRICKS)_[A-Z_]+/g) ?? []
      )
    )
    assert.deepStrictEqual([...listed].sort(), [...variables].sort())
  })

  it("is every error", () => {
    const source = read("src/ZerobusError.ts")
    const errors = read("docs/errors.md")
    const tags = [...source.matchAll(/TaggedError\("(\w+)"\)/g)].map(([, tag]) => tag!)
    const inPage = rowsBelow(errors, "# Errors")
      .slice(1)
      .map(([tag]) => named(tag!)[0]!)
    assert.deepStrictEqual([...inPage].sort(), tags.sort())
    const reasons = /RetryableReason = Data.TaggedEnum<\{([\s\S]*?)\n\}>/.exec(source)![1]!
    for (const [, reason] of reasons.matchAll(/^ {2}(\w+): /gm))
      assert.include(errors, `\`${reason}\``)
  })

  it("is where the modules of Effect 4 are", () => {
    const modules = rowsBelow(read("docs/migrating.md"), "## From Effect 3")
      .flatMap(([, now]) => named(now!))
      .filter((name) => name.startsWith("effect/"))
    assert.isAtLeast(modules.length, 10)
    for (const name of modules) assert.doesNotThrow(() => require.resolve(name), undefined, name)
  })

  it("are titles of tests that exist, in the README of the scripted server", () => {
    const sources = new Map(
      Fs.globSync("test/**/*.test.ts", { cwd: root }).map((file) => [
        Path.basename(file),
        read(file).replace(/\s+/g, " ")
      ])
    )
    const quoted = read("test/testing/README.md")
      .split("\n")
      .filter((line) => line.startsWith("| "))
      .flatMap((line) => {
        let file = ""
        return [...line.matchAll(/`(\w+\.test\.ts)`|"([^"]+)"/g)].flatMap(([, name, title]) => {
          if (name === undefined) return file === "" ? [] : [{ file, title: title! }]
          file = name
          return []
        })
      })
    assert.isAbove(quoted.length, 30)
    const missing = quoted.filter(({ file, title }) =>
      title
        .split("...")
        .map((part) => part.trim())
        .some((part) => !(sources.get(file) ?? "").includes(part))
    )
    assert.deepStrictEqual(missing, [])
  })

  it("is every command, with its flags", async () => {
    const commands = [...read("README.md").matchAll(/^npx (?:effect-)?zerobus (.*)$/gm)].map(
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
