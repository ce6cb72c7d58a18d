/**
 * How large a table is at one version.
 */
import type { Snapshot } from "./deltaActions.ts"

/** A version of a table, with its live files, their rows and their bytes. */
export interface TableSize {
  readonly version: number
  readonly files: number
  readonly rows: number
  readonly bytes: number
}

/** The size of what is no table. */
export const noSize: TableSize = { version: 0, files: 0, rows: 0, bytes: 0 }

/** The size of a snapshot. */
export const sizeOf = ({ bytes, files, rows, version }: Snapshot): TableSize => ({
  version,
  files: files.size,
  rows,
  bytes
})
