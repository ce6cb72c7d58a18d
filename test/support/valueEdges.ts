/**
 * JSON values on both sides of the limits of every column type, for checks that must agree about
 * them.
 */
const scalars = [
  "BOOLEAN",
  "TINYINT",
  "SMALLINT",
  "INT",
  "BIGINT",
  "FLOAT",
  "DOUBLE",
  "STRING",
  "BINARY",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP_NTZ",
  "VARIANT",
  "DECIMAL(4,2)",
  "DECIMAL(38,10)",
  "DECIMAL(38,38)"
]
/** Column types, including nested ones. */
export const types = [
  ...scalars,
  ...scalars.map((type) => `ARRAY<${type}>`),
  ...["STRING", "INT", "BIGINT", "DATE", "BOOLEAN", "TIMESTAMP"].map(
    (key) => `MAP<${key}, DECIMAL(4,2)>`
  ),
  "STRUCT<a: INT NOT NULL, b: ARRAY<STRUCT<c: DATE, d: TIMESTAMP>>>"
]

/** Text of JSON values on both sides of every limit, and of some invalid values. */
export const edges: Array<string> = [
  ...(
    "null true false 0 -0 1 -1 1.5 1.0 1e2 1e-7 127 128 -129 32768 2147483647 2147483648 " +
    "-2147483649"
  ).split(" "),
  ...(
    "9007199254740991 9007199254740992 9007199254740993 9223372036854775807 " +
    "9223372036854775808 -9223372036854775808"
  ).split(" "),
  ...(
    "1e300 1e999 3.5e38 0.1000000000000000055 99.99 100 -99.999 " +
    "12345678901234567890123456789012345678 719163 2932897"
  ).split(" "),
  ...(
    "253402300799999999 253402300800000000 -62135596800000000 -62135596800000001 [] {} [null] " +
    '[1,null,2] {"a":1}'
  ).split(" "),
  ...(
    '[[1]] {"a":1,"b":[{"c":"1970-01-02","d":"2026-11-22T08:30:00Z"}]} {"1":1.5} ' +
    '{"true":"2.5"} {"2026-11-22":1}'
  ).split(" "),
  ...[
    "",
    " ",
    "1",
    "-1",
    "+1",
    "01",
    "1.50",
    ".5",
    "5.",
    "1e3",
    "NaN",
    "Infinity",
    "-Infinity",
    "true",
    "AQI=",
    "AQI",
    "AQ==",
    "A",
    "%%"
  ].map((text) => JSON.stringify(text)),
  ...[
    "1970-01-01",
    "0001-01-01",
    "0000-12-31",
    "9999-12-31",
    "2026-02-29",
    "2024-02-29",
    "2026-11-22T08:30:00Z",
    "2026-11-22 08:30"
  ].map((text) => JSON.stringify(text)),
  ...[
    "9999-12-31T23:59:59.9999999Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2026-11-22T08:30:60Z"
  ].map((text) => JSON.stringify(text)),
  '"\\ud800"',
  '"\\u0000"',
  '"{\\"a\\":1}"',
  '"{"',
  '"9223372036854775807"',
  '"9223372036854775808"',
  '"-0"',
  '"007"'
]

for (const depth of [499, 500, 501, 100_000]) edges.push("[".repeat(depth) + "]".repeat(depth))
