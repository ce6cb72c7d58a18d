/**
 * Every command that reads a table's location, on a data folder whose path has characters with a
 * special meaning in URLs, SQL or glob patterns.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { type LocalServer, startServer, temporaryFolder, zerobus } from "../support/commandLine.ts"

const fixtures = Path.join(import.meta.dirname, "../fixtures/foreignTables/data/main/spark")
const readings = "main.default.readings"

describe.runIf(process.platform !== "win32")("a data folder of any name", () => {
  for (const name of ["100% #1 a?b=c&d", "50%20off", "it's [a] {b} * räume\\x ~"]) {
    describe(`such as ${name}`, () => {
      const dataDir = Path.join(temporaryFolder(), name, "data")
      const folder = Path.join(dataDir, "main", "default", "readings")
      let server: LocalServer
      const run = async (...args: ReadonlyArray<string>) => {
        const { code, err, out } = await zerobus(args, server.environment)
        assert.strictEqual(code, 0, `${args.join(" ")}\n${err}`)
        return out
      }

      beforeAll(async () => {
        server = await startServer([
          "--data-dir",
          dataDir,
          "--table",
          `${readings}(id BIGINT, note VARIANT)`
        ])
        const file = Path.join(temporaryFolder(), "records.ndjson")
        Fs.writeFileSync(file, '{"id":1,"note":"{\\"a\\":1}"}\n{"id":2}\n')
        await run("ingest", file, "--table", readings)
      }, 60_000)
      afterAll(async () => {
        server.child.kill("SIGTERM")
        await server.end
      })

      it("works with all commands", async () => {
        const shown = JSON.parse(await run("table", "show", readings, "--json"))
        assert.strictEqual(shown.location, pathToFileURL(folder).href)
        assert.include(await run("table", "show", readings), `location ${folder}`)
        // Acknowledged records are in the table within a second or two.
        for (let rows = 0; rows < 2;) {
          rows = JSON.parse(
            await run("query", `SELECT count(*)::INTEGER AS n FROM ${readings}`, "--json")
          ).n
        }
        assert.strictEqual(
          await run(
            "query",
            `SELECT id, note.a::INTEGER AS a FROM ${readings} ORDER BY id`,
            "--json"
          ),
          '{"id":1,"a":1}\n{"id":2,"a":null}\n'
        )
        assert.match(
          await run("table", "rewrite", readings),
          /No file of main\.default\.readings needs to be rewritten/
        )
        await run("table", "alter", readings, "add", "column", "more INT")
        assert.match(
          await run("table", "salvage", readings, "--to", Path.join(temporaryFolder(), "none")),
          /All acknow/
        )
        for (const engine of ["pandas", "duckdb", "spark"]) {
          assert.include(await run("table", "snippet", readings, "--for", engine), "data")
        }
        const foreign = Path.join(dataDir, "main", "default", "deleted")
        Fs.cpSync(Path.join(fixtures, "deleted"), foreign, { recursive: true })
        assert.match(await run("table", "register", foreign), /Registered main\.default\.deleted/)
        assert.strictEqual(
          await run("query", "SELECT count(*) AS n FROM main.default.deleted", "--json"),
          '{"n":104998}\n'
        )
        await run("table", "drop", readings, "--yes")
        assert.isFalse(Fs.existsSync(folder))
      }, 60_000)
    })
  }
})
