/**
 * A PostgreSQL server of its own in a folder, from the programs of Debian's package. It refuses to run as root, so root starts it
 * as the user `postgres` that the package makes.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { setTimeout } from "node:timers/promises"

export interface Postgres {
  readonly url: string
  readonly stop: () => Promise<void>
}

const postgresUser = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

const isReady = (programs: string, port: number): boolean => {
  try {
    execFileSync(Path.join(programs, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port), "-U", "postgres"])
    return true
  } catch {
    return false
  }
}

/** Makes a database in a folder of its own and starts its server. `programs` is the folder of `initdb` and `postgres`. */
export const startPostgres = async (programs: string, port: number): Promise<Postgres> => {
  const user = postgresUser()
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "zerobus-postgres-"))
  if (user.uid !== undefined) Fs.chownSync(folder, user.uid, user.gid!)
  const data = Path.join(folder, "data")
  execFileSync(
    Path.join(programs, "initdb"),
    ["--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"],
    { ...user, cwd: folder, stdio: ["ignore", "ignore", "inherit"] }
  )
  const settings = ["listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, "log_min_messages=panic"]
  const child = spawn(
    Path.join(programs, "postgres"),
    ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
    { ...user, cwd: folder, stdio: ["ignore", "ignore", "inherit"] }
  )
  const end = once(child, "exit")
  while (child.exitCode === null && !isReady(programs, port)) await setTimeout(50)
  if (child.exitCode !== null) throw new Error(`PostgreSQL ended with ${child.exitCode}`)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: async () => {
      child.kill("SIGINT")
      await end
      Fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}
