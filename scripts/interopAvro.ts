/**
 * Sends Avro records of the official Python SDK, fetched from PyPI into .cache, to the local server
 * on disk: 100,000 rows with a column of each type, singly and in batches, with a lost connection,
 * with a rotation, and with a server that is killed twice and restarted. Compares each cell with
 * what was sent. Exits with 1 when a cell is wrong or a row is missing. Needs Python and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Fiber, FileSystem, Layer, Redacted } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { isDeepStrictEqual } from "node:util"
import { everyColumn, everyRow } from "../test/support/everyArrowColumn.ts"
import { killServer, type RunningServer, startServer } from "../test/support/killedServer.ts"
import { preparePython, PythonFailed, runPython } from "./pythonSdk.ts"

const total = 100_000

/** The addresses and credentials for the Python program. */
type Server = Omit<RunningServer, "process">

const tableOf = (name: string) => `main.default.${name}`

const ingest = (server: Server, name: string, mode: "single" | "batch", pauseSeconds = 0) =>
  runPython("pythonAvro.py", [
    server.serverEndpoint,
    server.workspaceUrl,
    server.clientId,
    server.clientSecret,
    tableOf(name),
    mode,
    String(total),
    String(pauseSeconds)
  ])

/** Compares each row of a table with the one that was sent. Duplicate rows count once. */
const check = Effect.fnUntraced(function* (name: string) {
  const local = yield* ZerobusLocal
  const rows = yield* local.records(tableOf(name))
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

const scenario = Effect.fnUntraced(function* (
  name: string,
  mode: "single" | "batch",
  fault?: Faults.Fault
) {
  const local = yield* ZerobusLocal
  yield* local.createTable(`${tableOf(name)}(${everyColumn})`)
  if (fault !== undefined) yield* local.inject(tableOf(name), fault)
  yield* ingest({ ...local, clientSecret: Redacted.value(local.clientSecret) }, name, mode)
  yield* check(name)
  const { ackedButMissing, ackedRecords } = yield* local.audit(tableOf(name))
  if (ackedButMissing > 0 || ackedRecords < total)
    return yield* new PythonFailed({ message: `${name} lost records` })
})

/** Kills the server after one third and after two thirds of the rows, while the SDK ingests. */
const kills = Effect.fnUntraced(function* (dataDir: string) {
  const name = "avro_killed"
  const layer = ZerobusLocal.layerServer({ dataDir })
  yield* Effect.flatMap(ZerobusLocal, (local) =>
    local.createTable(`${tableOf(name)}(${everyColumn})`)
  ).pipe(Effect.provide(layer))
  let server = yield* Effect.promise(() => startServer(dataDir, "0", "0"))
  const { port } = new URL(server.serverEndpoint)
  const { port: httpPort } = new URL(server.workspaceUrl)
  const ingesting = yield* Effect.forkChild(ingest(server, name, "batch", 0.02))
  for (const rows of [total / 3, total / 3]) {
    while ((yield* receivedRows(server)) < rows) yield* Effect.sleep("20 millis")
    yield* Effect.promise(() => killServer(server))
    server = yield* Effect.promise(() => startServer(dataDir, port, httpPort))
  }
  yield* Fiber.join(ingesting)
  yield* Effect.promise(() => killServer(server))
  yield* check(name).pipe(Effect.provide(Layer.fresh(layer)))
})

/** Number of rows that a server has received since it started. */
const receivedRows = ({ workspaceUrl }: Server) =>
  Effect.promise(async () => {
    const text = await (await fetch(`${workspaceUrl}/metrics`)).text()
    return Number(/^zerobus_local_records_total (\d+)$/m.exec(text)?.[1] ?? Number.NaN)
  })

const program = Effect.gen(function* () {
  yield* preparePython
  const files = yield* FileSystem.FileSystem
  const folder = files.makeTempDirectoryScoped({ prefix: "zerobus-avro-" })
  const dataDir = yield* folder
  yield* Effect.gen(function* () {
    for (const mode of ["single", "batch"] as const) yield* scenario(`avro_${mode}`, mode)
    yield* scenario("avro_lost_connection", "batch", Faults.disconnect({ afterRecords: 30_000 }))
    const rotation = Faults.closeSignal({ afterRecords: 30_000, duration: "2 seconds" })
    yield* scenario("avro_rotation", "single", rotation)
  }).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir, auditBytes: 512 * 1024 * 1024 })))
  yield* kills(yield* folder)
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
