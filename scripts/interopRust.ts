/**
 * Drives the local server on disk with Arrow batches of the official Rust SDK, which Cargo fetches
 * from crates.io and builds into .cache: 100,000 rows with a column of each type, with a lost
 * connection, and with a server that is killed twice and started again. Each cell is compared with
 * what was sent. Ends with 1 when one is wrong or a row is missing. Needs Rust and crates.io.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, FileSystem } from "effect"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Ingest, kills, scenario, tableOf, total } from "./sdkScenarios.ts"

/** The program of the SDK could not be built, or failed. */
class RustFailed extends Data.TaggedError("RustFailed")<{ readonly message: string }> {}

const source = fileURLToPath(new URL("../test/support/rustArrow/Cargo.toml", import.meta.url))
const target = fileURLToPath(new URL("../.cache/rust-arrow", import.meta.url))
const rowsOfBatch = "500"

const run = (command: string, args: ReadonlyArray<string>) =>
  Effect.tryPromise({
    try: () => promisify(execFile)(command, args, { maxBuffer: 1 << 26 }),
    catch: (error) => new RustFailed({ message: String((error as Error).message).slice(-2000) })
  })

const build = Effect.gen(function* () {
  yield* Console.log("Building the Rust SDK, which takes minutes the first time ...")
  yield* run("cargo", ["build", "--quiet", "--manifest-path", source, "--target-dir", target])
})

const ingest: Ingest<RustFailed> = (server, name, pauseSeconds) =>
  run(`${target}/debug/rust-arrow`, [
    server.serverEndpoint,
    server.workspaceUrl,
    server.clientId,
    server.clientSecret,
    tableOf(name),
    String(total),
    rowsOfBatch,
    String(pauseSeconds * 1000)
  ])

const program = Effect.gen(function* () {
  yield* build
  const files = yield* FileSystem.FileSystem
  const folder = files.makeTempDirectoryScoped({ prefix: "zerobus-rust-" })
  const dataDir = yield* folder
  yield* Effect.gen(function* () {
    yield* scenario("rust_zstd", ingest)
    const lost = Faults.disconnect({ afterRecords: 30_000 })
    yield* scenario("rust_lost_connection", ingest, lost)
  }).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir })))
  yield* kills(yield* folder, "rust_killed", ingest)
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
