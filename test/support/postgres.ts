/**
 * A PostgreSQL server of a test: in a temporary folder, on loopback, from the installed package. It
 * refuses to run as root, so root starts it as the user `postgres` of the package.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./freePort.ts"

const packages = "/usr/lib/postgresql"

/**
 * The folder of the programs, of the latest version that is installed; undefined where there is
 * none.
 */
export const postgresPrograms: string | undefined = existsSync(packages)
  ? readdirSync(packages)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(packages, version, "bin"))
      .find((folder) => existsSync(join(folder, "initdb")))
  : undefined

/** A running server. */
export interface Postgres {
  /** How a client reaches it, as the user `postgres` without a password. */
  readonly url: string
}

const idOf = (kind: "-u" | "-g"): number =>
  Number(execFileSync("id", [kind, "postgres"], { encoding: "utf8" }))

/** The user that runs it: this process's own, unless that is root. */
const user = () => (process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {})

/**
 * Resolves when a line of the log says that connections are taken; rejects with the log when the
 * process ends first.
 */
const serving = (server: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let log = ""
    server.stderr!.on("data", (chunk: Buffer) => {
      log += chunk.toString()
      if (log.includes("ready to accept connections")) resolve()
    })
    server.once("exit", () => reject(new Error(`PostgreSQL ended: ${log}`)))
  })

const start = async (programs: string) => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-postgres-"))
  const as = { cwd: folder, ...user() }
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid!)
  const data = join(folder, "data")
  const settings = [
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync"
  ]
  execFileSync(join(programs, "initdb"), ["-D", data, ...settings], { ...as, stdio: "pipe" })
  const port = await freePort()
  const options = ["-h", "127.0.0.1", "-p", String(port), "-k", folder, "-c", "fsync=off"]
  const server = spawn(join(programs, "postgres"), ["-D", data, ...options], {
    ...as,
    stdio: ["ignore", "ignore", "pipe"]
  })
  await serving(server)
  return { folder, server, url: `postgres://postgres@127.0.0.1:${port}/postgres` }
}

/** Starts a server; it stops, and its folder goes, with the scope. */
export const startPostgres: Effect.Effect<Postgres, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => start(postgresPrograms ?? "PostgreSQL is not installed")),
  ({ folder, server }) =>
    Effect.promise(async () => {
      const ended = once(server, "exit")
      // Its word for a stop that does not wait for clients.
      server.kill("SIGINT")
      await ended
      rmSync(folder, { recursive: true, force: true })
    })
)
