import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { ColumnDefinition, TableDefinition } from "../../../src/internal/columns/columnType.ts"
import { parseTableDefinition, toTypeJson } from "../../../src/internal/columns/columnType.ts"
import { parseDescriptorProto } from "../../../src/internal/protobuf/descriptor.ts"
import {
  fileStem,
  type GeneratedFile,
  generateTable
} from "../../../src/cli/generate/generateTable.ts"
import { constantName } from "../../../src/cli/generate/tableModule.ts"
import {
  readTableSource as readSource,
  type SourceFormat
} from "../../../src/cli/generate/tableSource.ts"
import * as Table from "../../../src/Table.ts"
import { compileProtos } from "../../support/protoc.ts"
import { pick, randomTable, seeded } from "../../support/randomTables.ts"

const root = resolve(import.meta.dirname, "../../..")
const orThrow = <A>(result: Result.Result<A, string>): A =>
  Result.getOrThrowWith(result, (message) => new Error(message))
const readTableSource = (format: SourceFormat, text: string, tableName: string | undefined) =>
  Effect.runPromise(Effect.result(readSource(format, text, tableName)))
const table = (text: string): TableDefinition => orThrow(parseTableDefinition(text))
const generated = (
  definition: TableDefinition,
  options: { output?: string; protoMessage?: string } = {}
): ReadonlyArray<GeneratedFile> =>
  orThrow(generateTable(definition, { origin: "a test", ...options }))
const text = (files: ReadonlyArray<GeneratedFile>, end: string): string =>
  String(files.find(({ name }) => name.endsWith(end))?.content)
const failure = (result: Result.Result<unknown, string>): string =>
  Result.isFailure(result) ? result.failure : assert.fail("expected a refusal")

/**
 * Writes modules below the repository, so that they resolve the package by its name, and removes
 * them again.
 */
const inFolder = <A>(files: ReadonlyMap<string, string>, use: (folder: string) => A): A => {
  mkdirSync(join(root, "reports"), { recursive: true })
  const folder = mkdtempSync(join(root, "reports/generated-"))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  let result: A
  try {
    for (const [name, content] of files) writeFileSync(join(folder, name), content)
    result = use(folder)
  } catch (error) {
    remove()
    throw error
  }
  if (result instanceof Promise) return result.finally(remove) as A
  remove()
  return result
}

const tsconfig = JSON.stringify({
  extends: "../../tsconfig.base.json",
  compilerOptions: { noEmit: true },
  include: ["*.ts"]
})

/** The complaints of a development tool about the files of a folder. Empty when there are none. */
const complaints = (folder: string, program: string, ...args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(join(root, "node_modules/.bin", program), args, {
    cwd: folder,
    encoding: "utf8"
  })
  return status === 0 ? "" : `${stdout}${stderr}`.slice(0, 2000)
}

const wrapped = (definition: TableDefinition): TableDefinition => ({
  ...definition,
  columns: definition.columns.map((column, position) => ({ position, ...column }))
})
const withoutComments = (definition: TableDefinition): unknown =>
  JSON.parse(
    JSON.stringify(definition, (key, value) =>
      key === "comment" ||
      key === "containsNull" ||
      key === "valueContainsNull" ||
      key === "position"
        ? undefined
        : value
    )
  )

const every = table(`main.default.Every_Type(
  id BIGINT NOT NULL COMMENT 'the key', a BOOLEAN, b TINYINT, c SMALLINT NOT NULL, d INT, f FLOAT,
  g DOUBLE, h DECIMAL(10,2), i STRING, j BINARY, k DATE, l TIMESTAMP, m TIMESTAMP_NTZ, n VARIANT,
  o ARRAY<INT>, p ARRAY<STRUCT<q: INT NOT NULL COMMENT 'inner', r: ARRAY<STRING>>> NOT NULL,
  tags MAP<STRING, STRING>, by_id MAP<BIGINT, STRUCT<a_rather_long_name: MAP<INT, DOUBLE>,
  another_long_name: STRUCT<x: DECIMAL(38,18), y: TIMESTAMP_NTZ>>>, place STRUCT<lat: DOUBLE,
  lon: DOUBLE>) PARTITIONED BY (k, d) COMMENT 'All types'`)

describe("generateTable", () => {
  it(
    "CG-01 CG-09 writes files that agree: the descriptor set is what protoc makes of the " +
      ".proto file",
    () => {
      const files = generated(every)
      assert.deepStrictEqual(
        files.map(({ name }) => name),
        ["every_type.proto", "every_type.descriptor", "every_type.ts"]
      )
      const proto = text(files, ".proto")
      assert.include(proto, "package every_type;")
      assert.include(proto, "message table_Every_Type {")
      assert.include(proto, "  // the key\n  required int64 id = 1;")
      const compiled = compileProtos(new Map([["every_type.proto", proto]]))
      assert.isTrue(Buffer.from(files[1]?.content as Uint8Array).equals(compiled))
    }
  )

  it("CG-07 CG-08 follows the official names and the catalog's positions", () => {
    const gaps: TableDefinition = {
      name: "c.s.Orders",
      columns: [
        { name: "b", type: { _tag: "Int" }, nullable: true, position: 4 },
        { name: "a", type: { _tag: "Int" }, nullable: false, position: 0 }
      ]
    }
    const files = generated(gaps, { output: "my-orders.proto", protoMessage: "Orders" })
    assert.include(text(files, ".proto"), "package my_orders;")
    assert.include(
      text(files, ".proto"),
      "message table_Orders {\n  required int32 a = 1;\n  optional int32 b = 5;\n}"
    )
    assert.include(text(files, ".ts"), "b: Column.positioned(Column.nullable(Column.Int), 4)")
    assert.strictEqual(fileStem("c.s.2024_Sales"), "table_2024_sales")
    assert.strictEqual(constantName("c.s.table"), "TableTable")
    assert.strictEqual(constantName("c.s.2024_sales"), "M2024Sales")
    for (const output of ["../x.proto", "x.txt", "/etc/x.proto", ".proto", "a b.proto"]) {
      assert.match(failure(generateTable(gaps, { origin: "x", output })), /must be a file name/)
    }
    assert.match(failure(generateTable(gaps, { origin: "x", protoMessage: "a b" })), /message name/)
  })

  it(
    "writes a module that makes the same table again, for a table with every type and 200 at " +
      "random",
    async () => {
      const definitions = [every, ...Array.from({ length: 200 }, (_, seed) => randomTable(seed))]
      const files = new Map(
        definitions.map((definition, n) => [`t${n}.ts`, text(generated(definition), ".ts")])
      )
      await inFolder(files, async (folder) => {
        for (const [n, definition] of definitions.entries()) {
          const module: Record<string, Table.Table<any>> = await import(
            pathToFileURL(join(folder, `t${n}.ts`)).href
          )
          const made = module[constantName(definition.name)]
          assert.deepStrictEqual(
            withoutComments(made?.definition ?? definition),
            withoutComments({
              name: definition.name,
              columns: definition.columns,
              ...(definition.partitionColumns === undefined
                ? {}
                : { partitionColumns: definition.partitionColumns })
            })
          )
          const expected = Table.fromDefinition(wrapped(definition))
          assert.deepStrictEqual(made?.descriptor, expected.descriptor)
        }
      })
    },
    60_000
  )

  it("writes modules that type-check and need no formatting", () => {
    const definitions = [every, ...Array.from({ length: 200 }, (_, seed) => randomTable(seed))]
    const files = new Map(
      definitions.map((definition, n) => [`t${n}.ts`, text(generated(definition), ".ts")])
    )
    inFolder(new Map([...files, ["tsconfig.json", tsconfig]]), (folder) => {
      assert.strictEqual(complaints(folder, "tsc", "-p", "."), "")
    })
    // The formatter ignores the repository's own output folders, so the files are written
    // elsewhere, with the project's settings.
    const folder = mkdtempSync(join(tmpdir(), "zerobus-generated-"))
    try {
      for (const [name, content] of files) writeFileSync(join(folder, name), content)
      assert.strictEqual(
        complaints(folder, "oxfmt", "--check", "-c", join(root, ".oxfmtrc.json"), "."),
        ""
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)

  it("cannot be injected into by 1,000 hostile names and comments", () => {
    const random = seeded(11)
    const pieces = [
      "*/",
      "/*",
      "//",
      "\n",
      "\r",
      "\u2028",
      "\u2029",
      "\u0085",
      "`",
      "${globalThis.pwned = 1}",
      "'",
      '"',
      "\\",
      "\\u002a/",
      "globalThis.pwned = 1",
      ";",
      "}",
      ")",
      "@ts-ignore",
      "@ts-nocheck",
      "<script>",
      "-->",
      "<!--",
      "\u202e",
      "\u0000",
      "\ud800",
      "#!",
      "//# sourceMappingURL=x",
      "* /",
      "*",
      "/",
      "message X {",
      'import "x";'
    ]
    const hostile = (): string =>
      Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(random, pieces)).join(
        random() < 0.5 ? "" : " "
      )
    const names = Array.from({ length: 1_000 }, () => hostile())
    for (const name of names) {
      assert.isTrue(
        Result.isFailure(
          generateTable(
            { name: "c.s.t", columns: [{ name, type: { _tag: "Int" }, nullable: true }] },
            { origin: "x" }
          )
        )
      )
      assert.isTrue(
        Result.isFailure(
          generateTable({ name: `c.s.${name}`, columns: every.columns }, { origin: "x" })
        )
      )
    }
    const columns = Array.from({ length: 1_000 }, (_, n): ColumnDefinition => ({
      name: `c${n}`,
      type: { _tag: "Int" },
      nullable: true,
      comment: hostile()
    }))
    const definition: TableDefinition = { name: "c.s.t", columns, comment: names.join(" ") }
    const files = orThrow(generateTable(definition, { origin: hostile() }))
    const plain = orThrow(
      generateTable(
        { name: "c.s.t", columns: columns.map(({ comment: _comment, ...column }) => column) },
        { origin: "x" }
      )
    )
    // Without its comments each file is the file of the table without comments.
    const squeeze = (source: string): string =>
      source.replace(/\s+/g, " ").replaceAll("( ", "(").trim()
    const bareModule = (source: string): string =>
      squeeze(source.replace(/\/\*\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, ""))
    const bareProto = (source: string): string => squeeze(source.replace(/^\s*\/\/.*$/gm, ""))
    assert.isTrue(bareModule(text(files, ".ts")) === bareModule(text(plain, ".ts")))
    assert.isTrue(bareProto(text(files, ".proto")) === bareProto(text(plain, ".proto")))
    assert.deepStrictEqual(files[1], plain[1])
    assert.isTrue(
      Buffer.from(files[1]?.content as Uint8Array).equals(
        compileProtos(new Map([["t.proto", text(files, ".proto")]]))
      )
    )
    assert.isFalse(/@ts-|(?:^|\s)@/.test(text(files, ".ts")))
    for (const { content } of files) {
      if (typeof content === "string") {
        assert.isFalse(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u.test(content.replaceAll("\n", "")))
      }
    }
    inFolder(
      new Map([
        ["t.ts", text(files, ".ts")],
        ["tsconfig.json", tsconfig]
      ]),
      (folder) => assert.strictEqual(complaints(folder, "tsc", "-p", "."), "")
    )
  }, 60_000)

  it(
    "reads the same definition from SQL, a Spark schema, the catalog's JSON and its own .proto " +
      "file",
    async () => {
      const simple = table(
        "c.s.t(id BIGINT NOT NULL, a STRING, tags ARRAY<STRING>, m MAP<STRING, DOUBLE>, p " +
          "STRUCT<x: INT, y: BINARY>)"
      )
      const spark = JSON.stringify({ type: "struct", fields: simple.columns.map(toTypeJson) })
      const catalog = JSON.stringify({
        name: "t",
        catalog_name: "c",
        schema_name: "s",
        columns: simple.columns.map((column, position) => ({
          name: column.name,
          type_json: JSON.stringify(toTypeJson(column)),
          nullable: column.nullable,
          position
        }))
      })
      const proto = text(generated(simple), ".proto")
      for (const [format, source] of [
        ["json", spark],
        ["json", catalog],
        ["proto", proto]
      ] as const) {
        assert.deepStrictEqual(
          withoutComments(orThrow(await readTableSource(format, source, "c.s.t"))),
          withoutComments(simple)
        )
      }
      assert.deepStrictEqual(
        orThrow(await readTableSource("json", catalog, undefined)).name,
        "c.s.t"
      )
      assert.deepStrictEqual(
        orThrow(await readTableSource("sql", "c.s.t(a INT)", "c.s.u")).name,
        "c.s.u"
      )
      const again = generated(orThrow(await readTableSource("proto", proto, "c.s.t")))
      assert.deepStrictEqual(again[1], generated(simple)[1])
    }
  )

  it("CG-03 CG-04 CG-06 refuses sources that make no table, in a sentence", async () => {
    const proto = async (body: string): Promise<string> =>
      failure(await readTableSource("proto", `syntax = "proto2"; ${body}`, "c.s.t"))
    assert.match(await proto("message A { optional uint32 x = 1; }"), /field x has the type uint32/)
    assert.match(await proto("enum E { A = 0; } message B { optional E e = 1; }"), /is an enum/)
    assert.match(await proto("message A { optional A a = 1; }"), /contains itself/)
    assert.match(await proto("message A {} message B {}"), /several messages/)
    assert.match(
      await proto("message A { optional google.protobuf.Timestamp at = 1; }"),
      /cannot be read/
    )
    assert.match(await proto("message A { optional"), /cannot be read/)
    assert.match(await proto(""), /no message/)
    assert.match(failure(await readTableSource("proto", "message A {}", undefined)), /--table/)
    assert.match(failure(await readTableSource("json", "{", "c.s.t")), /not JSON/)
    assert.match(failure(await readTableSource("json", '"string"', "c.s.t")), /not an object/)
    assert.match(
      failure(await readTableSource("json", '{"type":"array","elementType":"string"}', "c.s.t")),
      /not a struct/
    )
    assert.match(
      failure(await readTableSource("sql", "c.s.t(`bad-name` INT)", undefined)),
      /not allowed/
    )
    assert.match(
      failure(generateTable(table("c.s.t(a ARRAY<ARRAY<INT>>)"), { origin: "x" })),
      /array of arrays/
    )
  })

  it("bounds what a few lines of a .proto file can ask for", async () => {
    const chain = (depth: number, uses: number) => {
      const lines = Array.from({ length: depth }, (_, n) => {
        const fields = Array.from(
          { length: uses },
          (_, k) => `optional M${n + 1} f${k} = ${k + 1};`
        )
        return `message M${n} { ${fields.join(" ")} }`
      })
      return `syntax = "proto2"; ${lines.join("\n")} message M${depth} { optional int64 id = 1; }`
    }
    const read = (text: string) => readTableSource("proto", text, "c.s.t")
    assert.match(failure(await read(chain(60, 2))), /would have more than 100,000 fields/)
    assert.match(failure(await read(chain(3, 60))), /would have more than 100,000 fields/)
    assert.match(failure(await read(chain(120, 1))), /nested deeper than 100 levels/)
    assert.strictEqual((await read(chain(60, 1)))._tag, "Success")
    assert.strictEqual((await read(chain(10, 2)))._tag, "Success")
  })

  it("reads its own descriptor back", () => {
    for (let seed = 0; seed < 50; seed++) {
      const definition = randomTable(seed)
      const set = generated(definition)[1]?.content as Uint8Array
      // FileDescriptorSet { file { name, package, message_type } }: the message is the last field
      // of the file.
      const at = Buffer.from(set).indexOf(Buffer.from(`table_${definition.name.split(".")[2]}`))
      assert.isAbove(at, 0)
      assert.isTrue(Result.isSuccess(parseDescriptorProto(set.subarray(at - 2))))
    }
  })
})
