// `npm run demo`: real data over real gRPC into real Delta tables on this disk, then SQL over them.
//
// Starts the local server in a temporary folder and ingests three data sets of the npm package
// vega-datasets through the client: a JSON array, a CSV file, and a typed table with nested columns
// as protobuf. Waits until everything is durable and committed, and compares tables with files in
// SQL. Exits with 1 when anything differs.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Column, Table, TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import {
  loadDuckdb,
  type QueryResult,
  type QueryTable,
  runQuery,
  tableText
} from "../src/cli/deltaQuery.ts"
import { ingestFile } from "../src/cli/ingest/ingestFile.ts"
import { Places } from "../src/cli/ingest/places.ts"
import { count, noCounts } from "../src/cli/terminal/progress.ts"
import { recordBytes } from "../src/cli/input/recordBytes.ts"
import { FileRecords } from "../src/cli/records/fileRecords.ts"
import { kindOf, type TextFormat } from "../src/cli/records/fileKind.ts"
import { reader } from "../src/cli/records/recordFile.ts"
import { readLiveTable } from "../src/local/delta/liveFiles.ts"

const data = (file: string): string =>
  fileURLToPath(new URL(`../node_modules/vega-datasets/data/${file}`, import.meta.url))
const files = {
  flights: data("flights-200k.json"),
  birds: data("birdstrikes.csv"),
  earthquakes: data("earthquakes.json")
}

const flights = "main.default.flights(delay INT, distance INT, time DOUBLE)"
const birds = `main.default.birdstrikes(airport_name STRING, aircraft_make_model STRING,
  effect_amount_of_damage STRING, flight_date DATE, aircraft_airline_operator STRING,
  origin_state STRING, phase_of_flight STRING, wildlife_size STRING, wildlife_species STRING,
  time_of_day STRING, cost_other BIGINT, cost_repair BIGINT, cost_total BIGINT,
  speed_ias_in_knots DOUBLE)`

const Earthquakes = Table.make("main.default.earthquakes", {
  id: Column.String,
  magnitude: Column.nullable(Column.Double),
  place: Column.String,
  happened_at: Column.Timestamp,
  position: Column.Struct({
    longitude: Column.Double,
    latitude: Column.Double,
    depth_km: Column.Double
  }),
  networks: Column.Array(Column.String)
})

interface Feature {
  readonly id: string
  readonly properties: {
    readonly mag: number | null
    readonly place: string
    readonly time: number
    readonly sources: string
  }
  readonly geometry: { readonly coordinates: readonly [number, number, number] }
}

const quakes = (
  JSON.parse(readFileSync(files.earthquakes, "utf8")) as {
    readonly features: ReadonlyArray<Feature>
  }
).features.map(({ geometry, id, properties }): typeof Earthquakes.Type => ({
  id,
  magnitude: properties.mag,
  place: properties.place,
  happened_at: DateTime.makeUnsafe(properties.time),
  position: {
    longitude: geometry.coordinates[0],
    latitude: geometry.coordinates[1],
    depth_km: geometry.coordinates[2]
  },
  networks: properties.sources.split(",").filter((name) => name !== "")
}))

/**
 * A filled table: its number of records, their source, and the time until the last one was durable.
 */
interface Filled {
  readonly name: string
  readonly records: number
  readonly from: string
  readonly millis: number
}

const timed = Effect.fnUntraced(function* <E, R>(
  name: string,
  from: string,
  fill: Effect.Effect<number, E, R>
) {
  const started = yield* Clock.currentTimeMillis
  const records = yield* fill
  const millis = (yield* Clock.currentTimeMillis) - started
  const rate = Math.round((records / Math.max(millis, 1)) * 1000)
  yield* Console.log(
    `  ${name.padEnd(12)} ${count(records).padStart(8)} records  ${from.padEnd(20)} ` +
      `${(millis / 1000).toFixed(2).padStart(5)} s ` +
      ` ${count(rate).padStart(8)} records/s, all durable`
  )
  return { name, records, from, millis } satisfies Filled
})

/**
 * Ingests a JSON or CSV file as JSON records. Succeeds with the number of records when all are
 * durable.
 */
const fillFromFile = Effect.fnUntraced(function* (file: string, definition: string) {
  const local = yield* ZerobusLocal
  const zerobus = yield* Zerobus
  const { definition: table } = yield* local.createTable(definition)
  const counts = noCounts()
  const kind = kindOf(file)
  const records = new FileRecords(table.columns)
  yield* zerobus.withStream({ ...TableProperties.json(table.name), codec: records }, (stream) =>
    ingestFile({
      bytes: recordBytes(file, { gzip: kind.gzip }),
      reader: reader((kind.format ?? "json") as TextFormat, { usualDelimiter: kind.delimiter }),
      header: kind.format === "csv",
      records,
      stream,
      onRejects: undefined,
      skip: 0,
      counts,
      places: new Places()
    })
  )
  return counts.accepted
})

const fillEarthquakes = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const zerobus = yield* Zerobus
  yield* local.createTable(Earthquakes)
  const { records } = yield* Stream.fromIterable(quakes).pipe(Stream.run(zerobus.sink(Earthquakes)))
  return records
})

const text = (path: string) => `'${path.replaceAll("'", "''")}'`

/** Pairs of queries, over a table and over its source file, whose results must be equal. */
const comparisons: ReadonlyArray<readonly [table: string, file: string]> = [
  [
    "SELECT count(*), sum(delay), sum(distance), round(sum(time), 3) FROM main.default.flights",
    `SELECT count(*), sum(delay), sum(distance), round(sum(time), 3) FROM ` +
      `read_json(${text(files.flights)})`
  ],
  [
    "SELECT count(*), sum(cost_total), min(flight_date), max(flight_date), count(DISTINCT " +
      "wildlife_species) FROM main.default.birdstrikes",
    `SELECT count(*), sum("Cost Total $"), min("Flight Date"), max("Flight Date"),
       count(DISTINCT "Wildlife Species")
       FROM read_csv(${text(files.birds)}, header = true, nullstr = '')`
  ],
  [
    "SELECT count(*), round(sum(magnitude), 6), round(sum(position.depth_km), 6), " +
      "sum(epoch_ms(happened_at)) FROM main.default.earthquakes",
    `SELECT count(*), round(sum(f.properties.mag), 6), round(sum(f.geometry.coordinates[3]), 6),
       sum(f.properties.time) FROM (SELECT unnest(features) AS f
       FROM read_json(${text(files.earthquakes)}, maximum_object_size = 50000000))`
  ]
]

const shown = [
  `SELECT wildlife_size AS size, count(*) AS strikes, sum(cost_total) AS cost,
    round(avg(speed_ias_in_knots)) AS knots
  FROM main.default.birdstrikes GROUP BY size ORDER BY cost DESC`,
  `SELECT place, magnitude, round(position.depth_km, 1) AS depth_km,
    strftime(happened_at::TIMESTAMP, '%Y-%m-%d %H:%M') AS utc
  FROM main.default.earthquakes ORDER BY magnitude DESC LIMIT 3`
]

const program = Effect.gen(function* () {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-demo-"))
  yield* Console.log(`effect-zerobus: real data over gRPC into Delta tables in ${folder}\n`)

  const tables = yield* Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* timed("flights", "JSON array", fillFromFile(files.flights, flights))
    yield* timed("birdstrikes", "CSV, 14 columns", fillFromFile(files.birds, birds))
    yield* timed("earthquakes", "protobuf, nested", fillEarthquakes)
    yield* local.flush()
    return yield* local.listTables
  }).pipe(Effect.provide(ZerobusLocal.layer({ dataDir: folder })))

  // The server has stopped. From here on its files are read like any other Delta table.
  const queried: Array<QueryTable> = []
  for (const { definition, location } of tables) {
    const live = yield* Effect.promise(() => readLiveTable(location))
    if (live === undefined) return yield* Effect.die(new Error(`${location} holds no Delta table`))
    queried.push({ name: definition.name, columns: definition.columns, live })
  }
  const duckdb = yield* Effect.promise(loadDuckdb)
  if (duckdb === undefined)
    return yield* Effect.die(new Error("@duckdb/node-api is not installed; run npm ci"))
  const ask = (sql: string): Effect.Effect<QueryResult> =>
    Effect.promise(() => runQuery(duckdb, queried, sql))

  for (const sql of shown)
    yield* Console.log(`\n${sql}\n\n${tableText(yield* ask(sql)).replace(/^/gm, "  ")}`)

  let differing = 0
  yield* Console.log("")
  for (const [table, file] of comparisons) {
    const [got, expected] = [yield* ask(table), yield* ask(file)]
    const same = JSON.stringify(got.rows) === JSON.stringify(expected.rows)
    if (!same) differing++
    const name = /FROM (\S+)$/.exec(table)?.[1] ?? ""
    yield* Console.log(
      same
        ? `  ${name}: ${count(Number(got.rows[0]?.[0]))} rows, counts and sums equal those of ` +
            `the file`
        : `  ${name} DIFFERS from its file\n    table ${JSON.stringify(got.rows)}\n    file  ` +
            `${JSON.stringify(expected.rows)}`
    )
  }
  yield* Console.log(`
The tables stay in ${folder}. Serve them with the first command. It prints variables;
set them in another terminal and query the tables there:

  npm run zerobus -- local --data-dir ${folder}
  npm run zerobus -- query 'SELECT count(*) FROM main.default.flights'`)
  return differing
})

program.pipe(
  Effect.tap((differing) =>
    Effect.sync(() => {
      if (differing > 0) process.exitCode = 1
    })
  ),
  NodeRuntime.runMain
)
