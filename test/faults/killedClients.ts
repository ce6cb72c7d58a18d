/** Rounds of a client process with a spool that ends by SIGKILL, against a local server that does so in a third of them. */
import { Effect } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

const scriptOf = (name: string): string => new URL(`./${name}`, import.meta.url).pathname
const start = (name: string, args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  spawn(process.execPath, ["--conditions=effect-zerobus-source", scriptOf(name), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment }
  })
const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once("exit", () => resolve())
  })
const kill = (child: ChildProcess): Promise<void> => {
  child.kill("SIGKILL")
  return ended(child)
}

interface Server {
  readonly child: ChildProcess
  readonly environment: Readonly<Record<string, string>>
  readonly ports: readonly [string, string]
}

const startServer = (folder: string, ports: readonly [string, string]): Promise<Server> =>
  new Promise((resolve, reject) => {
    const child = start("serverProcess.ts", [folder, ...ports])
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it served`)))
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith("{")) return
      const { clientId, clientSecret, serverEndpoint, workspaceUrl } = JSON.parse(line)
      resolve({
        child,
        ports: [new URL(serverEndpoint).port, new URL(workspaceUrl).port],
        environment: {
          ZEROBUS_SERVER_ENDPOINT: serverEndpoint,
          DATABRICKS_WORKSPACE_URL: workspaceUrl,
          DATABRICKS_CLIENT_ID: clientId,
          DATABRICKS_CLIENT_SECRET: clientSecret
        }
      })
    })
  })

/** A small generator of its own, so that a run can be repeated. */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}

/** What became of the records of a run. */
export interface KilledClients {
  readonly taken: number
  readonly rows: number
  readonly doubled: number
  readonly lost: number
  readonly serverKills: number
  readonly seconds: number
}

/** A stream with a spool, a persistent stream with one, or one without whose source goes on where it is resumed. */
export type ClientMode = "ephemeral" | "persistent" | "source"

/** Kills so many clients, one after another on the same spool or stream, and lets a last one finish. */
export const killClients = async (
  kills: number,
  seed: number,
  mode: ClientMode = "ephemeral"
): Promise<KilledClients> => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-client-kills-"))
  const [data, spool] = [join(folder, "data"), join(folder, "spool")]
  const started = performance.now()
  const random = seeded(seed)
  const taken = new Set<number>()
  let next = 0
  /** The stream that a source goes on with. */
  let streamId = ""
  let serverKills = 0
  try {
    await Effect.runPromise(
      Effect.flatMap(ZerobusLocal, (local) => local.createTable("main.default.kills(n BIGINT, pad STRING)")).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir: data }))
      )
    )
    let server = await startServer(data, ["0", "0"])
    /** Runs a client until it has taken so many records, and has ended. */
    const client = async (records: number, count?: number): Promise<boolean> => {
      const from = mode === "source" ? streamId : String(next)
      const args = count === undefined ? [] : [String(count)]
      const child = start("clientProcess.ts", [mode, spool, from, ...args], server.environment)
      let left = records
      let done = false
      const lines = createInterface({ input: child.stdout })
      lines.on("line", (line) => {
        done ||= line === "done"
        if (line.startsWith("stream ")) {
          streamId = line.slice("stream ".length)
          return
        }
        const n = Number(line.slice("taken ".length))
        if (line.startsWith("taken ")) taken.add(n)
        if (--left <= 0) child.kill("SIGKILL")
      })
      await Promise.all([ended(child), new Promise((resolve) => lines.once("close", resolve))])
      // What was in a call when the process ended may be in the spool as well, so its number is not used again.
      next += 1_000_000
      return done
    }
    for (let round = 0; round < kills; round++) {
      const running = client(1 + Math.floor(random() * 200))
      if (round % 3 === 2) {
        await kill(server.child)
        serverKills++
        server = await startServer(data, server.ports)
      }
      await running
    }
    // What a source's stream had in flight is read from the source again.
    const rest = mode === "source" ? Math.max(-1, ...taken) + 1 : 1
    if (!(await client(Infinity, rest))) throw new Error("the last client did not finish")
    await kill(server.child)
    const rows = await Effect.runPromise(
      Effect.flatMap(ZerobusLocal, (local) => local.records("main.default.kills")).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir: data }))
      )
    )
    const numbers = rows.map((row) => Number(row["n"]))
    const distinct = new Set(numbers)
    return {
      taken: taken.size,
      rows: numbers.length,
      doubled: numbers.length - distinct.size,
      lost: [...taken].filter((n) => !distinct.has(n)).length,
      serverKills,
      seconds: (performance.now() - started) / 1000
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
