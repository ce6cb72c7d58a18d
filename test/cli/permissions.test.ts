/**
 * A server whose user may not write a part of its data folder: errors name the cause, also for the
 * client.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type LocalServer, startServer, temporaryFolder, zerobus } from "../support/commandLine.ts"

/** The superuser has every permission. */
const uid = process.getuid?.() === 0 ? 65534 : process.getuid?.()
const home = temporaryFolder()
const dataDir = Path.join(home, "data")
const at = (...names: ReadonlyArray<string>) => Path.join(dataDir, ...names)
const t = "main.default.t"
const deltaLog = at("main", "default", "t", "_delta_log")
const records = Path.join(temporaryFolder(), "records.ndjson")
let server: LocalServer

const start = async () => {
  server = await startServer(["--data-dir", dataDir], uid)
}
const run = (...args: ReadonlyArray<string>) => zerobus(args, server.environment)
/** Text without the line breaks of the terminal's width. */
const flat = (text: string) => text.replace(/\s+/g, " ")
/** Runs while a folder cannot be written. */
const readOnly = async (path: string, use: () => Promise<void>) => {
  Fs.chmodSync(path, 0o500)
  try {
    await use()
  } finally {
    Fs.chmodSync(path, 0o700)
  }
}

describe.runIf(process.platform !== "win32")(
  "a folder that the server's user may not write",
  () => {
    beforeAll(async () => {
      Fs.chmodSync(home, 0o755)
      Fs.mkdirSync(dataDir, { mode: 0o700 })
      Fs.chownSync(dataDir, uid!, process.getgid!())
      Fs.writeFileSync(records, '{"id":1}\n')
      await start()
      const created = await run("table", "create", `${t}(id BIGINT)`)
      assert.strictEqual(created.code, 0, created.err)
    }, 60_000)
    afterAll(async () => {
      server.child.kill("SIGTERM")
      await server.end
    })

    it(
      "is named to the client, in the list and in the server's log, which says when it works " +
        "again",
      async () => {
        await readOnly(deltaLog, async () => {
          // The log accepts the records; their flush fails.
          const first = await run("ingest", records, "--table", t)
          assert.strictEqual(first.code, 0, first.err)
          await server.says(
            /default\.t: The server's user may not read or write .*_delta_log \(EACCES\)/
          )
          const says = new RegExp(`may not read or write ${deltaLog} \\(EACCES\\).*Give it access`)
          const refused = await run("ingest", records, "--table", t)
          assert.strictEqual(refused.code, 75)
          assert.match(flat(refused.err), says)
          assert.match(flat((await run("table", "list")).out), says)
        })
        await server.says(/The table main\.default\.t is served again/)
        const again = await run("ingest", records, "--table", t)
        assert.strictEqual(again.code, 0, again.err)
      },
      60_000
    )

    it("is named when a table is created, of which nothing is left", async () => {
      await readOnly(at("main"), async () => {
        const created = await run("table", "create", "main.other.u(id BIGINT)")
        assert.strictEqual(created.code, 75)
        assert.match(
          flat(created.err),
          new RegExp(`may not read or write ${at("main")} \\(EACCES\\)`)
        )
        assert.isFalse(Fs.existsSync(at("main", "other")))
        assert.notInclude((await run("table", "list", "main.other")).out, "main.other.u")
      })
      assert.strictEqual((await run("table", "create", "main.other.u(id BIGINT)")).code, 0)
    }, 60_000)

    it("is named at a start that has records to write", async () => {
      Fs.chmodSync(deltaLog, 0o500)
      assert.strictEqual((await run("ingest", records, "--table", t)).code, 0)
      server.child.kill("SIGKILL")
      await server.end
      await start()
      const says = new RegExp(`The server's user may not read or write ${deltaLog} \\(EACCES\\)`)
      await server.says(says)
      assert.match(flat((await run("table", "list")).out), says)
      Fs.chmodSync(deltaLog, 0o700)
      await server.says(/The table main\.default\.t is served again/)
      assert.include((await run("table", "list")).out, `${t}  1 column\n`)
    }, 60_000)
  }
)
