// Shared by the browser suites: the path of Chromium, and a folder for screenshots.
import { existsSync, mkdirSync, rmSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const inPath = (name) =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))

/**
 * The environment of a suite: Chromium from `CHROMIUM_PATH` or the path. Prints that the tests are
 * skipped when there is none.
 */
export const chromiumEnvironment = () => {
  const chromium = process.env.CHROMIUM_PATH || inPath("chromium") || inPath("google-chrome")
  if (chromium !== undefined) return { CHROMIUM_PATH: chromium }
  console.error("There is no Chromium, so the tests are skipped. Install it, or set CHROMIUM_PATH.")
  return {}
}

/** Creates an empty folder `reports/<name>`. */
export const emptyReports = (name) => {
  const reports = fileURLToPath(new URL(`../reports/${name}`, import.meta.url))
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
}
