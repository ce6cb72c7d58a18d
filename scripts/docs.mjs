// Builds the documentation site into `site/out`. Its packages are installed separately from those
// of the project, because typedoc needs another TypeScript version. They are installed on the first
// run and when `site/package-lock.json` changes.
import { cpSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "./foreignSuite.mjs"

const site = fileURLToPath(new URL("../site", import.meta.url))
const lock = join(site, "package-lock.json")
const installed = join(site, "node_modules/.installed-lock.json")

const isCurrent =
  existsSync(installed) && readFileSync(installed, "utf8") === readFileSync(lock, "utf8")
if (!isCurrent) {
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: site })
  cpSync(lock, installed)
}
run(process.execPath, [join(site, "build.mjs")])
