/**
 * What the build of the documentation site notices: broken links, anchors that do not exist, files
 * of other hosts. And which files become pages.
 */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { checkLinks } from "../../site/links.mjs"
import { stagePages } from "../../site/pages.mjs"

let folder: string
beforeEach(() => {
  folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-site-"))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

const write = (files: Readonly<Record<string, string>>) => {
  for (const [file, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.dirname(Path.join(folder, file)), { recursive: true })
    Fs.writeFileSync(Path.join(folder, file), text)
  }
}

describe("the check of links", () => {
  const target = '<h2 class="x" id="a-heading">A heading</h2>'

  it("passes links to files, folders, anchors and other hosts", () => {
    write({
      "index.html":
        `${target}<a href="b/c.html#a-heading"></a><a href="#a-heading"></a>` +
        '<a href="https://example.com/x"></a><a href="mailto:a@example.com"></a>' +
        '<img src="data:image/png;base64,AA"><script src="b/d.js?v=1"></script>',
      "b/c.html": `${target}<a href="../#a-heading"></a><a href="..">up</a>`,
      "b/d.js": ""
    })
    const { faults, inside, outside, pages } = checkLinks(folder)
    assert.deepStrictEqual(faults, [])
    assert.deepStrictEqual({ inside, outside, pages }, { inside: 5, outside: 1, pages: 2 })
  })

  it.each([
    ['<a href="gone.html"></a>', "gone.html leads nowhere"],
    ['<a class="x" href="b/c.html#gone"></a>', "b/c.html#gone names an anchor that does not exist"],
    ['<a href="#gone"></a>', "#gone names an anchor that does not exist"],
    ['<a href="./#gone"></a>', "./#gone names an anchor that does not exist"],
    ['<a href="../outside.html"></a>', "../outside.html leads nowhere"],
    ['<img alt="" src="https://x.test/y.svg">', "loads https://x.test/y.svg from another host"],
    ['<script src="//x.test/y.js"></script>', "loads //x.test/y.js from another host"],
    ['<link rel="stylesheet" href="https://x.test/y.css">', "loads https://x.test/y.css from"]
  ])("notices %s", (html, fault) => {
    write({ "index.html": html, "b/c.html": target })
    const { faults } = checkLinks(folder)
    assert.lengthOf(faults, 1)
    assert.include(faults[0], fault)
  })
})

describe("the pages", () => {
  const stage = () => stagePages(folder, Path.join(folder, "stage"))
  const staged = (file: string) => Fs.readFileSync(Path.join(folder, "stage", file), "utf8")

  it("are README, guides in the order of their list, and what these link to", () => {
    write({
      "README.md":
        "# Zero\n\n[![build](https://x.test/b.svg)](https://x.test) [guide](docs/b.md#two) " +
        "`[code](gone.md)`\n\n```md\n[code](gone.md)\n```\n\n![picture](docs/p.png)\n",
      "docs/README.md": "# Guides\n\n## First\n\n- [B](b.md)\n\n## Second\n\n- [A](a.md)\n",
      "docs/a.md":
        "# `A` page\n\n[source](../src/x.ts) [folder](../examples) [out](https://x.test)\n",
      "docs/b.md": "# B\n\n## Two\n",
      "docs/p.png": "",
      "src/x.ts": "const fence = '```'\n",
      "examples/y.ts": "export {}\n"
    })
    const { categories, pages } = stage()
    assert.deepStrictEqual(
      pages.map(({ address, category, title }) => [address, category, title]),
      [
        ["guides/index", "First", "Guides"],
        ["guides/b", "First", "B"],
        ["guides/a", "Second", "A page"],
        ["files/examples", "Files", "examples"],
        ["files/examples/y.ts", "Files", "examples/y.ts"],
        ["files/src/x.ts", "Files", "src/x.ts"]
      ]
    )
    assert.includeMembers([...categories], ["First", "Second", "Reference"])
    assert.include(staged("README.md"), "[guide](./docs/b.md#two) `[code](gone.md)`")
    assert.notInclude(staged("README.md"), "b.svg")
    assert.include(staged("docs/a.md"), "[source](../src/x.ts.md) [folder](../examples/folder.md)")
    assert.include(staged("src/x.ts.md"), "````typescript\nconst fence = '```'\n````")
    assert.isTrue(Fs.existsSync(Path.join(folder, "stage/docs/p.png")))
  })

  it("refuse links to files that do not exist", () => {
    write({ "README.md": "[a](docs/gone.md) [b](../outside.md)", "docs/a.md": "# A\n" })
    assert.throws(stage, /README\.md links to docs\/gone\.md[^]*links to \.\.\/outside\.md/)
  })
})
