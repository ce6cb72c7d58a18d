/**
 * Files with types read without a server: files of DuckDB, damaged files, and what is refused.
 */
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll } from "vitest"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { kindOf, type TypedFormat } from "../../../src/cli/records/fileKind.ts"
import { openTyped } from "../../../src/cli/typed/typedFile.ts"
import { temporaryFolder } from "../../support/commandLine.ts"

const fixtures = Path.resolve(import.meta.dirname, "../../fixtures/typedFiles")
const fixture = (name: string): string => Path.join(fixtures, name)
const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content: Uint8Array | string): string => {
  const path = Path.join(folder, name)
  Fs.writeFileSync(path, content)
  return path
}

/** All rows of a file as text, and its columns. */
const read = (path: string, format = kindOf(path).format as TypedFormat) =>
  Effect.gen(function* () {
    const typed = yield* openTyped({ file: path, format, gzip: path.endsWith(".gz") })
    const rows: Array<string> = []
    yield* Stream.runForEach(typed.rows, (some) =>
      Effect.sync(() => rows.push(...some.map(({ text }) => text)))
    )
    return { columns: typed.columns, rows, read: typed.read }
  }).pipe(Effect.scoped)

const refusal = (path: string, format?: TypedFormat) =>
  Effect.map(Effect.flip(read(path, format)), ({ message }) => message)

const copy = (sql: string, path: string, options: string) =>
  Effect.promise(async () => {
    const instance = await DuckDBInstance.create()
    const connection = await instance.connect()
    await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet${options})`)
    connection.closeSync()
    instance.closeSync()
    return path
  })

const names = ["every.parquet", "every.arrow", "every.arrows", "every.feather", "every.avro"]

describe("files with types", () => {
  it.effect.each(["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"])(
    "reads Parquet that DuckDB wrote with %s, over many row groups",
    (codec) =>
      Effect.gen(function* () {
        const sql = `SELECT i AS id, 'text ' || i % 100 AS name, [i, NULL] AS list
          FROM range(10000) t(i)`
        const path = Path.join(folder, `${codec}.parquet`)
        yield* copy(sql, path, `, CODEC ${codec}, ROW_GROUP_SIZE 2048`)
        const { read: bytes, rows } = yield* read(path)
        assert.strictEqual(rows.length, 10_000)
        assert.strictEqual(rows[9999], '{"id":9999,"name":"text 99","list":[9999,null]}')
        assert.strictEqual(new Set(rows).size, 10_000)
        assert.strictEqual(bytes.stored, Fs.statSync(path).size)
      })
  )

  it.effect("reads row groups of more rows than are in memory at a time", () =>
    Effect.gen(function* () {
      const path = Path.join(folder, "large.parquet")
      yield* copy("SELECT i AS id FROM range(300000) t(i)", path, ", ROW_GROUP_SIZE 300000")
      const { rows } = yield* read(path)
      assert.strictEqual(new Set(rows).size, 300_000)
      assert.strictEqual(rows[299_999], '{"id":299999}')
    })
  )

  it.effect("gives a VARIANT of Parquet as its JSON", () =>
    Effect.gen(function* () {
      const path = Path.join(folder, "variant.parquet")
      const values = [
        '{"a":[1,null,"x"],"b":1.5,"c":{"d":"e"}}',
        '{"a":[1],"b":2.5,"f":true}',
        '{"a":"text","z":null}',
        "[]",
        '"ü"',
        "9007199254740993"
      ]
      const rows = values.map((text, id) => `SELECT ${id} AS id, '${text}'::JSON::VARIANT AS v`)
      yield* copy([...rows, "SELECT 6, NULL"].join(" UNION ALL "), path, "")
      const found = yield* read(path)
      assert.deepStrictEqual(found.columns[1]!.type, { _tag: "Variant" })
      for (const [id, text] of values.entries()) {
        const { id: foundId, v } = JSON.parse(found.rows[id]!)
        assert.deepStrictEqual([foundId, JSON.parse(v)], [id, JSON.parse(text)])
      }
      assert.include(found.rows[5], '"9007199254740993"')
      // DuckDB writes NULL as a VARIANT of null.
      assert.strictEqual(found.rows[6], '{"id":6,"v":"null"}')
    })
  )

  it.effect.each(["every.arrows", "every.arrow", "every.avro"])("reads %s compressed", (name) =>
    Effect.gen(function* () {
      const plain = yield* read(fixture(name))
      const content = Fs.readFileSync(fixture(name))
      for (const path of [
        file(`${name}.gz`, gzipSync(content)),
        file(`${name}.zst`, zstdCompressSync(content))
      ]) {
        assert.deepStrictEqual((yield* read(path)).rows, plain.rows)
      }
    })
  )

  it.effect("names what it does not read", () =>
    Effect.gen(function* () {
      assert.match(
        yield* refusal(fixture("bzip2.avro")),
        /bzip2\.avro is compressed inside with bzip2/
      )
      assert.match(yield* refusal(fixture("xz.avro")), /Write it with deflate, snappy or zstandard/)
      const parquet = fixture("every.parquet")
      const avro = fixture("every.avro")
      assert.match(yield* refusal(parquet, "avro"), /is a Parquet file; give --format parquet\.$/)
      assert.match(yield* refusal(parquet, "arrow"), /is a Parquet file; give --format parquet\.$/)
      assert.match(yield* refusal(avro, "parquet"), /is an Avro file; give --format avro\.$/)
      assert.match(yield* refusal("-", "parquet"), /cannot come from standard input/)
      const gz = file("whole.parquet.gz", gzipSync(Fs.readFileSync(parquet)))
      assert.match(yield* refusal(gz), /Parquet is compressed inside\. Decompress it first/)
      const whole = file("gzip.parquet", gzipSync(Fs.readFileSync(parquet)))
      assert.match(yield* refusal(whole), /is compressed as a whole \(gzip\)/)
      const polars = fixture("views.arrow")
      const piped = file("views.arrow.gz", gzipSync(Fs.readFileSync(polars)))
      assert.match(yield* refusal(piped), /without a stream in it, as Polars writes/)
      assert.match(
        yield* refusal(file("old.feather", "FEA1 and more")),
        /Feather file of version 1/
      )
      for (const format of ["parquet", "arrow", "avro"] as const) {
        assert.match(
          yield* refusal(file(`text.${format}`, "plain text, no columns")),
          / is not an? /
        )
        assert.match(yield* refusal(file(`empty.${format}`, "")), / is not an? /)
      }
      assert.match(yield* refusal(file("zip.avro", "PK\u0003\u0004....")), /is a ZIP archive/)
    })
  )

  it.effect.each(names)("never takes %s that is cut off for a whole one", (name) =>
    Effect.gen(function* () {
      const content = Fs.readFileSync(fixture(name))
      const whole = (yield* read(fixture(name))).rows
      const ends = new Set<number>()
      for (let cut = 0; cut < content.length; cut += Math.ceil(content.length / 150)) {
        const path = file(`cut-${name}`, content.subarray(0, cut))
        const result = yield* Effect.result(read(path))
        if (result._tag === "Failure") {
          assert.match(result.failure.message, /cut-every\.\w+ (?:is|cannot|has)/)
          continue
        }
        // A stream of Arrow may end behind any batch, and a file of Avro behind any block.
        assert.match(name, /arrows|avro/)
        assert.deepStrictEqual(result.success.rows, whole.slice(0, result.success.rows.length))
        ends.add(result.success.rows.length)
      }
      assert.isAtMost(ends.size, 5)
    })
  )

  it.effect.each(names)("ends with a sentence where a byte of %s is another", (name) =>
    Effect.gen(function* () {
      const content = Fs.readFileSync(fixture(name))
      let failed = 0
      for (let n = 0; n < 150; n++) {
        const damaged = Buffer.from(content)
        const at = Math.floor((n * content.length) / 150)
        damaged[at] = damaged[at]! ^ (1 << (n % 8))
        const result = yield* Effect.result(read(file(`damaged-${name}`, damaged)))
        if (result._tag === "Success") continue
        failed++
        assert.match(result.failure.message, /damaged-every\.\w+ (?:is|cannot|has|became)/)
      }
      assert.isAbove(failed, 10)
    })
  )
})
