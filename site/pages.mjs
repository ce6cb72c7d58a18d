// The pages of the site beside the reference: README, the guides, and every file of the repository
// that one of them links to. Pages are copied to a folder of their own, at the same paths, each
// with a head that gives title, category and address.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, extname, join, posix } from "node:path"

/** Files that are shown as they are; all others are text, and get a page with their content. */
const images = new Set([".png", ".svg", ".jpg", ".gif", ".webp"])

/** Code comes first, so that links are found outside of it. */
const code = /(^```[^]*?^```|`[^`\n]*`)/
const markdownLink = /(\]\()([^)\s]+)(\))/
const htmlLink = /(<(?:img|a|source)\b[^>]*?\s(?:src|srcset|href)=")([^"]+)(")/
const links = new RegExp([code, markdownLink, htmlLink].map(({ source }) => source).join("|"), "gm")

/** Replaces the target of each link of a Markdown text. */
const mapLinks = (text, map) =>
  text.replace(links, (all, sample, open, target, close, tag, address, quote) => {
    if (sample !== undefined) return all
    if (tag !== undefined) return `${tag}${map(address)}${quote}`
    return `${open}${map(target)}${close}`
  })

/** Images of other hosts, such as badges, with the links around them. The site requests none. */
const foreignImage = String.raw`!\[[^\]]*\]\(https?:[^)]*\)`
const withoutForeignImages = (text) =>
  text
    .replace(new RegExp(String.raw`\[${foreignImage}\]\([^)]*\)|${foreignImage}`, "g"), "")
    .replace(/(?:<a\b[^>]*>\s*)?<img\b[^>]*\ssrc="https?:[^>]*>(?:\s*<\/a>)?/g, "")

const titleOf = (text, file) =>
  (/^# (.+)$/m.exec(text)?.[1] ?? posix.basename(file)).replace(/[`*]/g, "")

/** Fences have one back-tick more than any run of them in the text. */
const fenced = (text, language) => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${text.trimEnd()}\n${fence}\n`
}

const languages = {
  ".ts": "typescript",
  ".mjs": "javascript",
  ".json": "json",
  ".yaml": "yaml",
  ".yml": "yaml",
  ".sh": "bash",
  ".sql": "sql"
}

/** The headings of `docs/README.md` with the pages that are listed below each, in order. */
const sectionsOf = (text) => {
  const sections = []
  for (const part of text.split(/^## /m).slice(1)) {
    const files = [...part.matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, file]) => file)
    if (files.length > 0) sections.push({ title: part.split("\n")[0].trim(), files })
  }
  return sections
}

/** Where a file's page is on the site, without ending. */
const addressOf = (file) => {
  const [folder, ...rest] = file.split("/")
  if (rest.length === 0 && file.endsWith(".md"))
    return `project/${file.replace(/\.md$/, "").toLowerCase()}`
  if (folder !== "docs") return `files/${file.replace(/\.md$/, "")}`
  return `guides/${rest
    .join("/")
    .replace(/\.md$/, "")
    .replace(/^README$/, "index")}`
}

/**
 * Writes the pages below `stage` and returns them, with the categories in their order. Throws when
 * a link leads to a file that does not exist.
 */
export const stagePages = (root, stage) => {
  const read = (file) => readFileSync(join(root, file), "utf8")
  const guides = readdirSync(join(root, "docs"))
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => `docs/${file}`)
  const index = guides.includes("docs/README.md") ? sectionsOf(read("docs/README.md")) : []
  const listed = [
    "docs/README.md",
    ...index.flatMap(({ files }) => files.map((file) => posix.join("docs", file)))
  ]
  const categoryOf = (file) => {
    const section = index.find(({ files }) =>
      files.some((listed) => posix.join("docs", listed) === file)
    )
    if (section !== undefined) return section.title
    if (file === "docs/README.md" && index.length > 0) return index[0].title
    if (!file.endsWith(".md")) return "Files"
    return file.startsWith("docs/") ? "Guides" : "Project"
  }
  rmSync(stage, { recursive: true, force: true })
  const queue = ["README.md", ...guides]
  const known = new Set(queue)
  const faults = []
  const pages = []

  /** The target of a link as it is on the staged page; notes files that become pages. */
  const follow = (from, target) => {
    if (/^(?:[a-z][a-z\d+.-]*:|#|\/\/)/i.test(target)) return target
    const [path, anchor] = target.split("#")
    const file = posix.join(posix.dirname(from), decodeURI(path)).replace(/\/$/, "")
    const found = statSync(join(root, file), { throwIfNoEntry: false })
    if (found === undefined || file.startsWith("..")) {
      faults.push(`${from} links to ${target}, which does not exist`)
      return target
    }
    if (images.has(extname(file))) {
      mkdirSync(dirname(join(stage, file)), { recursive: true })
      writeFileSync(join(stage, file), readFileSync(join(root, file)))
      return target
    }
    if (!known.has(file)) {
      known.add(file)
      queue.push(file)
    }
    const relative = posix.relative(posix.dirname(from), stagedAs(file, found.isDirectory()))
    const hash = anchor === undefined || !file.endsWith(".md") ? "" : `#${anchor}`
    return `${relative.startsWith(".") ? relative : `./${relative}`}${hash}`
  }

  const stagedAs = (file, isFolder) =>
    isFolder ? `${file}/folder.md` : file.endsWith(".md") ? file : `${file}.md`

  const contentOf = (file, isFolder) => {
    if (file.endsWith(".md"))
      return withoutForeignImages(mapLinks(read(file), (to) => follow(file, to)))
    if (!isFolder) return `# ${file}\n\n${fenced(read(file), languages[extname(file)] ?? "text")}`
    const inside = readdirSync(join(root, file), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => `- [${name}](${follow(`${file}/folder.md`, name)})`)
    return `# ${file}\n\n${inside.join("\n")}\n`
  }

  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const isFolder = statSync(join(root, file)).isDirectory()
    const content = contentOf(file, isFolder)
    const staged = join(stage, stagedAs(file, isFolder))
    mkdirSync(dirname(staged), { recursive: true })
    const isReadme = file === "README.md"
    const page = {
      file,
      staged,
      title: titleOf(content, file),
      category: categoryOf(file),
      address: addressOf(file)
    }
    const head = ["title", "category", "address"]
      .map((key) => `${key}: ${JSON.stringify(page[key])}\n`)
      .join("")
    writeFileSync(staged, isReadme ? content : `---\n${head}---\n\n${content}`)
    if (!isReadme) pages.push(page)
  }
  if (faults.length > 0) throw new Error(faults.join("\n"))
  // Those of the list of guides first, in its order.
  const rank = ({ file }) => (listed.indexOf(file) + listed.length + 1) % (listed.length + 1)
  pages.sort((a, b) => rank(a) - rank(b) || (a.file < b.file ? -1 : 1))
  const categories = [
    ...new Set(["Guides", ...index.map(({ title }) => title), "Reference", "Files", "Project"])
  ]
  return { pages, categories, readme: join(stage, "README.md") }
}
