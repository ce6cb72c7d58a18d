/**
 * Checks `CONTRIBUTING.md` against the repository: it lists every room, every npm script and every
 * workflow, and no other.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")
const page = read("CONTRIBUTING.md")

/** The contents in backticks of the first cells of the table whose header starts with `head`. */
const firstCells = (head: string): ReadonlyArray<string> => {
  const table = page.slice(page.indexOf(`\n| ${head} |`) + 1).split("\n\n")[0]!
  return table
    .split("\n")
    .slice(2)
    .flatMap((row) => [...row.split(" |")[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
}
const sorted = (names: Iterable<string>) => [...names].sort()

describe("the page on contributing", () => {
  it("has one row for each room", () => {
    const folders = Fs.readdirSync(Path.join(root, "src"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map(({ parentPath }) => Path.relative(root, parentPath).replaceAll("\\", "/"))
    assert.deepStrictEqual(sorted(firstCells("room")), sorted(new Set(folders)))
  })

  it("has each npm script once", () => {
    const scripts = Object.keys(JSON.parse(read("package.json")).scripts)
    const named = firstCells("script").map(
      (command) => /^npm (?:run )?([\w:-]+)/.exec(command)?.[1]
    )
    // npm runs this one by itself.
    assert.deepStrictEqual(
      sorted(named.filter((name) => name !== undefined)),
      sorted(scripts.filter((name) => name !== "prepack"))
    )
  })

  it("names the existing workflows", () => {
    const named = [...page.matchAll(/\.github\/workflows\/([\w.-]+\.yml)/g)].map(
      ([, name]) => name!
    )
    assert.deepStrictEqual(
      sorted(new Set(named)),
      sorted(Fs.readdirSync(Path.join(root, ".github/workflows")))
    )
  })
})
