/**
 * The interfaces between a stream of the server and its surroundings (the client's end, the limits,
 * the store, the counters), and the context that the parts of one stream share.
 */
import type { LogFormat } from "../log/logFrames.ts"
import type { FaultPoint, FaultScript, StruckAction } from "../faults/faultScript.ts"
import type { Pass } from "./streamFaults.ts"
import type { ServerStatus } from "./serverStatus.ts"
import type { RecordKind } from "./streamMessages.ts"
import type { ConnectionRecorder, StreamAudit } from "./streamAudit.ts"
import type { StreamWire } from "./streamWire.ts"
import type {
  RecordRejected,
  SchemaRejected,
  StorageFailure,
  TableNotFound
} from "../log/storageErrors.ts"
import type { StreamRefused } from "../persistent/persistentStreams.ts"
import type { OpenedStream, StreamRequest, TableWriter } from "../store/tableStore.ts"
import type { ScopedTimers, Timers } from "../timers.ts"

/** The client's end of a stream. Nothing more is sent after `finish` or `cut`. */
export interface Peer {
  readonly write: (response: Uint8Array) => void
  /** Ends the call: with OK, or with a status. */
  readonly finish: (status: ServerStatus | undefined) => void
  /** Breaks the connection below the protocol. */
  readonly cut: (how: "reset" | "fin") => void
  /** Stops reading requests, and reads again. */
  readonly pause: () => void
  readonly resume: () => void
  /** The request with this view is no longer used; its memory may be reused for the next one. */
  readonly release?: ((view: Uint8Array) => void) | undefined
  /** Refuses the token of this call from now on. */
  readonly revoke?: (() => void) | undefined
  /** The client's address and port. Calls over one connection have the same. */
  readonly address?: string | undefined
}

/** The script and the audit of one table. */
export interface StreamTable {
  readonly script: FaultScript
  readonly audit: StreamAudit
}

/** Identifies a stream for its observer. */
export interface ObservedStream {
  /** Undefined for a call that was refused before it had an id. */
  readonly id: string | undefined
  readonly tableName: string
  /** The client's address and port, if known. */
  readonly address: string | undefined
}

/** Creates the observer of a stream. */
export type ObserveStream = (stream: ObservedStream) => StreamObserver

/** Occasional events of an open stream. */
export type StreamNote =
  /** The server announced that the stream ends in this many milliseconds. */
  | { readonly _tag: "StreamRotated"; readonly graceMillis: number }
  /** The message with this wire offset holds a record that does not fit. */
  | { readonly _tag: "RecordRefused"; readonly offset: number; readonly problem: RecordRejected }
  | { readonly _tag: "FaultStruck"; readonly at: FaultPoint; readonly action: StruckAction["_tag"] }

/** Receives the events of one stream. It must not throw. */
export interface StreamObserver {
  /** The create request was answered. */
  readonly opened: (kind: RecordKind) => void
  /** A message was received, with this many records and bytes. */
  readonly received: (records: number, bytes: number) => void
  /** This many records became durable. */
  readonly durable: (records: number) => void
  /**
   * An acknowledgement of these records was sent, this long after its oldest message was received.
   */
  readonly acked: (records: number, latencyMillis: number | undefined) => void
  readonly noted: (note: StreamNote) => void
  /**
   * An open stream ended. `how` is `OK`, `cut` or `cancelled`; undefined when a status is given.
   */
  readonly closed: (how: string | undefined, status: ServerStatus | undefined) => void
  /** The call was refused, or ended in another way, before the stream was open. */
  readonly refused: (how: string | undefined, status: ServerStatus | undefined) => void
}

/** Limits and pace of streams; times in milliseconds. */
export interface StreamLimits {
  /** From the answer to the create request to the close signal. */
  readonly streamLife: number
  /** From the close signal to the end of the stream. */
  readonly closeGrace: number
  /** The minimum time between two acknowledgements. */
  readonly ackInterval: number
  /** The most record bytes of one message. */
  readonly maxRecordBytes: number
  /** Record bytes that may be received and not durable before reading pauses. */
  readonly maxUndurableBytes: number
  /** The maximum rate of one stream; above it, reading pauses. `Infinity` for none. */
  readonly maxRecordsPerSecond: number
  readonly maxBytesPerSecond: number
}

/** Why a stream could not be opened. */
export type OpenFailure = TableNotFound | SchemaRejected | StorageFailure | StreamRefused

/** The writer of a stream, or why it could not be opened. */
export type OpenResult = TableWriter | OpenFailure

/** What a stream needs from the server. */
export interface StreamHost {
  readonly limits: StreamLimits
  readonly timers: Timers
  readonly observe: ObserveStream
  readonly table: (name: string) => StreamTable
  readonly newStreamId: () => string
  /**
   * Adds a running stream, which a shutdown of the server ends. Returns a function that removes it.
   */
  readonly enroll: (shutdown: () => void) => () => void
  readonly openWriter: (
    tableName: string,
    format: LogFormat,
    done: (result: OpenResult) => void
  ) => void
  /** Opens a persistent stream. */
  readonly openStream: (
    tableName: string,
    format: LogFormat,
    request: StreamRequest,
    done: (result: OpenedStream | OpenFailure) => void
  ) => void
  /** Retires a persistent stream. */
  readonly retire: (
    tableName: string,
    streamId: string,
    done: (failure: OpenFailure | undefined) => void
  ) => void
}

/** The context that the parts of one stream share. */
export interface StreamContext {
  readonly limits: StreamLimits
  readonly observer: StreamObserver
  /** Passes a point of the stream's life, where the script may inject a fault. */
  readonly pass: Pass
  readonly peer: Peer
  readonly recorder: ConnectionRecorder
  readonly script: FaultScript
  /** Timers that end with the stream. */
  readonly timers: ScopedTimers
  readonly wire: StreamWire
}
