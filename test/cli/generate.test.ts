/**
 * `zerobus generate` as a user runs it: with a local server, from files, and its rules for
 * overwriting and drift.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Zerobus } from "effect-zerobus"
import type { Table } from "effect-zerobus"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import protobuf from "protobufjs"
import "protobufjs/ext/descriptor.js"
import { parseDescriptorProto } from "../../src/internal/protobuf/descriptor.ts"
import { WireReader } from "../../src/internal/protobuf/reader.ts"
import * as TableProperties from "../../src/TableProperties.ts"
import {
  type Environment,
  type LocalServer,
  startServer,
  temporaryFolder,
  zerobus,
  zerobusProcess
} from "../support/commandLine.ts"

const folder = temporaryFolder()
// Below the repository, so that the generated module finds the package by its name.
const reports = Path.resolve(import.meta.dirname, "../../reports")
const definition = `main.default.every(id BIGINT NOT NULL COMMENT 'the key', a BOOLEAN, b TINYINT,
  c SMALLINT, d INT, f FLOAT, g DOUBLE, h DECIMAL(10,2), i STRING, j BINARY, k DATE, l TIMESTAMP,
  m TIMESTAMP_NTZ, n ARRAY<STRUCT<q: INT>>, o MAP<STRING, BIGINT>, p STRUCT<lat: DOUBLE,
  tags: ARRAY<STRING>>)`
let output = ""
let server: LocalServer
let environment: Environment

const generate = (...args: ReadonlyArray<string>) => zerobus(["generate", ...args], environment)
const toOutput = ["--table", "main.default.every", "--output-dir"]

beforeAll(async () => {
  Fs.mkdirSync(reports, { recursive: true })
  output = Fs.mkdtempSync(Path.join(reports, "generate-"))
  server = await startServer(["--data-dir", Path.join(folder, "data"), "--table", definition])
  environment = server.environment
}, 30_000)

afterAll(async () => {
  server.child.kill("SIGTERM")
  await server.end
  Fs.rmSync(folder, { recursive: true, force: true })
  Fs.rmSync(output, { recursive: true, force: true })
})

/**
 * The message of a descriptor set: the bytes after the tag of `FileDescriptorProto.message_type`.
 */
const messageOf = (set: Uint8Array): Uint8Array => {
  const file = new WireReader(set)
  file.tag()
  const reader = file.sub()
  for (;;) {
    const { number, wire } = reader.tag()
    if (number === 4) return Uint8Array.from(reader.view())
    reader.skip(wire)
  }
}

/** Makes a process print the modules of protobufjs that it has loaded when it ends. */
const reportLoads = `--import=data:text/javascript,${encodeURIComponent(`
  import { createRequire } from "node:module"
  const { cache } = createRequire("${import.meta.url}")
  process.on("exit", () => {
    const loaded = Object.keys(cache).filter((file) => /[\\\\/]protobufjs[\\\\/]/.test(file))
    console.error("loaded of protobufjs: " + loaded.length)
  })`)}`

describe("zerobus generate", () => {
  it(
    "CG-09 writes three files from the catalog; the module ingests and the descriptor fits " +
      "protobufjs",
    async () => {
      const { code, err, out } = await generate(...toOutput, output)
      assert.strictEqual(code, 0, err)
      assert.match(
        out,
        /every\.proto written[\s\S]*every\.descriptor written[\s\S]*every\.ts written/
      )
      const { Every } = (await import(pathToFileURL(Path.join(output, "every.ts")).href)) as {
        Every: Table.Table<any>
      }
      const set = Fs.readFileSync(Path.join(output, "every.descriptor"))
      const type = protobuf.Root.fromDescriptor(set).lookupType("every.table_every")
      const raw = TableProperties.proto("main.default.every", messageOf(set))
      assert.strictEqual(parseDescriptorProto(messageOf(set))._tag, "Success")
      const empty = {
        a: null,
        b: null,
        c: null,
        d: null,
        f: null,
        g: null,
        h: null,
        i: null,
        j: null,
        k: null,
        l: null,
        m: null,
        p: null
      }
      await Effect.runPromise(
        Effect.gen(function* () {
          const client = yield* Zerobus
          yield* client.withStream(Every, (stream) =>
            stream.ingestRecord({
              ...empty,
              id: 1n,
              i: "typed",
              n: [{ q: 1 }],
              o: new Map([["x", 2n]])
            })
          )
          yield* client.withStream(raw, (stream) =>
            stream.ingestRecord(
              type
                .encode(type.fromObject({ id: 2, i: "raw", p: { lat: 1.5, tags: ["t"] } }))
                .finish()
            )
          )
        }).pipe(
          Effect.provide(
            Zerobus.layer({
              serverEndpoint: environment["ZEROBUS_SERVER_ENDPOINT"] ?? "",
              workspaceUrl: environment["DATABRICKS_WORKSPACE_URL"] ?? "",
              clientId: environment["DATABRICKS_CLIENT_ID"] ?? "",
              clientSecret: Redacted.make(environment["DATABRICKS_CLIENT_SECRET"] ?? ""),
              proxy: false
            }).pipe(Layer.orDie)
          )
        )
      )
      // Both are acknowledged; the table contains them once they are committed.
      let rows = 0
      while (rows < 2) {
        const shown = await zerobus(["table", "show", "main.default.every", "--json"], environment)
        assert.strictEqual(shown.code, 0, shown.err)
        rows = JSON.parse(shown.out).rows
      }
      assert.strictEqual(rows, 2)
    },
    60_000
  )

  it("keeps equal files, overwrites with --force only, finds drift by --check", async () => {
    const target = Path.join(folder, "drift")
    const missing = await generate(...toOutput, target, "--check")
    assert.strictEqual(missing.code, 2)
    assert.match(missing.err, /every\.proto \(missing\).*\. Run zerobus generate without --check\./)
    assert.isFalse(Fs.existsSync(target))
    assert.strictEqual((await generate(...toOutput, target)).code, 0)
    assert.strictEqual((await generate(...toOutput, target, "--check")).code, 0)
    assert.match((await generate(...toOutput, target)).out, /every\.ts is unchanged/)
    const module = Path.join(target, "every.ts")
    const good = Fs.readFileSync(module, "utf8")
    Fs.writeFileSync(module, `${good}// mine\n`)
    const drift = await generate(...toOutput, target, "--check")
    assert.strictEqual(drift.code, 2)
    assert.match(
      drift.err,
      /every\.ts \(different\)\. Run zerobus generate with --force instead of --check\./
    )
    const refused = await generate(...toOutput, target)
    assert.strictEqual(refused.code, 2)
    assert.match(refused.err, /--force/)
    assert.include(Fs.readFileSync(module, "utf8"), "// mine")
    assert.strictEqual((await generate(...toOutput, target, "--force")).code, 0)
    assert.strictEqual(Fs.readFileSync(module, "utf8"), good)
    assert.deepStrictEqual(Fs.readdirSync(target).toSorted(), [
      "every.descriptor",
      "every.proto",
      "every.ts"
    ])
  }, 60_000)

  it("generates from a file, under the official flags", async () => {
    const source = Path.join(folder, "orders.sql")
    Fs.writeFileSync(source, "CREATE TABLE main.default.orders (id BIGINT NOT NULL, item STRING)")
    const { code, err } = await zerobus([
      "generate",
      "--from",
      source,
      "--output-dir",
      folder,
      "--output",
      "my.proto",
      "--proto-msg",
      "Orders"
    ])
    assert.strictEqual(code, 0, err)
    assert.include(
      Fs.readFileSync(Path.join(folder, "my.proto"), "utf8"),
      "message table_Orders {\n  required int64 id = 1;"
    )
  }, 30_000)

  it("says in one line what is missing or wrong, and never the secret", async () => {
    const secret = environment["DATABRICKS_CLIENT_SECRET"] ?? ""
    const rows: ReadonlyArray<readonly [ReadonlyArray<string>, Environment, RegExp]> = [
      [[], environment, /--table catalog\.schema\.table/],
      [["--table", "main.default.nowhere"], environment, /main\.default\.nowhere/],
      [["--table", "two.parts"], environment, /not a table name/],
      [["--table", "main.default.every"], {}, /DATABRICKS_WORKSPACE_URL is not set/],
      [
        ["--table", "main.default.every"],
        { ...environment, DATABRICKS_CLIENT_SECRET: "" },
        /DATABRICKS_CLIENT_SECRET is not set/
      ],
      [
        ["--table", "main.default.every", "--uc-endpoint", "http://example.com"],
        environment,
        /plain http/
      ],
      [
        ["--table", "main.default.every", "--output", "../x.proto"],
        environment,
        /must be a file name/
      ],
      [["--from", Path.join(folder, "none.sql")], environment, /cannot be read/]
    ]
    for (const [args, env, message] of rows) {
      const { code, err, out } = await zerobus(
        ["generate", ...args, "--output-dir", Path.join(folder, "bad")],
        env
      )
      assert.strictEqual(code, 2, args.join(" "))
      assert.match(err, message)
      assert.isTrue(secret === "" || !(err + out).includes(secret))
    }
  }, 60_000)

  it("loads protobufjs for a .proto file, and never for anything else", async () => {
    const source = Path.join(folder, "orders.proto")
    Fs.writeFileSync(source, 'syntax = "proto2"; message Orders { required int64 id = 1; }')
    const observed = { ...environment, NODE_OPTIONS: reportLoads }
    const loads = async (...args: ReadonlyArray<string>): Promise<number> => {
      const { code, err } = await zerobusProcess(args, observed)
      assert.strictEqual(code, 0, err)
      return Number(/^loaded of protobufjs: (\d+)$/m.exec(err)?.[1])
    }
    const into = (name: string) => ["--output-dir", Path.join(folder, name)]
    assert.isAbove(
      await loads("generate", "--from", source, "--table", "main.default.orders", ...into("proto")),
      10
    )
    assert.strictEqual(await loads("--help"), 0)
    assert.strictEqual(
      await loads("generate", "--table", "main.default.every", ...into("catalog")),
      0
    )
    const importing = 'await import("effect-zerobus"); await import("effect-zerobus/testing")'
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--conditions=effect-zerobus-source", "--input-type=module", "--eval", importing],
      {
        cwd: import.meta.dirname,
        env: { ...process.env, NODE_OPTIONS: reportLoads },
        encoding: "utf8"
      }
    )
    assert.strictEqual(status, 0, stderr)
    assert.match(stderr, /^loaded of protobufjs: 0$/m)
  }, 180_000)
})
