/**
 * `zerobus query` of VARIANT columns: in our files, which hold the two parts, and in files that carry the annotation VARIANT.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { loadDuckdb, runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import { makeDurableTableStore } from "../../src/local/store/durableTableStore.ts"
import { append, byHand, json, table, temporaryFolder } from "../support/storedTables.ts"

const query = (name: string, location: string, definition: ReturnType<typeof table>, sql: string) =>
  Effect.promise(async () => {
    const live = (await readLiveTable(location))!
    return runQuery((await loadDuckdb())!, [{ name, columns: definition.columns, live }], sql)
  })

it.live("values, parts of values and NULL, at every place of a column", () =>
  Effect.gen(function* () {
    const definition = table(
      `main.default.v(n INT NOT NULL, v VARIANT, s STRUCT<a: INT, v: VARIANT>, l ARRAY<VARIANT>, m MAP<STRING, VARIANT>,
        fake STRUCT<metadata: BINARY, value: BINARY>) PARTITIONED BY (n)`
    )
    const store = yield* makeDurableTableStore({ ...byHand, folder: yield* temporaryFolder, worker: false })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    const fake = { metadata: "AAEC", value: "AAEC" }
    yield* append(writer, [
      json({
        n: 1,
        v: '{"a":[1,2.50],"ž":"x"}',
        s: { a: 5, v: "123456789012345678901" },
        l: ["1", '"t"'],
        m: { k: "true" }
      }),
      json({ n: 2, fake })
    ])
    yield* store.flush()
    const ask = (sql: string) => query(definition.name, location, definition, sql)
    const parts = yield* ask(
      `SELECT v.a[2]::VARCHAR, v.ž::VARCHAR, s.a, s.v::VARCHAR, l[2]::VARCHAR, m['k']::VARCHAR FROM main.default.v WHERE n = 1`
    )
    assert.deepStrictEqual(parts.rows, [["2.50", "x", "5", "123456789012345678901", "t", "true"]])
    const whole = yield* ask("SELECT v::VARCHAR AS v, s, l, m, fake FROM main.default.v ORDER BY n")
    assert.deepStrictEqual(whole.rows[1], [
      null,
      null,
      null,
      null,
      String.raw`{'metadata': \x00\x01\x02, 'value': \x00\x01\x02}`
    ])
    const rows = yield* ask("SELECT v FROM main.default.v ORDER BY n")
    assert.deepStrictEqual(rows.rows, [["{'a': [1, 2.50], 'ž': 'x'}"], [null]])
  })
)

it.live("files with the annotation beside files without it", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const kept = Path.join(import.meta.dirname, "../fixtures/killedFolder/data")
    yield* Effect.promise(() => Fs.cp(kept, folder, { recursive: true }))
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    const record = (yield* store.listAll).find(({ definition }) => definition.name === "main.kept.variants")!
    const live = (yield* Effect.promise(() => readLiveTable(record.location)))!
    assert.deepStrictEqual([...new Set(live.live.map((file) => file.annotatedVariants.join()))].sort(), ["", "v,s,l"])
    const seen = yield* query(
      record.definition.name,
      record.location,
      record.definition,
      "SELECT count(*), sum(v.a[1]::INT), sum(s.v::INT), min(l[3]::VARCHAR) FROM main.kept.variants"
    )
    const ids = (55 * 54) / 2 + 60 + 61 + 62
    assert.deepStrictEqual(seen.rows, [["58", String(ids), String(ids), "1e+300"]])
  })
)
