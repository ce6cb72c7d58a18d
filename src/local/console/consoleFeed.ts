/**
 * The server state that the console shows, and the messages about it that pages receive.
 *
 * Streams are always counted, which costs a few additions per message. Console messages are created
 * only while pages watch: at most one per second, with the changes, the same for all pages. A page
 * that reads more slowly gets a snapshot once it has caught up.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ServerEvent, Tell } from "../activity/serverEvent.ts"
import { tableKey, type TableStoreShape } from "../store/tableStore.ts"
import type { ObserveStream, StreamObserver } from "../stream/streamContract.ts"
import type { Timers } from "../timers.ts"
import { toldOf } from "./consoleEvents.ts"
import type {
  ConsoleEvent,
  ConsoleMessage,
  ServerInfo,
  StreamRow,
  TableRow
} from "./consoleMessages.ts"
import { Latencies } from "./latencies.ts"
import { type Watcher, Watchers } from "./watchers.ts"

/** The minimum time between two messages, in milliseconds. */
const messageEvery = 1000
/** How long to wait after the first change, so that changes at the same time share a message. */
const gatherMillis = 50
/** The most rows of a kind in one message. The rest goes into the next message. */
const maxRows = 1000
/** The most events kept. */
const maxEvents = 200

/** Options of a feed. */
export interface FeedOptions {
  readonly store: TableStoreShape
  readonly timers: Timers
  readonly storage: ServerInfo["storage"]
  /** Called for each snapshot, because ports are known only once the server listens. */
  readonly server: () => ServerInfo
  /** The number of pending faults of a table, and of streams that they hold. */
  readonly pendingFaults: (tableName: string) => { readonly faults: number; readonly held: number }
}

/** The messages for one page. */
export interface Watching {
  /** The next message, as a frame of server-sent events. */
  readonly next: Effect.Effect<string>
  readonly stop: () => void
}

/** Collects the state for the console. */
export interface ConsoleFeed {
  /** Counts a stream. */
  readonly observe: ObserveStream
  readonly tell: Tell
  /** Counts records received through REST. */
  readonly stored: (tableName: string, records: number, bytes: number) => void
  /** Notes that a table's script was changed. */
  readonly scripted: (tableName: string) => void
  /** Starts watching; undefined when too many pages watch. */
  readonly watch: () => Watching | undefined
  /** Whether the maximum number of pages watch. */
  readonly isFull: () => boolean
}

interface Marked {
  isDirty: boolean
}

interface Table extends Marked {
  readonly name: string
  records: number
  writtenAt: number | null
  /** Whether its script may have faults. */
  isScripted: boolean
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

interface OpenStream extends Marked {
  readonly row: Mutable<StreamRow>
  readonly table: Table
}

/** Creates the feed of a server. */
export const makeConsoleFeed = (options: FeedOptions): ConsoleFeed => {
  const { pendingFaults, server, storage, store, timers } = options
  const isOnDisk = storage === "disk"
  const tables = new Map<string, Table>()
  const streams = new Map<string, OpenStream>()
  const events: Array<ConsoleEvent> = []
  const totals = { records: 0, bytes: 0 }
  const latencies = new Latencies()
  const watchers = new Watchers(timers)
  /** The changes since the last message. */
  let changed = noChanges()
  let eventsSent = 0
  let eventNumber = 0
  let sentAt = -Infinity
  let isScheduled = false

  const tableOf = (name: string): Table => {
    const key = tableKey(name)
    let table = tables.get(key)
    if (table === undefined) {
      table = { name, records: 0, writtenAt: null, isScripted: false, isDirty: false }
      tables.set(key, table)
    }
    return table
  }

  const mark = <A extends Marked>(one: A, list: Array<A>): void => {
    if (one.isDirty || !watchers.any) return
    one.isDirty = true
    list.push(one)
    schedule()
  }
  const markTable = (table: Table) => mark(table, changed.tables)

  const schedule = (): void => {
    if (isScheduled || !watchers.any) return
    isScheduled = true
    timers.after(Math.max(gatherMillis, sentAt + messageEvery - timers.now()), () => {
      isScheduled = false
      sentAt = timers.now()
      if (watchers.any) Effect.runFork(send)
    })
  }

  /** The rows of those tables that exist in the store. */
  const tableRows = Effect.fnUntraced(function* (some: ReadonlyArray<Table>) {
    const rows: Array<TableRow> = []
    for (const table of some) {
      const record = Option.getOrUndefined(yield* store.get(table.name))
      if (record === undefined) continue
      const { bytes, files, rows: count, version } = yield* store.stats(table.name)
      const pending = table.isScripted ? pendingFaults(table.name) : { faults: 0, held: 0 }
      rows.push({
        name: record.definition.name,
        columns: record.definition.columns.length,
        rows: count,
        files,
        bytes,
        version,
        records: table.records,
        writtenAt: table.writtenAt ?? (yield* store.committedAt(table.name)) ?? null,
        ...pending,
        problem: record.problem ?? null
      })
    }
    return rows
  })

  const message = (parts: Partial<ConsoleMessage>): string => {
    const whole: ConsoleMessage = {
      now: timers.now(),
      tables: [],
      streams: [],
      dropped: [],
      ended: [],
      events: [],
      totals: { ...totals },
      ...parts
    }
    return `data: ${JSON.stringify(whole)}\n\n`
  }

  /** Sends the changes to all watching pages. */
  const send: Effect.Effect<void> = Effect.gen(function* () {
    const part = takeChanges(changed)
    const rows = yield* tableRows(part.tables)
    const news = events.filter(({ n }) => n > eventsSent)
    eventsSent = eventNumber
    const { count } = latencies
    const latency =
      count === 0
        ? {}
        : { latency: { count, p50: latencies.percentile(0.5), p99: latencies.percentile(0.99) } }
    latencies.clear()
    watchers.send(
      message({
        tables: rows,
        streams: part.streams.filter(({ row }) => streams.has(row.id)).map(({ row }) => row),
        dropped: part.dropped,
        ended: part.ended,
        events: news,
        ...latency
      })
    )
    if (hasChanges(changed)) schedule()
  })

  /** The complete state, in messages of limited size. */
  const snapshot: Effect.Effect<ReadonlyArray<string>> = Effect.gen(function* () {
    const unserved = yield* Effect.orElseSucceed(store.unserved, () => [])
    for (const { definition } of yield* store.listAll) tableOf(definition.name)
    const served = yield* tableRows([...tables.values()])
    const others = unserved.map(({ definition, name, problem }): TableRow => {
      const columns = definition?.columns.length ?? 0
      return { ...noTable, name, columns, problem }
    })
    const all = [...served, ...others]
    const open = [...streams.values()].map(({ row }) => row)
    const frames = [
      message({
        server: server(),
        tables: all.slice(0, maxRows),
        streams: open.slice(0, maxRows),
        events
      })
    ]
    for (let from = maxRows; from < Math.max(all.length, open.length); from += maxRows) {
      frames.push(
        message({
          tables: all.slice(from, from + maxRows),
          streams: open.slice(from, from + maxRows)
        })
      )
    }
    return frames
  })

  const observe: ObserveStream = (stream) => {
    const { address, id, tableName } = stream
    if (id === undefined) return unobserved
    let open: OpenStream | undefined
    return {
      opened: (kind) => {
        const row = { id, table: tableName, client: address ?? "", kind, openedAt: timers.now() }
        open = {
          row: { ...row, received: 0, durable: 0, acked: 0, rotating: false },
          table: tableOf(tableName),
          isDirty: false
        }
        streams.set(id, open)
        mark(open, changed.streams)
      },
      received: (records, bytes) => {
        totals.records += records
        totals.bytes += bytes
        if (open === undefined) return
        open.row.received += records
        open.table.records += records
        mark(open, changed.streams)
        markTable(open.table)
      },
      durable: (records) => {
        if (open === undefined) return
        open.row.durable += records
        if (!isOnDisk) open.table.writtenAt = timers.now()
        mark(open, changed.streams)
        markTable(open.table)
      },
      acked: (records, latencyMillis) => {
        if (open === undefined) return
        open.row.acked += records
        if (latencyMillis !== undefined && watchers.any) latencies.add(latencyMillis)
        mark(open, changed.streams)
      },
      noted: ({ _tag }) => {
        if (open === undefined) return
        if (_tag === "StreamRotated") open.row.rotating = true
        if (_tag === "FaultStruck") open.table.isScripted = true
        mark(open, changed.streams)
        markTable(open.table)
      },
      closed: () => {
        if (open === undefined) return
        streams.delete(id)
        // Its streams also end when the table is refused, which changes the table's row.
        markTable(open.table)
        if (!watchers.any) return
        changed.ended.push(id)
        schedule()
      },
      refused: () => {}
    }
  }

  /** Updates the state of tables for an event. */
  const count = (event: ServerEvent): void => {
    switch (event._tag) {
      case "TableCommitted": {
        const table = tableOf(event.tableName)
        table.writtenAt = timers.now()
        return markTable(table)
      }
      case "TableCreated":
      case "TableAltered":
      case "TableRegistered":
        return markTable(tableOf(event.tableName))
      case "TableDropped": {
        const table = tables.get(tableKey(event.tableName))
        if (table === undefined) return
        tables.delete(tableKey(event.tableName))
        if (!watchers.any) return
        changed.dropped.push(table.name)
        return schedule()
      }
    }
  }

  return {
    observe,
    tell: (event) => {
      count(event)
      const told = toldOf(event)
      if (told === undefined) return
      events.push({ n: ++eventNumber, at: timers.now(), ...told })
      if (events.length > maxEvents) events.shift()
      schedule()
    },
    stored: (tableName, records, bytes) => {
      totals.records += records
      totals.bytes += bytes
      const table = tableOf(tableName)
      table.records += records
      if (!isOnDisk) table.writtenAt = timers.now()
      markTable(table)
    },
    scripted: (tableName) => {
      const table = tableOf(tableName)
      table.isScripted = true
      markTable(table)
    },
    watch: () => {
      const watcher = watchers.add(snapshot)
      if (watcher === undefined) return undefined
      return { next: watcher.next, stop: () => stop(watcher) }
    },
    isFull: () => watchers.isFull
  }

  function stop(watcher: Watcher): void {
    watchers.remove(watcher)
    if (watchers.any) return
    for (const one of [...changed.tables, ...changed.streams]) one.isDirty = false
    changed = noChanges()
    latencies.clear()
  }
}

const noChanges = () => ({
  tables: [] as Array<Table>,
  streams: [] as Array<OpenStream>,
  dropped: [] as Array<string>,
  ended: [] as Array<string>
})

type Changes = ReturnType<typeof noChanges>

const hasChanges = ({ dropped, ended, streams, tables }: Changes): boolean =>
  tables.length + streams.length + dropped.length + ended.length > 0

/** Removes and returns the oldest changes, as many as fit into one message. */
const takeChanges = (changed: Changes): Changes => {
  const part = {
    tables: changed.tables.splice(0, maxRows),
    streams: changed.streams.splice(0, maxRows),
    dropped: changed.dropped.splice(0, maxRows),
    ended: changed.ended.splice(0, maxRows)
  }
  for (const one of [...part.tables, ...part.streams]) one.isDirty = false
  return part
}

/** The numbers of a table that is not served. */
const noTable = {
  rows: 0,
  files: 0,
  bytes: 0,
  version: 0,
  records: 0,
  writtenAt: null,
  faults: 0,
  held: 0
}

const unobserved: StreamObserver = {
  opened: () => {},
  received: () => {},
  durable: () => {},
  acked: () => {},
  noted: () => {},
  closed: () => {},
  refused: () => {}
}
