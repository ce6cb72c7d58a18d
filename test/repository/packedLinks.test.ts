/**
 * The links of the packed Markdown files lead to packed files. `npm run test:package` checks the
 * same for the tarball.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { checkLinks, linksOf } from "../../scripts/packedLinks.ts"

const root = Path.resolve(import.meta.dirname, "../..")

describe("the packed pages", () => {
  it("link to packed files only", () => {
    const npm = process.env["npm_execpath"]
    const [command, args] = npm ? [process.execPath, [npm]] : ["npm", []]
    const options = ["pack", "--dry-run", "--json", "--ignore-scripts"]
    const answer = JSON.parse(
      execFileSync(command, [...args, ...options], { cwd: root, encoding: "utf8" })
    )
    const [packed] = Array.isArray(answer) ? answer : Object.values(answer)
    const files: ReadonlyArray<string> = packed.files.map((file: { path: string }) => file.path)
    const { broken, count } = checkLinks(files, (file) =>
      Fs.readFileSync(Path.join(root, file), "utf8")
    )
    assert.deepStrictEqual(broken, [])
    assert.isAbove(count, 50)
  })

  it("are searched for every kind of link, and not in code", () => {
    const page =
      'A [link](a.md#b) and ![a picture](c.png "title"), <img src="d.png">, `[no](e.md)`.\n\n' +
      "```md\n[no](f.md)\n```\n\n[name]: g.md\n"
    assert.deepStrictEqual(linksOf(page), ["a.md#b", "c.png", "g.md", "d.png"])
  })

  it("have no link that leaves the package", () => {
    const pages: Readonly<Record<string, string>> = {
      "README.md": "[a](docs/a.md) [b](docs/b.md) [c](docs) [d](https://host.example) [e](#e)",
      "docs/a.md": "[a](../README.md) [b](../../README.md) [c](./a.md?x#y)"
    }
    assert.deepStrictEqual(
      checkLinks(Object.keys(pages), (file) => pages[file]!),
      { count: 6, broken: ["README.md: docs/b.md", "docs/a.md: ../../README.md"] }
    )
  })
})
