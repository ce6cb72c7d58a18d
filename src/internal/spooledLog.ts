/**
 * The engine's interface to a log on disk: the seam between streams and spools. Records are bytes
 * here, with tags and lengths as they travel. All calls are synchronous except opening, loading and
 * closing.
 */
import { InvalidState, Retryable, RetryableReason } from "../ZerobusError.ts"

/** Why a log cannot be used: for now (`Unavailable`), or until someone acts. */
export interface LogFault {
  readonly kind: "Unavailable" | "Locked" | "Damaged" | "Mismatch"
  /** A full sentence. */
  readonly message: string
}

/** Converts a fault to the error that users get. */
export const faultError = ({ kind, message }: LogFault): Retryable | InvalidState =>
  kind === "Unavailable"
    ? new Retryable({ reason: RetryableReason.SpoolUnavailable({ message }), attempts: 1 })
    : new InvalidState({ message })

/** Entries that go to disk together. */
export interface LogGroup {
  /** Undefined until the group has settled. */
  readonly outcome: "persisted" | LogFault | undefined
  /** Calls back with the outcome; immediately if it is known. */
  readonly onSettled: (callback: (outcome: "persisted" | LogFault) => void) => void
}

/** Records that were read: a run of single records, or a batch, which has one offset. */
export interface LogEntry {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly offset: number
  readonly records: number
  readonly atomic: boolean
  /** Start of the keys of its offsets in `buffer`, four bytes each; -1 when it has none. */
  readonly keys: number
}

/** Takes the records of a log in order to send them. */
export interface LogTarget {
  /** The next offset that it takes. */
  nextOffset: number
  /** Called when it may have room, after acknowledgements were published. */
  onRoom: () => void
  /** Offsets that it has taken and that are not settled. */
  readonly usedRecords: number
  /**
   * Takes an entry, or the beginning of it, and notifies the reader. Returns false when it had no
   * room for all of it.
   */
  readonly feedUnsafe: (entry: LogEntry, reader: Pick<LogReader, "takeUnsafe">) => boolean
}

/** Reads the entries of a log in order. Entries are valid until the next turn of the event loop. */
export interface LogReader {
  /** Whether there are persisted entries that were not taken. */
  readonly hasMore: boolean
  /** Starts at another offset. Only before anything was read. */
  readonly startAt: (offset: number) => void
  /**
   * The next entry, or the rest of it; `undefined` when there is none, or when it has to be loaded.
   */
  readonly peekUnsafe: () => LogEntry | undefined
  /** Takes records of that entry. `bytes` is their size with tags and lengths. */
  readonly takeUnsafe: (records: number, bytes: number) => void
  /** Reads on from disk. Rejects with a `LogFault`. */
  readonly load: () => Promise<void>
}

/** An open log. */
export interface SpooledLog {
  /** The next offset to be given out. */
  readonly nextOffset: number
  /** Everything up to this offset is acknowledged. */
  readonly acknowledged: number
  /** The latest persisted position, and the offset that it belongs to. */
  readonly lastPosition: { readonly offset: number; readonly bytes: Uint8Array } | undefined
  /** Why it takes nothing more. */
  readonly failure: LogFault | undefined
  /**
   * The group that is being filled or written, whichever is newer. After `offer`, the group of that
   * entry.
   */
  readonly latestGroup: LogGroup | undefined
  readonly reader: LogReader
  /**
   * Appends one record or a batch. Returns its offset, or -1 when there is no room; `force` ignores
   * the bounds. `key`, of 32 bits, is stored with it in the log of a stream with several lanes.
   */
  readonly offer: (
    source: Buffer,
    start: number,
    end: number,
    records: number,
    atomic: boolean,
    force: boolean,
    key?: number
  ) => number
  /**
   * Stores a position that belongs to an offset, afterwards in `latestGroup`; at most 1,024 bytes.
   */
  readonly notePosition: (offset: number, bytes: Uint8Array) => void
  /**
   * The persistent stream that it belongs to; undefined for the log of ephemeral streams, and while
   * it is empty.
   */
  readonly streamId: string | undefined
  /**
   * Binds an empty log to a persistent stream, with everything up to an offset acknowledged. The id
   * is on disk with the first entry.
   */
  readonly bind: (streamId: string, acknowledged: number) => void
  readonly acknowledge: (offset: number) => void
  readonly close: () => Promise<void>
  /**
   * Called when waiting callers may find room, when there is more to read, and when the log takes
   * nothing more.
   */
  onRoom: () => void
  onPersisted: () => void
  onFailed: (failure: LogFault) => void
}

/** What a log belongs to, and the clocks of the program. */
export interface LogOwner {
  readonly table: string
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  readonly descriptor: Uint8Array | undefined
  /** Set for a persistent stream: its id, or `undefined` for one that is to be created. */
  readonly persistent?: { readonly streamId: string | undefined } | undefined
  /** Whether its entries get keys. */
  readonly keyed: boolean
  readonly now: () => { readonly monotonic: number; readonly wall: number }
}

/** Waiting records, as payloads. */
export interface LeftEntry {
  readonly payloads: () => ReadonlyArray<Uint8Array>
  readonly atomic: boolean
}

/**
 * Where a stream keeps its records until they are acknowledged. Made with `Spool.directory`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Spool {
  /** The folder. */
  readonly path: string
  /** Bytes on disk above which ingest waits; default 10 GiB, at least 16 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * When a record counts as persisted: `"group"` (default) after its group was synced, which
   * survives a power loss; `"os"` after it was written, which survives the end of the process.
   */
  readonly sync?: "group" | "os" | undefined
  /**
   * Opens the log. Rejects with a `LogFault`.
   *
   * @hidden
   */
  readonly open: (owner: LogOwner) => Promise<SpooledLog>
  /**
   * The waiting entries that `isLeft` selects, all by default, without opening the log; `undefined`
   * when they exceed `maxBytes`. Rejects with a `LogFault`.
   *
   * @hidden
   */
  readonly left: (
    maxBytes: number,
    isLeft?: (offset: number) => boolean
  ) => Promise<ReadonlyArray<LeftEntry> | undefined>
}
