/**
 * `zerobus ingest` as an operator uses it: rejects, exit codes, several files, growing files,
 * tables from files.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { start, zerobus, zerobusProcess } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { dataDir, environment, file, folder, newTable, show } = readingsServer()

const ingest = (table: string, ...args: ReadonlyArray<string>) =>
  zerobus(["ingest", "-t", table, ...args], environment)

/** The rows of a table, once it has this many. */
const rows = async (
  table: string,
  count: number,
  columns = "device, temp"
): Promise<ReadonlyArray<unknown>> => {
  await show(table, count)
  const { err, out } = await zerobus(
    ["query", `SELECT ${columns} FROM ${table} ORDER BY ALL`, "--json"],
    environment
  )
  assert.strictEqual(err, "")
  return out
    .trim()
    .split("\n")
    .map((line) => Object.values(JSON.parse(line)))
}

const linesOf = (path: string) =>
  Fs.readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("the file of rejects", () => {
  it("keeps the rejects of earlier runs, and ends a line that was broken off", async () => {
    const table = await newTable()
    const path = Path.join(folder, "kept.ndjson")
    const bad = file("bad.ndjson", '{"device":"a"}\nx\n')
    for (let turn = 1; turn <= 3; turn++) {
      const { code, err } = await ingest(table, bad, "--rejects", path)
      assert.strictEqual(code, 0, err)
      assert.lengthOf(linesOf(path), turn)
      // As after a kill.
      if (turn === 2) Fs.truncateSync(path, Fs.statSync(path).size - 1)
    }
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
  })

  it
    .skipIf(process.platform === "win32")
    .each<readonly [what: string, make: (path: string) => void, says: RegExp]>([
      [
        "a file that is not of rejects",
        (path) => Fs.writeFileSync(path, "precious\n"),
        /exists and is not a file of rejects/
      ],
      [
        "a file of other JSON",
        (path) => Fs.writeFileSync(path, '{"id":1}\n'),
        /exists and is not a file of rejects/
      ],
      ["a link", (path) => Fs.symlinkSync(file("target.ndjson", ""), path), /is a link/],
      [
        "a dangling link",
        (path) => Fs.symlinkSync(Path.join(folder, "nowhere"), path),
        /is a link/
      ],
      ["a second name", (path) => Fs.linkSync(file("first.ndjson", ""), path), /hard link/],
      ["a pipe", (path) => execFileSync("mkfifo", [path]), /is a pipe/],
      ["a folder", (path) => Fs.mkdirSync(path), /is a folder/]
    ])("may not be %s, which stays as it is", async (what, make, says) => {
    const table = await newTable()
    const path = Path.join(folder, what.replaceAll(" ", "-"))
    make(path)
    const before = Fs.lstatSync(path).isFile() ? Fs.readFileSync(path, "utf8") : undefined
    const { code, err } = await ingest(table, file("bad.ndjson", "x\n"), "--rejects", path)
    assert.strictEqual(code, 2)
    assert.match(err, says)
    if (before !== undefined) assert.strictEqual(Fs.readFileSync(path, "utf8"), before)
    assert.isFalse(Fs.existsSync(Path.join(folder, "nowhere")))
  })

  it("may not be the file that is read", async () => {
    const path = file("self.ndjson", '{"device":"a"}\n')
    const { code, err } = await ingest(await newTable(), path, "--rejects", path)
    assert.strictEqual(code, 2)
    assert.match(err, /is the input file/)
    assert.strictEqual(Fs.readFileSync(path, "utf8"), '{"device":"a"}\n')
  })

  it("has the records that the server refuses, with their lines", async () => {
    // The server enforces the text length of a table of another program, which the command does not
    // know.
    const log = Path.join(dataDir, "main", "default", "short", "_delta_log")
    const short = { __CHAR_VARCHAR_TYPE_STRING: "varchar(3)" }
    const fields = [
      { name: "device", type: "string", nullable: true, metadata: short },
      { name: "temp", type: "integer", nullable: true, metadata: {} }
    ]
    const metaData = {
      id: "6a1f0c52-93a4-4bd7-8d5e-0f3f7c1d2b10",
      format: { provider: "parquet", options: {} },
      schemaString: JSON.stringify({ type: "struct", fields }),
      partitionColumns: [],
      configuration: {},
      createdTime: 1
    }
    Fs.mkdirSync(log, { recursive: true })
    const actions = [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData }]
    Fs.writeFileSync(
      Path.join(log, `${"0".repeat(20)}.json`),
      actions.map((one) => `${JSON.stringify(one)}\n`).join("")
    )
    const table = "main.default.short"
    const registered = await zerobus(["table", "register", Path.dirname(log)], environment)
    assert.strictEqual(registered.code, 0, registered.err)
    const path = Path.join(folder, "refused.ndjson")
    const lines = [
      '{"device":"abc","temp":1}',
      '{"device":"abcd","temp":2}',
      '{"temp":"y"}',
      '{"device":"d","temp":3}'
    ]
    const { code, err, out } = await ingest(
      table,
      file("long.ndjson", lines.join("\n")),
      "--rejects",
      path,
      "--json"
    )
    assert.strictEqual(code, 0, err)
    const { complete, durable, refusedByServer, rejected } = JSON.parse(
      out.trim().split("\n").at(-1)!
    )
    assert.deepStrictEqual(
      { complete, durable, refusedByServer, rejected },
      { complete: true, durable: 2, refusedByServer: 1, rejected: 2 }
    )
    const refused = linesOf(path).find(({ line }) => line === 2)
    assert.match(refused.reason, /^refused by the server: /)
    assert.strictEqual(refused.record, lines[1])
    assert.deepStrictEqual(await rows(table, 2, "temp"), [[1], [3]])
  })
})

describe("exit codes", () => {
  const bad = () => file("three.ndjson", 'x\n{"device":"a"}\ny\n{"device":"b"}\nz\n')

  it("are 0 with rejects, and 3 with --strict", async () => {
    const table = await newTable()
    const rejects = ["--rejects", Path.join(folder, "codes.ndjson")]
    assert.strictEqual((await ingest(table, bad(), ...rejects)).code, 0)
    const strict = await ingest(table, bad(), ...rejects, "--strict")
    assert.strictEqual(strict.code, 3)
    assert.match(strict.err, /3 records rejected, and --strict was given/)
    assert.strictEqual(
      (await ingest(table, file("good.ndjson", '{"device":"c"}\n'), ...rejects, "--strict")).code,
      0
    )
  })

  it("are 2 where the data has to be mended, also beyond --max-rejects", async () => {
    const table = await newTable()
    assert.strictEqual((await ingest(table, bad())).code, 2)
    const path = Path.join(folder, "most.ndjson")
    const stopped = await ingest(table, bad(), "--rejects", path, "--max-rejects", "1", "--json")
    assert.strictEqual(stopped.code, 2)
    assert.match(stopped.err, /More records were rejected than --max-rejects allows \(1\)/)
    assert.deepStrictEqual(
      linesOf(path).map(({ line }) => line),
      [1, 3]
    )
    assert.strictEqual(JSON.parse(stopped.out).durable, 1)
    const enough = await ingest(table, bad(), "--rejects", path, "--max-rejects", "3")
    assert.strictEqual(enough.code, 0, enough.err)
  })

  it.each<readonly [ReadonlyArray<string>, RegExp]>([
    [["--max-rejects", "1"], /--max-rejects needs --rejects/],
    [["--dry-run"], /--dry-run goes with --create/],
    [["--follow"], /--follow needs --state or --spool/],
    [["--state", "s"], /--state goes with --follow/],
    [["--columns", "a,b"], /Add --no-header/],
    [["--date-format", "DD/MM"], /--date-format cannot be read: it has no year/]
  ])("are 2 for %j", async (args, says) => {
    const { code, err } = await ingest(
      "main.default.readings",
      file("any.csv", "device\na\n"),
      ...args
    )
    assert.strictEqual(code, 2)
    assert.match(err, says)
  })

  it("are 75 where trying again may help", async () => {
    const elsewhere = { ...environment, DATABRICKS_WORKSPACE_URL: "http://127.0.0.1:1" }
    const { code, err } = await zerobus(["ingest", "-t", "main.default.readings", bad()], elsewhere)
    assert.strictEqual(code, 75, err)
  })
})

describe("several files", () => {
  it("go into the table in order, each with its format, header and compression", async () => {
    const table = await newTable()
    const paths = [
      file("one.csv", "temp;Device\n1;a\nx;bad\n"),
      file("two.ndjson", '{"device":"b","temp":2}\n'),
      file("three.csv.zst", zstdCompressSync("device\tTEMP\nc\t3\n")),
      file("four.json", gzipSync('[{"DEVICE":"d","temp":4}]')),
      file("five.csv", Buffer.from("\ufeffdevice,temp\nė,5\n", "utf16le"))
    ]
    const rejects = Path.join(folder, "several.ndjson")
    const { code, err, out } = await zerobusProcess(
      ["ingest", ...paths, "-", "-t", table, "--rejects", rejects, "--json"],
      environment,
      '{"device":"f","temp":6}\n'
    )
    assert.strictEqual(code, 0, err)
    const { durable, durableFile, durableRecords } = JSON.parse(out)
    assert.deepStrictEqual(
      { durable, durableFile, durableRecords },
      { durable: 6, durableFile: "Standard input", durableRecords: 7 }
    )
    assert.deepStrictEqual(
      linesOf(rejects).map((reject) => [reject.file, reject.line]),
      [["one.csv", 3]]
    )
    assert.deepStrictEqual(await rows(table, 6), [
      ["a", 1],
      ["b", 2],
      ["c", 3],
      ["d", 4],
      ["f", 6],
      ["ė", 5]
    ])
  })

  it("name the file of the record that stops them, and go on behind it", async () => {
    const table = await newTable()
    const paths = [
      file("p.ndjson", '{"device":"a"}\n{"device":"b"}\n'),
      file("q.ndjson", '{"device":"c"}\nx\n{"device":"d"}\n')
    ]
    const { code, err, out } = await ingest(table, ...paths)
    assert.strictEqual(code, 2)
    assert.match(err, /q\.ndjson, line 2: is not valid JSON/)
    assert.include(
      out,
      "Done up to record 3 of the files (line 1 of q.ndjson). To continue from there: --skip 3"
    )
    Fs.writeFileSync(paths[1]!, '{"device":"c"}\n{"device":"e"}\n{"device":"d"}\n')
    const rest = await ingest(table, ...paths, "--skip", "3", "--json")
    assert.strictEqual(rest.code, 0, rest.err)
    assert.strictEqual(JSON.parse(rest.out).durable, 2)
  })

  it("without a header have the table's columns, or those that are named", async () => {
    const table = await newTable("main.default.x(device STRING, temp INT)")
    for (const [content, args] of [
      ["a,1\nb,\n", []],
      ["3|c\n4|NA\n", ["--columns", "Temp, device", "--null", "NA"]]
    ] as const) {
      const { code, err } = await ingest(table, file("bare.csv", content), "--no-header", ...args)
      assert.strictEqual(code, 0, err)
    }
    assert.deepStrictEqual(await rows(table, 4), [
      ["a", 1],
      ["b", null],
      ["c", 3],
      [null, 4]
    ])
  })
})

describe("--create", () => {
  const content =
    "Id;Name (full);Zip;Born;Seen;Share;Ok;Empty\n" +
    '1;"a;b";01234;2020-02-29;2026-11-22T08:30:00Z;1.5;true;\n2;c;99999;NA;NA;2;FALSE;\n'

  it("prints with --dry-run what it would create, and creates and fills the table", async () => {
    const path = file("people.csv", content)
    const name = "main.default.people"
    const dry = await ingest(name, path, "--create", "--dry-run", "--null", "NA")
    assert.strictEqual(dry.code, 0, dry.err)
    const definition =
      "main.default.people(Id BIGINT, name_full STRING, Zip STRING, Born DATE, Seen TIMESTAMP, " +
      "Share DOUBLE, Ok BOOLEAN, Empty STRING)"
    assert.strictEqual(dry.out, `${definition}\n`)
    assert.strictEqual((await zerobus(["table", "show", name], environment)).code, 2)
    for (let turn = 0; turn < 2; turn++) {
      const { code, err } = await ingest(name, path, "--create", "--null", "NA")
      assert.strictEqual(code, 0, err)
    }
    const seen = await rows(name, 4, "Id, name_full, Zip, Born, Share, Ok")
    assert.deepStrictEqual(seen[0], [1, "a;b", "01234", "2020-02-29", 1.5, true])
    const again = await zerobus(["table", "create", dry.out.trim()], environment)
    assert.match(again.out, /exists already with these columns/)
  })

  it("knows the types of JSON, also within others", async () => {
    const path = file(
      "nested.json",
      '[{"id":1,"p":{"x":1,"d":"2020-01-01"},"l":[1,2.5],"m":[{}],"n":null,' +
        '"big":12345678901234567890},{"id":2.5,"p":{"y z":"a"},"q":1},{"q":"a"}]'
    )
    const dry = await ingest("main.default.nested", path, "--create", "--dry-run")
    assert.strictEqual(dry.code, 0, dry.err)
    assert.strictEqual(
      dry.out,
      "main.default.nested(id DOUBLE, p struct<x:bigint,d:date,y_z:string>, l array<double>, m " +
        "array<variant>, n STRING, big VARIANT, q VARIANT)\n"
    )
    const { code, err } = await ingest("main.default.nested", path, "--create")
    assert.strictEqual(code, 0, err)
  })

  it.each(["plain", "gzip"])(
    "looks at standard input, and reads all of it: %s",
    async (packing) => {
      const name = `main.default.stdin_${packing}`
      // More lines than are examined.
      const lines = Array.from({ length: 30_000 }, (_, id) => `${id},${"x".repeat(id % 7)}`)
      const text = Buffer.from(`id,note\n${lines.join("\n")}\n`)
      const path = file(`stdin-${packing}`, packing === "gzip" ? gzipSync(text) : text)
      const run = (...args: ReadonlyArray<string>) => {
        const running = start(
          ["ingest", "-", "-t", name, "-f", "csv", "--create", ...args],
          environment,
          "caller"
        )
        Fs.createReadStream(path).pipe(running.child.stdin!)
        return running.end
      }
      const dry = await run("--dry-run")
      assert.deepStrictEqual([dry.code, dry.out], [0, `${name}(id BIGINT, note STRING)\n`], dry.err)
      const { code, err, out } = await run("--json")
      assert.strictEqual(code, 0, err)
      assert.match(
        err,
        /Created main\.default\.stdin_\w+\(id BIGINT, note STRING\) with 2 columns\./
      )
      const summary = JSON.parse(out)
      assert.deepStrictEqual(
        [summary.records, summary.durable, summary.rejected, summary.bytes],
        [30_000, 30_000, 0, text.length]
      )
      const found = await rows(
        name,
        30_000,
        "count(*)::INT AS n, sum(id)::INT AS s, max(id)::INT AS m"
      )
      assert.deepStrictEqual(found, [[30_000, 449_985_000, 29_999]])
    },
    60_000
  )

  it("takes a short standard input, one without records, and others beside it", async () => {
    const run = (name: string, args: ReadonlyArray<string>, input: string) =>
      zerobusProcess(["ingest", "-t", name, "--create", ...args], environment, input)
    const one = await run("main.default.stdin_one", ["-"], '{"id":1}\n')
    assert.match(one.out, /^1 record durable in main\.default\.stdin_one/, one.err)
    const again = await run("main.default.stdin_one", ["-"], '{"id":2}\n')
    assert.match(again.out, /^1 record durable in main\.default\.stdin_one/, again.err)
    const both = await run(
      "main.default.stdin_one",
      ["-", file("beside.ndjson", '{"id":3}\n')],
      '{"id":4}\n'
    )
    assert.match(both.out, /^2 records durable/, both.err)
    const none = await run("main.default.stdin_none", ["-"], "")
    assert.strictEqual(none.code, 2)
    assert.match(none.err, /Standard input cannot be inferred: .*no record to infer columns from/s)
  }, 60_000)

  it("says why there is no table for a file", async () => {
    const bare = await ingest(
      "main.default.never",
      file("bare.csv", "1,2\n"),
      "--create",
      "--dry-run",
      "--no-header"
    )
    assert.strictEqual(bare.code, 2)
    assert.match(bare.err, /--create needs the names of the columns/)
    for (const [name, text, says] of [
      ["e.ndjson", "", /no record to infer columns from/],
      ["n.csv", "日本\n1\n", /no column can be called "日本"/],
      ["t.csv", "a b,a-b\n1,2\n", /two names belong to the column a_b/]
    ] as const) {
      const { code, err } = await ingest(
        "main.default.never",
        file(name, text),
        "--create",
        "--dry-run"
      )
      assert.strictEqual(code, 2)
      assert.match(err, says)
    }
  })
})

describe("--follow", () => {
  const state = (name: string) => Path.join(folder, name)
  const saved = async (path: string, offset: number) => {
    for (;;) {
      const found = Fs.existsSync(path) ? JSON.parse(Fs.readFileSync(path, "utf8")) : undefined
      if (found?.offset === offset) return found
      await sleep(20)
    }
  }

  it("takes what is appended, through rotation and restarts, once each", async () => {
    const table = await newTable()
    const path = file("app.csv", "device,temp\na,1\nb,")
    const args = ["ingest", path, "-t", table, "--follow", "--state", state("app.state"), "--json"]
    const first = start(args, environment)
    await saved(state("app.state"), 16)
    Fs.appendFileSync(path, "2\nc,3\n")
    await saved(state("app.state"), 24)
    // Rotation: a last line without a line end is appended to the old file, then another file has
    // the name.
    Fs.renameSync(path, `${path}.1`)
    Fs.appendFileSync(`${path}.1`, "d,4")
    Fs.writeFileSync(path, "temp,device\n5,e\n")
    await saved(state("app.state"), 16)
    first.child.kill("SIGINT")
    const ended = await first.end
    assert.strictEqual(ended.code, 130, ended.err)
    assert.strictEqual(JSON.parse(ended.out).durable, 5)

    // While the command is stopped: more rows, a rotation, and a new file.
    Fs.appendFileSync(path, "6,f\n")
    Fs.renameSync(path, `${path}.2`)
    Fs.writeFileSync(path, "device,temp\ngg,7\n")
    const second = start(args, environment)
    await saved(state("app.state"), 17)
    second.child.kill("SIGTERM")
    assert.strictEqual(JSON.parse((await second.end).out).durable, 2)
    assert.deepStrictEqual(
      await rows(table, 7),
      [..."abcdef", "gg"].map((device, index) => [device, index + 1])
    )
  }, 60_000)

  it("goes on with the delimiter and the columns of the start", async () => {
    for (const [content, more, extra] of [
      ["temp;device\n1;a,b\n", "2;c,d\n", []],
      ["a,b|1\n", "c,d|2\n", ["--no-header", "--delimiter", "|"]]
    ] as const) {
      const table = await newTable("main.default.x(device STRING, temp INT)")
      const path = file(`delimited-${extra.length}.csv`, content)
      const where = state(`delimited-${extra.length}.state`)
      for (const length of [content.length, content.length + more.length]) {
        const running = start(
          ["ingest", path, "-t", table, "--follow", "--state", where, ...extra],
          environment
        )
        await saved(where, length)
        running.child.kill("SIGINT")
        await running.end
        Fs.appendFileSync(path, more)
      }
      assert.deepStrictEqual(await rows(table, 2), [
        ["a,b", 1],
        ["c,d", 2]
      ])
    }
  }, 60_000)

  it("keeps nothing that is no state, and no state of another file", async () => {
    const path = file("lines.ndjson", '{"device":"a"}\n')
    const table = await newTable()
    const refused = async (content: string, says: RegExp) => {
      const where = file("other.state", content)
      const { code, err } = await ingest(table, path, "--follow", "--state", where)
      assert.strictEqual(code, 2)
      assert.match(err, says)
      assert.strictEqual(Fs.readFileSync(where, "utf8"), content)
    }
    await refused("precious", /is not the state of a followed file/)
    await refused(
      JSON.stringify({
        kind: "zerobus ingest --follow",
        offset: 1,
        end: "",
        identity: {},
        file: "/x",
        table
      }),
      /belongs to another file/
    )
  })
})
