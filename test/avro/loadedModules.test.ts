/** The client loads no Avro module, and the subpath loads no other package. */
import { assert, it } from "@effect/vitest"
import { loadedBy } from "../support/loadedBy.ts"

const ofAvro = (url: string): boolean =>
  /\/src\/(?:internal\/)?avro\/|\/node_modules\/\w*avsc\w*\//.test(url)

it("the client loads no Avro module", () => {
  const loaded = loadedBy('await import("effect-zerobus")')
  assert.isTrue(loaded.some((url) => url.endsWith("/src/Zerobus.ts")))
  assert.deepStrictEqual(loaded.filter(ofAvro), [])
})

it("the subpath loads its own modules", () => {
  const loaded = loadedBy('await import("effect-zerobus/avro")')
  assert.isTrue(loaded.some((url) => url.endsWith("/src/avro/AvroTable.ts")))
  const packages = loaded.filter((url) => url.includes("/node_modules/"))
  assert.deepStrictEqual(
    packages.filter((url) => !/\/node_modules\/effect\//.test(url)),
    []
  )
})
