/**
 * A spool keeps a stream's records on disk until the server has acknowledged them, so that they survive the process.
 *
 * With a spool `ingestRecord` succeeds once the record is in the spool's log. A stream that is opened on a spool that holds records
 * sends those first, in order. While the server cannot be reached ingest goes on, up to `maxBytes` of disk. The format is described
 * in `docs/spool.md`.
 *
 * @example
 * const stream = yield* zerobus.createStream(TableProperties.json("main.default.air_quality"), {
 *   spool: Spool.directory("spool/air_quality", { maxBytes: 1_000_000_000 })
 * })
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Offset } from "./Offset.ts"
import { nodeDisk } from "./internal/log/logDisk.ts"
import { openSpool } from "./internal/spool/openSpool.ts"
import { leftEntries, summarize, waitingEntries } from "./internal/spool/readSpool.ts"
import { resolvePath } from "./internal/spool/spoolScan.ts"
import { faultError, type LogFault, type Spool } from "./internal/spooledLog.ts"
import type { InvalidState, Retryable } from "./ZerobusError.ts"

export type { Spool } from "./internal/spooledLog.ts"

/** Options of a spool. */
export interface SpoolOptions {
  /** Bytes on disk above which ingest waits; default 10 GiB, at least 16 MiB. */
  readonly maxBytes?: number | undefined
  /**
   * When a record counts as persisted. `"group"` (default): after `fdatasync` of its group, which survives a loss of power. `"os"`: after
   * `write`, which survives the end of the process.
   */
  readonly sync?: "group" | "os" | undefined
}

/** What a spool holds. */
export interface SpoolContent {
  readonly tableName: string
  readonly recordType: "json" | "proto"
  /** The oldest offset that is not acknowledged. Equal to `nextOffset` when nothing waits. */
  readonly firstOffset: Offset
  /** The offset that is given out next. */
  readonly nextOffset: Offset
  /** Bytes on disk. */
  readonly bytes: number
  /** The opaque position of the latest entry that carries one; at most 1 KiB. */
  readonly position: Uint8Array | undefined
}

/** A record that waits in a spool. */
export interface SpooledRecord {
  readonly offset: Offset
  /** UTF-8 of a JSON object, or a protobuf message. */
  readonly payload: Uint8Array
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024 * 1024

/**
 * A spool in a folder, which is made when it is missing. One process at a time may use it. A spool belongs to one table; another one,
 * another record type, or a descriptor that does not read what waits is refused with `InvalidState`.
 *
 * @example
 * Spool.directory("spool/air_quality", { maxBytes: 1_000_000_000 })
 */
export const directory = (path: string, options: SpoolOptions = {}): Spool => ({
  path,
  ...options,
  open: ({ now, ...identity }) =>
    openSpool({
      folder: resolvePath(path),
      identity,
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      sync: options.sync ?? "group",
      disk: nodeDisk,
      now
    }),
  left: (maxBytes) => leftEntries(resolvePath(path), maxBytes)
})

/**
 * Looks at a spool without opening it; another process may use it meanwhile. Fails with `InvalidState` where there is no spool or it is
 * damaged, and with `Retryable` when the disk fails.
 *
 * @example
 * const { firstOffset, nextOffset } = yield* Spool.inspect("spool/air_quality")
 */
export const inspect = (path: string): Effect.Effect<SpoolContent, Retryable | InvalidState> =>
  Effect.tryPromise({
    try: async () => {
      const { firstOffset, nextOffset, position, ...rest } = await summarize(resolvePath(path))
      return {
        ...rest,
        firstOffset: Offset(firstOffset),
        nextOffset: Offset(nextOffset),
        position: position?.bytes
      }
    },
    catch: (fault) => faultError(fault as LogFault)
  })

/**
 * The records that wait in a spool, in order, without opening it; batches record by record under one offset. Fails as `inspect` does.
 *
 * @example
 * yield* Stream.runForEach(Spool.records("spool/air_quality"), ({ payload }) => Console.log(payload.length))
 */
export const records = (path: string): Stream.Stream<SpooledRecord, Retryable | InvalidState> =>
  Stream.fromAsyncIterable(waitingEntries(resolvePath(path)), (fault) => faultError(fault as LogFault)).pipe(
    Stream.map((entries) =>
      entries.flatMap(({ offset, payloads }) => payloads.map((payload) => ({ offset: Offset(offset), payload })))
    ),
    Stream.flattenIterable
  )
