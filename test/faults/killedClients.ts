/**
 * Rounds in which a client process with a spool is killed by SIGKILL. In a third of them the local
 * server is killed too.
 *
 * Half of the clients kill themselves in a chosen operation; the others are killed after a random
 * number of records. The spool is read after each kill: a record may be in the table twice only if
 * it was in the spool at a kill, sent or about to be sent. At the end DuckDB reads the table.
 */
import { Effect, Stream } from "effect"
import { Spool } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { loadDuckdb, runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import type { Aim, ClientOrder } from "./clientProcess.ts"

const scriptOf = (name: string): string => new URL(`./${name}`, import.meta.url).pathname

/**
 * A process that has loaded its modules in advance, so that starting one takes the run little time.
 */
interface Loaded {
  readonly child: ChildProcess
  readonly lines: Interface
  readonly ended: Promise<void>
}

const load = (
  name: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Loaded => {
  const child = spawn(
    process.execPath,
    ["--conditions=effect-zerobus-source", scriptOf(name), ...args],
    {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...environment }
    }
  )
  // A killed process closes its end.
  child.stdin.on("error", () => {})
  const lines = createInterface({ input: child.stdout })
  const closed = once(lines, "close")
  const exited = once(child, "exit")
  return { child, lines, ended: Promise.all([exited, closed]).then(() => {}) }
}

const kill = ({ child, ended }: Loaded): Promise<void> => {
  child.kill("SIGKILL")
  return ended
}

/** A small seeded generator, so that a run can be repeated. */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}

/** The result of a run for its records. */
export interface KilledClients {
  readonly taken: number
  readonly rows: number
  readonly lost: number
  /** Rows after the first one of their record. */
  readonly doubled: number
  /** Duplicate rows of records that were in the spool at no kill, or more rows than kills. */
  readonly doubledWrongly: number
  /**
   * Records that were in the spool at a kill, and those of them whose acknowledgement the client
   * had received and not yet recorded.
   */
  readonly inSpool: number
  readonly unrecorded: number
  readonly serverKills: number
  /** Kills by the chosen operation; `random` for the others. */
  readonly aims: Readonly<Record<string, number>>
  readonly seconds: number
}

const operations = ["write", "sync", "delete", "connect"] as const
const moments = ["before", "during", "after"] as const
/** The maximum number of operations of a kind before the chosen one in a round. */
const most: Readonly<Record<Aim["operation"], number>> = {
  write: 120,
  sync: 120,
  delete: 2,
  connect: 2
}

const variables = ["serverEndpoint", "workspaceUrl", "clientId", "clientSecret"] as const
const names = {
  serverEndpoint: "ZEROBUS_SERVER_ENDPOINT",
  workspaceUrl: "DATABRICKS_WORKSPACE_URL",
  clientId: "DATABRICKS_CLIENT_ID",
  clientSecret: "DATABRICKS_CLIENT_SECRET"
} as const

/** Kills clients one after another on the same spool or stream, and lets a last one finish. */
export const killClients = async (
  kills: number,
  seed: number,
  mode: ClientOrder["mode"] = "ephemeral"
): Promise<KilledClients> => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-client-kills-"))
  const [data, spool] = [join(folder, "data"), join(folder, "spool")]
  const compiled = { NODE_COMPILE_CACHE: join(folder, "compiled") }
  const started = performance.now()
  const random = seeded(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  const taken = new Set<number>()
  /** How often each record was in the spool at a kill. */
  const waited = new Map<number, number>()
  const aims: Record<string, number> = {}
  const running = new Set<Loaded>()
  let [next, serverKills, unrecorded] = [0, 0, 0]
  /** The stream that a source continues. */
  let streamId: string | undefined
  const begin = (name: string, args: ReadonlyArray<string>, environment = {}): Loaded => {
    const loaded = load(name, args, { ...compiled, ...environment })
    running.add(loaded)
    void loaded.ended.then(() => running.delete(loaded))
    return loaded
  }

  /**
   * The current server, and the next one, which starts on the same folder and ports after the
   * current one has ended.
   */
  let environment: Record<string, string> = {}
  let ports = ["0", "0"]
  const serve = (loaded: Loaded): Promise<Loaded> =>
    new Promise((resolve, reject) => {
      void loaded.ended.then(() => reject(new Error("the server ended before it served")))
      loaded.lines.on("line", (line) => {
        if (!line.startsWith("{")) return
        const found = JSON.parse(line) as Record<(typeof variables)[number], string>
        environment = Object.fromEntries(variables.map((name) => [names[name], found[name]]))
        ports = [new URL(found.serverEndpoint).port, new URL(found.workspaceUrl).port]
        resolve(loaded)
      })
      loaded.child.stdin!.write("go\n")
    })

  /** Runs a client until it is killed or done. */
  const live = async (
    client: Loaded,
    order: Pick<ClientOrder, "aim" | "end">,
    records: number
  ): Promise<boolean> => {
    let left = records
    let [done, durable] = [false, -1]
    client.lines.on("line", (line) => {
      const [word, number] = line.split(" ")
      if (word === "ready") return
      done ||= word === "done"
      if (word === "stream") streamId = number
      if (word === "durable") durable = Number(number)
      if (word !== "taken") return
      taken.add(Number(number))
      if (--left <= 0) client.child.kill("SIGKILL")
    })
    client.child.stdin!.write(
      `${JSON.stringify({ ...order, mode, spool, first: next, streamId } satisfies ClientOrder)}\n`
    )
    await client.ended
    const { exitCode, signalCode } = client.child
    if (signalCode !== "SIGKILL" && !done)
      throw new Error(`a client ended by itself, with code ${exitCode}`)
    // Records in a call when the process ended may also be in the spool, so their numbers are not
    // used again.
    next += 1_000_000
    // Records acknowledged to a persistent stream are not stored again, even if they are in its
    // spool.
    if (done || mode !== "ephemeral" || !existsSync(spool)) return done
    const { firstOffset } = await Effect.runPromise(Spool.inspect(spool)).catch(() => ({
      firstOffset: 0
    }))
    unrecorded += Math.max(0, durable + 1 - firstOffset)
    await Effect.runPromise(
      Effect.ignore(
        Stream.runForEach(Spool.records(spool), ({ payload }) =>
          Effect.sync(() => {
            const n = Number(JSON.parse(Buffer.from(payload).toString("utf8")).n)
            waited.set(n, (waited.get(n) ?? 0) + 1)
          })
        )
      )
    )
    return done
  }

  try {
    await Effect.runPromise(
      Effect.flatMap(ZerobusLocal, (local) =>
        local.createTable("main.default.kills(n BIGINT, pad STRING)")
      ).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir: data })))
    )
    const possible = mode === "source" ? (["connect"] as const) : operations
    let server = await serve(begin("serverProcess.ts", [data, ...ports, "wait"]))
    let nextServer = begin("serverProcess.ts", [data, ...ports, "wait"])
    let nextClient = begin("clientProcess.ts", [], environment)
    for (let round = 0; round < kills; round++) {
      const client = nextClient
      nextClient = begin("clientProcess.ts", [], environment)
      const operation = round % 2 === 0 ? possible[below(possible.length)]! : undefined
      const aim =
        operation === undefined
          ? undefined
          : {
              operation,
              number: 1 + below(most[operation]),
              moment: moments[below(moments.length)]!
            }
      const name = operation ?? "random"
      aims[name] = (aims[name] ?? 0) + 1
      // A client that does not reach its operation, such as a second connection, ends after many
      // records.
      const over = live(client, { aim }, aim === undefined ? 1 + below(200) : 600)
      if (round % 3 === 2) {
        await kill(server)
        serverKills++
        server = await serve(nextServer)
        nextServer = begin("serverProcess.ts", [data, ...ports, "wait"])
      }
      await over
    }
    // Records in flight on a source's stream are read from the source again.
    const end = mode === "source" ? Math.max(-1, ...taken) + 1 : next + 1
    if (!(await live(nextClient, { end }, Infinity)))
      throw new Error("the last client did not finish")
    await kill(nextServer)
    await kill(server)
    // On start the server commits the rows of its log that are missing from the table.
    await Effect.runPromise(
      Effect.flatMap(ZerobusLocal, (local) => local.flush("main.default.kills")).pipe(
        Effect.provide(ZerobusLocal.layerServer({ dataDir: data }))
      )
    )
    const times = await timesInTable(join(data, "main/default/kills"))
    const extra = [...times]
      .map(([n, count]) => [n, count - 1] as const)
      .filter(([, count]) => count > 0)
    const sum = (counts: Iterable<number>): number =>
      [...counts].reduce((total, count) => total + count, 0)
    return {
      taken: taken.size,
      rows: sum(times.values()),
      lost: [...taken].filter((n) => !times.has(n)).length,
      doubled: sum(extra.map(([, count]) => count)),
      doubledWrongly: sum(extra.map(([n, count]) => Math.max(0, count - (waited.get(n) ?? 0)))),
      inSpool: sum(waited.values()),
      unrecorded,
      serverKills,
      aims,
      seconds: (performance.now() - started) / 1000
    }
  } finally {
    await Promise.all([...running].map(kill))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** How often each number is in the table, read from its files by DuckDB. */
const timesInTable = async (path: string): Promise<ReadonlyMap<number, number>> => {
  const duckdb = await loadDuckdb()
  const live = await readLiveTable(path)
  if (duckdb === undefined || live === undefined) throw new Error("DuckDB or the table is missing")
  const columns = [
    { name: "n", type: { _tag: "BigInt" as const }, nullable: true },
    { name: "pad", type: { _tag: "String" as const }, nullable: true }
  ]
  const table = { name: "main.default.kills", columns, live }
  const { rows } = await runQuery(
    duckdb,
    [table],
    `SELECT n, count(*) FROM ${table.name} GROUP BY n`,
    {
      limit: Infinity
    }
  )
  return new Map(rows.map(([n, count]) => [Number(n), Number(count)]))
}
