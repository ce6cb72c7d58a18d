/**
 * What the interop scripts of the official SDKs share: tables of each column type, 100,000 rows
 * that follow from their numbers, faults and kills of the server, and the comparison of each cell.
 */
import { Console, Data, Effect, Fiber, Layer, Redacted } from "effect"
import { type Faults, ZerobusLocal } from "effect-zerobus/testing"
import { isDeepStrictEqual } from "node:util"
import { everyColumn, everyRow } from "../test/support/everyArrowColumn.ts"
import { killServer, type RunningServer, startServer } from "../test/support/killedServer.ts"

/** Rows of each table. */
export const total = 100_000

/** Where the program of an SDK finds the server. */
export type Server = Omit<RunningServer, "process">

/** Rows or cells were lost. */
export class RowsLost extends Data.TaggedError("RowsLost")<{ readonly message: string }> {}

/** The full name of a table of these scripts. */
export const tableOf = (name: string): string => `main.default.${name}`

/** Sends all rows to a table, with a pause in seconds between two calls. */
export type Ingest<E> = (
  server: Server,
  name: string,
  pauseSeconds: number
) => Effect.Effect<unknown, E>

/** Compares each row of a table with the one that was sent; rows that came twice count once. */
const check = Effect.fnUntraced(function* (name: string) {
  const local = yield* ZerobusLocal
  const rows = yield* local.records(tableOf(name))
  const found = new Set<number>()
  let wrong = 0
  for (const row of rows) {
    const n = Number(row["id"])
    if (!isDeepStrictEqual({ ...row }, everyRow(n))) wrong++
    found.add(n)
  }
  let missing = 0
  for (let n = 0; n < total; n++) if (!found.has(n)) missing++
  yield* Console.log(
    `${name}: ${found.size} rows in the table, ${missing} missing, ${wrong} with a wrong cell, ` +
      `${rows.length - found.size} twice`
  )
  if (missing > 0 || wrong > 0) {
    return yield* new RowsLost({ message: `${name} lost rows or cells` })
  }
})

/** Sends all rows to a new table of the server, with a fault. */
export const scenario = Effect.fnUntraced(function* <E>(
  name: string,
  ingest: Ingest<E>,
  fault?: Faults.Fault
) {
  const local = yield* ZerobusLocal
  yield* local.createTable(`${tableOf(name)}(${everyColumn})`)
  if (fault !== undefined) yield* local.inject(tableOf(name), fault)
  yield* ingest({ ...local, clientSecret: Redacted.value(local.clientSecret) }, name, 0)
  yield* check(name)
  const { ackedButMissing, ackedRecords } = yield* local.audit(tableOf(name))
  if (ackedButMissing > 0 || ackedRecords < total) {
    return yield* new RowsLost({ message: `${name} lost records` })
  }
})

/**
 * Sends all rows to a server in a process of its own, which is killed with SIGKILL and started
 * again once a third and once two thirds of the rows have come.
 */
export const kills = Effect.fnUntraced(function* <E>(
  dataDir: string,
  name: string,
  ingest: Ingest<E>
) {
  const layer = ZerobusLocal.layerServer({ dataDir })
  yield* Effect.flatMap(ZerobusLocal, (local) =>
    local.createTable(`${tableOf(name)}(${everyColumn})`)
  ).pipe(Effect.provide(layer))
  let server = yield* Effect.promise(() => startServer(dataDir, "0", "0"))
  const { port } = new URL(server.serverEndpoint)
  const { port: httpPort } = new URL(server.workspaceUrl)
  const ingesting = yield* Effect.forkChild(ingest(server, name, 0.02))
  for (const rows of [total / 3, total / 3]) {
    while ((yield* receivedRows(server)) < rows) yield* Effect.sleep("20 millis")
    yield* Effect.promise(() => killServer(server))
    server = yield* Effect.promise(() => startServer(dataDir, port, httpPort))
  }
  yield* Fiber.join(ingesting)
  yield* Effect.promise(() => killServer(server))
  yield* check(name).pipe(Effect.provide(Layer.fresh(layer)))
})

/** How many rows a server has received since it started. */
const receivedRows = ({ workspaceUrl }: Server) =>
  Effect.promise(async () => {
    const text = await (await fetch(`${workspaceUrl}/metrics`)).text()
    return Number(/^zerobus_local_records_total (\d+)$/m.exec(text)?.[1] ?? Number.NaN)
  })
