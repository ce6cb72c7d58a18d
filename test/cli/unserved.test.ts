/**
 * `zerobus table list`, `show`, `register` and `salvage` as processes, on a data folder with tables
 * that other programs created or changed.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { UnityCatalog, UnityCatalogLayer } from "effect-zerobus"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { versionName } from "../../src/local/delta/deltaActions.ts"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { type LocalServer, startServer, temporaryFolder, zerobus } from "../support/commandLine.ts"
import { append, byHand, json, table } from "../support/storedTables.ts"

const fixtures = Path.join(import.meta.dirname, "../fixtures/foreignTables/data/main/spark")
const dataDir = Path.join(temporaryFolder(), "data")
const orders = "main.default.orders"
let server: LocalServer

const start = async () => {
  server = await startServer(["--data-dir", dataDir])
}

const stop = async () => {
  server.child.kill("SIGTERM")
  await server.end
}

const run = (...args: ReadonlyArray<string>) => zerobus(args, server.environment)

/** Text without the line breaks of the terminal's width. */
const flat = (text: string) => text.replace(/\s+/g, " ")

const metadataOf = (folder: string) => {
  const first = Fs.readFileSync(Path.join(folder, "_delta_log", `${versionName(0)}.json`), "utf8")
  return JSON.parse(first.split("\n").find((line) => line.includes("metaData"))!).metaData
}

/** Commits actions as the next version, like another program. */
const commit = (folder: string, ...actions: ReadonlyArray<object>) => {
  const log = Path.join(folder, "_delta_log")
  const versions = Fs.readdirSync(log).filter((name) => /^\d{20}\.json$/.test(name))
  Fs.writeFileSync(
    Path.join(log, `${versionName(versions.length)}.json`),
    actions.map((action) => `${JSON.stringify(action)}\n`).join("")
  )
}

const copy = (table: string, ...place: ReadonlyArray<string>) => {
  const target = Path.join(dataDir, ...place)
  Fs.cpSync(Path.join(fixtures, table), target, { recursive: true })
  return target
}

const withColumn = (folder: string, name: string) =>
  withColumns(folder, [{ name, type: "long", nullable: true, metadata: {} }])

const withColumns = (folder: string, added: ReadonlyArray<object>, id = metadataOf(folder).id) => {
  const metaData = { ...metadataOf(folder), id }
  const schema = JSON.parse(metaData.schemaString)
  const fields = [...schema.fields, ...added]
  commit(folder, { metaData: { ...metaData, schemaString: JSON.stringify({ ...schema, fields }) } })
}

describe("tables that other programs made", () => {
  beforeAll(async () => {
    Fs.mkdirSync(dataDir)
    copy("prefixed", "main", "default", "with-dash")
    withColumn(copy("prefixed", "main", "default", "costs"), "total cost $")
    const noted = copy("prefixed", "main", "default", "noted")
    commit(noted, {
      protocol: {
        minReaderVersion: 1,
        minWriterVersion: 7,
        writerFeatures: ["allowColumnDefaults"]
      }
    })
    const column = (name: string, type: unknown, metadata: object) => ({
      name,
      type,
      nullable: true,
      metadata
    })
    const codes = { type: "array", elementType: "string", containsNull: true }
    const fields = [
      column("code", "string", { __CHAR_VARCHAR_TYPE_STRING: "char(3)", comment: "as ISO has it" }),
      column("codes", codes, { __CHAR_VARCHAR_TYPE_STRING: "array<varchar(10)>" }),
      column("n", "integer", { CURRENT_DEFAULT: "7", EXISTS_DEFAULT: "7" })
    ]
    withColumns(noted, fields, randomUUID())
    await start()
    const created = await run("table", "create", `${orders}(id BIGINT, name STRING)`)
    assert.strictEqual(created.code, 0, created.err)
  }, 60_000)
  afterAll(stop)

  it("are listed with the reason, and leave all other tables served", async () => {
    const { code, err, out } = await run("table", "list")
    assert.strictEqual(code, 0, err)
    assert.match(
      out,
      /main\.default\.with-dash +not served: .*name part "with-dash" is not allowed/
    )
    assert.match(
      out,
      /main\.default\.costs +not served: .*column name "total cost \$" is not allowed/
    )
    assert.match(out, /main\.default\.orders +2 columns/)
    const shown = await run("table", "show", "main.default.costs")
    assert.match(flat(shown.out + shown.err), /column name "total cost \$" is not allowed/)
    const asked = await run("table", "drop", "main.default.costs")
    assert.match(flat(asked.err), /column name "total cost \$" is not allowed/)
    assert.isTrue(Fs.existsSync(Path.join(dataDir, "main", "default", "costs")))
    assert.match(server.err(), /main\.default\.with-dash is refused/)
  }, 60_000)

  it("are served once they are registered, below the data folder only", async () => {
    const path = copy("deleted", "main", "default", "deleted")
    const registered = await run("table", "register", path)
    assert.strictEqual(registered.code, 0, registered.err)
    assert.strictEqual(registered.out, "Registered main.default.deleted with 1 column.\n")
    const counted = await run("query", "SELECT count(*) AS n FROM main.default.deleted", "--json")
    assert.strictEqual(counted.out, '{"n":104998}\n', counted.err)
    const again = await run("table", "register", path)
    assert.strictEqual(again.code, 0, again.err)

    const outside = Path.join(temporaryFolder(), "main", "default", "far")
    Fs.cpSync(Path.join(fixtures, "deleted"), outside, { recursive: true })
    Fs.mkdirSync(Path.join(dataDir, "main", "default", "empty"))
    Fs.symlinkSync(outside, Path.join(dataDir, "main", "default", "linked"))
    for (const [where, says] of [
      [outside, /is not the folder of a table/],
      [
        Path.join(dataDir, "main", "default", "linked"),
        /default\/linked is a link\. Move the folder itself there/
      ],
      [Path.join(dataDir, "main", "default", "none"), /default\/none does not exist/],
      [Path.join(dataDir, "main", "default", "empty"), /holds no Delta table/],
      [Path.join(dataDir, "main", "default", "costs"), /column name "total cost \$" is not allowed/]
    ] as const) {
      const refused = await run("table", "register", where)
      assert.strictEqual(refused.code, 2, refused.out)
      assert.match(flat(refused.err), says)
    }
  }, 120_000)

  it("are shown with text lengths and defaults, as in the catalog", async () => {
    const shown = await run("table", "show", "main.default.noted")
    assert.match(
      shown.out,
      /code +char\(3\) {2}-- as ISO has it\n +codes +array<varchar\(10\)>\n +n +int DEFAULT 7\n/
    )
    const { columns } = JSON.parse((await run("table", "show", "main.default.noted", "--json")).out)
    assert.deepStrictEqual(columns.slice(-3), [
      { name: "code", type: "char(3)", nullable: true },
      { name: "codes", type: "array<varchar(10)>", nullable: true },
      { name: "n", type: "int", nullable: true, default: "7" }
    ])
    const { definition } = await Effect.runPromise(
      UnityCatalog.use((catalog) => catalog.getTable("main.default.noted")).pipe(
        Effect.provide(UnityCatalogLayer),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnvRecord(server.environment)
        )
      )
    )
    const [code, , n] = definition.columns.slice(-3)
    assert.deepStrictEqual(code!.type, { _tag: "String", textLength: { kind: "CHAR", length: 3 } })
    assert.strictEqual(n!.defaultSql, "7")
    // New columns are added after them, and they stay unchanged.
    const added = await run(
      "table",
      "alter",
      "main.default.noted",
      "add",
      "column",
      "s STRUCT<a INT>"
    )
    assert.strictEqual(added.code, 0, added.err)
    const inside = await run(
      "table",
      "alter",
      "main.default.noted",
      "add",
      "column",
      "s.b DATE, more INT"
    )
    assert.strictEqual(
      inside.out,
      "Added 2 columns to main.default.noted: s.b, more.\n",
      inside.err
    )
    const now = await run("table", "show", "main.default.noted")
    assert.match(now.out, /char\(3\).*DEFAULT 7\n +s +struct<a:int,b:date>\n +more +int\n/s)
  }, 60_000)

  it("are dropped by name, also those that cannot be served", async () => {
    const dropped = await run("table", "drop", "main.default.costs", "--yes")
    assert.strictEqual(dropped.out, "Dropped main.default.costs.\n", dropped.err)
    assert.isFalse(Fs.existsSync(Path.join(dataDir, "main", "default", "costs")))
    assert.notMatch((await run("table", "list")).out, /costs/)
    // No catalog has such a name: the folder must be moved or deleted manually.
    const impossible = await run("table", "drop", "main.default.with-dash", "--yes")
    assert.match(flat(impossible.err), /"main\.default\.with-dash" is no/)
  }, 60_000)
})

describe("zerobus table salvage", () => {
  const folder = Path.join(dataDir, "main", "default", "refused")
  const [refused, lost] = ["main.default.refused", "main.default.lost"]
  const files = temporaryFolder()
  const file = (name: string) => Path.join(files, name)
  const salvage = (table: string, name: string, ...rest: ReadonlyArray<string>) =>
    run("table", "salvage", table, "--to", file(name), ...rest)
  let lostId = ""

  beforeAll(async () => {
    // Two tables whose logs contain records: another program added a constraint to one and removed
    // the other.
    await Effect.runPromise(
      Effect.gen(function* () {
        const store = yield* makeDurableTableStore({ ...byHand, folder: dataDir, worker: false })
        for (const name of [refused, lost]) {
          const { tableId } = yield* store.create(table(`${name}(id BIGINT, name STRING)`))
          const writer = yield* store.openWriter(name, { _tag: "Json" })
          yield* append(writer, [json({ id: 1, name: "a" })])
          yield* store.flush(name)
          yield* append(writer, [json({ id: 2, name: "b" }), json({ id: 3 })])
          if (name === lost) lostId = tableId
          const place = Path.join(dataDir, ...name.split("."))
          const configuration = { "delta.constraints.positive": "id > 0" }
          const protocol = { minReaderVersion: 1, minWriterVersion: 3 }
          commit(place, { protocol }, { metaData: { ...metadataOf(place), configuration } })
        }
      }).pipe(Effect.scoped)
    )
    Fs.rmSync(Path.join(dataDir, ...lost.split(".")), { recursive: true })
    await start()
  }, 60_000)
  afterAll(stop)

  it("takes records out, overwrites nothing, and has them dropped when it is told", async () => {
    const listed = await run("table", "list")
    assert.match(
      listed.out,
      /main\.default\.refused +not served: .*CHECK constraint positive.*zerobus table salvage/
    )
    const shown = await run("table", "show", refused)
    assert.match(shown.out, /not served: .*CHECK constraint positive/)
    assert.match(shown.out, /name {2}string/)
    assert.match(
      JSON.parse((await run("table", "show", refused, "--json")).out).problem,
      /CHECK constraint positive/
    )
    assert.match(
      server.err(),
      /CHECK constraint positive.*zerobus table salvage main\.default\.refused --to FILE/
    )

    const out = file("out.ndjson")
    const salvaged = await salvage(refused, "out.ndjson")
    assert.strictEqual(salvaged.code, 0, salvaged.err)
    assert.strictEqual(salvaged.out, `Wrote 2 records of ${refused} to ${out}.\n`)
    assert.strictEqual(Fs.readFileSync(out, "utf8"), '{"id":2,"name":"b"}\n{"id":3}\n')
    assert.strictEqual(Fs.statSync(out).mode & 0o777, 0o600)
    Fs.symlinkSync(file("nowhere"), file("link"))
    for (const name of ["out.ndjson", "link"]) {
      const kept = await salvage(refused, name)
      assert.strictEqual(kept.code, 2)
      assert.match(flat(kept.err), /exists already, and is not overwritten/)
    }
    assert.isFalse(Fs.existsSync(file("nowhere")))

    const kept = await run("table", "drop", refused, "--yes")
    assert.match(
      flat(kept.err),
      /log holds acknowledged records that are not in the table \(2\).*salvage main\.default\.refused --to FILE --discard/
    )
    const dropped = await salvage(refused, "again.ndjson", "--discard")
    assert.match(dropped.out, /Wrote 2 records .*The server drops them/s)
    // Opening a stream makes the server check the table.
    assert.strictEqual((await run("ingest", out, "--table", refused)).code, 2)
    const nothing = await salvage(refused, "none")
    assert.deepStrictEqual([nothing.code, Fs.existsSync(file("none"))], [0, false], nothing.err)
    assert.match(nothing.out, /All acknowledged records of main\.default\.refused are in the table/)

    commit(
      folder,
      { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      { metaData: metadataOf(folder) }
    )
    const back = await run("ingest", out, "--table", refused)
    assert.strictEqual(back.code, 0, back.err)
    const served = await salvage(refused, "none", "--discard")
    assert.strictEqual(served.code, 2)
    assert.match(flat(served.err), /The server serves main\.default\.refused/)
    for (const name of ["churn", "main.default", "a.b.c.d"]) {
      assert.match(
        flat((await salvage(name, "none")).err),
        new RegExp(`"${name}" is not catalog\\.schema\\.table`)
      )
    }
    const nobody = { ...server.environment, DATABRICKS_WORKSPACE_URL: "http://127.0.0.1:1" }
    const down = await zerobus(["table", "salvage", refused, "--to", file("none")], nobody)
    assert.match(flat(down.err), /If no server is running, name its data folder: --data-dir DIR/)
    const unknown = await salvage("main.default.nothing", "none")
    assert.match(flat(unknown.err), /neither a table nor a log main\.default\.nothing/)
  }, 180_000)

  it(
    "reads the log of a table that is gone, beside a new table of its name, and drops it " +
      "without a server",
    async () => {
      assert.match(
        (await run("table", "list")).out,
        /main\.default\.lost +not served: .*the table with its id is gone/
      )
      assert.match(server.err(), /the table with its id is gone/)
      const shown = await run("table", "show", lost)
      assert.strictEqual(shown.code, 2)
      assert.match(flat(shown.err), /the table with its id is gone/)
      Fs.writeFileSync(file("empty"), "")
      for (const command of [
        ["query", `SELECT * FROM ${lost}`],
        ["ingest", file("empty"), "--format", "ndjson", "--table", lost]
      ]) {
        const { code, err } = await run(...command)
        assert.notStrictEqual(code, 0)
        assert.match(flat(err), /the table with its id is gone/)
        assert.notMatch(flat(err), /zerobus table create|cannot be used/)
      }
      assert.match(
        flat((await run("table", "show", "main.default.never")).err),
        /Create it with zerobus table create/
      )
      const all = await salvage(lost, "lost.ndjson")
      assert.strictEqual(all.code, 0, all.err)
      assert.include(
        Fs.readFileSync(file("lost.ndjson"), "utf8"),
        '{"id":2,"name":"b"}\n{"id":3}\n'
      )
      assert.strictEqual((await run("table", "create", `${lost}(id BIGINT, name STRING)`)).code, 0)
      const filled = await run("ingest", file("lost.ndjson"), "--table", lost)
      assert.strictEqual(filled.code, 0, filled.err)

      await stop()
      const offline = ["--data-dir", dataDir]
      const several = await salvage(lost, "two", ...offline)
      assert.match(flat(several.err), new RegExp(`several logs.*--log: .*${lostId}`))
      const dropped = await salvage(lost, "two", "--log", lostId, "--discard", ...offline)
      assert.strictEqual(dropped.code, 0, dropped.err)
      assert.match(dropped.out, /They are dropped from the log/)
      await start()
      const listed = await run("table", "list")
      assert.match(listed.out, /main\.default\.lost +2 columns\n/)
      assert.notInclude(listed.out, "is gone")
    },
    180_000
  )
})
