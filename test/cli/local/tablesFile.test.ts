/** Tables of a file, and the changes that a server needs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { changeOf, readTablesFile } from "../../../src/cli/local/tablesFile.ts"
import { parseTables } from "../../../src/internal/columns/columnType.ts"
import { temporaryFolder } from "../../support/commandLine.ts"
import { table } from "../../support/storedTables.ts"

describe("a file of tables", () => {
  it("has CREATE TABLE statements with comments of SQL", () => {
    const text = `-- the tables; of the shop
/* CREATE TABLE main.default.not_this(a INT); */
CREATE TABLE IF NOT EXISTS main.shop.orders ( -- key
  id BIGINT NOT NULL, /* a ; in a comment ***/
  note STRING COMMENT 'a; -- b /* c */'
) USING DELTA PARTITIONED BY (note) COMMENT 'all; orders';;
create table main.shop.\`items\`(id BIGINT)
-- the end`
    const found = Result.getOrThrow(parseTables(text))
    assert.deepStrictEqual(
      found.map(({ name }) => name),
      ["main.shop.orders", "main.shop.items"]
    )
    assert.strictEqual(found[0]!.columns[1]!.comment, "a; -- b /* c */")
    assert.strictEqual(found[0]!.comment, "all; orders")
    assert.deepStrictEqual(Result.getOrThrow(parseTables(" -- nothing\n;")), [])
  })

  it.each<readonly [text: string, says: RegExp]>([
    [
      "\nCREATE VIEW main.default.v AS SELECT 1;",
      /Expected "\(" at line 2, character 8, found "VIEW/
    ],
    ["main.default.t(a INT);", /Expected CREATE TABLE at character 1/],
    [
      "CREATE TABLE main.default.t(a INT);\nGRANT SELECT ON x TO y;",
      /Expected CREATE TABLE at line 2, character 1/
    ],
    [
      "CREATE TABLE main.default.t(a INT)\nCREATE TABLE main.default.u(a INT)",
      /at line 2, character 1, found "CREATE/
    ],
    [
      "CREATE TABLE main.default.t(a INT);\nCREATE TABLE main.default.T(a INT)",
      /main\.default\.T is defined twice/
    ],
    ["CREATE TABLE t(a INT)", /The table at character 1 cannot be used: /],
    ["CREATE TABLE main.default.t(a INT /* b", /The comment at character 35 is not closed/],
    [
      "CREATE TABLE main.default.t(\na INT COMMENT 'b",
      /The quote at line 2, character 15 is not closed/
    ],
    ["CREATE TABLE main.default.t(\na MONEY)", /^At line 2, character 3: MONEY is not a supported/],
    [
      "CREATE TABLE main.default.t(\na INT,\n b VARCHAR(9))",
      /^At line 3, character 4: VARCHAR .* STRING/
    ],
    ["CREATE TABLE main.default.t(\na DECIMAL(50))", /^At line 2, character 3: .*DECIMAL/],
    ["CREATE TABLE main.default.t(\n`a b` INT)", /^At line 2, character 1: .*a b/],
    ["CREATE TABLE main.default.t(\na-b INT)", /^At line 2, character 1: .*a-b/],
    ["CREATE TABLE main.default.t(a MONEY)", /^MONEY is not a supported column type/]
  ])("is refused with the place: %j", (text, says) => {
    assert.match(String(Result.getOrThrow(Result.flip(parseTables(text)))), says)
  })

  it.live("is a file that can be read, of bounded size", () =>
    Effect.gen(function* () {
      const folder = temporaryFolder()
      const refused = (path: string) =>
        Effect.map(Effect.flip(readTablesFile(path)), ({ message }) => message)
      assert.match(
        yield* refused(Path.join(folder, "none.sql")),
        /none\.sql of --tables cannot be read: ENOENT/
      )
      assert.match(yield* refused(folder), /It is not a plain file/)
      const unknown = Path.join(folder, "unknown.sql")
      Fs.writeFileSync(unknown, "CREATE TABLE main.default.t(\na MONEY);")
      assert.match(
        yield* refused(unknown),
        /unknown\.sql cannot be read\. At line 2, .*MONEY .*type\. The types are BOOLEAN/
      )
      const pipe = Path.join(folder, "pipe")
      execFileSync("mkfifo", [pipe])
      assert.match(yield* refused(pipe), /It is not a plain file/)
      const large = Path.join(folder, "large.sql")
      Fs.writeFileSync(large, "-".repeat(1_000_001))
      assert.match(yield* refused(large), /larger than 1000000 bytes/)
    })
  )
})

describe("the change of a table", () => {
  const existing = table(
    "main.default.t(id BIGINT NOT NULL, place STRUCT<lat: DOUBLE>, tags ARRAY<STRING>)"
  )
  const change = (columns: string) => {
    const { added, unchangeable } = changeOf(table(`main.default.T(${columns})`), existing)
    return [added!.map(({ name }) => name), unchangeable.map(({ column, kind }) => [kind, column])]
  }

  it.each<
    readonly [columns: string, added: ReadonlyArray<string>, unchangeable: ReadonlyArray<unknown>]
  >([
    ["id BIGINT NOT NULL COMMENT 'key', place STRUCT<lat: DOUBLE>, tags ARRAY<STRING>", [], []],
    ["a INT, tags ARRAY<STRING>, ID BIGINT NOT NULL, place STRUCT<lat: DOUBLE>", ["a"], []],
    [
      "id BIGINT NOT NULL, place STRUCT<lat: DOUBLE, lon: DOUBLE>, tags ARRAY<STRING>, b STRING",
      ["place.lon", "b"],
      []
    ],
    [
      "id INT NOT NULL, place STRUCT<lat: DOUBLE>, tags ARRAY<STRING>, b INT",
      ["b"],
      [["COLUMN_CHANGED", "id"]]
    ],
    ["id BIGINT, place STRUCT<lat: DOUBLE>, tags ARRAY<STRING>", [], [["COLUMN_CHANGED", "id"]]],
    [
      "place STRUCT<lon: DOUBLE>, tags ARRAY<INT>",
      [],
      [
        ["COLUMN_LEFT_OUT", "id"],
        ["COLUMN_CHANGED", "place"],
        ["COLUMN_CHANGED", "tags"]
      ]
    ],
    [
      "id BIGINT NOT NULL, place STRUCT<lat: DOUBLE, lon: DOUBLE NOT NULL>, tags ARRAY<STRING>, " +
        "b INT NOT NULL",
      [],
      [
        ["NEW_COLUMN_NOT_NULL", "place.lon"],
        ["NEW_COLUMN_NOT_NULL", "b"]
      ]
    ],
    [
      "id BIGINT NOT NULL, place STRUCT<lat: DOUBLE>, tags ARRAY<STRING>) PARTITIONED BY (id",
      [],
      [["PARTITIONING", undefined]]
    ]
  ])("%s", (columns, added, unchangeable) => {
    assert.deepStrictEqual(change(columns), [added, unchangeable])
  })

  it("names a column whose tag differs", () => {
    const plain = "main.default.t(id INT, rest VARIANT)"
    const tagged = "main.default.t(id INT, REST VARIANT TAGS ('zerobus-rescue'), more INT)"
    const messages = (wanted: string, existing: string) =>
      changeOf(table(wanted), table(existing)).unchangeable.map(({ column, kind, message }) => [
        kind,
        column,
        message
      ])
    assert.deepStrictEqual(messages(tagged, plain), [
      ["COLUMN_TAG", "rest", "The column rest lacks the tag zerobus-rescue in the table."]
    ])
    assert.deepStrictEqual(messages(`${plain.slice(0, -1)}, more INT)`, tagged), [
      ["COLUMN_TAG", "REST", "The column REST has the tag zerobus-rescue in the table."]
    ])
    assert.deepStrictEqual(messages(tagged, tagged), [])
  })
})
