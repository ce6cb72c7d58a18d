/**
 * Shared by tests of `zerobus ingest --spool`: waiting records of a spool, and their rows in the
 * table.
 */
import { Effect, References, Stream } from "effect"
import { HeadersProvider, Spool, TableProperties, Zerobus } from "effect-zerobus"
import * as Path from "node:path"
import { loadDuckdb, runQuery } from "../../src/cli/deltaQuery.ts"
import { readLiveTable } from "../../src/local/delta/liveFiles.ts"
import type { Running } from "./commandLine.ts"

/** A table of records with an id. */
export const idTable = (name: string): string =>
  `main.default.${name}(id BIGINT NOT NULL, text STRING)`

/** The waiting ids in a spool that no process uses. */
export const idsWaiting = (spool: string): Promise<ReadonlyArray<number>> =>
  Spool.records(spool).pipe(
    Stream.map(({ payload }) => JSON.parse(Buffer.from(payload).toString("utf8")).id as number),
    Stream.runCollect,
    Effect.runPromise
  )

/** Appends records to a spool, without a server and without a position. */
export const addRecords = (
  spool: string,
  table: string,
  ids: ReadonlyArray<number>
): Promise<void> =>
  Zerobus.use((zerobus) =>
    zerobus.createStream(TableProperties.json(table), {
      spool: Spool.directory(spool),
      scopeCloseTimeout: 0
    })
  ).pipe(
    Effect.flatMap((stream) =>
      Effect.forEach(ids, (id) => stream.ingestRecord({ id }), { discard: true })
    ),
    Effect.scoped,
    Effect.provide(
      Zerobus.layer({
        serverEndpoint: "http://127.0.0.1:1",
        stream: { headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }) }
      })
    ),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runPromise
  )

/**
 * Waits until a spool contains the position at the start of the file. Fails when the command ends
 * before.
 */
export const begun = async (running: Running, spool: string): Promise<void> => {
  let ended = false
  void running.end.then(() => (ended = true))
  for (;;) {
    const found = await Spool.inspect(spool).pipe(
      Effect.map(({ position }) => position !== undefined),
      Effect.orElseSucceed(() => false),
      Effect.runPromise
    )
    if (found) return
    if (ended) throw new Error(`ended without a position in the spool\n${running.err()}`)
  }
}

/** Waits until a spool has accepted this many records. Fails when the command ends before. */
export const taken = async (running: Running, spool: string, least: number): Promise<void> => {
  let ended = false
  void running.end.then(() => (ended = true))
  for (;;) {
    const reached = await Spool.inspect(spool).pipe(
      Effect.map(({ nextOffset }) => Number(nextOffset)),
      Effect.orElseSucceed(() => 0),
      Effect.runPromise
    )
    if (reached >= least) return
    if (ended)
      throw new Error(`ended with ${reached} of ${least} records in the spool\n${running.err()}`)
  }
}

/** Kills a command, and returns the ids that wait in its spool afterwards. */
export const killedWith = async (
  running: Running,
  spool: string
): Promise<ReadonlyArray<number>> => {
  running.child.kill("SIGKILL")
  const { code } = await running.end
  if (code !== "SIGKILL") throw new Error(`ended by itself with ${code}\n${running.err()}`)
  return idsWaiting(spool)
}

/**
 * The number of rows per id in a table, once it has this many rows. Commits are in order, so
 * earlier records are there as well.
 */
export const timesInTable = async (
  dataDir: string,
  name: string,
  ids: number
): Promise<ReadonlyMap<number, number>> => {
  const columns = [
    { name: "id", type: { _tag: "BigInt" as const }, nullable: false },
    { name: "text", type: { _tag: "String" as const }, nullable: true }
  ]
  const table = `main.default.${name}`
  const duckdb = await loadDuckdb()
  for (;;) {
    const live = await readLiveTable(Path.join(dataDir, "main/default", name))
    if (live === undefined || live.rows < ids) continue
    // Returns one value, because a query prints at most a thousand rows.
    const query =
      `SELECT string_agg(id || ' ' || times, ',') FROM (SELECT id, count(*) AS ` +
      `times FROM ${table} GROUP BY id)`
    const { rows } = await runQuery(duckdb!, [{ name: table, columns, live }], query)
    const found = String(rows[0]![0]).split(",")
    if (found.length >= ids)
      return new Map(found.map((pair) => pair.split(" ").map(Number) as [number, number]))
  }
}
