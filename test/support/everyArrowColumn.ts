/**
 * The table and rows of `pythonArrow.py`: every column type, and each row computed from its number.
 */

/** The columns of the table, as SQL. */
export const everyColumn = `id BIGINT NOT NULL, c_boolean BOOLEAN, c_tinyint TINYINT,
  c_smallint SMALLINT, c_int INT, c_bigint BIGINT, c_float FLOAT, c_double DOUBLE, c_string STRING,
  c_binary BINARY, c_date DATE, c_timestamp TIMESTAMP, c_timestamp_ntz TIMESTAMP_NTZ,
  c_decimal DECIMAL(10, 2), c_variant VARIANT, c_array ARRAY<INT>, c_struct STRUCT<lat: DOUBLE,
  name: STRING>, c_map MAP<STRING, BIGINT>, c_structs ARRAY<STRUCT<lat: DOUBLE, name: STRING>>`

const names = everyColumn.match(/c_\w+/g)!

const numbered = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** The row with this number, as read from the table. */
export const everyRow = (n: number): Record<string, unknown> => {
  if (n % 7 === 3)
    return { id: BigInt(n), ...Object.fromEntries(names.map((name) => [name, null])) }
  const bytes = [n >> 16, (n >> 8) & 255, n & 255]
  return {
    id: BigInt(n),
    c_boolean: n % 2 === 0,
    c_tinyint: (n % 256) - 128,
    c_smallint: (n % 65536) - 32768,
    c_int: n * 7 - 2 ** 31,
    c_bigint: BigInt(n) * 10n ** 12n - 2n ** 63n,
    c_float: Math.fround(n / 4),
    c_double: n === 0 ? 0 : -n / 3,
    c_string: "é".repeat(n % 5) + String(n),
    c_binary: Uint8Array.from(numbered(n % 3, () => bytes).flat()),
    c_date: n - 700_000,
    c_timestamp: BigInt(n) * 1_000_003n,
    c_timestamp_ntz: BigInt(-n) * 1_000_003n,
    c_decimal: `${n === 0 ? "" : "-"}${n}.${String(n % 100).padStart(2, "0")}`,
    c_variant: `{"n":${n}}`,
    c_array: numbered(n % 4, (index) => (index === 1 ? null : n)),
    c_struct: { lat: n / 2, name: n % 2 === 1 ? null : `place ${n}` },
    c_map: new Map(numbered(n % 3, (index) => [`k${index}`, BigInt(n + index)])),
    c_structs: numbered(n % 3, (index) => ({ lat: index, name: `${n}.${index}` }))
  }
}
