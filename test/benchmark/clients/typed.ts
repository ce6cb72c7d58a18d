/**
 * Typed tables with a number of columns and records for them, with these types in turn: text,
 * integers, floating point, booleans, 64-bit integers.
 */
import { Column, Table, type TableProperties } from "effect-zerobus"
import { TABLE, VARIETY } from "./client.ts"

const kinds = [
  { column: Column.String, value: (n: number) => `value-${n}-of-a-text` },
  { column: Column.Int, value: (n: number) => n * 1000 },
  { column: Column.Double, value: (n: number) => n * 1.5 },
  { column: Column.Boolean, value: (n: number) => n % 2 === 0 },
  { column: Column.BigInt, value: (n: number) => BigInt(n) * 1_000_000_007n }
] as const

/** A table with this many columns. */
export const typedTable = (columns: number): TableProperties.TableProperties<any> =>
  Table.make(
    TABLE,
    Object.fromEntries(
      Array.from({ length: columns }, (_, n) => [`column_${n}`, kinds[n % kinds.length]!.column])
    )
  )

/** Records of that table. */
export const typedRecords = (columns: number): ReadonlyArray<object> =>
  Array.from({ length: VARIETY }, (_, record) =>
    Object.fromEntries(
      Array.from({ length: columns }, (_, n) => [
        `column_${n}`,
        kinds[n % kinds.length]!.value(record + n)
      ])
    )
  )
