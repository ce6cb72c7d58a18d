/**
 * The messages between the server and the console page, as plain data. The page imports these types
 * too, so this file has no imports.
 */

/** A table. Counts and bytes are of the committed table; times are milliseconds since the epoch. */
export interface TableRow {
  readonly name: string
  readonly columns: number
  readonly rows: number
  readonly files: number
  readonly bytes: number
  readonly version: number
  /** Records received since the server started. */
  readonly records: number
  /** When rows were last committed, or, in memory, when a record last became durable. */
  readonly writtenAt: number | null
  /** The number of pending scripted faults, and of streams that they hold. */
  readonly faults: number
  readonly held: number
  /** Why the table is not written or not served. */
  readonly problem: string | null
}

/** An open stream, with counts of records. */
export interface StreamRow {
  readonly id: string
  readonly table: string
  /** The client's address and port. */
  readonly client: string
  readonly kind: string
  readonly openedAt: number
  readonly received: number
  readonly durable: number
  readonly acked: number
  /** Whether the server announced the end of the stream. */
  readonly rotating: boolean
}

/** The style of an event. */
export type Tone = "good" | "plain" | "warn" | "bad"

/** An event. `n` numbers all events of the server from 1. */
export interface ConsoleEvent {
  readonly n: number
  readonly at: number
  readonly tone: Tone
  readonly title: string
  readonly table: string
  readonly detail: string
}

/** Data that does not change while the server runs. */
export interface ServerInfo {
  /** Distinguishes a server from an earlier one on the same port. */
  readonly instance: string
  readonly startedAt: number
  readonly storage: "disk" | "memory"
  readonly dataDir: string | null
  /** The variables that a client needs, without the secret. */
  readonly environment: Readonly<Record<string, string>>
  /** The name of the variable with the secret. */
  readonly secretName: string
}

/** Acknowledgement latencies since the previous message, in milliseconds. */
export interface LatencyRow {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

/** A message of the event stream. Rows replace earlier ones with the same name or id. */
export interface ConsoleMessage {
  readonly now: number
  /** Present in the first message of a snapshot, which replaces all earlier state. */
  readonly server?: ServerInfo
  readonly tables: ReadonlyArray<TableRow>
  readonly streams: ReadonlyArray<StreamRow>
  /** Names of tables that were dropped. */
  readonly dropped: ReadonlyArray<string>
  /** Ids of streams that ended. */
  readonly ended: ReadonlyArray<string>
  readonly events: ReadonlyArray<ConsoleEvent>
  readonly totals: { readonly records: number; readonly bytes: number }
  readonly latency?: LatencyRow
}

/** A column of a table. */
export interface ColumnRow {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly partition: boolean
}

/**
 * The detailed view of a table. `rows` are the last ones, newest first, as escaped and truncated
 * texts.
 */
export interface TableView {
  readonly name: string
  readonly comment: string | null
  readonly location: string | null
  readonly problem: string | null
  readonly columns: ReadonlyArray<ColumnRow>
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
  /** The number of columns at the end that `rows` leaves out. */
  readonly columnsLeftOut: number
  /** Why there are no rows to show. */
  readonly rowsProblem: string | null
  readonly sql: string
}

/** The faults that the page can script; `clear` removes all faults of a table. */
export type FaultName = "disconnect" | "stall" | "refuse" | "expireToken" | "clear"
