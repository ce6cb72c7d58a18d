/**
 * `zerobus ingest --follow --spool`: a growing file through SIGKILLs, rotation, truncation and an
 * outage. Nothing is lost, and only records in the spool at a kill may be duplicated.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Spool } from "effect-zerobus"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import {
  type LocalServer,
  type Running,
  start,
  startServer,
  temporaryFolder,
  zerobus
} from "../support/commandLine.ts"
import { upTo } from "../support/persistentStreams.ts"
import {
  addRecords,
  begun,
  idsWaiting,
  idTable,
  killedWith,
  taken,
  timesInTable
} from "../support/spooledIngest.ts"

const folder = temporaryFolder()
const dataDir = Path.join(folder, "data")
let server: LocalServer

beforeAll(async () => {
  const tables = [
    "killed",
    "rotated",
    "cut",
    "gone",
    "copied",
    "outage",
    "others",
    "emptied",
    "headed"
  ].flatMap((name) => ["--table", idTable(name)])
  // The rate limit leaves time for the kills.
  server = await startServer(["--data-dir", dataDir, "--rate-limit", "15000", ...tables])
}, 30_000)

afterAll(async () => {
  server.child.kill("SIGKILL")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
})

const ndjson = (ids: ReadonlyArray<number>): string =>
  ids.map((id) => `{"id":${id},"text":"record ${id}"}\n`).join("")
const csv = (ids: ReadonlyArray<number>): string => ids.map((id) => `record;${id}\n`).join("")

/** A followed file with its own table and spool. */
const following = (name: string, extension: string, content: string) => {
  const path = Path.join(folder, `${name}.${extension}`)
  const spool = Path.join(folder, `${name}-spool`)
  Fs.writeFileSync(path, content)
  const args = ["ingest", path, "-t", `main.default.${name}`, "--follow", "--spool", spool]
  const begin = (environment = server.environment): Running => start(args, environment)
  return { path, spool, args, begin, append: (text: string) => Fs.appendFileSync(path, text) }
}

/** Stops a run as a user does, and returns its output. */
const stopped = async (running: Running) => {
  running.child.kill("SIGINT")
  const ended = await running.end
  assert.strictEqual(ended.code, 130, ended.err)
  return ended
}

/** Checks that all ids are there, and that only ids waiting at a kill are duplicated. */
const check = async (
  name: string,
  ids: number,
  waited: ReadonlySet<number>,
  kills: number
): Promise<void> => {
  const times = await timesInTable(dataDir, name, ids)
  assert.deepStrictEqual(
    [...times.keys()].sort((a, b) => a - b),
    upTo(ids)
  )
  const doubled = [...times].filter(([, count]) => count > 1)
  assert.deepStrictEqual(
    doubled.filter(([id, count]) => !waited.has(id) || count > kills + 1),
    []
  )
}

describe("zerobus ingest --follow --spool", () => {
  it("loses nothing over kills as the file grows, and repeats only spooled records", async () => {
    const records = 50_000
    const { append, begin, spool } = following("killed", "ndjson", ndjson(upTo(10_000)))
    const waited = new Set<number>()
    let [kills, written] = [0, 10_000]
    for (const least of [1, 7_000, 15_000, 30_000, 44_000]) {
      const running = begin()
      // Appended text ends in the middle of a line, like a flushed buffer.
      const next = Math.min(records, least + 12_000)
      const more = ndjson(upTo(Math.max(0, next - written), written))
      written = Math.max(written, next)
      append(more.slice(0, -9))
      await taken(running, spool, least)
      for (const id of await killedWith(running, spool)) waited.add(id)
      append(more.slice(-9))
      kills++
    }
    append(ndjson(upTo(records - written, written)))
    const last = begin()
    await taken(last, spool, records)
    const { out } = await stopped(last)
    assert.notInclude(out, "--resume")
    await check("killed", records, waited, kills)
    // No record of the file comes after the position any more.
    const again = begin()
    append(ndjson([records]))
    await taken(again, spool, records + 1)
    await stopped(again)
    assert.strictEqual((await Effect.runPromise(Spool.inspect(spool))).nextOffset, records + 1)
  }, 120_000)

  it("finishes a file that was rotated while it was killed, under the header of each", async () => {
    const { append, begin, path, spool } = following(
      "rotated",
      "csv",
      `text;id\n${csv(upTo(20_000))}`
    )
    const waited = new Set<number>()
    const first = begin()
    await taken(first, spool, 2_000)
    for (const id of await killedWith(first, spool)) waited.add(id)
    append(csv(upTo(5_000, 20_000)))
    append("record;25000")
    Fs.renameSync(path, `${path}.1`)
    // It continues in the old file while no file has the name.
    const between = begin()
    await taken(between, spool, 25_000)
    for (const id of await killedWith(between, spool)) waited.add(id)
    Fs.writeFileSync(
      path,
      `id,text\n${upTo(5_000, 25_001)
        .map((id) => `${id},x\n`)
        .join("")}`
    )
    const second = begin()
    await taken(second, spool, 25_500)
    for (const id of await killedWith(second, spool)) waited.add(id)
    append("30001,y\n")
    const last = begin()
    await taken(last, spool, 30_002)
    assert.notInclude((await stopped(last)).err, "was truncated")
    await check("rotated", 30_002, waited, 3)
  }, 120_000)

  it("reads a file that was cut from its start, also when it was killed meanwhile", async () => {
    const { append, begin, path, spool } = following("cut", "ndjson", ndjson(upTo(1_000)))
    const first = begin()
    await taken(first, spool, 1_000)
    Fs.writeFileSync(path, ndjson(upTo(10, 1_000)))
    await taken(first, spool, 1_010)
    assert.include(first.err(), "was truncated; it is read from its start")
    const waited = new Set(await killedWith(first, spool))
    // Longer than before, with different bytes before the position.
    Fs.writeFileSync(path, ndjson(upTo(500, 1_010)))
    const second = begin()
    await taken(second, spool, 1_510)
    assert.include(second.err(), "is not the file that was followed before")
    append(ndjson([1_510]))
    await taken(second, spool, 1_511)
    await stopped(second)
    await check("cut", 1_511, waited, 1)
  }, 60_000)

  it("says so where the former file is gone, and reads the new one from its start", async () => {
    const { append, begin, path, spool } = following("gone", "ndjson", ndjson(upTo(100)))
    const first = begin()
    await taken(first, spool, 100)
    // Its position is on disk before the next record is accepted.
    append(ndjson([100]))
    await taken(first, spool, 101)
    const waited = new Set(await killedWith(first, spool))
    // Simulates a kill between the records and their position: these are from the old file.
    await addRecords(spool, "main.default.gone", upTo(5, 101))
    Fs.renameSync(path, `${path}.old`)
    Fs.writeFileSync(path, ndjson(upTo(100, 106)))
    Fs.rmSync(`${path}.old`)
    const second = begin()
    await taken(second, spool, 206)
    assert.match(second.err(), /which is gone. Text after its line 10[12] was not read/)
    await stopped(second)
    await check("gone", 206, waited, 1)
  }, 60_000)

  it("goes on in a copy that has the file's name", async () => {
    const { append, begin, path, spool } = following("copied", "ndjson", ndjson(upTo(100)))
    const first = begin()
    await taken(first, spool, 100)
    append(ndjson([100]))
    await taken(first, spool, 101)
    const waited = new Set(await killedWith(first, spool))
    Fs.copyFileSync(path, `${path}.copy`)
    Fs.renameSync(`${path}.copy`, path)
    append(ndjson(upTo(10, 101)))
    const second = begin()
    await taken(second, spool, 111)
    await stopped(second)
    const { nextOffset } = await Effect.runPromise(Spool.inspect(spool))
    assert.strictEqual(nextOffset, 111)
    await check("copied", 111, waited, 1)
  }, 60_000)

  it("skips nothing of a file that replaced an empty one, or had a header", async () => {
    const files = [
      ["emptied", "ndjson", "", ndjson] as const,
      ["headed", "csv", "text;id\n", csv] as const
    ]
    for (const [name, extension, head, rows] of files) {
      const { append, begin, path, spool } = following(name, extension, head)
      const first = begin()
      await begun(first, spool)
      // Up to the first invalid record, which ends the run before its next position.
      append(`${rows(upTo(4))}none\n`)
      assert.strictEqual((await first.end).code, 2)
      const waited = new Set(await idsWaiting(spool))
      Fs.writeFileSync(path, `${head}${rows(upTo(6, 4))}`)
      const second = begin()
      await taken(second, spool, 10)
      assert.include(second.err(), "is read from its start")
      await stopped(second)
      await check(name, 10, waited, 1)
    }
  }, 60_000)

  it("goes on during an outage, and sends what waits afterwards", async () => {
    const down = {
      ...server.environment,
      ZEROBUS_SERVER_ENDPOINT: "http://127.0.0.1:1",
      ZEROBUS_RECOVERY_BACKOFF: "1 millis"
    }
    const { append, begin, spool } = following("outage", "ndjson", ndjson(upTo(300)))
    const first = begin(down)
    await taken(first, spool, 300)
    append(ndjson(upTo(300, 300)))
    await taken(first, spool, 600)
    assert.lengthOf(await killedWith(first, spool), 600)
    append(ndjson([600]))
    const second = begin(down)
    await taken(second, spool, 601)
    const { out } = await stopped(second)
    assert.include(
      out,
      `kept in ${spool}; zerobus spool drain sends it.\nTo continue, repeat the same command.`
    )
    const last = begin()
    append(ndjson([601]))
    await taken(last, spool, 602)
    await stopped(last)
    await check("outage", 602, new Set(), 0)
  }, 60_000)

  it("refuses a spool of other files or flags, and what does not go with it", async () => {
    const { args, begin, path, spool } = following("others", "ndjson", ndjson([0]))
    const none = Path.join(folder, "none.ndjson")
    const missing = args.map((arg) => (arg === path ? none : arg === spool ? `${spool}-2` : arg))
    const { code, err } = await zerobus(missing, server.environment)
    assert.strictEqual(code, 2)
    assert.include(err, "does not exist")
    const first = begin()
    await taken(first, spool, 1)
    await stopped(first)
    const written = (name: string, content: string | Buffer) => {
      const file = Path.join(folder, name)
      Fs.writeFileSync(file, content)
      return args.map((arg) => (arg === path ? file : arg === spool ? `${file}-spool` : arg))
    }
    const zipped = written("zipped.ndjson", gzipSync(ndjson([1])))
    const utf16 = written("utf16.ndjson", Buffer.from(`\ufeff${ndjson([1])}`, "utf16le"))
    const other = Path.join(folder, "other.ndjson")
    Fs.writeFileSync(other, ndjson([1]))
    const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [
        args.map((arg) => (arg === path ? other : arg)),
        "has no position of these files with these flags"
      ],
      [[...args, "--ignore-unknown"], "has no position of these files with these flags"],
      [[...args, "--state", "s"], "--spool keeps the position of --follow"],
      [[...args, "--skip", "1"], "--skip does not go with it"],
      [zipped, "neither compressed nor UTF-16"],
      [utf16, "neither compressed nor UTF-16"]
    ]
    for (const [wrong, says] of refused) {
      const { code, err } = await zerobus(wrong, server.environment)
      assert.strictEqual(code, 2)
      assert.include(err, says)
    }
  }, 60_000)
})
