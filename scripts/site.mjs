// Tests the built documentation site in Chromium at desktop and phone widths. Screenshots are
// written to reports/site. Without a browser, all tests are skipped.
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { chromiumEnvironment, emptyReports } from "./chromium.mjs"
import { runSuite } from "./foreignSuite.mjs"

if (!existsSync(fileURLToPath(new URL("../site/out/index.html", import.meta.url)))) {
  console.error("There is no site yet. Build it first: npm run docs")
  process.exit(1)
}
emptyReports("site")
runSuite("site", process.argv.slice(2), chromiumEnvironment())
