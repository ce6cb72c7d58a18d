/**
 * Tests are in the folder that corresponds to the room they test, so that a test is found from its
 * source. Each room has tests.
 *
 * `src/internal/net/proxy.ts` is tested below `test/internal/net`. A folder of `test` that is not a
 * room of `src` is a suite: it tests the whole package, or contains code that tests share.
 * `test/README.md` has a row for each.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../..")
const filesBelow = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
    .sort()

const sources = filesBelow("src")
const all = filesBelow("test")
const tests = all.filter((file) => file.endsWith(".test.ts"))
const folderOf = (file: string): string => Path.posix.dirname(file)
const rooms = new Set(sources.map(folderOf))
/**
 * Folders that mainly contain other rooms: a test directly in them must test a file directly in
 * them.
 */
const halls = new Set([".", "internal", "local"])

/** Folders of `test` that are not rooms of `src`. */
const suites = [
  "acceptance",
  "benchmark",
  "bridges",
  "browser",
  "docs",
  "faults",
  "generated",
  "golden",
  "interop",
  "otherWriters",
  "repository",
  "security",
  "simulation",
  "support",
  "typedTables",
  "types"
]

/** What is wrong with the location of a test, if anything. */
const misplaced = (file: string): string | undefined => {
  const folder = folderOf(file)
  if (suites.includes(file.split("/")[0]!)) return undefined
  if (!rooms.has(folder)) return `test/${file} is in no room of src`
  const tested = `${file.slice(0, file.indexOf(".", folder.length + 1))}.ts`
  return halls.has(folder) && !sources.includes(tested)
    ? `test/${file} tests no src/${tested}: move it to a room`
    : undefined
}

describe("tests", () => {
  it("are in the room that they test, or in a suite", () => {
    assert.deepStrictEqual(
      tests.flatMap((file) => misplaced(file) ?? []),
      []
    )
    assert.isAbove(tests.length, 0)
  })

  it("are reported in a wrong folder", () => {
    for (const wrong of [
      "found.test.ts",
      "internal/found.test.ts",
      "internal/nets/proxy.test.ts",
      "local/found.test.ts",
      "other/found.test.ts"
    ]) {
      assert.isDefined(misplaced(wrong), wrong)
    }
    for (const right of [
      "Table.property.test.ts",
      "internal/net/topic.test.ts",
      "cli/topic.heavy.test.ts"
    ]) {
      assert.isUndefined(misplaced(right), right)
    }
  })

  it("exist for each room", () => {
    const tested = new Set(tests.map(folderOf))
    assert.deepStrictEqual(
      [...rooms].filter((room) => !tested.has(room)),
      []
    )
  })

  it("are in suites that exist, each with a row in test/README.md", () => {
    const readme = Fs.readFileSync(Path.join(root, "test/README.md"), "utf8")
    const folders = Fs.readdirSync(Path.join(root, "test"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    assert.includeMembers(folders, suites)
    for (const folder of folders)
      assert.include(readme, `\`${folder}\``, `test/README.md has no row for ${folder}`)
  })
})
