// Bundles the page of the local server's console from the folder console: scripts and styles in one
// file each. A server that runs from source imports this file as #console-page; the package
// contains the output of build.mjs.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (...path) => readFileSync(join(root, ...path), "utf8")

/** Licence notices of the bundled packages. */
const notices = ["preact", "uplot"].map((name) => {
  const folder = join("node_modules", name)
  const { version } = JSON.parse(read(folder, "package.json"))
  return `${name} ${version}\n\n${read(folder, "LICENSE").trim()}`
})

const bundle = async () => {
  const build = await rolldown({
    input: join(root, "console/main.tsx"),
    platform: "browser",
    transform: { target: "es2022" }
  })
  const { output } = await build.generate({
    format: "es",
    minify: true
  })
  await build.close()
  return `/*!\n${notices.join("\n\n")}\n*/\n${output[0].code}`
}

let files
/** The files of the page, by name. */
export const pageFiles = () =>
  (files ??= bundle().then((code) => ({
    "index.html": read("console/index.html"),
    "console.js": code,
    "console.css": read("node_modules/uplot/dist/uPlot.min.css") + read("console/console.css"),
    "icon.svg": read("console/icon.svg")
  })))
