/**
 * The client loads nothing of the cluster: neither the subpath nor Effect's own modules for it.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { temporaryFolder } from "../support/commandLine.ts"

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

const loadedBy = (statement: string): ReadonlyArray<string> => {
  const hooks = ["--conditions=effect-zerobus-source", "--import", pathToFileURL(listing).href]
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [...hooks, "--input-type=module", "--eval", statement],
    { encoding: "utf8", cwd: import.meta.dirname }
  )
  assert.strictEqual(status, 0, stderr)
  return stdout.split("\n")
}

const ofCluster = (url: string): boolean => /\/src\/cluster\/|\/effect\/dist\/(?:cluster|rpc|sql)\//.test(url)

describe("the modules of the client", () => {
  it("are none of the cluster's", () => {
    const loaded = loadedBy('await import("effect-zerobus")')
    assert.isTrue(loaded.some((url) => url.endsWith("/src/Zerobus.ts")))
    assert.deepStrictEqual(loaded.filter(ofCluster), [])
  })

  it("are found where they are loaded", () => {
    const loaded = loadedBy('await import("effect-zerobus/cluster")').filter(ofCluster)
    for (const part of ["/src/cluster/ZerobusShards.ts", "/effect/dist/cluster/Entity.js", "/effect/dist/rpc/Rpc.js"]) {
      assert.isTrue(
        loaded.some((url) => url.endsWith(part)),
        part
      )
    }
  })
})
