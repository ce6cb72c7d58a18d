/**
 * Switches over the type of a column name every case, so that the compiler lists the places to
 * extend for a new type.
 */
import { assert, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

const source = Path.resolve(import.meta.dirname, "../../src")

/**
 * The text between the brace at `open` and its closing brace. Braces in strings would be counted
 * too.
 */
const blockAt = (text: string, open: number): string => {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{") depth++
    else if (text[at] === "}" && --depth === 0) return text.slice(open, at)
  }
  return text.slice(open)
}

const switches = Fs.readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => {
    const text = Fs.readFileSync(Path.join(source, file), "utf8")
    return [...text.matchAll(/^( *)switch \((?:\w+\.)*(?:type|columnType)\._tag\) \{/gm)].map(
      (match) => ({
        where: `${file}:${text.slice(0, match.index).split("\n").length}`,
        block: blockAt(text, match.index + match[0].length - 1),
        indent: match[1]!
      })
    )
  })

it("switches over column types have no default", () => {
  assert.isAbove(switches.length, 15)
  const open = switches.filter(({ block, indent }) =>
    new RegExp(`^${indent}  default:`, "m").test(block)
  )
  assert.deepStrictEqual(
    open.map(({ where }) => where),
    []
  )
})
