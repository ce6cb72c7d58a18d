/**
 * Untrusted text (values, names, comments, errors) reaches a terminal without control characters.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Path from "node:path"
import { visible, visibleJson, visibleLines } from "../../../src/cli/terminal/print.ts"
import { temporaryFolder, zerobus, zerobusProcess } from "../../support/commandLine.ts"

/** Characters with an effect on a terminal, a log or a reader. */
const signs = [
  "\u001b",
  "\u0007",
  "\u009b",
  "\r",
  "\n",
  "\u0000",
  "\u007f",
  "\u202e",
  "\u2066",
  "\u2028",
  "\ufeff"
]
const hostile = `a${signs.map((sign) => `${sign}[31m`).join("")}z`
const obeyed = /[^\n\P{Cc}]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u

describe("a text of others", () => {
  it("is shown with its control characters as escapes", () => {
    assert.strictEqual(visible("\u001b[31mred\r\n\u009b"), "\\u{1b}[31mred\\u{d}\\u{a}\\u{9b}")
    assert.strictEqual(visibleLines("one\n\ttwo\u001b"), "one\n\ttwo\\u{1b}")
    const plain = "naïve 語 👩‍👩‍👧 ‌"
    assert.strictEqual(visible(plain), plain)
  })

  it("is the same value in JSON", () => {
    const json = visibleJson(JSON.stringify({ [hostile]: hostile }))
    assert.notMatch(json, obeyed)
    assert.deepStrictEqual(JSON.parse(json), { [hostile]: hostile })
  })
})

describe("a command", () => {
  const name = "main.default.t"
  let environment: Record<string, string>
  /** The answer for tables. */
  let tables: (path: string) => readonly [status: number, body: unknown]
  const server = Http.createServer((request, response) => {
    request.resume()
    const path = request.url ?? ""
    const [status, body] =
      path === "/oidc/v1/token" ? [200, { access_token: "a", expires_in: 60 }] : tables(path)
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    environment = {
      ZEROBUS_SERVER_ENDPOINT: `http://127.0.0.1:${port}`,
      DATABRICKS_WORKSPACE_URL: `http://127.0.0.1:${port}`,
      DATABRICKS_CLIENT_ID: "a",
      DATABRICKS_CLIENT_SECRET: "b"
    }
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })

  const table = {
    name: "t",
    comment: hostile,
    storage_location: `s3://${hostile}`,
    columns: [{ name: "id", type_name: "LONG", position: 0, comment: hostile }],
    properties: { "zerobus.problem": hostile }
  }

  it("shows comments, places and problems of a hostile catalog, each on its line", async () => {
    tables = () => [200, table]
    const shown = await zerobus(["table", "show", name], environment)
    assert.deepStrictEqual([shown.code, shown.err], [0, ""])
    assert.notMatch(shown.out, obeyed)
    assert.lengthOf(shown.out.trimEnd().split("\n"), 4)
    assert.include(shown.out, "  id  bigint  -- a\\u{1b}[31m")
    const json = await zerobus(["table", "show", name, "--json"], environment)
    assert.notMatch(json.out, obeyed)
    assert.strictEqual(JSON.parse(json.out).problem, hostile)
  })

  it("lists its names, each on its line", async () => {
    tables = () => [200, { tables: [{ ...table, name: hostile }] }]
    for (const args of [
      ["table", "list"],
      ["table", "list", "--json"]
    ]) {
      const { code, err, out } = await zerobus(args, environment)
      assert.strictEqual(code, 0, err)
      assert.notMatch(out, obeyed)
      assert.lengthOf(out.trimEnd().split("\n"), 1)
    }
  })

  it("repeats its errors, and names of columns, on one line", async () => {
    const refusals = [
      [403, { error_code: "PERMISSION_DENIED", message: hostile }],
      [200, { ...table, properties: {}, columns: [{ name: hostile, type_name: hostile }] }],
      [
        200,
        {
          ...table,
          properties: {},
          columns: [
            { name: hostile, type_name: "LONG" },
            { name: hostile, type_name: "INT" }
          ]
        }
      ]
    ] as const
    for (const refusal of refusals) {
      tables = () => refusal
      for (const args of [
        ["table", "show", name],
        ["table", "snippet", name],
        ["ingest", "-", "-t", name],
        ["generate", "--table", name],
        ["doctor", "--table", name]
      ]) {
        const { code, err, out } = await zerobus(args, environment)
        assert.notStrictEqual(code, 0, args.join(" "))
        assert.notMatch(err + out, obeyed, args.join(" "))
        assert.notInclude(err, "\n[31m", args.join(" "))
      }
    }
  })

  it("shows values of a query in a table and as JSON", async () => {
    const chars = signs
      .map((sign) => `chr(${sign.codePointAt(0)})`)
      .filter((sign) => sign !== "chr(0)")
    const sql = `SELECT ${chars.join(" || ")} AS "a\u001b[31m", 1 AS b`
    const shown = await zerobus(["query", sql])
    assert.strictEqual(shown.code, 0, shown.err)
    assert.notMatch(shown.out, obeyed)
    assert.lengthOf(shown.out.trimEnd().split("\n"), 3)
    const json = await zerobus(["query", sql, "--json"])
    assert.notMatch(json.out, obeyed)
    assert.deepStrictEqual(JSON.parse(json.out), {
      "a\u001b[31m": signs.filter((sign) => sign !== "\u0000").join(""),
      "b": 1
    })
  })

  it("prints DuckDB's messages, unreadable files and mistakes of the command line", async () => {
    const file = Path.join(temporaryFolder(), "a\u001b[31m\r\nb.ndjson")
    Fs.writeFileSync(file, '{"id":"\u001b[31m"}\n')
    for (const args of [
      ["query", 'SELECT "\u001b[31m"'],
      ["query", "SELECT error('\u001b[31m' || chr(155))"],
      ["generate", "--from", `${file}.none`],
      ["generate", "--from", file, "--table", name],
      ["table", "salvage", "a\u001b.b.c", "--to", "x"],
      ["table", "create", "main.default.t(\u001b[31m INT)"],
      ["local", "--memory", "--table", "main.default.t(\u001b[31m INT)"]
    ]) {
      const { code, err, out } = await zerobus(args, environment)
      assert.strictEqual(code, 2, args.join(" "))
      assert.notMatch(err + out, obeyed, JSON.stringify(args))
    }
    for (const args of [
      ["\u001b[31m"],
      ["table", "\u009b31m"],
      ["local", "--port", "\u001b[31m"],
      ["--\u001b[31m"]
    ]) {
      const { code, err, out } = await zerobusProcess(args)
      assert.strictEqual(code, 2, args.join(" "))
      assert.notMatch(err + out, obeyed, JSON.stringify(args))
    }
  }, 60_000)
})
