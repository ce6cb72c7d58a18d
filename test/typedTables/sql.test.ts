/**
 * A typed table with every type, written through the client and read by SQL: DuckDB reads from the
 * files of the Delta table what was sent.
 */
import * as DuckDB from "@duckdb/node-api"
import { afterAll, assert, layer } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Option } from "effect"
import { Column, Table, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"

const dataDir = mkdtempSync(join(tmpdir(), "zerobus-sql-"))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const Every = Table.make(
  "main.default.every",
  {
    id: Column.required(Column.BigInt),
    a: Column.Boolean,
    b: Column.TinyInt,
    c: Column.SmallInt,
    d: Column.Int,
    f: Column.Float,
    g: Column.Double,
    h: Column.Decimal(10, 2),
    i: Column.String,
    j: Column.Binary,
    k: Column.Date,
    l: Column.TimestampAsMicros,
    m: Column.TimestampNtz,
    n: Column.Array(Column.Struct({ q: Column.Int, r: Column.nullable(Column.String) })),
    o: Column.Map(Column.String, Column.BigInt),
    p: Column.Struct({ lat: Column.Double, tags: Column.Array(Column.String) }),
    v: Column.Variant,
    z: Column.nullable(Column.String)
  },
  { partitionColumns: ["k"] }
)

const record = (n: number): typeof Every.Type => ({
  id: 2n ** 62n + BigInt(n),
  a: n % 2 === 0,
  b: -128 + n,
  c: 32_767 - n,
  d: -n,
  f: n / 4,
  g: n / 3,
  h: BigDecimal.make(BigInt(n * 100 + 5), 2),
  i: `größe-${n}`,
  j: Uint8Array.of(n, 255),
  k: DateTime.makeUnsafe(Date.UTC(2026, 0, 1 + (n % 3))),
  l: 1_767_225_600_123_456n + BigInt(n),
  m: DateTime.makeUnsafe(Date.UTC(1969, 11, 31, 23, 59, n)),
  n: [
    { q: n, r: null },
    { q: -n, r: "x" }
  ],
  o: new Map([["a", BigInt(n)]]),
  p: { lat: n + 0.5, tags: ["t", String(n)] },
  v: { n },
  z: n % 2 === 0 ? null : "odd"
})

const count = 50

layer(ZerobusLocal.layer({ dataDir }), { excludeTestServices: true })(
  "typed table in SQL",
  (it) => {
    it.effect(
      "reads every type as it was sent",
      () =>
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const zerobus = yield* Zerobus
          const created = yield* local.createTable(Every)
          yield* zerobus.withStream(Every, (stream) =>
            stream.ingestRecords(Array.from({ length: count }, (_, n) => record(n)))
          )
          yield* local.flush(Every)
          const { definition } = Option.getOrThrow(yield* local.getTable(Every))
          const live = yield* Effect.promise(() => readLiveTable(created.location))
          assert.isDefined(live)
          const { rows } = yield* Effect.promise(() =>
            runQuery(
              DuckDB,
              [{ name: Every.tableName, columns: definition.columns, live }],
              `SELECT id, a, b, c, d, f, g = (d / -3)::DOUBLE, h, i, hex(j), k, epoch_us(l), epoch_us(m), n[1].q, n[1].r, n[2].q, n[2].r, o['a'], p.lat,
             array_to_string(p.tags, ','), z FROM main.default.every ORDER BY id`
            )
          )
          assert.deepStrictEqual(
            rows,
            Array.from({ length: count }, (_, n) => {
              const sent = record(n)
              return [
                sent.id,
                sent.a,
                sent.b,
                sent.c,
                sent.d === 0 ? 0 : sent.d,
                sent.f,
                true,
                `${n}.05`,
                sent.i,
                `${n.toString(16).padStart(2, "0").toUpperCase()}FF`,
                `2026-01-0${1 + (n % 3)}`,
                sent.l,
                sent.m.epochMilliseconds * 1000,
                n,
                null,
                n === 0 ? 0 : -n,
                "x",
                n,
                sent.p.lat,
                `t,${n}`,
                sent.z
              ].map((value) => (value === null ? null : String(value)))
            })
          )
        }),
      60_000
    )
  }
)
