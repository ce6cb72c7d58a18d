/**
 * Checks `docs/local-server.md` against the command: its options, its metrics, the kinds of its
 * reports, and the samples, which must run.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { changeOf } from "../../src/cli/local/tablesFile.ts"
import { principalsOf } from "../../src/cli/local/principals.ts"
import { parseTables } from "../../src/internal/columns/columnType.ts"
import { makeServerCounters } from "../../src/local/endpoints/serverCounters.ts"
import { type LocalServer, startServer, zerobus } from "../support/commandLine.ts"
import { table } from "../support/storedTables.ts"
import * as Effect from "effect/Effect"

const page = Fs.readFileSync(Path.join(import.meta.dirname, "../../docs/local-server.md"), "utf8")
const blocks = (language: string): ReadonlyArray<string> =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, code]) => code!)

describe("docs/local-server.md", () => {
  it("names every option of the command, and no other", async () => {
    const { out } = await zerobus(["local", "--help"])
    const flags = out.slice(out.indexOf("FLAGS"), out.indexOf("GLOBAL FLAGS"))
    const known = new Set([...flags.matchAll(/(?<=^ {2}|, )--[a-z-]+/gm)].map(([flag]) => flag))
    assert.isAbove(known.size, 15)
    const options = page.slice(page.indexOf("## Options"), page.indexOf("## Tables from"))
    const named = new Set([...options.matchAll(/`(--[a-z-]+)/g)].map(([, flag]) => flag!))
    for (const flag of known)
      assert.isTrue(named.has(flag) || named.has(flag.replace("--", "--no-")), flag)
    for (const flag of named) {
      assert.isTrue(
        known.has(flag) || known.has(flag.replace("--no-", "--")) || flag === "--log-level",
        flag
      )
    }
  })

  it("names every metric, and no other", () => {
    const text = makeServerCounters().prometheus()
    const metrics = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)
    assert.deepStrictEqual(
      [...page.matchAll(/^\| `(zerobus_local_\w+)`/gm)].map(([, name]) => name!).sort(),
      [...metrics].sort()
    )
  })

  it("names every kind of what cannot be changed, and no other", () => {
    const change = changeOf(
      table("a.b.c(id INT, v VARIANT, x INT NOT NULL) PARTITIONED BY (id)"),
      table("a.b.c(id BIGINT, v VARIANT TAGS ('zerobus-rescue'), gone INT)")
    )
    const kinds = change.unchangeable.map(({ kind }) => kind)
    assert.deepStrictEqual(
      [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, kind]) => kind).sort(),
      kinds.sort()
    )
  })

  it("has a file of tables and principals that can be read", () => {
    assert.lengthOf(Result.getOrThrow(parseTables(blocks("sql")[0]!)), 2)
    const principals = [...page.matchAll(/--principal '([^']+)'/g)]
      .map(([, text]) => text!)
      .filter((text) => text !== "NAME: GRANTS")
    assert.lengthOf(Effect.runSync(principalsOf(principals)), 2)
  })
})

describe.skipIf(spawnSync("curl", ["--version"]).status !== 0)(
  "the sample of the REST insert",
  () => {
    let server: LocalServer
    beforeAll(async () => {
      server = await startServer([
        "--memory",
        "--table",
        "main.default.orders(id BIGINT, note STRING)"
      ])
    }, 60_000)
    afterAll(async () => {
      server.child.kill("SIGTERM")
      await server.end
    })

    it("stores its records", async () => {
      const sample = blocks("sh").find((code) => code.includes("/insert"))!
      const env = { ...process.env, ...server.environment, no_proxy: "*" }
      assert.strictEqual(execFileSync("sh", ["-euc", sample], { encoding: "utf8", env }), "{}")
      const metrics = await fetch(`${server.environment["DATABRICKS_WORKSPACE_URL"]}/metrics`)
      assert.match(await metrics.text(), /^zerobus_local_records_total 2$/m)
    })
  }
)
