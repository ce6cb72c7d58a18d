import { defineConfig } from "vitest/config"

export default defineConfig({
  // Tests import the package by its name and get the sources, as `tsc` does.
  resolve: { conditions: ["effect-zerobus-source"] },
  ssr: { resolve: { conditions: ["effect-zerobus-source"] } },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/golden/**", "node_modules/**"],
    pool: "forks",
    testTimeout: 20_000
  }
})
