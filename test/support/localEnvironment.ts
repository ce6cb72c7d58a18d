/**
 * A local server for programs in separate processes, with the environment that connects them to it,
 * and functions that run them.
 */
import { ZerobusLocal } from "effect-zerobus/testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import * as Path from "node:path"

/** The folder of the repository. */
export const root = Path.resolve(import.meta.dirname, "../..")

/** The address of the server, as the variables that `ZerobusLayer` reads. */
export class LocalEnvironment extends Context.Service<
  LocalEnvironment,
  { readonly environment: Readonly<Record<string, string>> }
>()("test/LocalEnvironment") {
  /** A server in memory with these tables, `c.s.t(column TYPE, ...)` each. */
  static readonly layer = (tables: ReadonlyArray<string>) =>
    Layer.effect(
      LocalEnvironment,
      Effect.gen(function* () {
        const local = yield* ZerobusLocal
        yield* Effect.forEach(tables, (table) => local.createTable(table), { discard: true })
        return {
          environment: {
            ZEROBUS_SERVER_ENDPOINT: local.serverEndpoint,
            DATABRICKS_WORKSPACE_URL: local.workspaceUrl,
            DATABRICKS_CLIENT_ID: local.clientId,
            DATABRICKS_CLIENT_SECRET: Redacted.value(local.clientSecret)
          }
        }
      })
    ).pipe(Layer.provide(ZerobusLocal.layerMemory))
}

/** The exit of a process and both of its outputs. */
export interface Ended {
  readonly status: number | string
  readonly output: string
}

const run = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
  cwd = root
): Effect.Effect<Ended> =>
  Effect.callback((done) => {
    const options = { cwd, env: { ...process.env, NO_COLOR: "1", ...environment }, timeout: 50_000 }
    const child = execFile(process.execPath, [...args], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal ?? 1)
      done(Effect.succeed({ status, output: stdout + stderr }))
    })
    return Effect.sync(() => child.kill())
  })

/**
 * Runs a program from source that imports the package by its name. `flags` are Node's. A program
 * with an absolute path runs in its own folder, where it may write files.
 */
export const runSource = (
  file: string,
  environment: Readonly<Record<string, string>>,
  flags: ReadonlyArray<string> = []
): Effect.Effect<Ended> =>
  run(
    [...flags, "--conditions=effect-zerobus-source", file],
    environment,
    Path.isAbsolute(file) ? Path.dirname(file) : root
  )

/** Runs a command of a development dependency, given by its file below `node_modules`. */
export const runTool = (file: string, args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  run([Path.join(root, "node_modules", file), ...args])
