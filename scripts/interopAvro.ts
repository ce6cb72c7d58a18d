/**
 * Drives the local server on disk with Avro records of the official Python SDK, fetched from PyPI
 * into .cache: 100,000 rows with a column of each type, one by one and in batches, with a lost
 * connection, with a rotation, and with a server that is killed twice and started again. Each cell
 * is compared with what was sent. Ends with 1 when one is wrong or a row is missing. Needs Python
 * and PyPI.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, FileSystem } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { preparePython, type PythonFailed, runPython } from "./pythonSdk.ts"
import { type Ingest, kills, scenario, tableOf, total } from "./sdkScenarios.ts"

const ingest =
  (mode: "single" | "batch"): Ingest<PythonFailed> =>
  (server, name, pauseSeconds) =>
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

const program = Effect.gen(function* () {
  yield* preparePython
  const files = yield* FileSystem.FileSystem
  const folder = files.makeTempDirectoryScoped({ prefix: "zerobus-avro-" })
  const dataDir = yield* folder
  yield* Effect.gen(function* () {
    for (const mode of ["single", "batch"] as const) yield* scenario(`avro_${mode}`, ingest(mode))
    const lost = Faults.disconnect({ afterRecords: 30_000 })
    yield* scenario("avro_lost_connection", ingest("batch"), lost)
    const rotation = Faults.closeSignal({ afterRecords: 30_000, duration: "2 seconds" })
    yield* scenario("avro_rotation", ingest("single"), rotation)
  }).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir, auditBytes: 512 * 1024 * 1024 })))
  yield* kills(yield* folder, "avro_killed", ingest("batch"))
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
