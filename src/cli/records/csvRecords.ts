/**
 * Reader of CSV files (RFC 4180): quoted fields with doubled quotes, line ends inside quotes, any
 * line end between rows, names in the first row. It works on bytes. Only the header and invalid
 * rows are converted to text.
 *
 * A row with a broken quote counts as one invalid line: reading continues at the next line, so that
 * no later row is lost. (csv-parse, which tests use as an oracle for valid files, skips the rows up
 * to the next quote.)
 */
import { isUtf8 } from "node:buffer"
import { delimiterOf } from "./delimiter.ts"
import { carriageReturn, endOfLines, findLineEnd, lineEndAt, lineFeed } from "./lineEnds.ts"
import { ReadingPlace } from "./readingPlace.ts"
import {
  fieldText,
  longestRecord,
  PlacedRow,
  type RecordReader,
  type SourceRecord
} from "./sourceRecord.ts"
import { textOf } from "./utf8Text.ts"

const quote = 0x22

/** Default limit for the lines of a quoted row. */
export const mostRowLines = 1000

/** How a CSV file is read. */
export interface CsvOptions {
  /** The field delimiter. Default: detected from the first row, else a comma. */
  readonly delimiter?: string | undefined
  /** The preferred delimiter for detection. Default a comma. */
  readonly usualDelimiter?: string | undefined
  /** The names for a file without a header row. */
  readonly names?: ReadonlyArray<string> | undefined
  /**
   * Line number at which reading starts, when it does not start at the beginning of the file.
   * Default: the beginning, line 1.
   */
  readonly line?: number | undefined
  /**
   * Most lines of a quoted row. Beyond them, the closing quote counts as missing. Default 1,000.
   */
  readonly rowLines?: number | undefined
}

/** Finds rows and their fields in bytes. */
class RowFinder {
  /** The bounds of the fields of all rows found, in the form of `PlacedRow`. */
  bounds: Array<number> = []
  /**
   * For the last row found: the end of its content, the start of the next row, and the number of
   * line ends inside its quotes.
   */
  end = 0
  next = 0
  innerLines = 0
  private readonly separator: Buffer
  private readonly rowLines: number

  constructor(delimiter: string, rowLines: number) {
    this.separator = Buffer.from(delimiter)
    this.rowLines = rowLines
  }

  /**
   * Finds the row that starts at `start`. Returns true, false when the row is incomplete, or why it
   * cannot be read. Unless `final`, a row that reaches the end of the bytes may continue in the
   * next chunk.
   */
  find(bytes: Buffer, start: number, final: boolean): boolean | string {
    const { bounds, separator } = this
    const first = separator[0]!
    const single = separator.length === 1
    let at = start
    this.innerLines = 0
    for (;;) {
      if (bytes[at] === quote) {
        const closed = this.passQuoted(bytes, at, final)
        if (closed === tooManyLines) {
          return (
            `a quoted field spans more than ${this.rowLines} lines; its closing ` +
            `quote may be missing`
          )
        }
        if (closed < 0) return final ? "a quoted field has no closing quote" : false
        at = closed
      } else {
        const from = at
        let code = bytes[at]
        while (code !== undefined) {
          if (code === first && (single || this.separates(bytes, at))) break
          if (code <= carriageReturn && (code === lineFeed || code === carriageReturn)) break
          code = bytes[++at]
        }
        if (code === undefined && !final) return false
        bounds.push(from, at)
      }
      if (bytes[at] === first && (single || this.separates(bytes, at))) {
        at += separator.length
        continue
      }
      this.end = at
      if (at >= bytes.length) {
        this.next = at
        return final
      }
      const ending = lineEndAt(bytes, at, final)
      if (ending < 0) return false
      this.next = at + ending
      return ending > 0 ? true : "text follows the closing quote of a field"
    }
  }

  private separates(bytes: Buffer, at: number): boolean {
    const { separator } = this
    const end = at + separator.length
    return end <= bytes.length && bytes.compare(separator, 0, separator.length, at, end) === 0
  }

  /**
   * Reads past the quoted field at `at`. Returns the index after its closing quote, or -1 when the
   * quote or a full delimiter after it has not arrived.
   */
  private passQuoted(bytes: Buffer, at: number, final: boolean): number {
    let from = at + 1
    let doubled = false
    for (;;) {
      const close = bytes.indexOf(quote, from)
      const until = close < 0 ? bytes.length : close
      let lines = this.innerLines
      for (let n = from; n < until; n++) {
        const code = bytes[n]!
        if (code === lineFeed || (code === carriageReturn && bytes[n + 1] !== lineFeed)) lines++
      }
      if (lines >= this.rowLines) return tooManyLines
      if (close < 0 || (close + this.separator.length >= bytes.length && !final)) return -1
      this.innerLines = lines
      if (bytes[close + 1] !== quote) {
        this.bounds.push(doubled ? -2 - at : at + 1, close)
        return close + 1
      }
      doubled = true
      from = close + 2
    }
  }
}

const tooManyLines = -2

const byteOrderMark = Buffer.from("\ufeff")

/**
 * Reads CSV rows. The first one has the names, unless `names` is given. An empty line is skipped,
 * except in a file of one column, where it is a row with an empty field.
 */
export const csvReader = (options: CsvOptions = {}): RecordReader => {
  const rowLines = options.rowLines ?? mostRowLines
  let delimiter = options.delimiter
  let finder = delimiter === undefined ? undefined : new RowFinder(delimiter, rowLines)
  let rest: Buffer = Buffer.alloc(0)
  // After the start there is no byte order mark, and the delimiter is known.
  let begun = options.line !== undefined && finder !== undefined
  let line = options.line ?? 1
  let header = options.names
  let problem: string | undefined
  /** The rest of an overlong line is being skipped. */
  let skipping = false
  const place = new ReadingPlace()

  const textFrom = (bytes: Buffer, start: number, end: number): string =>
    textOf(bytes.subarray(start, end))

  /** The record of the row found. Its fields are the last bounds, starting at `first`. */
  const row = (
    { bounds, end }: RowFinder,
    bytes: Buffer,
    start: number,
    first: number,
    valid: boolean
  ): SourceRecord | undefined => {
    const count = (bounds.length - first) / 2
    if (header === undefined) {
      const names = Array.from({ length: count }, (_, n) =>
        headerName(bytes, bounds, first + 2 * n)
      )
      if (count > 1 || names[0] !== "") header = names
      return undefined
    }
    // A blank row is a value when there is one column, and is skipped when there are more.
    if (count === 1 && header.length > 1 && textFrom(bytes, start, end).trim() === "")
      return undefined
    const refused =
      count !== header.length
        ? `has ${count} fields, the header has ${header.length}`
        : valid || isUtf8(bytes.subarray(start, end))
          ? undefined
          : "holds bytes that are not UTF-8"
    return refused === undefined
      ? new PlacedRow({ line, bytes, start, end }, bounds, first, count)
      : { line, text: textFrom(bytes, start, end).toWellFormed(), problem: refused }
  }

  const read = (more: Uint8Array, final: boolean): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    if (problem !== undefined) return found
    const chunk = Buffer.from(more.buffer, more.byteOffset, more.byteLength)
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    if (!begun) {
      if (bytes.length < byteOrderMark.length && !final) {
        rest = bytes
        return found
      }
      if (bytes.subarray(0, byteOrderMark.length).equals(byteOrderMark))
        start = byteOrderMark.length
      if (finder === undefined) {
        const shown = delimiterOf(bytes.subarray(start), final, options.usualDelimiter ?? ",")
        if (shown === undefined) {
          rest = bytes
          return found
        }
        start += shown.length
        if (shown.length > 0) line++
        delimiter = shown.delimiter
        finder = new RowFinder(delimiter, rowLines)
      }
      begun = true
    }
    const rows = finder!
    rows.bounds = []
    // The checked range ends after a line end, which is never part of a multi-byte character.
    const valid = isUtf8(final ? bytes : bytes.subarray(0, endOfLines(bytes)))
    /** Moves past the line at `start`. Returns false when its end has not arrived. */
    const passLine = (): boolean => {
      const end = findLineEnd(bytes, start)
      const ending = end < 0 ? -1 : lineEndAt(bytes, end, final)
      skipping = ending < 0
      start = ending < 0 ? (end < 0 ? bytes.length : end) : end + ending
      if (ending >= 0) line++
      return ending >= 0
    }
    /** The index up to which the position was advanced. */
    let placed = 0
    const advance = (): void => {
      place.advance(start - placed)
      placed = start
    }
    while (start < bytes.length) {
      if (skipping) {
        if (passLine()) continue
        break
      }
      advance()
      const first = rows.bounds.length
      const next = rows.find(bytes, start, final)
      if (next === true) {
        const one = row(rows, bytes, start, first, valid)
        if (one !== undefined) found.push(one)
        line += rows.innerLines + 1
        start = rows.next
        continue
      }
      const long = bytes.length - start > longestRecord
      const end = next === false ? start + 4096 : findLineEnd(bytes, start)
      if (!long && (next === false || (end < 0 && !final))) break
      const reason = next === false ? "is too long, or a quote is not closed" : next
      if (header === undefined) {
        // Without names, no row can be read.
        problem = `the header cannot be read: ${reason}`
        rest = Buffer.alloc(0)
        return found
      }
      const text = textFrom(bytes, start, end < 0 ? bytes.length : end)
      found.push({
        line,
        text: (next === false ? text.slice(0, 1024) : text).toWellFormed(),
        problem: reason
      })
      if (!passLine()) break
    }
    if (skipping) place.drop(start - placed)
    else advance()
    rest = Buffer.from(bytes.subarray(start))
    return found
  }
  return {
    push: (bytes) => read(bytes, false),
    end: () => read(new Uint8Array(), true),
    header: () => header,
    delimiter: () => delimiter,
    problem: () => problem,
    place: () => (header === undefined ? 0 : place.bytes),
    line: () => line
  }
}

/** A header name, which may contain bytes that are not UTF-8. */
const headerName = (bytes: Buffer, bounds: ReadonlyArray<number>, at: number): string => {
  const start = bounds[at]!
  const field = bytes.subarray(start < 0 ? -1 - start : start, bounds[at + 1]!)
  return (isUtf8(field) ? fieldText(bytes, bounds, at) : textOf(field)).trim().toWellFormed()
}
