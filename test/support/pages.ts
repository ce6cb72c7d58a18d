/** The Markdown pages of the project, and how tests read tables, names and anchors in them. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "./localEnvironment.ts"

/** A file of the project as text. */
export const read = (file: string): string => Fs.readFileSync(Path.join(root, file), "utf8")

/** Every page that people read: those at the top, the guides, and the READMEs of tests. */
export const documents: ReadonlyArray<string> = Fs.globSync(["*.md", "docs/*.md", "test/**/*.md"], {
  cwd: root,
  exclude: ["test/golden/**"]
}).sort()

/** The names in back-ticks of a text. */
export const named = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

/** The rows of the tables between a heading and the next one, as cells, heads included. */
export const rowsBelow = (text: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const page = `\n${text}`
  const section = page.slice(page.indexOf(`\n${heading}\n`)).split(/\n#+ /)[1] ?? ""
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

/** The text of a page without its blocks of code. */
export const prose = (text: string): string => text.replace(/^(```+)[^]*?^\1$/gm, "")

/** The anchors of the headings of a page, as GitHub makes them. */
export const anchors = (text: string): ReadonlySet<string> => {
  const taken = new Map<string, number>()
  const found = new Set<string>()
  for (const [, heading] of prose(text).matchAll(/^#+ (.+)$/gm)) {
    const anchor = heading!
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "")
      .replace(/\s/g, "-")
    const before = taken.get(anchor) ?? 0
    taken.set(anchor, before + 1)
    found.add(before === 0 ? anchor : `${anchor}-${before}`)
  }
  return found
}

/** A link of a page: the file that it leads to, below the project, and its anchor. */
export interface PageLink {
  readonly text: string
  readonly file: string
  readonly anchor: string | undefined
}

/** The links of a page to files of the project; those to other hosts are left out. */
export const linksOf = (page: string): ReadonlyArray<PageLink> =>
  [
    ...prose(read(page)).matchAll(/\[([^\]]*)\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)
  ].map(([text, , target = "", anchor]) => ({
    text: text!,
    file: target === "" ? page : Path.posix.join(Path.posix.dirname(page), target),
    anchor
  }))
