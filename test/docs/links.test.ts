/**
 * Every link in the pages points to a file and a heading that exist, the index lists every guide,
 * and each of the thirty questions is answered two clicks from the README. No line is too long.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "../support/localEnvironment.ts"
import { anchors, documents, linksOf, prose, read } from "../support/pages.ts"

const guides = documents.filter((page) => page.startsWith("docs/"))

describe("the links of the pages", () => {
  it("lead to files and headings that exist", () => {
    assert.includeMembers([...documents], ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
    const links = documents.flatMap((page) => linksOf(page).map((link) => ({ page, ...link })))
    assert.isAbove(links.length, 200)
    assert.isAbove(links.filter(({ anchor }) => anchor !== undefined).length, 50)
    const broken = links.filter(({ anchor, file }) => {
      if (!Fs.existsSync(Path.join(root, file))) return true
      return anchor !== undefined && !anchors(read(file)).has(anchor)
    })
    assert.deepStrictEqual(
      broken.map(({ page, text }) => `${page}: ${text}`),
      []
    )
  })

  it("by reference are defined", () => {
    const undefinedNames = documents.flatMap((page) =>
      [...prose(read(page)).matchAll(/\]\[([\w.-]+)\]/g)]
        .filter(([, name]) => !read(page).includes(`\n[${name}]: `))
        .map(([link]) => `${page}: ${link}`)
    )
    assert.deepStrictEqual(undefinedNames, [])
  })

  it("name npm scripts that exist", () => {
    const scripts = JSON.parse(read("package.json")).scripts as Readonly<Record<string, string>>
    for (const page of documents) {
      for (const [, script] of read(page).matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
        assert.property(scripts, script!, `${page} names the script ${script}`)
      }
    }
  })
})

describe("the guides", () => {
  it("are all in the index, in one order", () => {
    const index = linksOf("docs/README.md").filter(({ file }) => guides.includes(file))
    const listed = index.map(({ file }) => file)
    assert.includeMembers(
      listed,
      guides.filter((page) => page !== "docs/README.md")
    )
    const numbers = [...read("docs/README.md").matchAll(/^(\d+)\. \[/gm)].map(([, number]) =>
      Number(number)
    )
    assert.deepStrictEqual(
      numbers,
      numbers.map((_, index) => index + 1)
    )
    assert.strictEqual(numbers.length, guides.length - 1)
  })

  it("answer thirty questions, two clicks from the README", () => {
    const page = "docs/questions.md"
    assert.isTrue(linksOf("README.md").some(({ file }) => file === page))
    const questions = read(page).match(/^\d+\. [^]*?\?$/gm)!
    assert.lengthOf(questions, 30)
    for (const question of questions) assert.match(question, /\]\([\w./-]+(?:#[\w-]+)?\)/)
  })
})

describe("the lines of the pages", () => {
  it("hold no marks of a merge", () => {
    assert.deepStrictEqual(
      documents.filter((page) => /^(?:<{7}|={7}|>{7})/m.test(read(page))),
      []
    )
  })

  it("form tables with one head each", () => {
    const split = documents.flatMap((page) =>
      [...prose(read(page)).matchAll(/(?:^|\n)(?!\|)[^\n]*\n(\|[^\n]*)\n(?!\| ---)/g)].map(
        ([, row]) => `${page}: ${row}`
      )
    )
    assert.deepStrictEqual(split, [])
  })

  it("have at most 100 columns, but for tables and links", () => {
    const exempt = /^\s*\||^\[!\[|^\[[\w-]+\]: |^\s*(?:[-*] )?!?\[[^\]]*\]\([^)]*\)[.,]?$/
    const long = documents.flatMap((page) =>
      read(page)
        .split("\n")
        .flatMap((line, index) =>
          [...line].length > 100 && !exempt.test(line) ? [`${page}:${index + 1}`] : []
        )
    )
    // Recorded output of a command is not wrapped.
    assert.deepStrictEqual(
      long.filter((place) => !place.startsWith("docs/doctor.md")),
      []
    )
  })
})
