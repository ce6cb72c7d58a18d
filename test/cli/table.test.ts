/**
 * `zerobus table` as a process: create, list, show, drop, snippet, and refused arguments.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { startServer, zerobus } from "../support/commandLine.ts"
import { readings, readingsServer } from "../support/readingsServer.ts"

const { dataDir, environment, file, newTable, show } = readingsServer()

describe("zerobus table", () => {
  it("creates, lists and shows", async () => {
    const table = await newTable(
      "x(id BIGINT NOT NULL COMMENT 'the key', day DATE, s STRUCT<a: ARRAY<INT> NOT NULL>) " +
        "PARTITIONED BY (day)"
    )
    const list = await zerobus(["table", "list", "main.default"], environment)
    assert.match(list.out, new RegExp(`^${table} +3 columns$`, "m"))
    const shown = await zerobus(["table", "show", table], environment)
    assert.strictEqual(shown.code, 0, shown.err)
    for (const part of [
      "id   bigint NOT NULL  -- the key",
      "s    struct<a:array<int> NOT NULL>",
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

  it("adds columns", async () => {
    const table = await newTable()
    const altered = await zerobus(
      ["table", "alter", table, "add", "column", "note STRING COMMENT 'free', n INT"],
      environment
    )
    assert.deepStrictEqual(
      [altered.code, altered.out],
      [0, `Added 2 columns to ${table}: note, n.\n`],
      altered.err
    )
    const shown = await zerobus(["table", "show", table], environment)
    assert.include(shown.out, "note    string  -- free")
    assert.include(shown.out, "version 1,")
    for (const [text, says] of [
      ["note INT", /has the column note already/],
      ["must INT NOT NULL", /cannot be added as NOT NULL/],
      ["x NOPE", /cannot be read\. NOPE is not a supported column type/],
      ["bad-name INT", /column name "bad-name" is not allowed/],
      ["", /Expected a column name at character 1, found the end/],
      ["a.b.c INT", /has no column a\. Add that first/]
    ] as const) {
      const refused = await zerobus(["table", "alter", table, "add", "column", text], environment)
      assert.strictEqual(refused.code, 2)
      assert.match(refused.err, says)
    }
  })

  it("rewrites the files of an earlier version", async () => {
    const folder = Path.join(dataDir, "../earlier")
    await Fs.cp(Path.join(import.meta.dirname, "../fixtures/killedFolder/data"), folder, {
      recursive: true
    })
    const server = await startServer(["--data-dir", folder])
    const name = "main.kept.variants"
    const rows = async () =>
      JSON.parse((await zerobus(["table", "show", name, "--json"], server.environment)).out).rows
    const before = await rows()
    const first = await zerobus(["table", "rewrite", name], server.environment)
    assert.strictEqual(first.code, 0, first.err)
    assert.match(first.out, /^Rewrote \d+ files of main\.kept\.variants\.\n$/)
    const again = await zerobus(["table", "rewrite", name], server.environment)
    assert.strictEqual(again.out, `No file of ${name} needs to be rewritten.\n`)
    assert.strictEqual(await rows(), before)
    server.child.kill("SIGTERM")
    await server.end
  }, 60_000)

  it("drops a table when it is told twice", async () => {
    const table = await newTable()
    const asked = await zerobus(["table", "drop", table], environment)
    assert.strictEqual(asked.code, 2)
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
    [
      ["table", "drop", "main.default.nowhere", "--yes"],
      /404 for main\.default\.nowhere: .* does not exist\. Check the name\./
    ],
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
    assert.strictEqual(code, 2)
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
