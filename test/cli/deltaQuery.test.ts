/**
 * SQL over tables that the local server wrote: names in queries, empty and partitioned tables,
 * values as text.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Fs from "node:fs"
import {
  loadDuckdb,
  namesIn,
  type QueryTable,
  runQuery,
  tableText,
  withTableNames
} from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import { temporaryFolder } from "../support/commandLine.ts"

describe("names in a query", () => {
  it("are those outside of quotes", () => {
    const sql =
      `SELECT 'x.y.z it''s', a.b.c, "d"."e"."f".g FROM main.default.t1 JOIN ` +
      `main."default".t2 USING (id) WHERE a.b = 1.5`
    assert.deepStrictEqual(namesIn(sql), ["a.b.c", "d.e.f", "main.default.t1", "main.default.t2"])
    assert.strictEqual(
      withTableNames(sql, ["main.default.T1", "main.default.t2", "x.y.z"]),
      `SELECT 'x.y.z it''s', a.b.c, "d"."e"."f".g FROM "main.default.T1" JOIN "main.default.t2" ` +
        `USING (id) WHERE a.b = 1.5`
    )
  })
})

describe("a result as text", () => {
  it("is aligned, numbers to the right, NULL shown, long values cut", () => {
    const text = tableText({
      columns: ["name", "n"],
      rows: [
        ["a\nb", "1"],
        [null, "-20.5"],
        ["x".repeat(100), null]
      ]
    })
    assert.deepStrictEqual(
      text.split("\n").map((line) => line.replace(/ {5,}/, " ~ ")),
      [
        "name ~ n",
        `${"-".repeat(60)}  -----`,
        "a b ~ 1",
        "NULL ~ -20.5",
        `${"x".repeat(59)}…   NULL`
      ]
    )
  })
})

describe("a row as JSON", () => {
  it.each<readonly [sql: string, json: string]>([
    [
      "1 AS n, 9007199254740993 AS big, 12345678901234567890 AS huge",
      '{"n":1,"big":9007199254740993,"huge":12345678901234567890}'
    ],
    [
      "1.50::DECIMAL(10,2) AS d, -0.01::DECIMAL(38,2) AS e, 0.1::DOUBLE AS f",
      '{"d":1.50,"e":-0.01,"f":0.1}'
    ],
    ["'nan'::DOUBLE AS n, '-inf'::FLOAT AS i", '{"n":"NaN","i":"-Infinity"}'],
    ["true AS t, NULL AS n, '1' AS s, 'ab'::BLOB AS b", '{"t":true,"n":null,"s":"1","b":"YWI="}'],
    ["[1, NULL] AS l, {'a': [{'b': 1.5}]} AS s", '{"l":[1,null],"s":{"a":[{"b":1.5}]}}'],
    ["MAP {'k': 1} AS m, MAP {7: ['x']} AS i", '{"m":{"k":1},"i":{"7":["x"]}}'],
    [
      "DATE '2026-01-31' AS d, TIMESTAMP '2026-01-31 08:30:00' AS t, INTERVAL 1 DAY AS i",
      '{"d":"2026-01-31","t":"2026-01-31 08:30:00","i":"1 day"}'
    ]
  ])("%s", async (sql, json) => {
    const duckdb = await loadDuckdb()
    assert.deepStrictEqual((await runQuery(duckdb!, [], `SELECT ${sql}`)).json, [json])
  })
})

describe("tables of the local server", () => {
  const folder = temporaryFolder()
  const records = [
    { id: 1, day: 0, kind: "it's", tags: ["a", "b"], at: 1_795_336_200_000_000 },
    { id: 2, day: 1, kind: "b", tags: [], at: null },
    { id: 3, day: null, kind: null, tags: null, at: null },
    { id: 4, day: 0, kind: "it's", tags: null, at: null }
  ]

  it.live("are read whole, with the columns they are partitioned by", () =>
    Effect.gen(function* () {
      const columns =
        "(id BIGINT NOT NULL, day DATE, kind STRING, tags ARRAY<STRING>, at TIMESTAMP)"
      const tables = yield* Effect.gen(function* () {
        const local = yield* ZerobusLocal
        const zerobus = yield* Zerobus
        for (const [name, rest] of [
          ["empty", ""],
          ["plain", ""],
          ["parts", " PARTITIONED BY (day, kind)"]
        ] as const) {
          yield* local.createTable(`main.default.${name}${columns}${rest}`)
          const table = TableProperties.json(`main.default.${name}`)
          if (name !== "empty")
            yield* zerobus.withStream(table, (stream) => stream.ingestRecords(records))
        }
        yield* local.flush()
        return yield* local.listTables
      }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir: folder })))

      const queried = yield* Effect.forEach(tables, ({ definition, location }) =>
        Effect.promise(() => readLiveTable(location)).pipe(
          Effect.flatMap((live) => Effect.fromOption(Option.fromUndefinedOr(live))),
          Effect.map((live): QueryTable => ({
            name: definition.name,
            columns: definition.columns,
            live
          }))
        )
      )
      const duckdb = yield* Effect.promise(loadDuckdb)
      const ask = (sql: string) => Effect.promise(() => runQuery(duckdb!, queried, sql))
      const { json, ...plain } = yield* ask("SELECT * FROM main.default.plain ORDER BY id")
      assert.strictEqual(
        json[0],
        `{"id":1,"day":"1970-01-01","kind":"it's","tags":["a","b"],"at":"2026-11-22 08:30:00+00"}`
      )
      assert.deepStrictEqual(plain, {
        columns: ["id", "day", "kind", "tags", "at"],
        rows: [
          ["1", "1970-01-01", "it's", "['a', 'b']", "2026-11-22 08:30:00+00"],
          ["2", "1970-01-02", "b", "[]", null],
          ["3", null, null, null, null],
          ["4", "1970-01-01", "it's", null, null]
        ]
      })
      assert.deepStrictEqual(yield* ask("SELECT * FROM main.default.parts ORDER BY id"), {
        ...plain,
        json
      })
      assert.deepStrictEqual(
        (yield* ask("SELECT count(*), max(id) FROM main.default.empty")).rows,
        [["0", null]]
      )
      const joined = yield* ask(
        "SELECT count(*) FROM main.default.plain p JOIN main.default.parts q ON p.id = q.id AND " +
          "p.day = q.day"
      )
      assert.deepStrictEqual(joined.rows, [["3"]])
    }).pipe(Effect.ensuring(Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))))
  )
})
