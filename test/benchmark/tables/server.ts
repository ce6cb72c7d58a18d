/**
 * The server of the benchmark of many tables, in a separate process: `server.ts FOLDER TABLES`. It
 * sends its parent the port once it serves, and a sample for each order to measure. It ends when
 * ordered to stop.
 *
 * The endpoints, the store and the memory bounds are those of `zerobus local`, without tokens. A
 * wrapper around the store records when rows of a table became durable, so that the age of the
 * oldest row missing from the table is known here, without requests by a client.
 */
import { Clock, Effect, Fiber } from "effect"
import { boundHeap } from "../../../src/cli/local/heapBounds.ts"
import { serveGrpc } from "../../../src/local/endpoints/grpcService.ts"
import { makeServerCounters } from "../../../src/local/endpoints/serverCounters.ts"
import { makeDurableTableStore } from "../../../src/local/store/durableTableStore.ts"
import type { TableStoreShape, TableWriter } from "../../../src/local/store/tableStore.ts"
import { defaultLimits, makeStreamHub } from "../../../src/local/stream/streamHost.ts"
import { makeTimers } from "../../../src/local/timers.ts"
import { Rows } from "../../../scripts/sustained/row.ts"
import { tableName } from "./tableName.ts"

/** The orders of the parent. */
export type ServerOrder =
  | { readonly do: "sample" }
  | { readonly do: "rows" }
  | { readonly do: "stop" }

/** Measurements since the last sample. Times are in milliseconds. */
export interface ServerSample {
  /**
   * The age of the oldest durable row that was not in its table; the maximum since the last sample.
   */
  readonly lag: number
  /** Rows in all tables. */
  readonly visible: number
  /** Processor time since the start of the process. */
  readonly cpu: number
  readonly rss: number
}

/** The interval at which the lag is measured, in milliseconds. */
const EVERY = 200

/**
 * Durable rows of a table that may not be in it yet, oldest first: their number, and when they
 * became durable.
 */
interface Watched {
  readonly name: string
  appended: number
  readonly waiting: Array<{ readonly upTo: number; readonly at: number }>
}

const watch = (watched: Watched, writer: TableWriter): TableWriter => {
  let lastTicket: number | undefined
  let upTo = 0
  return {
    ...writer,
    appendUnsafe: (records) => {
      const ticket = writer.appendUnsafe(records)
      if (typeof ticket !== "number") return ticket
      watched.appended += records.length
      upTo = watched.appended
      if (ticket !== lastTicket) {
        lastTicket = ticket
        const first = upTo
        writer.onDurable(ticket, () => watched.waiting.push({ upTo: first, at: performance.now() }))
      }
      return ticket
    }
  }
}

const serve = Effect.fnUntraced(function* (folder: string, tables: number) {
  yield* boundHeap
  const store = yield* makeDurableTableStore({ folder })
  const names = Array.from({ length: tables }, (_, n) => tableName(n))
  for (const name of names) {
    const found = yield* store.get(name)
    if (found._tag === "None") yield* store.create({ ...Rows.definition, name })
  }
  const rowsOf = (name: string): number => Effect.runSync(store.stats(name)).rows
  const watched = new Map(
    names.map((name): [string, Watched] => [name, { name, appended: rowsOf(name), waiting: [] }])
  )
  const watching: TableStoreShape = {
    ...store,
    openWriter: (name, format) =>
      Effect.map(store.openWriter(name, format), (writer) => watch(watched.get(name)!, writer))
  }
  const counters = makeServerCounters()
  const timers = makeTimers(yield* Clock.Clock)
  const streams = makeStreamHub({
    store: watching,
    timers,
    limits: defaultLimits,
    observe: () => counters.observer,
    auditBytes: 0
  })
  const { port } = yield* serveGrpc({
    host: "127.0.0.1",
    port: 0,
    connectionFaults: () => [],
    streams,
    auth: undefined
  })
  yield* Effect.addFinalizer(() => streams.shutdown(1000))

  let lag = 0
  let rss = 0
  const look = (): void => {
    const now = performance.now()
    for (const { name, waiting } of watched.values()) {
      if (waiting.length === 0) continue
      const visible = rowsOf(name)
      while (waiting.length > 0 && waiting[0]!.upTo <= visible) waiting.shift()
      if (waiting.length > 0) lag = Math.max(lag, now - waiting[0]!.at)
    }
    rss = Math.max(rss, process.memoryUsage.rss())
  }
  setInterval(look, EVERY)
  const sample = (): ServerSample => {
    look()
    const { system, user } = process.cpuUsage()
    const taken = { lag, visible: 0, cpu: (system + user) / 1000, rss }
    lag = 0
    return { ...taken, visible: names.reduce((sum, name) => sum + rowsOf(name), 0) }
  }
  return { port, sample, rows: () => names.map(rowsOf) }
})

const [folder = "", tables = "1"] = process.argv.slice(2)
const fiber = Effect.runFork(
  Effect.scoped(
    Effect.gen(function* () {
      const { port, rows, sample } = yield* serve(folder, Number(tables))
      process.on("message", (order: ServerOrder) => {
        if (order.do === "sample") process.send!(sample())
        else if (order.do === "rows") process.send!(rows())
        else void Effect.runPromise(Fiber.interrupt(fiber)).then(() => process.exit(0))
      })
      process.send!({ port })
      return yield* Effect.never
    })
  )
)
fiber.addObserver((exit) => {
  if (exit._tag === "Success" || exit.cause.reasons.every((reason) => reason._tag === "Interrupt"))
    return
  console.error(String(exit.cause))
  process.exit(1)
})
