/**
 * The output of all readers of record files, and the longest allowed record.
 */

/** One record of a file, or an invalid piece of it. */
export interface SourceRecord {
  /** 1-based line on which the record starts. */
  readonly line: number
  /** The record as in the file. Truncated when it is longer than {@link longestRecord}. */
  readonly text: string
  /** The fields of a CSV row, as many as the header has. */
  readonly fields?: ReadonlyArray<string> | undefined
  /** Why this piece is not a record. */
  readonly problem?: string | undefined
}

/** Reads one file. Not reusable. */
export interface RecordReader {
  /** Adds bytes and returns the records that they complete. */
  readonly push: (bytes: Uint8Array) => ReadonlyArray<SourceRecord>
  /** Ends the input and returns the remaining records. */
  readonly end: () => ReadonlyArray<SourceRecord>
  /** The header of a CSV file, once it was read. */
  readonly header: () => ReadonlyArray<string> | undefined
  /** The delimiter of a CSV file, once it is known. */
  readonly delimiter: () => string | undefined
  /** Why the rest of the file cannot be read, once that is so. */
  readonly problem: () => string | undefined
  /**
   * Number of bytes from the start of reading to the last boundary between two records. A new
   * reader may start there, with the same header. 0 until the first boundary; undefined for a
   * format that must be read from its start.
   */
  readonly place: () => number | undefined
  /** 1-based line on which the next record starts. */
  readonly line: () => number
}

/**
 * Longest record kept in memory, in bytes: slightly more than the largest payload of a call (10
 * MiB).
 */
export const longestRecord = 11 * 1024 * 1024

/**
 * A record as a range of the file's bytes, which are valid UTF-8. Its text is created only on
 * access.
 */
export class PlacedRecord implements SourceRecord {
  readonly line: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number

  constructor(line: number, bytes: Buffer, start: number, end: number) {
    this.line = line
    this.bytes = bytes
    this.start = start
    this.end = end
  }

  get text(): string {
    return this.bytes.toString("utf8", this.start, this.end).trimEnd()
  }
}

/**
 * A CSV row as a range of bytes. `bounds` has two numbers for each field, starting at `first`: the
 * start and the end of the field without its quotes. A negative start is `-1 - start` and means
 * that the field contains doubled quotes.
 */
export class PlacedRow extends PlacedRecord {
  readonly bounds: ReadonlyArray<number>
  readonly first: number
  readonly count: number

  constructor(
    place: {
      readonly line: number
      readonly bytes: Buffer
      readonly start: number
      readonly end: number
    },
    bounds: ReadonlyArray<number>,
    first: number,
    count: number
  ) {
    super(place.line, place.bytes, place.start, place.end)
    this.bounds = bounds
    this.first = first
    this.count = count
  }

  override get text(): string {
    return this.bytes.toString("utf8", this.start, this.end)
  }

  get fields(): ReadonlyArray<string> {
    return Array.from({ length: this.count }, (_, n) =>
      fieldText(this.bytes, this.bounds, this.first + 2 * n)
    )
  }
}

/** The text of the field with the bounds at `at`. */
export const fieldText = (bytes: Buffer, bounds: ReadonlyArray<number>, at: number): string => {
  const start = bounds[at]!
  const end = bounds[at + 1]!
  return start >= 0
    ? bytes.toString("utf8", start, end)
    : bytes.toString("utf8", -1 - start, end).replaceAll('""', '"')
}
