/**
 * Lines stay within 100 columns. The formatter breaks code there but neither comments nor strings,
 * so this rule holds them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseSync } from "rolldown/utils"

const LIMIT = 100
const root = Path.resolve(import.meta.dirname, "../..")

/**
 * The lines over the limit, by number. A line of a template literal with line breaks is left out,
 * because a break would change its text, and so is a line that holds a regular expression.
 */
const wide = (file: string, text: string): ReadonlyArray<number> => {
  const lines = text.split("\n")
  const over = lines.flatMap((line, index) => ([...line].length > LIMIT ? [index + 1] : []))
  if (over.length === 0 || !/\.(?:[cm]?[jt]s|tsx)$/.test(file)) return over
  const exempt = new Set<number>()
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== "object" || node === null) return
    const { end, regex, start, type } = node as Record<string, any>
    if (type === "TemplateElement" || regex) {
      const [first, last] = [lineAt(start), lineAt(end)]
      if (first !== last || regex) for (let at = first; at <= last; at++) exempt.add(at)
    }
    for (const child of Object.values(node)) visit(child)
  }
  visit(parseSync(file, text).program)
  return over.filter((line) => !exempt.has(line))
}

/** Files of the repository's own folders; what is generated or recorded is not written by hand. */
const files = [
  ...Fs.globSync("{src,test,scripts,examples,console}/**/*.{ts,tsx,mts,mjs}", { cwd: root }),
  ...Fs.globSync("*.{ts,mts}", { cwd: root })
]
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => !/^test\/(?:generated|golden|fixtures)\//.test(file))
  .sort()

describe("lines", () => {
  it("have at most 100 columns", () => {
    assert.deepStrictEqual(
      files.flatMap((file) =>
        wide(file, Fs.readFileSync(Path.join(root, file), "utf8")).map((line) => `${file}:${line}`)
      ),
      []
    )
  })

  it.each([
    ["a comment", `// ${"word ".repeat(20)}`, [1]],
    ["a string", `f("${"word ".repeat(20)}")`, [1]],
    ["a template", `f(\`${"word ".repeat(20)}\`)`, [1]],
    ["a template with a line break", `f(\`${"word ".repeat(20)}\n\`)`, []],
    ["a regular expression", `f(/${"word ".repeat(20)}/)`, []]
  ] as const)("that are too long are found in %s", (_, text, found) => {
    assert.deepStrictEqual(wide("a.ts", text), found)
  })
})
