/**
 * Runs every example as its reader would, in a process of its own against a local server, and reads
 * what it prints.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LocalEnvironment, root, runSource } from "../support/localEnvironment.ts"

const tables = [
  "main.default.air_quality(device_name STRING, temp INT, humidity BIGINT)",
  "main.default.readings(device_name STRING, temp INT, humidity BIGINT, measured_at TIMESTAMP, " +
    "tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, lon: DOUBLE>, note STRING)",
  ...Array.from({ length: 20 }, (_, tenant) => `main.default.tenant_${tenant}(event STRING, n INT)`)
]

/** The whole of what each example prints. */
const printed: Readonly<Record<string, RegExp>> = {
  "01-first-record.ts": /^durable at offset 0\n$/,
  "02-batches.ts": /^1100 records durable, the last batch at offset 10\n$/,
  "03-schema-records.ts": /^refused at temp\n2 records durable\n$/,
  "04-stream-to-table.ts": /^10000 records durable, last offset 9999\n$/,
  "05-acknowledgements.ts": /^0 refused, durable up to offset 99\n$/,
  "06-recovery.ts": /^all 1000 records durable\n$/,
  "07-promises.ts": /^1000 records durable\n$/,
  // The lost connection is worth a warning of the client's.
  "08-own-server.ts":
    /^\[.*WARN.*lost its connection[^]*\n1000 orders arrived, 0 acknowledged but missing\n$/,
  "09-telemetry.ts":
    /^zerobus_records_durable\{table="main\.default\.air_quality"\} 1000\nzerobus_records_ingested\{table="main\.default\.air_quality"\} 1000\n.*all records are durable\nthe collector got \/v1\/logs \/v1\/metrics \/v1\/traces\n$/,
  "10-from-catalog.ts":
    /^Column temp is smallint here and int in the table\.\nColumn humidity [^]*\nColumn note .*\n1 record durable\n$/,
  // The refusal is worth lines of the client's.
  "12-push-callbacks.ts": /(?:^|\n)999 acknowledged, in order; refused: 500\n$/,
  "11-scripted-server.ts":
    /\nheld on connection 3\n200 orders, 0 missing, 0 unexplained duplicates\n[^]*\nagain: 200 orders over 3 connections\n$/,
  "12-lanes.ts": /^100001 records of 100 devices durable over 4 lanes\n$/,
  "13-pool.ts": /^10000 records durable in 20 tables over 4 streams\n$/
}

const files = Fs.readdirSync(Path.join(root, "examples")).filter((file) =>
  /^\d\d-.*\.ts$/.test(file)
)

layer(LocalEnvironment.layer(tables), { excludeTestServices: true, timeout: 60_000 })(
  "examples",
  (it) => {
    for (const file of files) {
      it.effect(
        file,
        () =>
          Effect.gen(function* () {
            const { environment } = yield* LocalEnvironment
            const { output, status } = yield* runSource(
              Path.join(root, "examples", file),
              environment
            )
            assert.match(output, printed[file] ?? /^an entry in the table$/)
            assert.strictEqual(status, 0, output)
          }),
        60_000
      )
    }
  }
)
