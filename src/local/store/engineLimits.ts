/**
 * The limits of tables at work.
 */

/** Limits of a table, and of all tables together. A batch is sealed when it reaches one of the first two. */
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
  /** Milliseconds that the oldest row of all tables may wait before all writers are asked to pause. */
  readonly maxWaitMillis: number
  /** How many tables are flushed at once. */
  readonly flushesAtOnce: number
  /** From how many small files of about the same size on a flush also merges them, at least 2; 0 never does. */
  readonly compactFiles: number
  /** Milliseconds from a commit to the look that finds it in place, after which its log segment is deleted. */
  readonly lookAfterMillis: number
}

/** The limits used when none are given: files of at most 100,000 rows, at most four such batches waiting of a table and ten of all. */
export const defaultLimits: EngineLimits = {
  maxBatchRows: 100_000,
  maxBatchBytes: 64 * 1024 * 1024,
  maxPendingRows: 400_000,
  maxPendingBytes: 256 * 1024 * 1024,
  maxTotalRows: 1_000_000,
  maxTotalBytes: 384 * 1024 * 1024,
  maxWaitMillis: 10_000,
  flushesAtOnce: 8,
  compactFiles: 32,
  lookAfterMillis: 1000
}
