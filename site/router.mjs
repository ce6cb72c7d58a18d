// Where pages are on the site, and how anchors are made: as GitHub makes them, so that the links of
// the guides work in both places.
import { DocumentReflection, StructureRouter } from "typedoc"

/** The anchor of a heading on GitHub. */
const gitHubAnchor = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-")

export class SiteRouter extends StructureRouter {
  getIdealBaseName(reflection) {
    return reflection instanceof DocumentReflection
      ? reflection.frontmatter.address
      : `reference/${super.getIdealBaseName(reflection)}`
  }

  getSlugger(target) {
    const slugger = super.getSlugger(target)
    if (target instanceof DocumentReflection || target.parent === undefined) {
      slugger.serialize = gitHubAnchor
    }
    return slugger
  }
}

/** Tags that Markdown pages may use. Any other, as in `ARRAY<T>`, is text that lacks back-ticks. */
const tags =
  /^<\/?(?:a|b|br|details|div|em|img|kbd|p|picture|source|strong|sub|summary|sup)\b|^<!--/

/**
 * What pages need beyond Markdown: headings with code in them have that code in their anchor too.
 * Calls `onLost` with text that a browser would take for a tag and not show.
 */
export const markdownRules = (onLost) => (parser) => {
  parser.core.ruler.push("site", ({ tokens }) => {
    tokens.forEach((token, index) => {
      for (const inner of [token, ...(token.children ?? [])]) {
        if (inner.type.startsWith("html_") && !tags.test(inner.content))
          onLost(inner.content.trim())
      }
      if (token.type !== "heading_open") return
      for (const child of tokens[index + 1].children) {
        if (child.type === "code_inline")
          child.children = [{ type: "text", content: child.content }]
      }
    })
  })
}
