// Tests the page of the local server's console in Chromium. Screenshots are written to
// reports/console; `--write-screenshot` updates the one in the docs. Without a browser, all tests
// are skipped.
import { chromiumEnvironment, emptyReports } from "./chromium.mjs"
import { runSuite } from "./foreignSuite.mjs"

emptyReports("console")
const args = process.argv.slice(2)
const writes = args.includes("--write-screenshot")
runSuite(
  "browser",
  args.filter((arg) => arg !== "--write-screenshot"),
  { ...chromiumEnvironment(), ...(writes && { ZEROBUS_WRITE_SCREENSHOT: "1" }) }
)
