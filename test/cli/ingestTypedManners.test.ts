/**
 * What `zerobus ingest` does with Parquet, Arrow and Avro files besides reading them: types that do
 * not fit, rejects, standard input, spools, and flags that do not go with them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { start, zerobus } from "../support/commandLine.ts"
import { readingsServer } from "../support/readingsServer.ts"

const { environment, file, folder, newTable, show } = readingsServer()
const fixtures = Path.resolve(import.meta.dirname, "../fixtures/typedFiles")
const fixture = (name: string): string => Path.join(fixtures, name)
const rows = 60

const run = (...args: ReadonlyArray<string>) => zerobus(["ingest", ...args], environment)

/** Runs the command with a file as standard input. */
const piped = async (path: string, ...args: ReadonlyArray<string>) => {
  const { child, end } = start(["ingest", "-", ...args], environment, "caller")
  child.stdin!.end(Fs.readFileSync(path))
  return end
}

const small = "t(id BIGINT NOT NULL, number TINYINT, name STRING)"

describe("zerobus ingest of files with types", () => {
  it.each(["every.parquet", "every.arrow", "every.avro"])(
    "names the column of %s whose type does not fit, before the first row",
    async (name) => {
      const refused = async (definition: string) => {
        const table = await newTable(definition)
        const { code, err } = await run(fixture(name), "-t", table, "--ignore-unknown")
        assert.strictEqual(code, 2)
        assert.strictEqual((await show(table, 0)).rows, 0)
        return err
      }
      assert.match(
        await refused("t(id BIGINT, at DATE)"),
        new RegExp(
          "The columns of the file do not fit the table: column at: it is .* \\(timestamp\\) in " +
            "the file and date in the table; write it as another type first"
        )
      )
      assert.match(
        await refused("t(id BIGINT, bytes STRING)"),
        /column bytes: .* string in the table/
      )
      assert.match(await refused("t(id BIGINT, day INT)"), /column day: .* int in the table/)
      assert.match(await refused("t(id BIGINT, tags MAP<STRING, STRING>)"), /column tags/)
      assert.match(
        await refused("t(id BIGINT, place STRUCT<city: STRING, zip: BOOLEAN>)"),
        /column place: .*struct<city:string,zip:boolean> in the table/
      )
      assert.match(
        await refused("t(id BIGINT, more INT NOT NULL)"),
        /no column more, which is NOT NULL/
      )
    }
  )

  it.each(["every.parquet", "every.feather", "every.avro"])(
    "keeps rows of %s that do not fit with their numbers",
    async (name) => {
      const table = await newTable(small)
      const rejects = file(`${name}.rejects`, "")
      const flags = ["-t", table, "--ignore-unknown", "--rejects", rejects, "--strict", "--json"]
      const { code, out } = await run(fixture(name), ...flags)
      assert.strictEqual(code, 3)
      const { accepted, durable, rejected } = JSON.parse(out)
      const lines = Fs.readFileSync(rejects, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        [accepted, durable, rejected],
        [rows - lines.length, accepted, lines.length]
      )
      assert.isAbove(lines.length, 30)
      for (const { line, reason, record } of lines) {
        assert.strictEqual(reason, "column number: expected TINYINT, an integer from -128 to 127")
        const { id, number } = JSON.parse(record)
        assert.strictEqual(line, id + 1)
        assert.isAbove(Math.abs(number), 127)
      }
    }
  )

  it("stops at the first bad row, says which, and goes on from there", async () => {
    const table = await newTable("t(id BIGINT, big INT)")
    const stopped = await run(fixture("every.parquet"), "-t", table, "--ignore-unknown")
    assert.strictEqual(stopped.code, 2)
    assert.match(stopped.err, /Row 1: column big: expected INT/)
    const path = fixture("every.avro")
    const next = await run(path, path, "-t", table, "--ignore-unknown", "--skip", "4")
    assert.match(next.err, /every\.avro, row 7: column big: expected INT/)
    assert.match(
      next.out,
      /Done up to record 6 of the files \(row 6 of every\.avro\)\. To continue/
    )
  })

  it("reads texts as those of CSV, and other types where nothing is lost", async () => {
    const table = await newTable(
      "t(id DECIMAL(20,2) NOT NULL, flag VARIANT, tiny DOUBLE, price DOUBLE, tags VARIANT)"
    )
    const { code, err } = await run(fixture("every.arrow"), "-t", table, "--ignore-unknown")
    assert.strictEqual(code, 0, err)
    await show(table, rows)
    const sql = `SELECT * FROM ${table} WHERE id = 4`
    const { out } = await zerobus(["query", sql, "--json"], environment)
    assert.deepStrictEqual(JSON.parse(out), {
      id: 4,
      flag: true,
      tiny: 127,
      price: 12.5,
      tags: ["a", null, "b"]
    })
  })

  it("takes streams from standard input, also to create the table", async () => {
    for (const [name, format] of [
      ["every.arrows", "arrow"],
      ["every.arrow", "arrow"],
      ["deflate.avro", "avro"]
    ] as const) {
      const table = `main.default.piped_${name.replace(".", "_")}`
      const flags = ["-t", table, "--format", format, "--create", "--json"]
      const { code, err, out } = await piped(fixture(name), ...flags)
      assert.strictEqual(code, 0, err)
      assert.include(JSON.parse(out), {
        durable: rows,
        complete: true,
        bytes: Fs.statSync(fixture(name)).size
      })
    }
    const refused = await piped(fixture("every.parquet"), "-t", "main.default.t1", "-f", "parquet")
    assert.strictEqual(refused.code, 2)
    assert.match(refused.err, /Parquet is read from its end, so it cannot come from standard input/)
    const guessed = await piped(fixture("every.avro"), "-t", "main.default.t1")
    assert.match(guessed.err, /Standard input is an Avro file; give --format avro/)
  }, 60_000)

  it("prints the table of a file, and says what no table can have", async () => {
    const { code, out } = await run(
      fixture("every.avro"),
      "-t",
      "main.default.new",
      "--create",
      "--dry-run"
    )
    assert.strictEqual(code, 0)
    assert.strictEqual(
      out,
      "main.default.new(id BIGINT, flag BOOLEAN, tiny INT, small INT, number INT, big BIGINT, " +
        "single FLOAT, twice DOUBLE, price DECIMAL(10,2), wide DECIMAL(38,10), name STRING, " +
        "bytes BINARY, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, tags array<string>, " +
        "counts map<string,bigint>, place struct<city:string,zip:int>, " +
        "places array<struct<city:string,sizes:array<double>>>)\n"
    )
  })

  it("does not follow them", async () => {
    const state = Path.join(folder, "state")
    for (const name of ["every.parquet", "every.arrows", "every.avro"]) {
      const { code, err } = await run(
        fixture(name),
        "-t",
        "main.default.readings",
        "--follow",
        "--state",
        state
      )
      assert.strictEqual(code, 2)
      assert.match(err, /--follow takes a plain file of format ndjson or csv/)
    }
  })

  it.each(["every.parquet", "every.arrow", "every.avro"])(
    "resumes %s behind what the spool has",
    async (name) => {
      const table = await newTable("t(id BIGINT, number INT)")
      const spool = Path.join(folder, `spool-${name}`)
      const flags = ["-t", table, "--ignore-unknown", "--spool", spool, "--resume", "--json"]
      const first = await run(fixture(name), ...flags)
      assert.strictEqual(first.code, 0, first.err)
      assert.include(JSON.parse(first.out), { accepted: rows, durable: rows })
      const again = await run(fixture(name), ...flags)
      assert.strictEqual(again.code, 0, again.err)
      assert.include(JSON.parse(again.out), { accepted: 0, skipped: rows })
      assert.strictEqual((await show(table, rows)).rows, rows)
    }
  )

  it("names the package that Arrow files need, where it is missing", async () => {
    const hooks = file(
      "without-arrow.mjs",
      `import { registerHooks } from "node:module"
registerHooks({
  resolve: (name, context, next) => {
    if (name !== "apache-arrow") return next(name, context)
    const error = new Error("Cannot find package 'apache-arrow'")
    throw Object.assign(error, { code: "ERR_MODULE_NOT_FOUND" })
  }
})
`
    )
    const table = await newTable("t(id BIGINT)")
    const environmentWithout = { ...environment, NODE_OPTIONS: `--import=${hooks}` }
    const { end } = start(["ingest", fixture("every.arrow"), "-t", table], environmentWithout)
    const { code, err } = await end
    assert.strictEqual(code, 2)
    assert.match(
      err,
      /with the package apache-arrow, which is not installed\. Run npm install apache-arrow/
    )
    const avro = start(
      ["ingest", fixture("every.avro"), "-t", table, "--ignore-unknown"],
      environmentWithout
    )
    assert.strictEqual((await avro.end).code, 0)
  })
})
