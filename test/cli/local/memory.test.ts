/**
 * Every command against a server in memory: commands without files work, and the others say why
 * they do not.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import {
  type LocalServer,
  startServer,
  temporaryFolder,
  zerobus
} from "../../support/commandLine.ts"

const name = "main.default.t"
const folder = temporaryFolder()
const record = Path.join(folder, "record.ndjson")
let server: LocalServer

beforeAll(async () => {
  Fs.writeFileSync(record, '{"id":1}\n')
  server = await startServer(["--memory", "--table", `${name}(id BIGINT)`])
}, 60_000)
afterAll(async () => {
  server.child.kill("SIGTERM")
  assert.strictEqual((await server.end).code, 0)
})

const noFiles =
  /The table main\.default\.t is in the memory of the local server, and has no files\. Start the server without --memory/

describe("with a server in memory", () => {
  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [["ingest", record, "--table", name], /^1 record durable in main\.default\.t/],
    [
      ["table", "show", name],
      /^main\.default\.t\n {2}id {2}bigint\nlocation memory:main\.default\.t\n$/
    ],
    [["table", "show", name, "--json"], /"location":"memory:main\.default\.t"\}\n$/],
    [["table", "alter", name, "add", "column", "more INT"], /^Added 1 column/],
    [["table", "create", "main.default.u(id INT)"], /^Created main\.default\.u with 1 column\./],
    [["table", "list"], /^main\.default\.t {2}2 columns\nmain\.default\.u {2}1 column\n$/],
    [
      ["generate", "--table", name, "--output-dir", Path.join(folder, "generated")],
      /t\.proto written/
    ],
    [["doctor", "--table", name], /No check failed\.\n$/],
    [["table", "drop", "main.default.u", "--yes"], /^Dropped main\.default\.u\./]
  ])("%j works", async (args, says) => {
    const { code, err, out } = await zerobus(args, server.environment)
    assert.strictEqual(code, 0, err)
    assert.match(out, says)
  })

  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [["query", `SELECT * FROM ${name}`], noFiles],
    [["table", "snippet", name], noFiles],
    [["table", "rewrite", name], noFiles],
    [["table", "salvage", name, "--to", Path.join(folder, "salvaged")], noFiles],
    [
      ["table", "register", Path.join(folder, "main/default/v")],
      /keeps its tables in memory and has no data folder/
    ]
  ])("%j says why it cannot work", async (args, says) => {
    const { code, err, out } = await zerobus(args, server.environment)
    assert.deepStrictEqual([code, out], [2, ""])
    assert.match(err.replace(/\s+/g, " "), says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
    assert.isFalse(Fs.existsSync(Path.join(folder, "salvaged")))
  })
})
