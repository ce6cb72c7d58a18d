/**
 * Sends Arrow batches of the official Python SDK, fetched from PyPI into .cache, to the local
 * server on disk: 100,000 rows with a column of each type, per compression, with a lost connection,
 * with a rotation, and with a server that is killed twice and restarted. Then sends batches of
 * pyarrow's C++ Flight client. Compares each cell with what was sent. Exits with 1 when a cell is
 * wrong or a row is missing. Needs Python and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { headersFor } from "../test/support/rawStream.ts"
import { preparePython, PythonFailed, runPython } from "./pythonSdk.ts"
import { type Ingest, kills, scenario, tableOf, total } from "./sdkScenarios.ts"

const ingest =
  (compression: string): Ingest<PythonFailed> =>
  (server, name, pauseSeconds) =>
    runPython("pythonArrow.py", [
      server.serverEndpoint,
      server.workspaceUrl,
      server.clientId,
      server.clientSecret,
      tableOf(name),
      "every",
      String(total),
      "500",
      compression,
      String(pauseSeconds)
    ])

/** Sends rows with a plain Flight client without Zerobus support. */
const plainFlight = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = tableOf("plain_flight")
  yield* local.createTable(`${table}(id BIGINT NOT NULL, item STRING)`)
  const { authorization } = yield* headersFor(local, table)
  const token = authorization.slice("Bearer ".length)
  const answer = yield* runPython("pyarrowFlight.py", [
    local.serverEndpoint,
    token,
    table,
    String(total),
    "1000"
  ])
  const rows = yield* local.records(table)
  const right = rows.filter(({ id, item }) => item === (Number(id) % 3 === 0 ? null : `item-${id}`))
  const ids = new Set(right.map(({ id }) => id))
  yield* Console.log(
    `plain_flight: ${ids.size} rows in the table, ${rows.length - ids.size} more; ${answer.trim()}`
  )
  if (
    ids.size < total ||
    rows.length > total ||
    !answer.includes(`"ack_up_to_records": ${total}`)
  ) {
    return yield* new PythonFailed({ message: "plain_flight lost rows or cells" })
  }
})

const program = Effect.gen(function* () {
  yield* preparePython
  const files = yield* FileSystem.FileSystem
  const folder = files.makeTempDirectoryScoped({ prefix: "zerobus-arrow-" })
  const dataDir = yield* folder
  yield* Effect.gen(function* () {
    for (const compression of ["none", "lz4", "zstd"]) {
      yield* scenario(`arrow_${compression}`, ingest(compression))
    }
    const lost = Faults.disconnect({ afterRecords: 30_000 })
    yield* scenario("arrow_lost_connection", ingest("zstd"), lost)
    const rotation = Faults.closeSignal({ afterRecords: 30_000, duration: "2 seconds" })
    yield* scenario("arrow_rotation", ingest("zstd"), rotation)
    yield* plainFlight
  }).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir })))
  yield* kills(yield* folder, "arrow_killed", ingest("zstd"))
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
