/**
 * Sends Arrow batches of the official Python SDK, fetched from PyPI into .cache, to the local
 * server on disk: 100,000 rows with a column of each type, per compression, with a lost connection,
 * with a rotation, and with a server that is killed twice and restarted. Then sends batches of
 * pyarrow's C++ Flight client. Compares each cell with what was sent. Exits with 1 when a cell is
 * wrong or a row is missing. Needs Python and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Fiber, FileSystem, Layer, Redacted } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { isDeepStrictEqual } from "node:util"
import { everyColumn, everyRow } from "../test/support/everyArrowColumn.ts"
import { headersFor } from "../test/support/rawStream.ts"
import { killServer, type RunningServer, startServer } from "../test/support/killedServer.ts"
import { preparePython, PythonFailed, runPython } from "./pythonSdk.ts"

const total = 100_000

/** The addresses and credentials for the Python program. */
type Server = Omit<RunningServer, "process">

const arrowTable = (name: string) => `main.default.${name}`

const ingestArrow = (server: Server, name: string, compression: string, pauseSeconds = 0) =>
  runPython("pythonArrow.py", [
    server.serverEndpoint,
    server.workspaceUrl,
    server.clientId,
    server.clientSecret,
    arrowTable(name),
    "every",
    String(total),
    "500",
    compression,
    String(pauseSeconds)
  ])

/** Compares each row of a table with the one that was sent. Duplicate rows count once. */
const checkArrow = Effect.fnUntraced(function* (name: string) {
  const local = yield* ZerobusLocal
  const rows = yield* local.records(arrowTable(name))
  const found = new Set<number>()
  let wrong = 0
  for (const row of rows) {
    const n = Number(row["id"])
    if (!isDeepStrictEqual({ ...row }, everyRow(n))) wrong++
    found.add(n)
  }
  let missing = 0
  for (let n = 0; n < total; n++) if (!found.has(n)) missing++
  yield* Console.log(
    `${name}: ${found.size} rows in the table, ${missing} missing, ${wrong} with a wrong cell, ` +
      `${rows.length - found.size} twice`
  )
  if (missing > 0 || wrong > 0)
    return yield* new PythonFailed({ message: `${name} lost rows or cells` })
})

const arrowScenario = Effect.fnUntraced(function* (
  name: string,
  compression: string,
  fault?: Faults.Fault
) {
  const local = yield* ZerobusLocal
  yield* local.createTable(`${arrowTable(name)}(${everyColumn})`)
  if (fault !== undefined) yield* local.inject(arrowTable(name), fault)
  yield* ingestArrow(
    { ...local, clientSecret: Redacted.value(local.clientSecret) },
    name,
    compression
  )
  yield* checkArrow(name)
  const { ackedButMissing, ackedRecords } = yield* local.audit(arrowTable(name))
  if (ackedButMissing > 0 || ackedRecords < total)
    return yield* new PythonFailed({ message: `${name} lost records` })
})

/** Kills the server after one third and after two thirds of the rows, while the SDK ingests. */
const arrowKills = Effect.fnUntraced(function* (dataDir: string) {
  const name = "arrow_killed"
  const layer = ZerobusLocal.layerServer({ dataDir })
  yield* Effect.flatMap(ZerobusLocal, (local) =>
    local.createTable(`${arrowTable(name)}(${everyColumn})`)
  ).pipe(Effect.provide(layer))
  let server = yield* Effect.promise(() => startServer(dataDir, "0", "0"))
  const { port } = new URL(server.serverEndpoint)
  const { port: httpPort } = new URL(server.workspaceUrl)
  const ingesting = yield* Effect.forkChild(ingestArrow(server, name, "zstd", 0.02))
  for (const rows of [total / 3, total / 3]) {
    while ((yield* receivedRows(server)) < rows) yield* Effect.sleep("20 millis")
    yield* Effect.promise(() => killServer(server))
    server = yield* Effect.promise(() => startServer(dataDir, port, httpPort))
  }
  yield* Fiber.join(ingesting)
  yield* Effect.promise(() => killServer(server))
  yield* checkArrow(name).pipe(Effect.provide(Layer.fresh(layer)))
})

/** Number of rows that a server has received since it started. */
const receivedRows = ({ workspaceUrl }: Server) =>
  Effect.promise(async () => {
    const text = await (await fetch(`${workspaceUrl}/metrics`)).text()
    return Number(/^zerobus_local_records_total (\d+)$/m.exec(text)?.[1] ?? Number.NaN)
  })

/** Sends rows with a plain Flight client without Zerobus support. */
const plainFlight = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  const table = arrowTable("plain_flight")
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
    for (const compression of ["none", "lz4", "zstd"])
      yield* arrowScenario(`arrow_${compression}`, compression)
    yield* arrowScenario(
      "arrow_lost_connection",
      "zstd",
      Faults.disconnect({ afterRecords: 30_000 })
    )
    yield* arrowScenario(
      "arrow_rotation",
      "zstd",
      Faults.closeSignal({ afterRecords: 30_000, duration: "2 seconds" })
    )
    yield* plainFlight
  }).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir })))
  yield* arrowKills(yield* folder)
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
