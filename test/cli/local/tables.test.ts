/** `zerobus local --tables` and `--watch`, as a process. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import {
  type Environment,
  start,
  startServer,
  temporaryFolder,
  zerobus
} from "../../support/commandLine.ts"

const folder = temporaryFolder()
const file = Path.join(folder, "schema.sql")
const first = "CREATE TABLE main.default.a(id BIGINT NOT NULL, note STRING);\n"

const columnsOf = async (name: string, environment: Environment) => {
  const { err, out } = await zerobus(["table", "show", name, "--json"], environment)
  return err === ""
    ? JSON.parse(out).columns.map((column: { readonly name: string }) => column.name)
    : err
}

describe("zerobus local --tables", () => {
  it("creates tables, keeps equal ones, and refuses different ones before it begins", async () => {
    const args = ["--data-dir", Path.join(folder, "kept"), "--tables", file]
    Fs.writeFileSync(file, first)
    for (const _ of ["new", "again"]) {
      const server = await startServer(args)
      assert.deepStrictEqual(await columnsOf("main.default.a", server.environment), ["id", "note"])
      server.child.kill("SIGTERM")
      assert.strictEqual((await server.end).code, 0)
    }
    Fs.writeFileSync(
      file,
      "CREATE TABLE main.default.new(id INT);\nCREATE TABLE main.default.a(id INT NOT NULL, " +
        "note STRING, more INT)"
    )
    const refused = await start(["local", ...args, "--port", "0", "--http-port", "0"]).end
    assert.strictEqual(refused.code, 2)
    assert.match(
      refused.err.replace(/\s+/g, " "),
      /main\.default\.a: It has no column more\. The column id is bigint NOT NULL in the table\. .*--watch adds columns/
    )
    assert.deepStrictEqual(Fs.readdirSync(Path.join(folder, "kept", "main", "default")), ["a"])
  }, 60_000)

  it.each<readonly [args: ReadonlyArray<string>, text: string, says: RegExp]>([
    [["--tables", file], "CREATE TABLE t", /schema\.sql cannot be read\. Expected "\("/],
    [["--tables", `${file}.none`], "", /schema\.sql\.none of --tables cannot be read: ENOENT/],
    [["--watch"], "", /--watch follows the file of --tables/]
  ])("%j with %j says why", async (args, text, says) => {
    Fs.writeFileSync(file, text)
    const { code, err } = await zerobus(["local", "--memory", ...args])
    assert.strictEqual(code, 2)
    assert.match(err.replace(/\s+/g, " "), says)
  })
})

describe("zerobus local --watch", () => {
  it.each(["--memory", "disk"])(
    "follows the file, and reports what cannot be changed: %s",
    async (where) => {
      const watched = Path.join(folder, `watched${where}.sql`)
      Fs.writeFileSync(watched, first)
      const place = where === "disk" ? ["--data-dir", Path.join(folder, "watched")] : [where]
      const server = await startServer([
        ...place,
        "--tables",
        watched,
        "--watch",
        "--log-format",
        "json"
      ])
      const { environment } = server
      const replace = (text: string) => {
        Fs.writeFileSync(`${watched}.new`, text)
        Fs.renameSync(`${watched}.new`, watched)
      }
      const reads = (count: number) =>
        server.says(new RegExp(`(?:"The file of tables was read"[^]*){${count}}`))

      replace(`${first}CREATE TABLE main.default.b(id INT);`)
      await reads(1)
      assert.deepStrictEqual(await columnsOf("main.default.b", environment), ["id"])

      replace(
        "CREATE TABLE main.default.a(id INT NOT NULL, more STRUCT<x: INT>, must INT NOT NULL) " +
          "PARTITIONED BY (id);"
      )
      await reads(2)
      assert.deepStrictEqual(await columnsOf("main.default.a", environment), ["id", "note", "more"])
      assert.deepStrictEqual(await columnsOf("main.default.b", environment), ["id"])
      const reported = server
        .err()
        .split("\n")
        .filter((line) => line.includes("this cannot be changed"))
        .map((line) => JSON.parse(line).message[1])
        .map(({ column, kind, table }: Record<string, string>) => [table, kind, column])
      assert.deepStrictEqual(reported, [
        ["main.default.a", "COLUMN_CHANGED", "id"],
        ["main.default.a", "COLUMN_LEFT_OUT", "note"],
        ["main.default.a", "NEW_COLUMN_NOT_NULL", "must"],
        ["main.default.a", "PARTITIONING", undefined]
      ])

      replace("CREATE TABLE main.default.c(")
      await server.says(/The file of tables cannot be applied; the tables stay as they are/)
      Fs.unlinkSync(watched)
      await server.says(/of --tables cannot be read: ENOENT/)
      replace(`${first}CREATE TABLE main.default.c(id INT);`)
      await reads(3)
      assert.deepStrictEqual(await columnsOf("main.default.c", environment), ["id"])
      server.child.kill("SIGTERM")
      assert.strictEqual((await server.end).code, 0)
    },
    60_000
  )

  it("adds columns at the start, and refuses what else differs", async () => {
    const args = ["--data-dir", Path.join(folder, "grown"), "--tables", file, "--watch"]
    Fs.writeFileSync(file, first)
    const before = await startServer(args)
    before.child.kill("SIGTERM")
    await before.end
    Fs.writeFileSync(
      file,
      "CREATE TABLE main.default.a(id BIGINT NOT NULL, note STRING, more INT);"
    )
    const after = await startServer(args)
    assert.deepStrictEqual(await columnsOf("main.default.a", after.environment), [
      "id",
      "note",
      "more"
    ])
    after.child.kill("SIGTERM")
    await after.end
    Fs.writeFileSync(file, "CREATE TABLE main.default.a(id BIGINT NOT NULL, more INT);")
    const refused = await start(["local", ...args, "--port", "0", "--http-port", "0"]).end
    assert.strictEqual(refused.code, 2)
    assert.match(
      refused.err.replace(/\s+/g, " "),
      /main\.default\.a: The table also has the column note\./
    )
    Fs.writeFileSync(file, "CREATE TABLE main.default.r(rest VARIANT);")
    const untagged = ["--data-dir", Path.join(folder, "tagged"), "--tables", file]
    const plain = await startServer(untagged)
    plain.child.kill("SIGTERM")
    await plain.end
    Fs.writeFileSync(file, "CREATE TABLE main.default.r(rest VARIANT TAGS ('zerobus-rescue'));")
    const tagged = await start(["local", ...untagged, "--port", "0", "--http-port", "0"]).end
    assert.strictEqual(tagged.code, 2)
    assert.match(
      tagged.err.replace(/\s+/g, " "),
      /main\.default\.r: The column rest lacks the tag zerobus-rescue in the table\./
    )
  }, 60_000)
})

describe("zerobus local --principal", () => {
  it("lets others see what they lack, with secrets that stay", async () => {
    const args = [
      "--data-dir",
      Path.join(folder, "principals"),
      "--table",
      "main.default.t(id BIGINT)",
      "--principal",
      "reader: USE CATALOG, USE SCHEMA, SELECT ON main",
      "--principal",
      "writer",
      "--principal",
      "nobody: NONE"
    ]
    const record = Path.join(folder, "record.ndjson")
    Fs.writeFileSync(record, '{"id":1}\n')
    const secrets: Array<unknown> = []
    for (const _ of ["first", "again"]) {
      const server = await startServer(args)
      const { principals } = JSON.parse(/^\{"environment".*\}$/m.exec(server.out())![0])
      secrets.push(principals)
      const as = (index: number, command: ReadonlyArray<string>) =>
        zerobus(command, {
          ...server.environment,
          DATABRICKS_CLIENT_ID: principals[index].clientId,
          DATABRICKS_CLIENT_SECRET: principals[index].clientSecret
        })
      const ingest = ["ingest", record, "-t", "main.default.t"]
      assert.strictEqual((await as(0, ["table", "show", "main.default.t"])).code, 0)
      const reader = await as(0, ingest)
      assert.strictEqual(reader.code, 2)
      assert.match(reader.err.replace(/\s+/g, " "), /MODIFY/)
      assert.strictEqual((await as(1, ingest)).code, 0)
      const nobody = await as(2, ["doctor", "--table", "main.default.t"])
      assert.strictEqual(nobody.code, 2)
      assert.match(nobody.out, /FAILED {2}privileges/)
      server.child.kill("SIGTERM")
      await server.end
    }
    assert.deepStrictEqual(secrets[0], secrets[1])
  }, 60_000)

  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [["--principal", "a: SELECT"], /is not a grant/],
    [["--principal", "a", "--no-auth"], /--no-auth accepts every client/]
  ])("%j says why", async (args, says) => {
    const { code, err } = await zerobus(["local", "--memory", ...args])
    assert.strictEqual(code, 2)
    assert.match(err.replace(/\s+/g, " "), says)
  })
})
