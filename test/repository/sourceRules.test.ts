/** Rules for the text of `src` that neither the compiler nor the linter can check. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

const source = Path.resolve(import.meta.dirname, "../../src")
const files = Fs.readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.includes("generated"))
  .sort()
  .map((file) => ({ file, text: Fs.readFileSync(Path.join(source, file), "utf8") }))

/** Text that must not occur in the sources, not even in an object literal, and the reason. */
const banned: ReadonlyArray<readonly [pattern: RegExp, reason: string]> = [
  [
    /\brejectUnauthorized\b(?!: true,)/,
    "certificates are always checked; a custom CA is an option"
  ],
  [/\bNODE_TLS_REJECT_UNAUTHORIZED\b/, "certificates are always checked; a custom CA is an option"],
  [/\bnew Function\b|\beval\(/, "code is never made from data"],
  [/\bvm\.(?:run|Script)|from "node:vm"/, "code is never made from data"],
  [/\bgetBuiltinModule\b/, "modules are imported, where the rules of the rooms see them"],
  [/\bshell:\s*true\b/, "no shell between the program and what it starts"],
  [/@ts-(?:ignore|nocheck)\b/, "the compiler stays on"],
  [/\b(?:TODO|FIXME|XXX)\b/, "open ends belong in an issue"]
]

const bannedIn = (text: string) => banned.filter(([pattern]) => pattern.test(text))

describe("sources", () => {
  it("contain no banned text", () => {
    const found = files.flatMap(({ file, text }) =>
      bannedIn(text).map(([pattern, reason]) => `${file}: ${pattern.source} (${reason})`)
    )
    assert.deepStrictEqual(found, [])
  })

  it.each(['process.getBuiltinModule("node:fs")', 'process?.["getBuiltinModule"]("node:fs")'])(
    "bypass no import rule when loading modules: %s",
    (text) => assert.lengthOf(bannedIn(text), 1)
  )

  it("print the output of commands with terminal/print.ts, which escapes control codes", () => {
    const past = files
      .filter(
        ({ file }) =>
          file.startsWith("cli/") && !file.startsWith("cli/terminal/") && file !== "cli/main.ts"
      )
      .filter(({ text }) => /\bConsole\.|\bconsole\.|\bstd(?:out|err)\.write\(/.test(text))
      .map(({ file }) => file)
    assert.deepStrictEqual(past, ["cli/program.ts"])
  })

  it("have names that describe their content", () => {
    const vague = /(?:^|[/a-z])(?:utils?|helpers?|manager|common|misc|impl)\.ts$/i
    assert.deepStrictEqual(
      files.map(({ file }) => file).filter((file) => vague.test(file)),
      []
    )
  })

  it("open with a paragraph on what the module does", () => {
    const silent = files
      .filter(({ text }) => !/^(?:#!.*\n)?\/\*\*\n/.test(text))
      .map(({ file }) => file)
    assert.deepStrictEqual(silent, [])
  })

  it("lie in folders of at most 25 files", () => {
    const sizes = new Map<string, number>()
    for (const { file } of files)
      sizes.set(Path.dirname(file), (sizes.get(Path.dirname(file)) ?? 0) + 1)
    assert.deepStrictEqual(
      [...sizes]
        .filter(([, size]) => size > 25)
        .map(([folder, size]) => `${folder} has ${size} files: divide it`),
      []
    )
  })

  it("stay under 480 lines", () => {
    const long = files
      .map(({ file, text }) => ({ file, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > 480)
      .map(({ file, lines }) => `${file} has ${lines} lines: split it by concept`)
    assert.deepStrictEqual(long, [])
  })
})
