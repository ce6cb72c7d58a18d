/**
 * Finds relative links and pictures in the Markdown files of the package that lead to no file of
 * it. npm's page resolves them in the repository, a reader of `node_modules` in the package: a link
 * to a packed file resolves in both.
 */
import * as Path from "node:path"

/** Targets of `[text](target)`, `[name]: target`, `href` and `src`, code excepted. */
export const linksOf = (markdown: string): ReadonlyArray<string> => {
  const prose = markdown.replace(/^(`{3,})[^]*?^\1/gm, "").replace(/`[^`\n]*`/g, "")
  const found = [
    ...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g),
    ...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm),
    ...prose.matchAll(/\b(?:href|src|srcset)="([^"]+)"/g)
  ]
  return found.map(([, target]) => target!)
}

/** The relative links of the Markdown files among `files`, and those without a target there. */
export const checkLinks = (
  files: ReadonlyArray<string>,
  read: (file: string) => string
): { readonly count: number; readonly broken: ReadonlyArray<string> } => {
  const targets = new Set(files)
  for (const file of files)
    for (let folder = Path.posix.dirname(file); folder !== "."; folder = Path.posix.dirname(folder))
      targets.add(folder)
  let count = 0
  const broken: Array<string> = []
  for (const page of files.filter((file) => file.endsWith(".md"))) {
    for (const link of linksOf(read(page))) {
      if (/^(?:[a-z][a-z+.-]*:|\/\/|#)/i.test(link)) continue
      count++
      const path = decodeURIComponent(link.split(/[?#]/)[0]!)
      const target = Path.posix.join(Path.posix.dirname(page), path).replace(/\/$/, "")
      if (!targets.has(target)) broken.push(`${page}: ${link}`)
    }
  }
  return { count, broken }
}
