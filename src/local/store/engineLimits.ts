/**
 * Limits of batches, backlogs, flushes and compaction.
 */
import { availableParallelism } from "node:os"

/**
 * Limits of a table, and of all tables together. A batch is sealed when it reaches one of the first
 * two.
 */
export interface EngineLimits {
  /** Rows of one batch, and therefore of one data file. */
  readonly maxBatchRows: number
  /** Bytes of column data of one batch. */
  readonly maxBatchBytes: number
  /** Rows of a table that may wait for a flush before its writers have to pause. */
  readonly maxPendingRows: number
  /** Bytes of column data of a table that may wait for a flush before its writers have to pause. */
  readonly maxPendingBytes: number
  /** Rows of all tables that may wait for a flush before all writers have to pause. */
  readonly maxTotalRows: number
  /** Bytes of column data of all tables that may wait before all writers have to pause. */
  readonly maxTotalBytes: number
  /** Milliseconds that the oldest row of all tables may wait before all writers have to pause. */
  readonly maxWaitMillis: number
  /**
   * Messages of at least this many bytes are decoded in another thread, so that they do not block
   * the event loop.
   */
  readonly largeMessageBytes: number
  /**
   * When at least this many bytes of a stream are not durable yet, another thread decodes all its
   * messages; `Infinity` for never.
   */
  readonly bulkBytes: number
  /** The number of tables flushed concurrently. */
  readonly flushesAtOnce: number
  /**
   * The number of small files of similar size from which a flush also merges them: at least 2, or 0
   * for never.
   */
  readonly compactFiles: number
  /**
   * Milliseconds between a commit and the look that confirms it. Its log segment is deleted after
   * that.
   */
  readonly lookAfterMillis: number
}

/**
 * The default limits: files of at most 100,000 rows; at most four such batches waiting per table,
 * and ten in total.
 */
export const defaultLimits: EngineLimits = {
  maxBatchRows: 100_000,
  maxBatchBytes: 64 * 1024 * 1024,
  maxPendingRows: 400_000,
  maxPendingBytes: 256 * 1024 * 1024,
  maxTotalRows: 1_000_000,
  maxTotalBytes: 384 * 1024 * 1024,
  maxWaitMillis: 10_000,
  largeMessageBytes: 256 * 1024,
  // With fewer than four cores, the main thread, the flush thread and the client already use them
  // all; a further thread slows everything down.
  bulkBytes: availableParallelism() >= 4 ? 128 * 1024 : Infinity,
  flushesAtOnce: 8,
  compactFiles: 32,
  lookAfterMillis: 1000
}
