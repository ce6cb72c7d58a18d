/**
 * Vitest configuration for a test from the documentation: like the tests of this repository, but in
 * a separate folder.
 */
import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["effect-zerobus-source"] },
  ssr: { resolve: { conditions: ["effect-zerobus-source"] } },
  test: { include: ["*.test.ts"] }
})
