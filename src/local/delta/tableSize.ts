/**
 * The size of a table at one version.
 */
import type { Snapshot } from "./deltaActions.ts"

/**
 * A version of a table, with its live files, their rows and their bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface TableSize {
  /** The version of the Delta table. */
  readonly version: number
  /** Data files of this version. */
  readonly files: number
  /** Rows in these files. */
  readonly rows: number
  /** Bytes of these files. */
  readonly bytes: number
}

/** A version of a table, and when it was committed, in milliseconds, if that is known. */
export interface CommittedSize extends TableSize {
  readonly committedAt?: number | undefined
}

/** The size of a table that does not exist. */
export const noSize: TableSize = { version: 0, files: 0, rows: 0, bytes: 0 }

/** The size of a snapshot. */
export const sizeOf = ({ bytes, committedAt, files, rows, version }: Snapshot): CommittedSize => ({
  version,
  files: files.size,
  rows,
  bytes,
  committedAt
})
