/** The client loads no Arrow module: neither the subpath nor the package that it needs. */
import { assert, describe, it } from "@effect/vitest"
import { loadedBy } from "../support/loadedBy.ts"

const ofArrow = (url: string): boolean =>
  /\/src\/(?:internal\/)?(?:arrow|flight)\/|\/node_modules\/(?:apache-arrow|flatbuffers)\//.test(
    url
  )

describe("the modules of the client", () => {
  it("contain no Arrow module", () => {
    const loaded = loadedBy('await import("effect-zerobus")')
    assert.isTrue(loaded.some((url) => url.endsWith("/src/Zerobus.ts")))
    assert.deepStrictEqual(loaded.filter(ofArrow), [])
  })

  it("are found where they are loaded", () => {
    const loaded = loadedBy('await import("effect-zerobus/arrow")').filter(ofArrow)
    for (const part of ["/src/arrow/ArrowTable.ts", "/src/internal/flight/flightRpc.ts"]) {
      assert.isTrue(
        loaded.some((url) => url.endsWith(part)),
        part
      )
    }
    assert.isTrue(loaded.some((url) => url.includes("/node_modules/apache-arrow/")))
  })
})
