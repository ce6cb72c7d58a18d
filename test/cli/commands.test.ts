/**
 * The commands as child processes against a local server: what they print, their exit codes, and what they say about bad input.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import {
  type Environment,
  type LocalServer,
  start,
  startServer,
  temporaryFolder,
  zerobus,
  zerobusProcess
} from "../support/commandLine.ts"

const folder = temporaryFolder()
const dataDir = Path.join(folder, "data")
const readings = "main.default.readings(device STRING NOT NULL, temp INT, seen TIMESTAMP, price DECIMAL(10,2))"
let server: LocalServer
let environment: Environment

const file = (name: string, content: string | Uint8Array): string => {
  const path = Path.join(folder, name)
  Fs.writeFileSync(path, content)
  return path
}

/** A fresh table like `readings`. */
let tables = 0
const newTable = async (definition = readings): Promise<string> => {
  const name = `main.default.t${++tables}`
  const { code, err } = await zerobus(["table", "create", definition.replace(/^[^(]+/, name)], environment)
  assert.strictEqual(code, 0, err)
  return name
}

/** The table as `table show` has it, once all that was acknowledged is committed: rows are waited for, not slept for. */
const show = async (table: string, rows: number): Promise<{ rows: number; version: number }> => {
  for (;;) {
    const { code, err, out } = await zerobus(["table", "show", table, "--json"], environment)
    assert.strictEqual(code, 0, err)
    const shown = JSON.parse(out)
    if (shown.rows >= rows) return shown
  }
}

beforeAll(async () => {
  server = await startServer(["--data-dir", dataDir, "--table", readings])
  environment = server.environment
}, 30_000)

afterAll(async () => {
  server.child.kill("SIGTERM")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
})

describe("zerobus ingest", () => {
  it("brings every format into the table, and the rows can be queried", async () => {
    const table = await newTable()
    const lines = '{"device":"a","temp":1,"seen":"2026-11-22T08:30:00Z","price":1.5}\n{"device":"b","temp":2}\n'
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
        input === undefined ? await zerobus(whole, environment) : await zerobusProcess(whole, environment, input)
      assert.strictEqual(code, 0, `${args.join(" ")}: ${err}`)
      const { accepted, complete, durable } = JSON.parse(out)
      assert.deepStrictEqual({ accepted, complete, durable }, { accepted: 2, complete: true, durable: 2 })
    }
    await show(table, 12)
    const { code, err, out } = await zerobus(
      [
        "query",
        `SELECT count(*) AS n, sum(price) AS price, count(seen) AS dated, max(seen) AS latest FROM ${table} -- 'a.b.c'`,
        "--json"
      ],
      environment
    )
    assert.strictEqual(code, 0, err)
    assert.deepStrictEqual(JSON.parse(out), { n: 12, price: 34.65, dated: 6, latest: "2026-11-22 08:30:00+00" })
  }, 60_000)

  it("says in a sentence what is durable", async () => {
    const table = await newTable()
    const { code, err, out } = await zerobus(
      ["ingest", file("one.ndjson", '{"device":"a"}\n'), "-t", table],
      environment
    )
    assert.strictEqual(code, 0, err)
    assert.match(out, /^1 record durable in main\.default\.t\d+ \(0\.0 MB read in [\d.]+ s, [\d,]+ records\/s\)\.\n$/)
  })

  it("stops at the first bad line with its number, and what came before is durable", async () => {
    const table = await newTable()
    const lines = ['{"device":"a"}', "", '{"device":"b"}', '{"device":"c","temp":"warm"}', '{"device":"d"}']
    const path = file("bad.ndjson", lines.join("\n"))
    const { code, err, out } = await zerobusProcess(["ingest", path, "-t", table], environment)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
    assert.strictEqual(code, 1)
    assert.include(err, "Line 4: column temp: expected INT, an integer from -2147483648 to 2147483647.")
    assert.notInclude(err + out, "warm")
    assert.match(out, /2 records durable/)
    assert.include(out, "Done up to record 2 of the file (line 3). To go on from there: --skip 2")
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
    const lines = ['{"device":"a"}', "nonsense", '{"device":"b","when":1}', "[1]", '{"temp":1}', '{"device":"c"}']
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
      { line: 3, reason: 'column "when": the table has no such column', record: lines[2] },
      { line: 4, reason: "is not a JSON object", record: "[1]" },
      { line: 5, reason: "column device: expected STRING, valid UTF-8 text; the column is NOT NULL", record: lines[4] }
    ])
    assert.strictEqual((await show(table, 2)).rows, 2)
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
    const whole = gzipSync(Array.from({ length: 50_000 }, (_, id) => `{"device":"${id}","temp":${id % 97}}\n`).join(""))
    const path = file("broken.ndjson.gz", whole.subarray(0, whole.length - 20))
    const { code, err, out } = await zerobus(["ingest", path, "-t", table, "--json"], environment)
    assert.strictEqual(code, 1)
    assert.match(err, /broken\.ndjson\.gz is not a whole gzip file \(Z_BUF_ERROR\)\./)
    const { accepted, complete, durable } = JSON.parse(out)
    assert.isAbove(durable, 0)
    assert.deepStrictEqual({ complete, durable }, { complete: false, durable: accepted })
    const plain = await zerobus(["ingest", file("plain.csv.gz", "device\n"), "-t", table], environment)
    assert.strictEqual(plain.code, 1)
    assert.match(plain.err, /is not a whole gzip file \(Z_DATA_ERROR\)\./)
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
    assert.include(out, "Done up to record 2 of the file (line 2). To go on from there: --skip 2")
  })

  it.each<readonly [what: string, args: ReadonlyArray<string>, says: RegExp]>([
    [
      "a file that does not exist",
      ["ingest", "nowhere.ndjson", "-t", "main.default.readings"],
      /nowhere\.ndjson does not exist/
    ],
    ["a folder", ["ingest", "/tmp", "-f", "ndjson", "-t", "main.default.readings"], /\/tmp is a folder/],
    [
      "an unknown format",
      ["ingest", "a.parquet", "-t", "main.default.readings"],
      /Give it with --format \(ndjson, json, csv\)/
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
  ])("ends with 1 for %s", async (_, args, says) => {
    const { code, err, out } = await zerobus(args, environment)
    assert.strictEqual(code, 1)
    assert.notInclude(out, "durable")
    assert.match(err + out, says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
  })

  it("names the setting that is missing, and a secret that is wrong", async () => {
    const args = ["ingest", file("empty.ndjson", ""), "-t", "main.default.readings"]
    const { ZEROBUS_SERVER_ENDPOINT: _, ...rest } = environment
    const without = await zerobus(args, rest)
    assert.strictEqual(without.code, 1)
    assert.match(without.err, /^\s*ERROR\s+ZEROBUS_SERVER_ENDPOINT is not set, or its value cannot be used/)
    const malformed = { ...environment, ZEROBUS_FLUSH_TIMEOUT: "hunter3" }
    const bad = await zerobus(args, malformed)
    assert.strictEqual(bad.code, 1)
    assert.match(bad.err, /^\s*ERROR\s+ZEROBUS_FLUSH_TIMEOUT is not set, or its value cannot be used/)
    assert.notInclude(bad.err, "hunter3")
    const wrong = { ...environment, DATABRICKS_CLIENT_SECRET: "hunter2-hunter2" }
    const refused = await zerobusProcess(args, wrong)
    assert.strictEqual(refused.code, 1)
    assert.notInclude(refused.err + refused.out, "hunter2")
    assert.match(refused.err, /credentials|secret|client/i)
  })
})

describe("zerobus query", () => {
  it("runs SQL that names no table, without a catalog", async () => {
    const { code, err, out } = await zerobus(["query", "SELECT 1 AS one", "--json"])
    assert.strictEqual(code, 0, err)
    assert.strictEqual(out, '{"one":1}\n')
  })

  it("prints at most 1,000 rows, and says so apart from the rows", async () => {
    const { code, err, out } = await zerobus(["query", "FROM range(2000)", "--json"])
    assert.strictEqual(code, 0)
    assert.strictEqual(out.trim().split("\n").length, 1000)
    assert.match(err, /first 1000 rows/)
  })
})

describe("zerobus table", () => {
  it("creates, lists and shows", async () => {
    const table = await newTable(
      "x(id BIGINT NOT NULL COMMENT 'the key', day DATE, s STRUCT<a: ARRAY<INT>>) PARTITIONED BY (day)"
    )
    const list = await zerobus(["table", "list", "main.default"], environment)
    assert.match(list.out, new RegExp(`^${table} +3 columns$`, "m"))
    const shown = await zerobus(["table", "show", table], environment)
    assert.strictEqual(shown.code, 0, shown.err)
    for (const part of [
      "id   bigint NOT NULL  -- the key",
      "s    struct<a:array<int>>",
      "partitioned by day",
      "version 0, 0 files, 0 rows"
    ]) {
      assert.include(shown.out, part)
    }
  })

  it("keeps an equal table that exists", async () => {
    const { code, err, out } = await zerobus(["table", "create", readings], environment)
    assert.strictEqual(code, 0, err)
    assert.strictEqual(out, "main.default.readings exists already with these columns.\n")
  })

  it("drops a table when it is told twice", async () => {
    const table = await newTable()
    const asked = await zerobus(["table", "drop", table], environment)
    assert.strictEqual(asked.code, 1)
    assert.include(asked.err, `This drops ${table} and all its data. If you mean it, add --yes.`)
    const dropped = await zerobus(["table", "drop", table, "--yes"], environment)
    assert.deepStrictEqual([dropped.code, dropped.out], [0, `Dropped ${table}.\n`])
    const gone = await zerobus(["table", "show", table], environment)
    assert.match(gone.err, /does not exist/)
  })

  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [
      ["table", "create", "main.default.readings(a INT)"],
      /exists already with other columns.*zerobus table drop main\.default\.readings --yes/
    ],
    [
      ["table", "create", "main.default.bad(a NOPE)"],
      /NOPE is not a supported column type\. The types are BOOLEAN, TINYINT.*DECIMAL\(p,s\), ARRAY<T>/
    ],
    [["table", "create", "main.default.bad(a CHAR)"], /Use STRING\.$/m],
    [["table", "show", "nowhere"], /"nowhere" is not a table name: give catalog\.schema\.table/],
    [["table", "drop", "main.default.nowhere", "--yes"], /main\.default\.nowhere does not exist/],
    [["table", "drop", "main.default.nowhere"], /does not exist/],
    [["table", "drop", "nowhere", "--yes"], /is not a table name/],
    [["table", "create", "bad"], /cannot be read/],
    [["table", "show", "main.default.nowhere"], /does not exist/],
    [["table", "list", "main"], /is not catalog\.schema/],
    [["query", ""], /holds no statement/],
    [["query", "SELEC 1"], /syntax error at or near "SELEC"/],
    [["query", "SELECT * FROM readings"], /readings does not exist[^]*Name tables in full/],
    [["query", "SELECT * FROM main.default.nowhere"], /does not exist/],
    [["query", "SELEC * FROM main.default.readings"], /syntax error/]
  ])("%j ends with 1 and says why", async (args, says) => {
    const { code, err, out } = await zerobus(args, environment)
    assert.strictEqual(code, 1)
    assert.match(err + out, says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
  })
})

describe("zerobus table snippet", () => {
  it("gives code that reads the table", async () => {
    const table = await newTable()
    const path = file("snippet.ndjson", '{"device":"a"}\n{"device":"b"}\n')
    assert.strictEqual((await zerobus(["ingest", path, "-t", table], environment)).code, 0)
    await show(table, 2)
    const duckdb = await zerobus(["table", "snippet", table], environment)
    assert.strictEqual(duckdb.code, 0, duckdb.err)
    const { DuckDBInstance } = await import("@duckdb/node-api")
    const connection = await (await DuckDBInstance.create(":memory:")).connect()
    await connection.run(duckdb.out)
    const rows = await connection.runAndReadAll(
      `SELECT string_agg(device, '+' ORDER BY device) FROM ${table.split(".")[2]}`
    )
    assert.deepStrictEqual(rows.getRows(), [["a+b"]])
    connection.closeSync()
    const location = Path.join(dataDir, ...table.split("."))
    for (const [engine, start] of [
      ["pandas", "DeltaTable("],
      ["spark", "load("]
    ] as const) {
      const { out } = await zerobus(["table", "snippet", table, "--for", engine], environment)
      assert.include(out, `${start}${JSON.stringify(location)})`)
    }
  })
})

describe("zerobus local", () => {
  it("keeps tables over a restart, keeps an equal table and refuses a different one", async () => {
    const own = Path.join(folder, "own")
    const first = await startServer(["--data-dir", own, "--table", readings])
    const filled = await zerobus(
      ["ingest", file("a.ndjson", '{"device":"a"}\n'), "-t", "main.default.readings"],
      first.environment
    )
    assert.strictEqual(filled.code, 0, filled.err)
    first.child.kill("SIGTERM")
    assert.strictEqual((await first.end).code, 0)

    const second = await startServer(["--data-dir", own, "--table", readings])
    assert.strictEqual(second.environment["DATABRICKS_CLIENT_SECRET"], first.environment["DATABRICKS_CLIENT_SECRET"])
    const shown = await zerobus(["table", "show", "main.default.readings", "--json"], second.environment)
    assert.strictEqual(JSON.parse(shown.out).rows, 1)
    second.child.kill("SIGINT")
    assert.strictEqual((await second.end).code, 0)

    const other = await zerobus([
      "local",
      "--data-dir",
      own,
      "--port",
      "0",
      "--http-port",
      "0",
      "--table",
      "main.default.readings(a INT)"
    ])
    assert.strictEqual(other.code, 1)
    assert.match(other.err, /main\.default\.readings exists with other columns/)
  }, 60_000)

  it("serves https to clients that trust its certificate, and to no others", async () => {
    const secure = await startServer(["--data-dir", Path.join(folder, "secure"), "--tls", "--table", readings])
    assert.match(secure.environment["ZEROBUS_SERVER_ENDPOINT"]!, /^https:/)
    const args = ["ingest", file("secure.ndjson", '{"device":"a"}\n'), "-t", "main.default.readings"]
    const trusting = await zerobusProcess(args, secure.environment)
    assert.strictEqual(trusting.code, 0, trusting.err)
    const { NODE_EXTRA_CA_CERTS: _, ...rest } = secure.environment
    const distrusting = await zerobusProcess(args, rest)
    assert.strictEqual(distrusting.code, 1)
    assert.match(distrusting.err, /TLS handshake with https:.* was refused/)
    secure.child.kill("SIGTERM")
    assert.strictEqual((await secure.end).code, 0)
  }, 60_000)

  it("shows rows as soon as they are acknowledged when asked to", async () => {
    const visible = await startServer([
      "--data-dir",
      Path.join(folder, "visible"),
      "--visible-once-acked",
      "--table",
      readings
    ])
    const path = file("visible.ndjson", '{"device":"a"}\n{"device":"b"}\n')
    for (const rows of [2, 4, 6]) {
      const { code, err } = await zerobus(["ingest", path, "-t", "main.default.readings"], visible.environment)
      assert.strictEqual(code, 0, err)
      const shown = await zerobus(["table", "show", "main.default.readings", "--json"], visible.environment)
      assert.strictEqual(JSON.parse(shown.out).rows, rows)
    }
    visible.child.kill("SIGTERM")
    assert.strictEqual((await visible.end).code, 0)
  }, 60_000)

  it("prints the environment as lines for a shell", async () => {
    const running = start(["local", "--memory", "--port", "0", "--http-port", "0"])
    await running.says(/Ctrl-C stops it/)
    for (const name of [
      "ZEROBUS_SERVER_ENDPOINT",
      "DATABRICKS_WORKSPACE_URL",
      "DATABRICKS_CLIENT_ID",
      "DATABRICKS_CLIENT_SECRET"
    ]) {
      assert.match(running.out(), new RegExp(`^export ${name}=\\S+$`, "m"))
    }
    running.child.kill("SIGINT")
    assert.strictEqual((await running.end).code, 0)
  })

  it("says in one line that a port or the folder is taken", async () => {
    const port = new URL(environment["ZEROBUS_SERVER_ENDPOINT"]!).port
    const taken = await zerobus(["local", "--memory", "--port", port, "--http-port", "0"])
    assert.strictEqual(taken.code, 1)
    assert.include(taken.err, `Port ${port} on 127.0.0.1 is in use.`)
    const http = Net.createServer()
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
    const httpPort = String((http.address() as Net.AddressInfo).port)
    const takenHttp = await zerobus(["local", "--memory", "--port", "0", "--http-port", httpPort])
    http.close()
    assert.strictEqual(takenHttp.code, 1)
    assert.include(takenHttp.err, `Port ${httpPort} on 127.0.0.1 is in use.`)
    const locked = await zerobus(["local", "--data-dir", dataDir, "--port", "0", "--http-port", "0"])
    assert.strictEqual(locked.code, 1)
    assert.match(locked.err, /in use|another/i)
    assert.include(locked.err, dataDir)
  }, 30_000)

  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [["--data-dir", Path.join(file("a-file", ""), "data")], /a-file\/data cannot be a folder.*choose another/],
    [["--data-dir", file("a-file", "")], /a-file is a file, where a folder is needed\. Choose another/],
    [["--data-dir", ""], /--data-dir must name a folder/],
    [["--data-dir", "x", "--memory"], /--memory keeps no tables/],
    [["--memory", "--stream-life", "0 seconds"], /--stream-life must be a duration.*above 0/],
    [["--memory", "--ack-interval", "-1 millis"], /--ack-interval/],
    [["--memory", "--host", "0.0.0.0", "--allow-remote", "--no-auth"], /without checking tokens/],
    [["--memory", "--table", "bad("], /cannot be read/],
    [["--memory", "--port", "70000", "--http-port", "0"], /0 to 65535/],
    [["--memory", "--stream-life", "soon"], /must be a duration/],
    [["--memory", "--host", "0.0.0.0"], /loopback.*--allow-remote/],
    [["--memory", "--rate-limit", "0"], /at least 1/],
    [["--memory", "--tls"], /needs a data folder/]
  ])("%j ends with 1 and says why", async (args, says) => {
    const { code, err, out } = await zerobus(["local", ...args])
    assert.strictEqual(code, 1)
    assert.match(err + out, says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
  })
})
