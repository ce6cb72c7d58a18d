/**
 * What the programs of `examples` and `test/golden` need and print, on every runtime.
 */
/** The tables of the examples. */
export const tables: ReadonlyArray<string> = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)",
  ...Array.from({ length: 20 }, (_, tenant) => `main.default.tenant_${tenant}(event STRING, n INT)`)
]

/** The complete output of each example. */
export const printed: Readonly<Record<string, RegExp>> = {
  "01-first-record.ts": /^durable at offset 0\n$/,
  "02-batches.ts": /^1100 records durable, the last batch at offset 10\n$/,
  "03-schema-records.ts": /^refused at temp\n2 records durable\n$/,
  "04-stream-to-table.ts": /^10000 records durable, last offset 9999\n$/,
  "05-acknowledgements.ts": /^0 refused, durable up to offset 99\n$/,
  "06-recovery.ts": /^all 1000 records durable\n$/,
  "07-promises.ts": /^1000 records durable\n$/,
  // The client logs a warning about the lost connection.
  "08-own-server.ts":
    /^\[.*WARN.*lost its connection[^]*\n1000 orders arrived, 0 acknowledged but missing\n$/,
  "09-telemetry.ts":
    /^zerobus_records_durable\{table="main\.default\.air_quality"\} 1000\nzerobus_records_ingested\{table="main\.default\.air_quality"\} 1000\n.*all records are durable\nthe collector got \/v1\/logs \/v1\/metrics \/v1\/traces\n$/,
  "10-from-catalog.ts":
    /^Column temp is smallint here and int in the table\.\nColumn humidity [^]*\nColumn note .*\n1 record durable\n$/,
  "11-scripted-server.ts":
    /\nheld on connection 3\n200 orders, 0 missing, 0 unexplained duplicates\n[^]*\nagain: 200 orders over 3 connections\n$/,
  "12-lanes.ts": /^100001 records of 100 devices durable over 4 lanes\n$/,
  // The client logs the refusal.
  "13-push-callbacks.ts": /(?:^|\n)999 acknowledged, in order; refused: 500\n$/,
  "14-pool.ts": /^10000 records durable in 20 tables over 4 streams\n$/,
  "15-avro.ts": /^refused at temp\n2 records durable\n$/
}

/** The tables of the golden programs. */
export const goldenTables: ReadonlyArray<string> = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.air_quality_b(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.air_quality_c(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)",
  "main.default.blobs(payload BINARY)"
]

/** The golden programs that are run with `node`, and the complete output of each. */
export const goldenPrograms: ReadonlyArray<readonly [file: string, printed: RegExp]> = [
  ["01-first-record.ts", /^durable at offset 0\n$/],
  ["02-typed-table.ts", /^10000 records durable, last offset 9999\n$/],
  [
    "03-errors.ts",
    /^InvalidTable, retryable false: check the table name: .*main\.default\.does_not_exist.*\n$/
  ],
  ["04-recreate.ts", /^all 1000 records durable\n$/],
  ["05-headers.ts", /^flushed\n$/],
  ["06-proto-bytes.ts", /^batch at offset 10000, \d+ refused\n$/],
  // The lines before it are the log of the first refusals.
  ["08-dead-letters.ts", /(?:^|\n)990 durable, 10 refused\n$/],
  ["09-spool.ts", /^all durable, the spool is empty\n$/],
  ["10-lanes.ts", /^100000 records durable over 4 lanes\n$/],
  ["11-pool.ts", /^3000 records durable in 3 tables over 2 streams\n$/],
  ["12-persistent.ts", /^resumed at 500, 1000 records once\n$/],
  ["13-arrow.ts", /^10000 rows durable by Arrow Flight\n$/]
]
