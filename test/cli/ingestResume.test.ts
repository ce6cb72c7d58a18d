/**
 * `zerobus ingest --spool --resume`: reading resumes at a byte offset, with the header read again.
 * Changed files are reported, and records of unseekable files are skipped.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import { zerobus } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { environment, file, folder, newTable, show } = readingsServer()

/** Runs of one ingest, with its own table and spool. */
const ingests = async (files: ReadonlyArray<string>, ...flags: ReadonlyArray<string>) => {
  const table = await newTable()
  const spool = Fs.mkdtempSync(Path.join(folder, "resume-"))
  const run = async (...more: ReadonlyArray<string>) => {
    const args = ["ingest", ...files, "-t", table, "--spool", spool, "--json", ...flags, ...more]
    const { code, err, out } = await zerobus(args, environment)
    return { code, err, ...(out === "" ? {} : (JSON.parse(out) as Summary)) }
  }
  const devices = async (count: number): Promise<ReadonlyArray<string>> => {
    await show(table, count)
    const { out } = await zerobus(
      ["query", `SELECT device FROM ${table} ORDER BY ALL`, "--json"],
      environment
    )
    return out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).device)
  }
  return { run, devices }
}

interface Summary {
  readonly accepted: number
  readonly skipped: number
  readonly bytes: number
}

describe("zerobus ingest --resume", () => {
  it.each<
    readonly [what: string, name: string, start: string, more: string, flags: ReadonlyArray<string>]
  >([
    ["lines", "lines.ndjson", '{"device":"a"}\n{"device":"b"}\n', '{"device":"c"}\n', []],
    [
      "a last line without its end",
      "last.ndjson",
      '{"device":"a"}\n{"device":"b"}',
      '\r\n{"device":"c"}',
      []
    ],
    ["rows under a header", "rows.csv", "temp;device\n1;a\n2;b,b\n", "3;c,c\n", []],
    [
      "rows of a file that names its delimiter",
      "named.csv",
      "sep=|\ndevice|temp\na|1\nb|2\n",
      "c|3\n",
      []
    ],
    [
      "rows without a header",
      "bare.csv",
      "a\t1\nb,b\t2\n",
      "c\t3\n",
      ["--no-header", "--columns", "device,temp"]
    ],
    ["rows of one column", "one.csv", "device\na\nb", "\nc\n", []]
  ])("reads only what was appended: %s", async (_, name, start, more, flags) => {
    const path = file(name, start)
    const { devices, run } = await ingests([path], ...flags)
    const first = await run("--resume")
    assert.deepStrictEqual(
      [first.code, first.accepted, first.bytes],
      [0, 2, start.length],
      first.err
    )
    Fs.appendFileSync(path, more)
    const second = await run("--resume")
    // A line end appended later belongs to the last line.
    const read = more.replace(/^[\r\n]+/, "").length
    assert.deepStrictEqual(
      [second.code, second.accepted, second.skipped, second.bytes],
      [0, 1, 2, read],
      second.err
    )
    const third = await run("--resume")
    assert.deepStrictEqual([third.accepted, third.skipped, third.bytes], [0, 3, 0], third.err)
    assert.deepStrictEqual(
      (await devices(3)).map((device) => device[0]),
      ["a", "b", "c"]
    )
  })

  it("passes over the records of a compressed file", async () => {
    const text = '{"device":"a"}\n{"device":"b"}\n'
    const path = file("packed.ndjson.gz", gzipSync(text))
    const { devices, run } = await ingests([path])
    await run("--resume")
    // Appended as a second gzip member.
    Fs.appendFileSync(path, gzipSync('{"device":"c"}\n'))
    const { accepted, bytes, err, skipped } = await run("--resume")
    assert.deepStrictEqual([accepted, skipped, bytes], [1, 2, text.length + 15], err)
    assert.deepStrictEqual(await devices(3), ["a", "b", "c"])
  })

  it("counts the line of a reject from the start of the file", async () => {
    const path = file("lines.csv", 'device,note\n"a\nb",1\n')
    const { run } = await ingests([path], "--ignore-unknown")
    await run("--resume")
    Fs.appendFileSync(path, "c,2,3\n")
    const { code, err } = await run("--resume")
    assert.strictEqual(code, 2)
    assert.include(err, "Line 4: has 3 fields")
  })

  it("resumes in the right file of several, and refuses files that have grown", async () => {
    const paths = [file("first.ndjson", '{"device":"a"}\n'), file("second.csv", "device\nb\n")]
    const { devices, run } = await ingests(paths)
    assert.strictEqual((await run("--resume")).accepted, 2)
    Fs.appendFileSync(paths[1]!, "c\n")
    const second = await run("--resume")
    assert.deepStrictEqual([second.accepted, second.skipped, second.bytes], [1, 2, 2], second.err)
    assert.deepStrictEqual(await devices(3), ["a", "b", "c"])
    Fs.appendFileSync(paths[0]!, '{"device":"d"}\n')
    const third = await run("--resume")
    assert.strictEqual(third.code, 2)
    assert.include(
      third.err,
      "The files before second.csv, where --resume continues, have other sizes"
    )
  })

  it("keeps the place at the start of a file before its first record", async () => {
    const paths = [file("done.ndjson", '{"device":"a"}\n'), file("empty.ndjson", "")]
    const { run } = await ingests(paths)
    await run("--resume")
    Fs.appendFileSync(paths[0]!, '{"device":"b"}\n')
    assert.include((await run("--resume")).err, "The files before empty.ndjson")
  })

  it("refuses a file that was cut, changed or replaced, and changes nothing", async () => {
    const lines = Array.from({ length: 40 }, (_, n) => `{"device":"d${10 + n}"}\n`).join("")
    for (const [content, says] of [
      [lines.slice(0, -17), "was read up to byte 680 and has 663 bytes now"],
      [
        lines.replace("d48", "dxx"),
        "was read up to byte 680, and the bytes before that have changed"
      ],
      [lines.replace("d10", "dxx"), "is not the file that was read: its first bytes differ"]
    ] as const) {
      const path = file("changed.ndjson", lines)
      const { devices, run } = await ingests([path])
      await run("--resume")
      Fs.writeFileSync(path, content)
      const { code, err } = await run("--resume")
      assert.strictEqual(code, 2)
      assert.include(err, says)
      assert.include(err, "leave --resume out")
      Fs.writeFileSync(path, lines)
      assert.strictEqual((await run("--resume")).accepted, 0)
      assert.lengthOf(await devices(40), 40)
    }
  })

  it("refuses a last line that has grown; --skip resumes after it, as it says", async () => {
    const path = file("grown.csv", "device,temp\na,1\nb,2")
    const { devices, run } = await ingests([path])
    await run("--resume")
    Fs.appendFileSync(path, "5\nc,3\n")
    const { code, err } = await run("--resume")
    assert.strictEqual(code, 2)
    assert.include(err, "its last line had no line end, and that line has grown")
    const advice = /--skip \d+/.exec(err)![0].split(" ")
    assert.strictEqual((await run(...advice)).accepted, 1)
    assert.deepStrictEqual(await devices(3), ["a", "b", "c"])
  })

  it("goes on behind --skip of the run before", async () => {
    const path = file("skipped.ndjson", '{"device":"a"}\n{"device":"b"}\n')
    const { devices, run } = await ingests([path])
    await run("--skip", "3")
    Fs.appendFileSync(path, '{"device":"c"}\n{"device":"d"}\n')
    const { accepted, err, skipped } = await run("--resume")
    assert.deepStrictEqual([accepted, skipped], [1, 3], err)
    assert.deepStrictEqual(await devices(1), ["d"])
  })
})
