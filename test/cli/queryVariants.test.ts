/**
 * `zerobus query` of VARIANT columns: in our files, which contain the metadata and value parts, and
 * in files with the VARIANT annotation.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { jsonCheck } from "../../src/cli/records/recordCheck.ts"
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
      `main.default.v(n INT NOT NULL, v VARIANT, s STRUCT<a: INT, v: VARIANT>, l ARRAY<VARIANT>,
        m MAP<STRING, VARIANT>, fake STRUCT<metadata: BINARY, value: BINARY>) PARTITIONED BY (n)`
    )
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder: yield* temporaryFolder,
      worker: false
    })
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
      `SELECT v.a[2]::VARCHAR, v.ž::VARCHAR, s.a, s.v::VARCHAR, l[2]::VARCHAR, m['k']::VARCHAR ` +
        `FROM main.default.v WHERE n = 1`
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

it.live("are printed as JSON that an ingest reads as the same values", () =>
  Effect.gen(function* () {
    const definition = table("main.default.j(n INT, v VARIANT, l ARRAY<VARIANT>, d DOUBLE)")
    const store = yield* makeDurableTableStore({
      ...byHand,
      folder: yield* temporaryFolder,
      worker: false
    })
    const { location } = yield* store.create(definition)
    const writer = yield* store.openWriter(definition.name, { _tag: "Json" })
    const given = [
      '{"n":0,"v":{"a":[1,2.50,null,"x",true,"1",-0.0,1e300,12345678901234567890123]},' +
        '"l":[{"k":[]},"plain"],"d":-0.0}',
      String.raw`{"n":1,"v":"text","l":["\"1\"","\"{}\""],"d":1.5}`,
      String.raw`{"n":2,"v":"\"[1]\"","d":-0.0}`,
      '{"n":3,"v":null,"l":[7,false]}'
    ]
    const check = jsonCheck(definition.columns)
    const sent = (text: string) => {
      const checked = check({ line: 1, text })
      if ("problem" in checked) throw new Error(checked.problem)
      return checked.json
    }
    yield* append(
      writer,
      given.map((text) => Buffer.from(sent(text)))
    )
    yield* store.flush()
    const sql = "SELECT * FROM main.default.j ORDER BY n"
    const first = yield* query(definition.name, location, definition, sql)
    assert.strictEqual(
      first.json[0],
      '{"n":0,"v":{"a":[1,2.50,null,"x",true,"1",-0.0,1e+300,12345678901234567890123]},' +
        '"l":[{"k":[]},"plain"],"d":-0.0}'
    )
    yield* append(
      writer,
      first.json.map((text) => Buffer.from(sent(text.replace(/"n":/, '"n":1'))))
    )
    yield* store.flush()
    const again = yield* query(definition.name, location, definition, `${sql} OFFSET 4`)
    assert.deepStrictEqual(
      again.json,
      first.json.map((text) => text.replace(/"n":/, '"n":1'))
    )
    const types = yield* query(
      definition.name,
      location,
      definition,
      "SELECT typeof(v) FROM (FROM main.default.j WHERE n IN (2, 12))"
    )
    assert.lengthOf(new Set(types.rows.flat()), 1)
  })
)

it.live("files with the annotation beside files without it", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const kept = Path.join(import.meta.dirname, "../fixtures/killedFolder/data")
    yield* Effect.promise(() => Fs.cp(kept, folder, { recursive: true }))
    const store = yield* makeDurableTableStore({ ...byHand, folder, worker: false })
    const record = (yield* store.listAll).find(
      ({ definition }) => definition.name === "main.kept.variants"
    )!
    const live = (yield* Effect.promise(() => readLiveTable(record.location)))!
    assert.deepStrictEqual(
      [...new Set(live.live.map((file) => file.annotatedVariants.join()))].sort(),
      ["", "v,s,l"]
    )
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
