/**
 * The rows of `bench:server`: typed rows of twenty columns as protobuf, flat JSON of about 200
 * bytes, and nested JSON of about 0.9 KB. Each row has its own values, so that pages compress like
 * those of real rows.
 */
import { Column, Table, TableProperties } from "effect-zerobus"
import { seeded } from "../../support/randomTables.ts"

export type ShapeName = "typed" | "flat" | "nested"

/** The rows of one shape, in the forms that the client, the server and DuckDB need. */
export interface Shape {
  readonly title: string
  /** What the stream is opened with. */
  readonly table: TableProperties.TableProperties<any>
  /** The definition from which the server creates the table. */
  readonly definition: string
  /** The columns for DuckDB's reader of JSON. */
  readonly duckdb: string
  /** The n-th row, as the stream accepts it. */
  readonly record: (n: number) => Uint8Array | string
  /** The n-th row as a line of JSON for DuckDB. */
  readonly line: (n: number) => string
}

const kinds = [
  {
    type: "STRING",
    duckdb: "VARCHAR",
    column: Column.String,
    value: (n: number) => `value-${n}-of-a-text`
  },
  {
    type: "INT",
    duckdb: "INTEGER",
    column: Column.Int,
    value: (n: number) => (n * 7919) % 1_000_000
  },
  { type: "DOUBLE", duckdb: "DOUBLE", column: Column.Double, value: (n: number) => n / 7 },
  { type: "BOOLEAN", duckdb: "BOOLEAN", column: Column.Boolean, value: (n: number) => n % 3 === 0 },
  { type: "BIGINT", duckdb: "BIGINT", column: Column.BigInt, value: (n: number) => n * 1_000_003 }
] as const
const typedColumns = Array.from({ length: 20 }, (_, at) => ({
  name: `column_${at}`,
  kind: kinds[at % kinds.length]!
}))

const typed = (): Shape => {
  const name = "main.default.typed"
  const made = Table.make(
    name,
    Object.fromEntries(typedColumns.map(({ kind, name }) => [name, kind.column]))
  )
  const columnTexts = typedColumns.map(({ kind, name }) => `${name} ${kind.type}`)
  const values = (n: number) =>
    typedColumns.map(({ kind, name }, at) => [name, kind.value(n + at * 31)] as const)
  const sink = { buffer: Buffer.alloc(4096), position: 0, mark: 0, ensure: () => {} }
  return {
    title: "typed, 20 columns",
    table: TableProperties.proto(name, made.descriptor!),
    definition: `${name}(${columnTexts.join(", ")})`,
    duckdb: `{${typedColumns.map(({ kind, name }) => `${name}: '${kind.duckdb}'`).join(", ")}}`,
    record: (n) => {
      const row = values(n).map(([name, value]) => [
        name,
        name.endsWith("4") || name.endsWith("9") ? BigInt(value) : value
      ])
      sink.position = 0
      const refusal = made.codec.write(Object.fromEntries(row), sink)
      if (refusal !== undefined) throw refusal
      return Uint8Array.from(sink.buffer.subarray(0, sink.position))
    },
    line: (n) => JSON.stringify(Object.fromEntries(values(n)))
  }
}

const jsonShape = (
  title: string,
  name: string,
  columns: ReadonlyArray<readonly [name: string, type: string, duckdb?: string]>,
  row: (n: number, random: () => number) => object
): Shape => {
  const line = (n: number) => JSON.stringify(row(n, seeded(n)))
  const types = columns.map(([column, type, duckdb]) => `${column}: '${duckdb ?? type}'`)
  return {
    title,
    table: TableProperties.json(name),
    definition: `${name}(${columns.map(([column, type]) => `${column} ${type}`).join(", ")})`,
    duckdb: `{${types.join(", ")}}`,
    record: line,
    line
  }
}

const words = ["checked", "by", "hand", "shelf", "north", "old", "mill", "Århus", "valve", "open"]
const text = (random: () => number, count: number): string =>
  Array.from({ length: count }, () => words[Math.floor(random() * words.length)]!).join(" ")

const flat = (): Shape =>
  jsonShape(
    "JSON, 200 B",
    "main.default.flat",
    [
      ["id", "BIGINT"],
      ["device", "STRING", "VARCHAR"],
      ["site", "STRING", "VARCHAR"],
      ["seen", "TIMESTAMP", "BIGINT"],
      ["temperature", "DOUBLE"],
      ["humidity", "DOUBLE"],
      ["count", "INT", "INTEGER"],
      ["valid", "BOOLEAN"],
      ["note", "STRING", "VARCHAR"]
    ],
    (n, random) => ({
      id: 7_000_000_000 + n,
      device: `sensor-${Math.floor(random() * 5000)}`,
      site: words[n % words.length]!,
      seen: 1_767_225_600_000_000 + n * 1250,
      temperature: random() * 60 - 20,
      humidity: Math.round(random() * 10_000) / 100,
      count: Math.floor(random() * 100_000),
      valid: n % 3 !== 0,
      note: n % 5 === 0 ? null : text(random, 7)
    })
  )

const nested = (): Shape =>
  jsonShape(
    "JSON, 0.9 KB nested",
    "main.default.nested",
    [
      ["id", "BIGINT"],
      ["kind", "STRING", "VARCHAR"],
      ["seen", "TIMESTAMP", "BIGINT"],
      [
        "customer",
        "STRUCT<id: BIGINT, name: STRING, email: STRING, address: STRUCT<street: STRING, city: " +
          "STRING, code: STRING>>",
        "STRUCT(id BIGINT, name VARCHAR, email VARCHAR, address STRUCT(street VARCHAR, city " +
          "VARCHAR, code VARCHAR))"
      ],
      [
        "items",
        "ARRAY<STRUCT<article: STRING, title: STRING, quantity: INT, price: DOUBLE>>",
        "STRUCT(article VARCHAR, title VARCHAR, quantity INTEGER, price DOUBLE)[]"
      ],
      ["tags", "ARRAY<STRING>", "VARCHAR[]"],
      ["attributes", "MAP<STRING, STRING>", "MAP(VARCHAR, VARCHAR)"],
      ["comment", "STRING", "VARCHAR"]
    ],
    (n, random) => ({
      id: 7_000_000_000 + n,
      kind: n % 4 === 0 ? "return" : "order",
      seen: 1_767_225_600_000_000 + n * 1250,
      customer: {
        id: Math.floor(random() * 1_000_000),
        name: text(random, 2),
        email: `customer.${n}@example.com`,
        address: {
          street: `${text(random, 2)} ${n % 200}`,
          city: words[n % words.length]!,
          code: String(n % 100_000)
        }
      },
      items: Array.from({ length: 5 }, (_, at) => ({
        article: `article-${Math.floor(random() * 100_000)}`,
        title: text(random, 4),
        quantity: at + 1,
        price: Math.round(random() * 100_000) / 100
      })),
      tags: [text(random, 1), text(random, 1), text(random, 1)],
      attributes: {
        channel: text(random, 1),
        campaign: text(random, 2),
        session: random().toString(36).slice(2)
      },
      comment: text(random, 10)
    })
  )

/** The shapes by name. */
export const shapes: Readonly<Record<ShapeName, () => Shape>> = { typed, flat, nested }
