/**
 * The rescue column: JSON records with fields that have no column or do not fit, on a real server,
 * compared with the cells of the table.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { Table, TableProperties, UnityCatalog, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { parseColumns, parseTableDefinition } from "../../../src/internal/columns/columnType.ts"
import { columnTree, makeLeaves } from "../../../src/local/parquet/columnTree.ts"
import { jsonDecoder, parsedDecoder } from "../../../src/local/records/jsonDecoder.ts"
import { problemOf } from "../../../src/local/records/recordProblem.ts"

const name = "main.default.events"
const sql =
  `${name}(id BIGINT NOT NULL, temp INT, place STRUCT<lat: DOUBLE, tags: ` +
  `ARRAY<STRING>>, rest VARIANT TAGS ('zerobus-rescue'))`
const table = TableProperties.json(name)

/** Records as text, and the value of the rescue column for each; `undefined` for none. */
const rows: ReadonlyArray<readonly [record: string, rescued: string | undefined]> = [
  ['{"id":0,"temp":1,"place":{"lat":1.5,"tags":["a"]}}', undefined],
  ['{"id":1,"extra":{"b":[1,2.50,null],"a":"\\u00e9"}}', '{"extra":{"a":"é","b":[1,2.50,null]}}'],
  ['{"id":2,"temp":"warm"}', '{"temp":"warm"}'],
  ['{"id":3,"place":{"lat":1,"tags":["a",5]}}', '{"place":{"lat":1,"tags":["a",5]}}'],
  ['{"id":4,"place":{"lat":1,"alt":7}}', '{"place":{"alt":7,"lat":1}}'],
  // More digits than a double holds.
  [
    '{"id":5,"big":12345678901234567890,"fine":0.1000}',
    '{"big":12345678901234567890,"fine":0.1000}'
  ],
  // The rescue column is not a field of records.
  ['{"id":6,"rest":"mine","temp":2147483648}', '{"rest":"mine","temp":2147483648}'],
  ['{"id":7,"ID":1,"__proto__":{"x":1},"":false}', '{"":false,"ID":1,"__proto__":{"x":1}}'],
  ['{"id":8,"temp":null,"place":null}', undefined],
  ['{"id":9,"temp":3,"extra":null}', '{"extra":null}']
]

const servedOn = <A, E>(program: Effect.Effect<A, E, ZerobusLocal | Zerobus>) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-rescue-" })
    return yield* Effect.provide(program, ZerobusLocal.layer({ dataDir, visibleOnceAcked: true }))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

describe("the rescue column", () => {
  it.live("takes what has no column and what does not fit, in memory and on disk", () => {
    const program = Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const zerobus = yield* Zerobus
      yield* local.createTable(sql)
      yield* zerobus.withStream(table, (stream) =>
        Effect.forEach(rows, ([record]) => stream.ingestRecord(record), { discard: true })
      )
      const stored = yield* local.records({ tableName: name })
      const byId = [...stored].sort((a, b) => Number(a["id"]) - Number(b["id"]))
      assert.deepStrictEqual(
        byId.map(({ rest }) => rest ?? undefined),
        rows.map(([, rescued]) => rescued)
      )
      assert.deepStrictEqual(
        byId.map(({ temp }) => temp ?? undefined),
        [
          1,
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          3
        ]
      )
      assert.deepStrictEqual(byId[3]!["place"] ?? null, null)
    })
    return Effect.andThen(program.pipe(Effect.provide(ZerobusLocal.layerMemory)), servedOn(program))
  })

  it.live("saves no record that lacks a NOT NULL column, or has another type for it", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const zerobus = yield* Zerobus
      yield* local.createTable(sql)
      for (const [record, says] of [
        ['{"temp":1}', /id/],
        ['{"id":"x","extra":1}', /id/]
      ] as const) {
        const failure = yield* Effect.flip(
          zerobus.withStream(table, (stream) => stream.ingestRecord(record))
        )
        assert.strictEqual(failure._tag, "InvalidArgument")
        assert.match(failure.message, says)
      }
      assert.deepStrictEqual(yield* local.records({ tableName: name }), [])
    }).pipe(Effect.provide(ZerobusLocal.layerMemory))
  )

  it(
    "refuses what a VARIANT cannot hold, and reads records of known fields from their bytes as " +
      "before",
    () => {
      const definition = parseTableDefinition(sql)
      assert.strictEqual(definition._tag, "Success")
      const tree = columnTree((definition as any).success.columns)
      const decoded = (make: typeof jsonDecoder, record: string): string => {
        const leaves = makeLeaves(tree)
        try {
          make(tree, leaves)(Buffer.from(record))
          return JSON.stringify(leaves.map(({ entries, size }) => [entries, size]))
        } catch (error) {
          const { expected, path } = problemOf(error)
          return `${path}: ${expected}`
        }
      }
      const deep = (depth: number) => `{"id":1,"x":${"[".repeat(depth)}${"]".repeat(depth)}}`
      const records = [
        ...rows.map(([record]) => record),
        '{"id":1,"x":1e999}',
        deep(400),
        deep(600),
        deep(100_000),
        "[]"
      ]
      for (const record of records)
        assert.strictEqual(decoded(jsonDecoder, record), decoded(parsedDecoder, record))
      assert.match(decoded(jsonDecoder, '{"id":1,"x":1e999}'), /^rest: .*range of DOUBLE/)
      assert.match(decoded(jsonDecoder, deep(600)), /^rest: .*nested at most 500 deep/)
      assert.match(decoded(jsonDecoder, deep(100_000)), /^rest: expected .*nested|JSON/)
      assert.match(decoded(jsonDecoder, "[]"), /JSON object/)
    }
  )

  it.live(
    "is told by the catalog, added to a table, and no field of a table from the catalog",
    () =>
      servedOn(
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const { clientId, clientSecret, workspaceUrl } = local
          yield* local.createTable("main.default.later(id BIGINT)")
          yield* Effect.gen(function* () {
            const catalog = yield* UnityCatalog
            const created = parseTableDefinition(sql)
            if (created._tag === "Failure") assert.fail(created.failure)
            else assert.isTrue(yield* catalog.createTable(created.success))
            const { definition } = yield* catalog.getTable(name)
            assert.deepStrictEqual(
              definition.columns.map(({ rescue }) => rescue ?? false),
              [false, false, false, true]
            )
            for (const recordType of ["json", "proto"] as const) {
              const typed = yield* Table.fromCatalog(name, { recordType })
              yield* Zerobus.use((zerobus) =>
                zerobus.withStream(typed, (stream) => stream.ingestRecord({ id: 1n, temp: 2 }))
              )
              const refused = yield* Effect.flip(
                Zerobus.use((zerobus) =>
                  zerobus.withStream(typed, (stream) => stream.ingestRecord({ id: 1n, rest: "{}" }))
                )
              )
              assert.strictEqual(refused._tag, "InvalidArgument")
              assert.deepStrictEqual(yield* Table.check(typed), [])
            }
            const added = parseColumns(
              "rescued VARIANT COMMENT 'what else' TAGS (\"zerobus-rescue\" = '')"
            )
            if (added._tag === "Failure") return assert.fail(added.failure)
            yield* catalog.addColumns("main.default.later", added.success)
            const later = (yield* catalog.getTable("main.default.later")).definition.columns[1]
            assert.deepInclude(later, { name: "rescued", rescue: true, comment: "what else" })
          }).pipe(
            Effect.provide(
              UnityCatalog.layer({ workspaceUrl, clientId, clientSecret, proxy: false })
            )
          )
          yield* Zerobus.use((zerobus) =>
            zerobus.withStream(TableProperties.json("main.default.later"), (stream) =>
              stream.ingestRecord({ id: 1, more: true })
            )
          )
          const [row] = yield* local.records({ tableName: "main.default.later" })
          assert.strictEqual(row!["rescued"], '{"more":true}')
        })
      )
  )

  it("is a VARIANT that may be NULL, one of a table", () => {
    for (const [columns, says] of [
      ["a INT, r STRING TAGS ('zerobus-rescue')", /must be a VARIANT that may be NULL/],
      ["a INT, r VARIANT NOT NULL TAGS ('zerobus-rescue')", /must be a VARIANT that may be NULL/],
      [
        "a VARIANT TAGS ('zerobus-rescue'), r VARIANT TAGS ('zerobus-rescue')",
        /so does another column/
      ],
      ["a STRUCT<r: VARIANT TAGS ('zerobus-rescue')>", /a field of a STRUCT cannot have/],
      ["a INT, r VARIANT TAGS ('pii')", /only tag supported here is 'zerobus-rescue'/],
      ["a INT, r VARIANT TAGS (zerobus-rescue)", /Expected a quoted text/],
      ["a INT, r VARIANT TAGS", /Expected "\("/]
    ] as const) {
      const read = parseTableDefinition(`a.b.c(${columns})`)
      assert.strictEqual(read._tag, "Failure", columns)
      assert.match((read as any).failure, says)
    }
  })
})
