/**
 * The page's copy of the server's state: rows by name, rates, recent events and plot samples.
 * Messages update it; components read it.
 */
import type {
  ConsoleEvent,
  ConsoleMessage,
  ServerInfo,
  StreamRow,
  TableRow
} from "../src/local/console/consoleMessages.ts"

/** A row with its records per second, as of its last message. */
export type Rated<Row> = Row & { readonly perSecond: number; readonly ratedAt: number }

/** Samples of the plots, one per second; times in seconds. */
export interface Samples {
  readonly time: Array<number>
  /** Null while the page was not connected. */
  readonly rate: Array<number | null>
  readonly p50: Array<number | null>
  readonly p99: Array<number | null>
}

/** Most events kept. */
const maxEvents = 200
/** Time range of the plots, in seconds. */
export const plotSeconds = 300
/**
 * The server is idle after this long without a message: it sends one a second while something
 * changes.
 */
const idleMillis = 1500

const noSamples = (): Samples => ({ time: [], rate: [], p50: [], p99: [] })

/** The state of the page. */
export class ServerState {
  server: ServerInfo | undefined
  readonly tables = new Map<string, Rated<TableRow>>()
  readonly streams = new Map<string, Rated<StreamRow>>()
  /** Newest first. */
  events: ReadonlyArray<ConsoleEvent> = []
  totals = { records: 0, bytes: 0 }
  perSecond = 0
  latency: { readonly p50: number; readonly p99: number } | undefined
  samples = noSamples()
  /** The server's clock at the last message, and the page's clock at that moment. */
  private now = 0
  private receivedAt = 0
  /** Time of the last sample, by the server's clock. */
  private sampledAt = 0

  /** Converts a time of the page's clock to the server's clock. */
  serverTime(pageTime: number): number {
    return this.now + (pageTime - this.receivedAt)
  }

  /** Applies a message that arrived at this time of the page's clock. */
  apply(message: ConsoleMessage, pageTime: number): void {
    if (message.server !== undefined) this.restart(message.server)
    // Time since the last message, or since the last idle sample.
    const seconds = Math.max(1, (message.now - Math.max(this.now, this.sampledAt)) / 1000)
    const isFirst = message.server !== undefined
    for (const row of message.tables)
      this.put(this.tables, row.name.toLowerCase(), row, row.records, "records", seconds, message)
    for (const row of message.streams)
      this.put(this.streams, row.id, row, row.received, "received", seconds, message)
    for (const name of message.dropped) this.tables.delete(name.toLowerCase())
    for (const id of message.ended) this.streams.delete(id)
    const last = this.events[0]?.n ?? 0
    const news = message.events.filter(({ n }) => n > last).reverse()
    if (news.length > 0) this.events = [...news, ...this.events].slice(0, maxEvents)
    this.perSecond = isFirst
      ? 0
      : Math.max(0, message.totals.records - this.totals.records) / seconds
    this.latency = message.latency
    this.totals = { ...message.totals }
    this.now = message.now
    this.receivedAt = pageTime
    if (!isFirst) this.sample(message.now)
  }

  /**
   * Adds a sample for an idle server once no message has arrived for a while. Returns whether it
   * did.
   */
  idle(pageTime: number): boolean {
    const now = this.serverTime(pageTime)
    if (this.server === undefined || now - Math.max(this.now, this.sampledAt) < idleMillis)
      return false
    this.perSecond = 0
    this.latency = undefined
    this.sample(now)
    return true
  }

  /** The current records per second of a row. A row missing from the last message received none. */
  rateOf(row: Rated<TableRow> | Rated<StreamRow>): number {
    return row.ratedAt === this.now && this.perSecond > 0 ? row.perSecond : 0
  }

  private put<Row extends TableRow | StreamRow>(
    rows: Map<string, Rated<Row>>,
    key: string,
    row: Row,
    total: number,
    field: keyof Row,
    seconds: number,
    { now }: ConsoleMessage
  ): void {
    const before = rows.get(key)
    const perSecond =
      before === undefined ? 0 : Math.max(0, total - Number(before[field])) / seconds
    rows.set(key, { ...row, perSecond, ratedAt: now })
  }

  private restart(server: ServerInfo): void {
    if (this.server?.instance !== server.instance) {
      this.samples = noSamples()
      this.events = []
    } else if (this.sampledAt > 0) {
      // The page was disconnected: leave a gap in the plots.
      this.samples.time.push((this.sampledAt + 1) / 1000)
      for (const name of ["rate", "p50", "p99"] as const) this.samples[name].push(null)
    }
    this.server = server
    this.tables.clear()
    this.streams.clear()
  }

  private sample(now: number): void {
    const { p50, p99, rate, time } = this.samples
    time.push(now / 1000)
    rate.push(this.perSecond)
    p50.push(this.latency?.p50 ?? null)
    p99.push(this.latency?.p99 ?? null)
    this.sampledAt = now
    while (time[0]! < now / 1000 - plotSeconds)
      for (const values of [time, rate, p50, p99]) values.shift()
  }
}
