/**
 * The local server in a separate process, to stop, kill and start again. Each start uses the same
 * folder and the same ports.
 */
import * as Effect from "effect/Effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, rmSync } from "node:fs"
import { createInterface } from "node:readline"
import { root } from "../support/localEnvironment.ts"
import { arrivals, type Row } from "./arrivals.ts"
import type { Environment } from "./bridgeProcess.ts"

interface Greeting {
  readonly serverEndpoint: string
  readonly workspaceUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/** The rows of a table in a folder that no server is using. */
export const rowsIn = (dataDir: string, table: string): Effect.Effect<ReadonlyArray<Row>> =>
  arrivals(table).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir })), Effect.orDie)

/** A server with one table. */
export class ServerProcess {
  readonly #folder: string
  #child: ChildProcess | undefined
  #ports: ReadonlyArray<string> = ["0", "0"]
  /** The variables that point a client to the server; they are the same after each start. */
  environment: Environment = {}

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Creates the table and starts a server. The scope kills it. */
  static readonly start = (folder: string, table: string) =>
    Effect.acquireRelease(
      ZerobusLocal.use((local) => local.createTable(table)).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir: folder })),
        Effect.orDie,
        Effect.as(new ServerProcess(folder)),
        Effect.tap((server) => server.start)
      ),
      (server) => server.kill
    )

  /** Starts the server again. */
  readonly start: Effect.Effect<void> = Effect.promise(async () => {
    const script = `${root}/test/faults/serverProcess.ts`
    const args = ["--conditions=effect-zerobus-source", script, this.#folder, ...this.#ports]
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    const [line] = (await once(createInterface({ input: this.#child.stdout! }), "line")) as [string]
    const { clientId, clientSecret, serverEndpoint, workspaceUrl } = JSON.parse(line) as Greeting
    this.#ports = [new URL(serverEndpoint).port, new URL(workspaceUrl).port]
    this.environment = {
      ZEROBUS_SERVER_ENDPOINT: serverEndpoint,
      DATABRICKS_WORKSPACE_URL: workspaceUrl,
      DATABRICKS_CLIENT_ID: clientId,
      DATABRICKS_CLIENT_SECRET: clientSecret
    }
  })

  /** Suspends the server: its connections stay open and it answers nothing. */
  readonly hang: Effect.Effect<void> = Effect.sync(() => this.#child!.kill("SIGSTOP"))

  /** Kills the server. */
  readonly kill: Effect.Effect<void> = Effect.promise(async () => {
    const ended = once(this.#child!, "exit")
    if (this.#child!.kill("SIGKILL")) await ended
  })

  /** The rows that a server would find after a kill, read from a copy of the folder. */
  readonly left = (table: string): Effect.Effect<ReadonlyArray<Row>> => {
    const copy = `${this.#folder}-copy`
    return Effect.sync(() => cpSync(this.#folder, copy, { recursive: true })).pipe(
      Effect.andThen(rowsIn(copy, table)),
      Effect.ensuring(Effect.sync(() => rmSync(copy, { recursive: true, force: true })))
    )
  }
}
