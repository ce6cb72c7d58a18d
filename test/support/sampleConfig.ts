/**
 * How vitest runs a test that stands in the documentation: as the tests of this repository, but
 * from a folder of its own.
 */
import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["effect-zerobus-source"] },
  ssr: { resolve: { conditions: ["effect-zerobus-source"] } },
  test: { include: ["*.test.ts"] }
})
