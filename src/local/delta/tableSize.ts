/**
 * The size of a table at one version.
 */
import type { Snapshot } from "./deltaActions.ts"

/** A version of a table, with its live files, their rows and their bytes. */
export interface TableSize {
  readonly version: number
  readonly files: number
  readonly rows: number
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
