/**
 * A typed table with every type, written through the client and read by delta-rs, which must read
 * what was sent. Needs Python with deltalake and pyarrow in `DELTA_PYTHON`; `npm run test:delta`
 * provides it.
 */
import { afterAll, assert, layer } from "@effect/vitest"
import { BigDecimal, DateTime, Effect } from "effect"
import { Column, Table, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const dataDir = mkdtempSync(join(tmpdir(), "zerobus-typed-delta-"))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const script = fileURLToPath(new URL("../support/readDelta.py", import.meta.url))

const read = (table: string) =>
  Effect.tryPromise(() =>
    promisify(execFile)(process.env["DELTA_PYTHON"] ?? "python3", [script, "read", table], {
      maxBuffer: 1 << 28
    })
  ).pipe(
    Effect.map(
      ({ stdout }) =>
        JSON.parse(stdout) as { readonly rows: ReadonlyArray<Record<string, unknown>> }
    )
  )

const Every = Table.make("main.default.every", {
  id: Column.required(Column.BigInt),
  flag: Column.Boolean,
  tiny: Column.TinyInt,
  small: Column.SmallInt,
  whole: Column.Int,
  single: Column.Float,
  double: Column.Double,
  price: Column.Decimal(10, 2),
  text: Column.String,
  bytes: Column.Binary,
  day: Column.Date,
  at: Column.Timestamp,
  local: Column.TimestampNtz,
  list: Column.Array(Column.Struct({ n: Column.Int, note: Column.nullable(Column.String) })),
  counts: Column.Map(Column.String, Column.BigInt),
  place: Column.Struct({ lat: Column.Double, tags: Column.Array(Column.String) }),
  maybe: Column.nullable(Column.String)
})

const start = Date.UTC(2026, 0, 1)

const record = (n: number): typeof Every.Type => ({
  id: 2n ** 62n + BigInt(n),
  flag: n % 2 === 0,
  tiny: -128 + n,
  small: 32_767 - n,
  whole: n - 5,
  single: n / 4,
  double: n / 3,
  price: BigDecimal.make(BigInt(n * 100 + 5), 2),
  text: `größe-${n}`,
  bytes: Uint8Array.of(n, 255),
  day: DateTime.makeUnsafe(start + n * 86_400_000),
  at: DateTime.makeUnsafe(start + n),
  local: DateTime.makeUnsafe(start + n * 1000),
  list: [
    { n, note: null },
    { n: n + 1, note: "x" }
  ],
  counts: new Map([["a", BigInt(n)]]),
  place: { lat: n + 0.5, tags: ["t", String(n)] },
  maybe: n % 2 === 0 ? null : "odd"
})

/**
 * The record as `readDelta.py` prints it: integers, decimals, dates (days) and timestamps
 * (microseconds) as text, bytes as base64.
 */
const seen = (n: number) => ({
  id: String(2n ** 62n + BigInt(n)),
  flag: n % 2 === 0,
  tiny: String(-128 + n),
  small: String(32_767 - n),
  whole: String(n - 5),
  single: n / 4,
  double: n / 3,
  price: `${n}.05`,
  text: `größe-${n}`,
  bytes: Buffer.of(n, 255).toString("base64"),
  day: String(start / 86_400_000 + n),
  at: String((start + n) * 1000),
  local: String((start + n * 1000) * 1000),
  list: [
    { n: String(n), note: null },
    { n: String(n + 1), note: "x" }
  ],
  counts: [["a", String(n)]],
  place: { lat: n + 0.5, tags: ["t", String(n)] },
  maybe: n % 2 === 0 ? null : "odd"
})

layer(ZerobusLocal.layer({ dataDir }), { excludeTestServices: true })(
  "typed table in delta-rs",
  (it) => {
    it.effect(
      "reads every type as it was sent",
      () =>
        Effect.gen(function* () {
          const local = yield* ZerobusLocal
          const zerobus = yield* Zerobus
          const { location } = yield* local.createTable(Every)
          yield* zerobus.withStream(Every, (stream) =>
            Effect.forEach(
              Array.from({ length: 50 }, (_, n) => record(n)),
              stream.ingestRecord,
              { discard: true }
            )
          )
          yield* local.flush(Every)
          const { rows } = yield* read(location)
          const sorted = rows.toSorted((a, b) =>
            Number(BigInt(String(a["id"])) - BigInt(String(b["id"])))
          )
          assert.deepStrictEqual(
            sorted,
            Array.from({ length: 50 }, (_, n) => seen(n))
          )
        }),
      60_000
    )
  }
)
