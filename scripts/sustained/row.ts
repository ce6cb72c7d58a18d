/**
 * The row of the sustained run: eleven columns of most types, including nested ones.
 */
import { Column, Table } from "effect-zerobus"

/** The table of the run. */
export const Rows = Table.make("main.default.sustained", {
  id: Column.BigInt,
  name: Column.String,
  value: Column.Double,
  flag: Column.Boolean,
  at: Column.TimestampAsMicros,
  day: Column.DateAsString,
  payload: Column.Binary,
  price: Column.DecimalAsString(18, 2),
  tags: Column.Array(Column.String),
  counts: Column.Map(Column.String, Column.BigInt),
  place: Column.Struct({ lat: Column.Double, lon: Column.Double })
})

/** The n-th row. */
export const row = (n: number): typeof Rows.Type => ({
  id: BigInt(n),
  name: `device-${n % 1000}`,
  value: n / 3,
  flag: n % 2 === 0,
  at: 1_767_225_600_000_000n + BigInt(n),
  day: "2026-01-01",
  payload: new Uint8Array(16).fill(n & 255),
  price: `${n % 10_000}.25`,
  tags: ["a", "b"],
  counts: new Map([["n", BigInt(n)]]),
  place: { lat: 44.8, lon: 20.5 }
})

/** The n-th row as protobuf. */
export const encodedRow = (n: number): Uint8Array => {
  const sink = { buffer: Buffer.alloc(1024), position: 0, mark: 0, ensure: () => {} }
  const refusal = Rows.codec.write(row(n), sink)
  if (refusal !== undefined) throw refusal
  return sink.buffer.subarray(0, sink.position)
}
