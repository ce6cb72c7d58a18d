/**
 * A PostgreSQL server for tests: in a temporary folder, on loopback, from the installed package. It
 * refuses to run as root, so root starts it as the package's user `postgres`.
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

/** The folder with the programs of the latest installed version. Undefined when there is none. */
export const postgresPrograms: string | undefined = existsSync(packages)
  ? readdirSync(packages)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(packages, version, "bin"))
      .find((folder) => existsSync(join(folder, "initdb")))
  : undefined

/** A running server. */
export interface Postgres {
  /** Its URL, with the user `postgres` and no password. */
  readonly url: string
}

const idOf = (kind: "-u" | "-g"): number =>
  Number(execFileSync("id", [kind, "postgres"], { encoding: "utf8" }))

/** The user of the server: the current one, unless that is root. */
const user = () => (process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {})

/**
 * Resolves when the log reports that connections are accepted. Rejects with the log when the
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

/** Starts a server. It is stopped and its folder deleted with the scope. */
export const startPostgres: Effect.Effect<Postgres, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => start(postgresPrograms ?? "PostgreSQL is not installed")),
  ({ folder, server }) =>
    Effect.promise(async () => {
      const ended = once(server, "exit")
      // PostgreSQL's signal for a shutdown that does not wait for clients.
      server.kill("SIGINT")
      await ended
      rmSync(folder, { recursive: true, force: true })
    })
)
