/**
 * What the server and the page of the console tell each other, as plain data. The page imports
 * these types too, so this file imports nothing.
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
  /** The last commit of rows since the server started, or in memory the last durable record. */
  readonly writtenAt: number | null
  /** Scripted faults that have yet to strike, and what they hold. */
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
  /** Whether the client was told that the stream ends. */
  readonly rotating: boolean
}

/** How an event looks. */
export type Tone = "good" | "plain" | "warn" | "bad"

/** Something that happened. `n` counts all events of the server from 1. */
export interface ConsoleEvent {
  readonly n: number
  readonly at: number
  readonly tone: Tone
  readonly title: string
  readonly table: string
  readonly detail: string
}

/** What does not change while the server runs. */
export interface ServerInfo {
  /** Tells a server from the one before on the same port. */
  readonly instance: string
  readonly startedAt: number
  readonly storage: "disk" | "memory"
  readonly dataDir: string | null
  /** The variables that a client needs, without the secret. */
  readonly environment: Readonly<Record<string, string>>
  /** The name of the variable with the secret. */
  readonly secretName: string
}

/** Acknowledgement latency in milliseconds since the message before. */
export interface LatencyRow {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

/** A message of the event stream. Rows replace those of the same name or id. */
export interface ConsoleMessage {
  readonly now: number
  /** Begins a snapshot: what came before is forgotten. */
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
 * A table looked at closely. Rows are the last ones, newest first, as texts that are escaped and
 * cut.
 */
export interface TableView {
  readonly name: string
  readonly comment: string | null
  readonly location: string | null
  readonly problem: string | null
  readonly columns: ReadonlyArray<ColumnRow>
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
  /** Columns at the end that `rows` leaves out. */
  readonly columnsLeftOut: number
  /** Why there are no rows to show. */
  readonly rowsProblem: string | null
  readonly sql: string
}

/** The faults that the page scripts, and the end of all faults of a table. */
export type FaultName = "disconnect" | "stall" | "refuse" | "expireToken" | "clear"
