// Tests the page of the local server's console in Chromium. Screenshots are written to
// reports/console; `--write-screenshot` updates the one in the docs. Without a browser, all tests
// are skipped.
import { existsSync, mkdirSync, rmSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { runSuite } from "./foreignSuite.mjs"

const inPath = (name) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))

const chromium = process.env.CHROMIUM_PATH || inPath("chromium") || inPath("google-chrome")
if (chromium === undefined) {
  console.error("There is no Chromium, so the tests are skipped. Install it, or set CHROMIUM_PATH.")
}
const reports = fileURLToPath(new URL("../reports/console", import.meta.url))
rmSync(reports, { recursive: true, force: true })
mkdirSync(reports, { recursive: true })

const args = process.argv.slice(2)
const writes = args.includes("--write-screenshot")
runSuite(
  "browser",
  args.filter((arg) => arg !== "--write-screenshot"),
  { ...(chromium && { CHROMIUM_PATH: chromium }), ...(writes && { ZEROBUS_WRITE_SCREENSHOT: "1" }) }
)
