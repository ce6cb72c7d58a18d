// Checks the built site: every link and every file that a page loads is there, anchors too, and
// nothing is loaded from another host.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"

const entities = { "amp": "&", "lt": "<", "gt": ">", "quot": '"', "#39": "'", "#x27": "'" }
const unescaped = (text) => text.replace(/&(#?\w+);/g, (all, name) => entities[name] ?? all)

const attributes = (html, name) =>
  [
    ...html.matchAll(new RegExp(String.raw`<([a-z][a-z\d-]*)\b[^>]*?\s${name}="([^"]*)"`, "gi"))
  ].map(([, tag, value]) => ({ tag: tag.toLowerCase(), value: unescaped(value) }))

/** Tags that make a browser request what they name. */
const loading = new Set(["img", "script", "link", "source", "iframe", "video", "audio", "use"])

/**
 * The links of the site below `folder`: how many there are inside it and to other hosts, and a text
 * for each that is wrong.
 */
export const checkLinks = (folder) => {
  const pages = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".html")
  )
  const anchors = new Map()
  const anchorsOf = (file) => {
    if (!anchors.has(file)) {
      const html = readFileSync(file, "utf8")
      anchors.set(file, new Set(attributes(html, "id").map(({ value }) => value)))
    }
    return anchors.get(file)
  }
  const faults = []
  let inside = 0
  const outside = new Set()
  for (const page of pages) {
    const file = join(folder, page)
    const html = readFileSync(file, "utf8")
    const fault = (text) => faults.push(`${page}: ${text}`)
    for (const { tag, value } of [
      ...attributes(html, "href"),
      ...attributes(html, "src"),
      ...attributes(html, "srcset")
    ]) {
      if (/^(?:mailto|data):/.test(value)) continue
      if (/^(?:[a-z]+:)?\/\//i.test(value)) {
        if (loading.has(tag)) fault(`loads ${value} from another host`)
        outside.add(value)
        continue
      }
      inside++
      const [path, anchor] = value.split("#")
      const named = path === "" ? file : resolve(dirname(file), decodeURI(path.split("?")[0]))
      const target = /(?:^|\/)$/.test(path) && path !== "" ? join(named, "index.html") : named
      const isInside = !relative(folder, target).startsWith(`..${sep}`)
      if (!isInside || !existsSync(target)) fault(`${value} leads nowhere`)
      else if (
        anchor &&
        target.endsWith(".html") &&
        !anchorsOf(target).has(decodeURIComponent(anchor))
      ) {
        fault(`${value} names an anchor that does not exist`)
      }
    }
  }
  return { pages: pages.length, inside, outside: outside.size, faults }
}
