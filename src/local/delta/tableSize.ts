/**
 * How large a table is at one version.
 */
import { rowsOf, type Snapshot } from "./deltaActions.ts"

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
export const sizeOf = (snapshot: Snapshot): TableSize => {
  let rows = 0
  let bytes = 0
  for (const add of snapshot.files.values()) {
    rows += rowsOf(add) ?? 0
    bytes += add.size
  }
  return { version: snapshot.version, files: snapshot.files.size, rows, bytes }
}
