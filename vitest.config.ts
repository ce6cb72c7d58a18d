import { defineConfig } from "vitest/config"

/**
 * Suites that need something beyond `npm ci` have a name of their own in the file name and an npm
 * script of their own.
 */
const ownScript = [
  "kafka",
  "postgres",
  "delta",
  "spark",
  "interop",
  "heavy",
  "browser",
  "cluster",
  "site"
]

const suite = (
  name: string,
  include: ReadonlyArray<string>,
  exclude: ReadonlyArray<string> = []
) => ({
  extends: true as const,
  test: {
    name,
    include: [...include],
    exclude: ["test/golden/**", "**/node_modules/**", ...exclude]
  }
})

export default defineConfig({
  // Tests import the package by its name and get the sources, as `tsc` does.
  resolve: { conditions: ["effect-zerobus-source"] },
  ssr: { resolve: { conditions: ["effect-zerobus-source"] } },
  test: {
    pool: "forks",
    testTimeout: 20_000,
    projects: [
      suite(
        "main",
        ["test/**/*.test.ts"],
        [`test/**/*.{${ownScript.join(",")}}.test.ts`, "test/docs/**"]
      ),
      suite("docs", ["test/docs/*.test.ts"]),
      ...ownScript.map((name) => suite(name, [`test/**/*.${name}.test.ts`]))
    ]
  }
})
