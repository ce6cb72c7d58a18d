/**
 * The limits of tables at work.
 */
import { availableParallelism } from "node:os"

/**
 * Limits of a table, and of all tables together. A batch is sealed when it reaches one of the first
 * two.
 */
export interface EngineLimits {
  /** Rows of one batch, and so of one data file. */
  readonly maxBatchRows: number
  /** Bytes of column data of one batch. */
  readonly maxBatchBytes: number
  /** Rows that may wait for their flush before writers are asked to pause. */
  readonly maxPendingRows: number
  /** Bytes of column data that may wait for their flush before writers are asked to pause. */
  readonly maxPendingBytes: number
  /** Rows of all tables that may wait for their flush before all writers are asked to pause. */
  readonly maxTotalRows: number
  /** Bytes of column data of all tables that may wait before all writers are asked to pause. */
  readonly maxTotalBytes: number
  /**
   * Milliseconds that the oldest row of all tables may wait before all writers are asked to pause.
   */
  readonly maxWaitMillis: number
  /**
   * Messages of so many bytes are decoded in another thread, so that they do not hold the main loop
   * up.
   */
  readonly largeMessageBytes: number
  /**
   * From so many bytes of a stream that are not durable on, another thread decodes all its
   * messages; `Infinity` for never.
   */
  readonly bulkBytes: number
  /** How many tables are flushed at once. */
  readonly flushesAtOnce: number
  /**
   * From how many small files of about the same size on a flush also merges them, at least 2; 0
   * never does.
   */
  readonly compactFiles: number
  /**
   * Milliseconds from a commit to the look that finds it in place, after which its log segment is
   * deleted.
   */
  readonly lookAfterMillis: number
}

/**
 * The limits used when none are given: files of at most 100,000 rows, at most four such batches
 * waiting of a table and ten of all.
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
  // On fewer cores the main thread, the flush thread and the client fill them: a further thread
  // slows all.
  bulkBytes: availableParallelism() >= 4 ? 128 * 1024 : Infinity,
  flushesAtOnce: 8,
  compactFiles: 32,
  lookAfterMillis: 1000
}
