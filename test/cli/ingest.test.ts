/**
 * `zerobus ingest` as a process: formats, bad records, interruption, exit codes and error messages.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import { start, zerobus, zerobusProcess } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { environment, file, folder, newTable, show } = readingsServer()

describe("zerobus ingest", () => {
  it("brings every format into the table, and the rows can be queried", async () => {
    const table = await newTable()
    const lines =
      '{"device":"a","temp":1,"seen":"2026-11-22T08:30:00Z","price":1.5}\n{"device":"b","temp":2}\n'
    const csv = 'Device,Temp,seen,price\r\nc,3,2026-11-22 08:30,10.05\r\n"d ""x""",,,\r\n'
    const inputs: ReadonlyArray<readonly [args: ReadonlyArray<string>, input?: string]> = [
      [[file("lines.ndjson", lines)]],
      [[file("array.json", `[${lines.trim().replace("\n", ",")}]`)]],
      [[file("rows.csv", csv)]],
      [[file("rows.tsv.gz", gzipSync(csv.replaceAll(",", "\t").replaceAll("22\t", "22,")))]],
      [["-"], lines],
      [["-", "--format", "csv", "--delimiter", ";"], csv.replaceAll(",", ";")]
    ]
    for (const [args, input] of inputs) {
      const whole = ["ingest", ...args, "--table", table, "--json"]
      const { code, err, out } =
        input === undefined
          ? await zerobus(whole, environment)
          : await zerobusProcess(whole, environment, input)
      assert.strictEqual(code, 0, `${args.join(" ")}: ${err}`)
      const { accepted, complete, durable } = JSON.parse(out)
      assert.deepStrictEqual(
        { accepted, complete, durable },
        { accepted: 2, complete: true, durable: 2 }
      )
    }
    await show(table, 12)
    const { code, err, out } = await zerobus(
      [
        "query",
        `SELECT count(*) AS n, sum(price) AS price, count(seen) AS dated, max(seen) AS latest ` +
          `FROM ${table} -- 'a.b.c'`,
        "--json"
      ],
      environment
    )
    assert.strictEqual(code, 0, err)
    assert.deepStrictEqual(JSON.parse(out), {
      n: 12,
      price: 34.65,
      dated: 6,
      latest: "2026-11-22 08:30:00+00"
    })
  }, 60_000)

  it("says in a sentence what is durable", async () => {
    const table = await newTable()
    const { code, err, out } = await zerobus(
      ["ingest", file("one.ndjson", '{"device":"a"}\n'), "-t", table],
      environment
    )
    assert.strictEqual(code, 0, err)
    assert.match(
      out,
      /^1 record durable in main\.default\.t\d+ \(0\.0 MB read in [\d.]+ s, [\d,]+ records\/s\)\.\n$/
    )
  })

  it("stops at the first bad line with its number, and what came before is durable", async () => {
    const table = await newTable()
    const lines = [
      '{"device":"a"}',
      "",
      '{"device":"b"}',
      '{"device":"c","temp":"warm"}',
      '{"device":"d"}'
    ]
    const path = file("bad.ndjson", lines.join("\n"))
    const { code, err, out } = await zerobusProcess(["ingest", path, "-t", table], environment)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
    assert.strictEqual(code, 2)
    assert.include(
      err,
      "Line 4: column temp: expected INT, an integer from -2147483648 to 2147483647."
    )
    assert.notInclude(err + out, "warm")
    assert.match(out, /2 records durable/)
    assert.include(
      out,
      "Done up to record 2 of the file (line 3). To continue from there: --skip 2"
    )
    assert.strictEqual((await show(table, 2)).rows, 2)

    lines[3] = '{"device":"c","temp":20}'
    Fs.writeFileSync(path, lines.join("\n"))
    const rest = await zerobus(["ingest", path, "-t", table, "--skip", "2", "--json"], environment)
    assert.strictEqual(rest.code, 0, rest.err)
    assert.strictEqual(JSON.parse(rest.out).accepted, 2)
    assert.strictEqual((await show(table, 4)).rows, 4)
  }, 30_000)

  it("writes bad records to --rejects and goes on", async () => {
    const table = await newTable()
    const rejects = Path.join(folder, "rejects.ndjson")
    const lines = [
      '{"device":"a"}',
      "nonsense",
      '{"device":"b","when":1}',
      "[1]",
      '{"temp":1}',
      '{"device":"c"}'
    ]
    const { code, err, out } = await zerobus(
      ["ingest", file("mixed.ndjson", lines.join("\n")), "-t", table, "--rejects", rejects],
      environment
    )
    assert.strictEqual(code, 0, err)
    assert.include(out, `4 records rejected, see ${rejects}`)
    const written = Fs.readFileSync(rejects, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.deepStrictEqual(written, [
      { line: 2, reason: "is not valid JSON", record: "nonsense" },
      { line: 3, reason: 'the table has no column "when"', record: lines[2] },
      { line: 4, reason: "is not a JSON object", record: "[1]" },
      {
        line: 5,
        reason:
          "column device: expected STRING, valid UTF-8 text; there is no value, and the column " +
          "is NOT NULL",
        record: lines[4]
      }
    ])
    assert.strictEqual((await show(table, 2)).rows, 2)
  })

  it("reads a CSV file with CR line ends, and names in another case", async () => {
    const table = await newTable()
    const inputs = [
      file("mac.csv", "DEVICE;Temp (%)\ra;1.0\rb;+2\r".replace(" (%)", "")),
      file("names.json", '[{"Device":"c","TEMP":3.0}]'),
      file("names.ndjson", '{"Device":"d","temp":4e0}\r{"device":"e"}\r')
    ]
    for (const path of inputs) {
      const { code, err } = await zerobus(["ingest", path, "-t", table], environment)
      assert.strictEqual(code, 0, err)
    }
    await show(table, 5)
    const { out } = await zerobus(
      ["query", `SELECT device, temp FROM ${table} ORDER BY 1`, "--json"],
      environment
    )
    assert.deepStrictEqual(
      out
        .trim()
        .split("\n")
        .map((line) => Object.values(JSON.parse(line))),
      [
        ["a", 1],
        ["b", 2],
        ["c", 3],
        ["d", 4],
        ["e", null]
      ]
    )
  })

  it.each<readonly [what: string, content: string, says: RegExp]>([
    ["fits no column and has no rows", "when,where\n", /Line 1: the table has no column "when"/],
    ["cannot be read", '"device"x,temp\na,1\nb,2\n', /Line 1: the header cannot be read/],
    [
      "has a column of the table twice",
      "device,temp,Temp\n",
      /"Temp" matches a column whose exact name is there too/
    ]
  ])("fails for a header that %s, also with --rejects", async (_, content, says) => {
    const table = await newTable()
    const { code, err } = await zerobus(
      [
        "ingest",
        file("header.csv", content),
        "-t",
        table,
        "--rejects",
        Path.join(folder, "header.ndjson")
      ],
      environment
    )
    assert.notStrictEqual(code, 0)
    assert.match(err, says)
  })

  it("drops what the table has no column for when asked to", async () => {
    const table = await newTable()
    const { code, err } = await zerobus(
      ["ingest", file("more.ndjson", '{"device":"a","when":1}\n'), "-t", table, "--ignore-unknown"],
      environment
    )
    assert.strictEqual(code, 0, err)
  })

  it("stops where a compressed file breaks off, and what it had is durable", async () => {
    const table = await newTable()
    const whole = gzipSync(
      Array.from({ length: 50_000 }, (_, id) => `{"device":"${id}","temp":${id % 97}}\n`).join("")
    )
    const path = file("broken.ndjson.gz", whole.subarray(0, whole.length - 20))
    const { code, err, out } = await zerobus(["ingest", path, "-t", table, "--json"], environment)
    assert.strictEqual(code, 2)
    assert.match(err, /broken\.ndjson\.gz is not a complete gzip file \(Z_BUF_ERROR\)\./)
    const { accepted, complete, durable } = JSON.parse(out)
    assert.isAbove(durable, 0)
    assert.deepStrictEqual({ complete, durable }, { complete: false, durable: accepted })
    const plain = await zerobus(
      ["ingest", file("plain.csv.gz", "device\n"), "-t", table],
      environment
    )
    assert.strictEqual(plain.code, 2)
    assert.match(plain.err, /is not a complete gzip file \(Z_DATA_ERROR\)\./)
  })

  it("interrupted, makes durable what it has read and says how far it got", async () => {
    const table = await newTable()
    const running = start(["ingest", "-", "-t", table], environment, "caller")
    running.child.stdin!.write('{"device":"a"}\n{"device":"b"}\n{"device":"half')
    await show(table, 2)
    running.child.kill("SIGINT")
    const { code, err, out } = await running.end
    assert.strictEqual(code, 130, err)
    assert.match(out, /^2 records durable/)
    assert.include(
      out,
      "Done up to record 2 of the file (line 2). To continue from there: --skip 2"
    )
  }, 60_000)

  it.each<readonly [what: string, args: ReadonlyArray<string>, says: RegExp]>([
    [
      "a file that does not exist",
      ["ingest", "nowhere.ndjson", "-t", "main.default.readings"],
      /nowhere\.ndjson does not exist/
    ],
    [
      "a folder",
      ["ingest", "/tmp", "-f", "ndjson", "-t", "main.default.readings"],
      /\/tmp is a folder/
    ],
    [
      "an unknown format",
      ["ingest", "a.orc", "-t", "main.default.readings"],
      /Give it with --format \(ndjson, json, csv, parquet, arrow, avro\)/
    ],
    [
      "a table that does not exist",
      ["ingest", "-", "-t", "main.default.nowhere"],
      /main\.default\.nowhere.*does not exist.*zerobus table create/
    ],
    ["a malformed table name", ["ingest", "-", "-t", "nowhere"], /nowhere/],
    [
      "a delimiter of two characters",
      ["ingest", "a.csv", "-t", "main.default.readings", "--delimiter", "::"],
      /one character/
    ],
    ["no table", ["ingest", "a.csv"], /--table/]
  ])("ends with 2 for %s", async (_, args, says) => {
    const { code, err, out } = await zerobus(args, environment)
    assert.strictEqual(code, 2)
    assert.notInclude(out, "durable")
    assert.match(err + out, says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
  })

  it("names the setting that is missing, and a secret that is wrong", async () => {
    const args = ["ingest", file("empty.ndjson", ""), "-t", "main.default.readings"]
    const { ZEROBUS_SERVER_ENDPOINT: _, ...rest } = environment
    const without = await zerobus(args, rest)
    assert.strictEqual(without.code, 2)
    assert.match(
      without.err,
      /^\s*ERROR\s+ZEROBUS_SERVER_ENDPOINT is not set, or its value cannot be used/
    )
    const malformed = { ...environment, ZEROBUS_FLUSH_TIMEOUT: "hunter3" }
    const bad = await zerobus(args, malformed)
    assert.strictEqual(bad.code, 2)
    assert.match(
      bad.err,
      /^\s*ERROR\s+ZEROBUS_FLUSH_TIMEOUT is not set, or its value cannot be used/
    )
    assert.notInclude(bad.err, "hunter3")
    const wrong = { ...environment, DATABRICKS_CLIENT_SECRET: "hunter2-hunter2" }
    const refused = await zerobusProcess(args, wrong)
    assert.strictEqual(refused.code, 2)
    assert.notInclude(refused.err + refused.out, "hunter2")
    assert.match(refused.err, /credentials|secret|client/i)
  })
})
