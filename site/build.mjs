// Builds the documentation site into `site/out`: README and guides as pages, the reference of every
// entry point, and a search over both. Ends with an error on each thing that typedoc warns of, such
// as a public member without a doc comment, and on each broken link.
import { copyFileSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Application, Converter, LogLevel } from "typedoc"
import { checkLinks } from "./links.mjs"
import { stagePages } from "./pages.mjs"
import { categoryOrder, tidyReference, withoutServiceConstructors } from "./reference.mjs"
import { markdownRules, SiteRouter } from "./router.mjs"

const here = import.meta.dirname
const root = resolve(here, "..")
const out = join(here, "out")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const sources = Object.values(manifest.exports).flatMap(
  (target) => target["effect-zerobus-source"] ?? []
)

/** Types that public signatures name and that no program needs to name. */
const namedOnly = {
  // The type is the compiler's message.
  "src/Column.ts": ["Inner", "Key", "Nullable"],
  // Data that the constructors of `Faults` make.
  "src/local/faults/frameEditor.ts": ["FrameFault"],
  "src/local/faults/ackRules.ts": ["AckRule"]
}

/** Links to the sources, where the build has an address for them, as in the workflow of GitHub. */
const { GITHUB_REPOSITORY, GITHUB_SERVER_URL, GITHUB_SHA } = process.env
const sourceLinks =
  GITHUB_REPOSITORY && GITHUB_SERVER_URL && GITHUB_SHA
    ? {
        sourceLinkTemplate:
          `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/blob/{gitRevision}/` + "{path}#L{line}",
        gitRevision: GITHUB_SHA
      }
    : { disableSources: true }

const { categories, pages, readme } = stagePages(root, join(root, ".cache", "site"))

/** Texts of pages that a browser would take for tags. */
const lost = new Set()

const app = await Application.bootstrap({
  name: `${manifest.name} ${manifest.version}`,
  entryPoints: sources.map((file) => join(root, file)),
  tsconfig: join(root, "src/tsconfig.json"),
  basePath: root,
  readme,
  projectDocuments: pages.map(({ staged }) => staged),
  out,
  router: "site",
  ...sourceLinks,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  defaultCategory: "Reference",
  categorizeByGroup: false,
  categoryOrder: [...categories, ...categoryOrder],
  sort: ["kind", "instance-first", "alphabetical-ignoring-documents"],
  navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
  headings: { readme: false, document: false },
  searchInComments: true,
  searchInDocuments: true,
  hideGenerator: true,
  githubPages: true,
  includeHierarchySummary: false,
  customCss: join(here, "site.css"),
  customJs: join(here, "diagrams.js"),
  favicon: join(here, "favicon.svg"),
  markdownItLoader: markdownRules((text) => lost.add(text)),
  ignoredHighlightLanguages: ["mermaid"],
  highlightLanguages: [
    "bash",
    "console",
    "diff",
    "docker",
    "http",
    "javascript",
    "json",
    "jsonc",
    "ini",
    "proto",
    "python",
    "shell",
    "sql",
    "toml",
    "typescript",
    "yaml"
  ],
  intentionallyNotExported: Object.entries(namedOnly).flatMap(([file, names]) =>
    names.map((name) => `${file}:${name}`)
  ),
  validation: {
    invalidLink: true,
    invalidPath: true,
    notDocumented: true,
    notExported: true,
    rewrittenLink: true,
    unusedMergeModuleWith: true
  },
  logLevel: LogLevel.Warn
})
app.renderer.defineRouter("site", SiteRouter)
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, withoutServiceConstructors)

const project = await app.convert()
if (project === undefined) process.exit(1)
tidyReference(project)
app.validate(project)

// The order of the guides is that of their list.
const order = new Map(pages.map(({ address }, index) => [address, index]))
const rank = ({ frontmatter }) => (frontmatter === undefined ? -1 : order.get(frontmatter.address))
for (const { children } of project.categories) children.sort((a, b) => rank(a) - rank(b))

await app.generateDocs(project, out)
copyFileSync(
  join(here, "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"),
  join(out, "assets/mermaid.js")
)

const { faults, inside, outside, pages: count } = checkLinks(out)
for (const text of lost) faults.push(`a page has the tag ${text}: write it as code`)
for (const fault of faults) console.error(fault)
console.log(
  `${count} pages in site/out; ${inside} links inside the site, ${faults.length} broken; ` +
    `${outside} addresses of other hosts, none of them loaded by a page`
)
if (faults.length > 0 || app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1)
