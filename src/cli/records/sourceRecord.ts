/**
 * What all readers of record files give, and how long a record may be.
 */

/** One record of a file, or a piece of it that is none. */
export interface SourceRecord {
  /** 1-based line on which the record starts. */
  readonly line: number
  /** The record as it stands in the file; cut short when it is longer than {@link longestRecord}. */
  readonly text: string
  /** The fields of a CSV row, as many as the header has. */
  readonly fields?: ReadonlyArray<string> | undefined
  /** Why this piece is not a record. */
  readonly problem?: string | undefined
}

/** Reads one file. Not reusable. */
export interface RecordReader {
  /** Takes the next bytes and gives the records they complete. */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<SourceRecord>
  /** The input has ended: gives what was waiting for more. */
  readonly end: () => ReadonlyArray<SourceRecord>
  /** The header of a CSV file, once it was read. */
  readonly header: () => ReadonlyArray<string> | undefined
}

/** Longest record that is kept in memory, in characters: somewhat above the largest payload of a call (10 MiB). */
export const longestRecord = 11 * 1024 * 1024
