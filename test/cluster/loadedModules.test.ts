/** The client loads no cluster module: neither the subpath nor Effect's own modules for it. */
import { assert, describe, it } from "@effect/vitest"
import { loadedBy } from "../support/loadedBy.ts"

const ofCluster = (url: string): boolean =>
  /\/src\/cluster\/|\/effect\/dist\/(?:cluster|rpc|sql)\//.test(url)

describe("the modules of the client", () => {
  it("contain no cluster module", () => {
    const loaded = loadedBy('await import("effect-zerobus")')
    assert.isTrue(loaded.some((url) => url.endsWith("/src/Zerobus.ts")))
    assert.deepStrictEqual(loaded.filter(ofCluster), [])
  })

  it("are found where they are loaded", () => {
    const loaded = loadedBy('await import("effect-zerobus/cluster")').filter(ofCluster)
    for (const part of [
      "/src/cluster/ZerobusShards.ts",
      "/effect/dist/cluster/Entity.js",
      "/effect/dist/rpc/Rpc.js"
    ]) {
      assert.isTrue(
        loaded.some((url) => url.endsWith(part)),
        part
      )
    }
  })
})
