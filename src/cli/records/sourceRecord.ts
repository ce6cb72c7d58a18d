/**
 * What all readers of record files give, and how long a record may be.
 */

/** One record of a file, or a piece of it that is none. */
export interface SourceRecord {
  /** 1-based line on which the record starts. */
  readonly line: number
  /**
   * The record as it stands in the file; cut short when it is longer than {@link longestRecord}.
   */
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
  /** What separates the fields of a CSV file, once it is known. */
  readonly delimiter: () => string | undefined
  /** Why nothing of the file can be read from here on, once that is so. */
  readonly problem: () => string | undefined
  /**
   * Bytes from where reading started to the last place between two records: a new reader may start
   * there, under the header. 0 until that was read; undefined for a format that has to be read
   * from its start.
   */
  readonly place: () => number | undefined
  /** 1-based line on which the next record starts. */
  readonly line: () => number
}

/**
 * Longest record that is kept in memory, in bytes: somewhat above the largest payload of a call (10
 * MiB).
 */
export const longestRecord = 11 * 1024 * 1024

/**
 * A record by its place among the bytes of a file, which are valid UTF-8 there. Its text is only
 * made for whoever asks.
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
 * A CSV row by its place. `bounds` has two numbers for each field from `first` on: where it starts
 * and where it ends, without its quotes. A start below zero is `-1 - start` and says that the field
 * holds doubled quotes.
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

/** The text of a field whose bounds stand at `at`. */
export const fieldText = (bytes: Buffer, bounds: ReadonlyArray<number>, at: number): string => {
  const start = bounds[at]!
  const end = bounds[at + 1]!
  return start >= 0
    ? bytes.toString("utf8", start, end)
    : bytes.toString("utf8", -1 - start, end).replaceAll('""', '"')
}
