/**
 * The modules that a command loads: help and version load no transport, no Parquet and no server,
 * and each command loads what it uses. The test checks modules, not times.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { type LocalServer, startServer, temporaryFolder } from "../support/commandLine.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const program = Path.join(root, "src/cli/main.ts")
const folder = temporaryFolder()
const file = (name: string, content: string): string => {
  const path = Path.join(folder, name)
  Fs.writeFileSync(path, content)
  return path
}

/** Writes the URL of each module that the program loads to the file named by LOADED. */
const listing = file(
  "listing.mjs",
  `import { appendFileSync } from "node:fs"
import { registerHooks } from "node:module"
registerHooks({
  load: (url, context, next) => {
    appendFileSync(process.env.LOADED, url + "\\n")
    return next(url, context)
  }
})
`
)

/** Parts of the package and of its dependencies that not every command needs. */
const parts = {
  grpc: /node_modules\/@grpc\/|\/src\/internal\/grpc\//,
  stream: /\/src\/internal\/(?:engine\/stream|landing\/landingZone)/,
  server: /\/src\/(?:testing|local\/(?:endpoints|stream))\//,
  delta: /\/src\/local\/delta\//,
  parquet: /node_modules\/hyparquet|\/src\/local\/parquet\//,
  catalog: /\/src\/UnityCatalog\./,
  protobufjs: /node_modules\/protobufjs\//,
  duckdb: /node_modules\/@duckdb\//,
  columns: /\/src\/internal\/columns\//,
  typed: /\/src\/cli\/typed\/(?:avro|arrow|parquet)File\./,
  arrow: /node_modules\/apache-arrow\//,
  readers: /\/src\/cli\/records\/recordFile\./
}

/** Runs the executable until it ends and returns the parts that it loaded. */
const partsOf = (args: ReadonlyArray<string>, environment: Record<string, string> = {}) => {
  const loaded = file("loaded", "")
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      "--conditions=effect-zerobus-source",
      "--import",
      pathToFileURL(listing).href,
      program,
      ...args
    ],
    { encoding: "utf8", env: { ...process.env, ...environment, LOADED: loaded } }
  )
  const urls = Fs.readFileSync(loaded, "utf8").split("\n")
  assert.isTrue(
    urls.some((url) => url.endsWith("/src/cli/program.ts")),
    "the program was loaded"
  )
  const found = Object.entries(parts).filter(([, pattern]) => urls.some((url) => pattern.test(url)))
  return { parts: found.map(([name]) => name).sort(), status, stderr }
}

let server: LocalServer
beforeAll(async () => {
  server = await startServer(["--memory", "--table", "main.default.t(id INT)"])
}, 30_000)
afterAll(async () => {
  server.child.kill("SIGTERM")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
})

describe("the modules of a command", () => {
  it.each([
    "--help",
    "--version",
    "local --help",
    "table --help",
    "table show --help",
    "table salvage --help",
    "ingest --help",
    "query --help",
    "generate --help",
    "ingets"
  ])("%s loads none of the parts", (line) => {
    assert.deepStrictEqual(partsOf(line.split(" ")).parts, [])
  })

  it("are those that it uses", () => {
    const run = (...args: ReadonlyArray<string>) => {
      const { parts, status, stderr } = partsOf(args, server.environment)
      assert.strictEqual(status, 0, stderr)
      return parts
    }
    assert.deepStrictEqual(run("table", "list"), ["catalog", "columns"])
    const records = file("records.ndjson", '{"id":1}\n')
    assert.deepStrictEqual(run("ingest", records, "-t", "main.default.t"), [
      "catalog",
      "columns",
      "grpc",
      "readers",
      "stream"
    ])
    const fixtures = Path.join(root, "test/fixtures/typedFiles")
    const typed = (name: string) =>
      run("ingest", Path.join(fixtures, name), "-t", "main.default.t", "--ignore-unknown")
    const own = ["catalog", "columns", "grpc", "parquet", "readers", "stream", "typed"]
    assert.deepStrictEqual(typed("every.parquet"), own)
    assert.deepStrictEqual(typed("every.avro"), own)
    assert.deepStrictEqual(typed("every.arrow"), ["arrow", ...own])
    const sql = file("t.sql", "CREATE TABLE main.default.t (id INT)")
    assert.deepStrictEqual(run("generate", "--from", sql, "--output-dir", folder), ["columns"])
    const proto = file("t.proto", 'syntax = "proto2"; message t { optional int32 id = 1; }')
    const fromProto = [
      "generate",
      "--from",
      proto,
      "--table",
      "main.default.t",
      "--output-dir",
      folder,
      "--force"
    ]
    assert.deepStrictEqual(run(...fromProto), ["columns", "protobufjs"])
  }, 60_000)

  it("are those of the server only where it starts", () => {
    const mistaken = partsOf(["local", "--port=99999"])
    assert.strictEqual(mistaken.status, 2)
    assert.deepStrictEqual(mistaken.parts, [])
    const refused = partsOf(["local", "--memory", "--host", "192.0.2.1"])
    assert.strictEqual(refused.status, 2)
    assert.includeMembers(refused.parts, ["server", "parquet", "delta", "grpc"])
  })
})
