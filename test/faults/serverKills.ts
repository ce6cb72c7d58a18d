/**
 * Repeatedly kills the local server with SIGKILL while the client ingests, and counts the rows at
 * the end. `npm run faults:kill -- --kills 200 --seed 1`; with `--delta-rs` while delta-rs changes
 * the table. `npm run test:delta` fetches delta-rs; `DELTA_PYTHON` can name another one.
 *
 * The server keeps its folder and its ports over the kills; the client recovers by itself. Every
 * acknowledged record must be in the table. Because the client's stream survives all kills, so must
 * every ingested record.
 */
import { Effect, Fiber, Redacted, References, Schedule } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { ZerobusLocal } from "effect-zerobus/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { killServer, startServer } from "../support/killedServer.ts"
import { deltaPython, startPython } from "../support/pythonProcess.ts"

/** A small seeded generator, so that a run can be repeated. */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}

const table = TableProperties.json("main.default.kills")

/** The first number of the other writer's rows. */
const firstForeign = 1_000_000_000

/**
 * Lets delta-rs change a table: it appends and deletes its own rows, merges files, and deletes old
 * files.
 */
const otherWriter = Effect.fnUntraced(function* (location: string, random: () => number) {
  const python = yield* Effect.acquireRelease(
    Effect.promise(() =>
      startPython<unknown, { readonly error?: string }>(deltaPython, "deltaWriter.py")
    ),
    ({ stop }) => Effect.promise(stop)
  )
  const rows = new Set<number>()
  let next = firstForeign
  let commits = 0
  const change = async (operation: string, body: object): Promise<boolean> => {
    const { error } = await python.ask({
      table: location,
      operation,
      tag: String(commits),
      ...body
    })
    if (error === undefined) commits++
    // A commit of the server came first, and delta-rs changed nothing.
    else if (!/CommitFailed|concurrent|conflict/i.test(error))
      throw new Error(`${operation} of delta-rs: ${error}`)
    return error === undefined
  }
  const step = async (): Promise<void> => {
    const roll = random()
    if (roll < 0.5) {
      const added = Array.from({ length: 1 + Math.floor(random() * 20) }, () => next++)
      if (await change("append", { rows: added.map((n) => ({ n, pad: "foreign" })) }))
        added.forEach((n) => rows.add(n))
    } else if (roll < 0.75) {
      const remainder = Math.floor(random() * 5)
      const gone = [...rows].filter((n) => n % 5 === remainder)
      const where = `n >= ${firstForeign} AND n % 5 = ${remainder}`
      if (await change("delete", { where })) gone.forEach((n) => rows.delete(n))
    } else if (roll < 0.9) await change("optimize", { columns: [] })
    else await change("vacuum", { full: false })
  }
  return { rows, step, commits: () => commits }
})

const run = (kills: number, seed: number, amidDeltaRs: boolean) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "zerobus-kills-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    yield* Effect.flatMap(ZerobusLocal, (local) =>
      local.createTable("main.default.kills(n BIGINT, pad STRING)")
    ).pipe(Effect.provide(ZerobusLocal.layerServer({ dataDir: folder })))
    let server = yield* Effect.promise(() => startServer(folder, "0", "0"))
    const port = new URL(server.serverEndpoint).port
    const httpPort = new URL(server.workspaceUrl).port
    const random = seeded(seed)
    const other = amidDeltaRs
      ? yield* otherWriter(join(folder, "main/default/kills"), seeded(seed + 1))
      : { rows: new Set<number>(), step: () => Promise.resolve(), commits: () => 0 }
    let done = 0
    let acknowledged = -1
    let fewest = Infinity
    const ingested = yield* Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table)
      const killer = yield* Effect.gen(function* () {
        while (done < kills) {
          // A kill before the client has reconnected, or before anything was acknowledged, would
          // prove nothing.
          const before = acknowledged
          while (acknowledged === before) yield* Effect.sleep("5 millis")
          yield* Effect.sleep(random() * 400)
          yield* Effect.promise(() => killServer(server))
          fewest = Math.min(fewest, acknowledged - before)
          server = yield* Effect.promise(() => startServer(folder, port, httpPort))
          done++
        }
      }).pipe(Effect.forkScoped)
      const changes = amidDeltaRs
        ? yield* Effect.forkScoped(
            Effect.whileLoop({
              while: () => done < kills,
              body: () => Effect.promise(other.step),
              step: () => {}
            })
          )
        : undefined
      let sent = 0
      while (killer.pollUnsafe() === undefined) {
        for (let n = 0; n < 50; n++) {
          const ack = yield* stream.ingestRecord({ n: sent++, pad: "x".repeat(60) })
          if (n === 49)
            yield* Effect.forkChild(
              Effect.tap(ack.await, (offset) =>
                Effect.sync(() => (acknowledged = Math.max(acknowledged, offset)))
              )
            )
        }
        yield* Effect.sleep("2 millis")
      }
      yield* stream.close
      if (changes !== undefined) yield* Fiber.join(changes)
      return sent
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Zerobus.layer({
          serverEndpoint: server.serverEndpoint,
          workspaceUrl: server.workspaceUrl,
          clientId: server.clientId,
          clientSecret: Redacted.make(server.clientSecret),
          proxy: false,
          stream: {
            recoverySchedule: Schedule.spaced("50 millis"),
            recoveryTimeout: "3 seconds",
            maxInflightRecords: 5000
          }
        })
      )
    )
    yield* Effect.promise(() => killServer(server))
    const rows = yield* Effect.flatMap(ZerobusLocal, (local) => local.records(table)).pipe(
      Effect.provide(ZerobusLocal.layerServer({ dataDir: folder }))
    )
    const distinct = new Set(rows.map((row) => String(row["n"])))
    let lost = 0
    for (let n = 0; n < ingested; n++) if (!distinct.has(String(n))) lost++
    const foreign = rows.map((row) => Number(row["n"])).filter((n) => n >= firstForeign)
    for (const n of other.rows) if (!distinct.has(String(n))) lost++
    const extra = foreign.length - other.rows.size
    return { ingested, rows: rows.length, lost, extra, fewest, commits: other.commits() }
  }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))

const { values } = parseArgs({
  options: {
    "kills": { type: "string", default: "20" },
    "seed": { type: "string", default: "1" },
    "delta-rs": { type: "boolean", default: false }
  }
})
const started = performance.now()
const result = await Effect.runPromise(
  run(Number(values.kills), Number(values.seed), values["delta-rs"])
)
console.log(
  `${values.kills} kills in ${((performance.now() - started) / 1000).toFixed(1)} s: ` +
    `${result.ingested} records ingested and acknowledged, ` +
    `at least ${result.fewest} between two kills, ` +
    `${result.rows} rows in the table, ${result.lost} lost, ${result.extra} of deleted rows ` +
    `there, ` +
    `${result.commits} commits of delta-rs, seed ${values.seed}`
)
const failed = result.lost + Math.max(0, result.extra)
console.log(failed === 0 ? `${values.kills} passed, 0 failed` : `0 passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
