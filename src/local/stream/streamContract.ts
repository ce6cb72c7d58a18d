/**
 * What a stream of the server and its surroundings are to each other: the client's end, the limits, the store, the counters.
 */
import type { FaultScript } from "../faults/faultScript.ts"
import type { ServerStatus } from "./serverStatus.ts"
import type { StreamAudit } from "./streamAudit.ts"
import type { SchemaRejected, StorageFailure, TableNotFound } from "../log/storageErrors.ts"
import type { TableWriter } from "../store/tableStore.ts"
import type { Timers } from "../timers.ts"

/** The client's end of a stream. After `finish` or `cut` nothing more is said to it. */
export interface Peer {
  readonly write: (response: Uint8Array) => void
  /** Ends the call: with OK, or with a status. */
  readonly finish: (status: ServerStatus | undefined) => void
  /** Breaks the connection below the protocol. */
  readonly cut: (how: "reset" | "fin") => void
  /** Stops and goes on delivering requests. */
  readonly pause: () => void
  readonly resume: () => void
  /** Refuses the token of this call from now on. */
  readonly revoke?: (() => void) | undefined
  /** The client's address and port; calls over one connection have the same. */
  readonly address?: string | undefined
}

/** What one table offers to its streams. */
export interface StreamTable {
  readonly script: FaultScript
  readonly audit: StreamAudit
}

/** Tells the owner of the server what happens, for its counters. */
export interface StreamObserver {
  readonly opened: () => void
  readonly received: (records: number, bytes: number) => void
  readonly acked: (latencyMillis: number) => void
  readonly closed: () => void
}

/** Limits and pace of streams; times in milliseconds. */
export interface StreamLimits {
  /** How long a stream lives until it is told to close. */
  readonly streamLife: number
  /** How long it stays open after that. */
  readonly closeGrace: number
  /** The least time between two acknowledgements. */
  readonly ackInterval: number
  /** Record bytes of one message. */
  readonly maxRecordBytes: number
  /** Bytes that may wait for the disk before the stream is read no further. */
  readonly maxUndurableBytes: number
  /** Pace of one stream; above it the stream is read more slowly. `Infinity` for none. */
  readonly maxRecordsPerSecond: number
  readonly maxBytesPerSecond: number
}

/** What a stream needs of the server. */
export interface StreamHost {
  readonly limits: StreamLimits
  readonly timers: Timers
  readonly observer: StreamObserver
  readonly table: (name: string) => StreamTable
  readonly newStreamId: () => string
  /** Keeps a stream that runs, for the server's shutdown; returns how to forget it. */
  readonly enroll: (shutdown: () => void) => () => void
  readonly openWriter: (
    tableName: string,
    format: { readonly _tag: "Json" } | { readonly _tag: "Proto"; readonly descriptor: Uint8Array },
    done: (writer: TableWriter | TableNotFound | SchemaRejected | StorageFailure) => void
  ) => void
}
