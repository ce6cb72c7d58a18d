/** Finds the modules that a process loads. */
import { afterAll, assert } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { temporaryFolder } from "./commandLine.ts"

const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

/** Prints the address of each module that the process loads. */
const listing = Path.join(folder, "listing.mjs")
Fs.writeFileSync(
  listing,
  `import { writeSync } from "node:fs"
import { registerHooks } from "node:module"
registerHooks({
  load: (url, context, next) => {
    writeSync(1, url + "\\n")
    return next(url, context)
  }
})
`
)

/** The addresses of the modules that a process loads for a statement. */
export const loadedBy = (statement: string): ReadonlyArray<string> => {
  const hooks = ["--conditions=effect-zerobus-source", "--import", pathToFileURL(listing).href]
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [...hooks, "--input-type=module", "--eval", statement],
    { encoding: "utf8", cwd: import.meta.dirname }
  )
  assert.strictEqual(status, 0, stderr)
  return stdout.split("\n")
}
