/**
 * `zerobus ingest --spool`: a run that is repeatedly killed with SIGKILL resumes with --resume
 * after the last record in its spool. Also outages, other files and wrong flags.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Spool } from "effect-zerobus"
import * as Fs from "node:fs"
import * as Path from "node:path"
import {
  type LocalServer,
  start,
  startServer,
  temporaryFolder,
  zerobus,
  zerobusProcess
} from "../support/commandLine.ts"
import { idTable, killedWith, taken, timesInTable } from "../support/spooledIngest.ts"

const folder = temporaryFolder()
const dataDir = Path.join(folder, "data")
let server: LocalServer
const file = (name: string, content: string): string => {
  const path = Path.join(folder, name)
  Fs.writeFileSync(path, content)
  return path
}

beforeAll(async () => {
  // The rate limit leaves time for the kills.
  const tables = ["killed", "outage", "others"].flatMap((name) => ["--table", idTable(name)])
  server = await startServer(["--data-dir", dataDir, "--rate-limit", "15000", ...tables])
}, 30_000)

afterAll(async () => {
  server.child.kill("SIGKILL")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
})

describe("zerobus ingest --spool", () => {
  it("loses nothing over kills, and doubles only what was in the spool at one", async () => {
    const records = 60_000
    const isBad = (id: number): boolean => id % 1009 === 7
    const lines = Array.from({ length: records }, (_, id) =>
      isBad(id) ? `{"id":"${id}?"}` : `{"id":${id},"text":"record ${id}"}`
    )
    const path = file("killed.ndjson", `${lines.join("\n")}\n`)
    const [spool, rejects] = [
      Path.join(folder, "killed"),
      Path.join(folder, "killed-rejects.ndjson")
    ]
    const args = [
      "ingest",
      path,
      "-t",
      "main.default.killed",
      "--spool",
      spool,
      "--resume",
      "--rejects",
      rejects
    ]
    const waited = new Set<number>()
    let kills = 0
    for (const least of [1, 6_000, 18_000, 30_000, 47_000]) {
      const running = start(args, server.environment)
      await taken(running, spool, least)
      for (const id of await killedWith(running, spool)) waited.add(id)
      kills++
    }
    const last = await zerobusProcess([...args, "--json"], server.environment)
    assert.strictEqual(last.code, 0, last.err)
    assert.isAbove(JSON.parse(last.out).skipped, 0)
    const good = lines.flatMap((_, id) => (isBad(id) ? [] : [id]))
    const { nextOffset } = await Effect.runPromise(Spool.inspect(spool))
    assert.strictEqual(nextOffset, good.length)
    const times = await timesInTable(dataDir, "killed", good.length)
    assert.deepStrictEqual(
      [...times.keys()].sort((a, b) => a - b),
      good
    )
    const doubled = [...times].filter(([, count]) => count > 1)
    assert.deepStrictEqual(
      doubled.filter(([id, count]) => !waited.has(id) || count > kills + 1),
      []
    )
    const bad = Fs.readFileSync(rejects, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).line - 1)
    assert.deepStrictEqual(
      [...new Set(bad)].sort((a, b) => a - b),
      lines.flatMap((_, id) => (isBad(id) ? [id] : []))
    )

    // A second run has nothing to do; appended records are ingested.
    const again = await zerobusProcess([...args, "--json"], server.environment)
    assert.strictEqual(again.code, 0, again.err)
    assert.strictEqual(JSON.parse(again.out).accepted, 0)
    Fs.appendFileSync(path, `{"id":${records},"text":"one more"}\n`)
    const more = await zerobusProcess([...args, "--json"], server.environment)
    assert.strictEqual(JSON.parse(more.out).accepted, 1, more.err)
  }, 120_000)

  it("reads the files during an outage, ends with 75, and drain sends what waits", async () => {
    const path = file(
      "outage.ndjson",
      Array.from({ length: 500 }, (_, id) => `{"id":${id}}\n`).join("")
    )
    const spool = Path.join(folder, "outage")
    const args = ["ingest", path, "-t", "main.default.outage", "--spool", spool]
    const down = {
      ...server.environment,
      ZEROBUS_SERVER_ENDPOINT: "http://127.0.0.1:1",
      ZEROBUS_RECOVERY_BACKOFF: "1 millis"
    }
    const { code, err, out } = await zerobusProcess(args, down)
    assert.strictEqual(code, 75, err)
    assert.include(out, "500 records queued and not known to be durable.")
    assert.include(
      out,
      `Records that are not durable are kept in ${spool}; zerobus spool drain sends it.`
    )
    const shown = await zerobus(["spool", "show", spool])
    assert.include(shown.out, "waiting   500 records")
    const drained = await zerobus(["spool", "drain", spool], server.environment)
    assert.strictEqual(drained.code, 0, drained.err)
    const resumed = await zerobusProcess([...args, "--resume", "--json"], server.environment)
    const { accepted, skipped } = JSON.parse(resumed.out)
    assert.deepStrictEqual([accepted, skipped], [0, 500])
    assert.strictEqual((await timesInTable(dataDir, "outage", 500)).size, 500)
  }, 60_000)

  it("refuses to resume with other files or flags, and names what resumes", async () => {
    const [one, other] = ["one", "other"].map((name, at) =>
      file(`${name}.ndjson`, `{"id":${at}}\n`)
    ) as [string, string]
    const spool = Path.join(folder, "others")
    const run = (...args: ReadonlyArray<string>) =>
      zerobus(
        ["ingest", ...args, "-t", "main.default.others", "--spool", spool],
        server.environment
      )
    assert.strictEqual((await run(one, "--resume")).code, 0)
    for (const args of [[other], [one, other], [one, "--ignore-unknown"]]) {
      const { code, err } = await run(...args, "--resume")
      assert.strictEqual(code, 2)
      assert.include(err, "has no position of these files with these flags")
    }
    assert.include((await run(one)).err, "--resume continues there")
    for (const [args, says] of [
      [["-", "--resume"], "--resume reads the files again"],
      [[one, "--resume", "--skip", "3"], "--skip does not go with it"],
      [[one, "--follow", "--state", Path.join(folder, "state")], "so --state does not go with it"]
    ] as const) {
      const { code, err } = await run(...args)
      assert.strictEqual(code, 2)
      assert.include(err, says)
    }
    const { err } = await zerobus(
      ["ingest", one, "-t", "main.default.others", "--resume"],
      server.environment
    )
    assert.include(err, "--resume goes with --spool")
  }, 30_000)
})
