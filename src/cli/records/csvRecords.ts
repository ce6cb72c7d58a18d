/**
 * Reader of CSV files as RFC 4180 has them: quoted fields with doubled quotes, line feeds inside
 * quotes, CR LF or LF between rows, names in the first row. It works on the bytes; text is made of
 * the header and of what cannot be read.
 *
 * A row with a broken quote is one bad line: reading goes on at the next line, so that nothing
 * behind it is swallowed. (csv-parse, which tests use as an oracle for correct files, passes over
 * the rows up to the next quote there.)
 */
import { isUtf8 } from "node:buffer"
import { fieldText, longestRecord, PlacedRow, type RecordReader, type SourceRecord } from "./sourceRecord.ts"
import { textOf } from "./utf8Text.ts"

const lineFeed = 0x0a
const carriageReturn = 0x0d
const quote = 0x22

/** Finds rows and their fields among bytes. */
class RowFinder {
  /** The bounds of the fields of all rows found, as `PlacedRow` has them. */
  bounds: Array<number> = []
  /**
   * Of the row found last: where its content ends, where the next row starts, and the line feeds in
   * its quotes.
   */
  end = 0
  next = 0
  innerLines = 0
  private readonly separator: Buffer

  constructor(delimiter: string) {
    this.separator = Buffer.from(delimiter)
  }

  /**
   * Finds the row that starts at `start`: true, false when the row is not complete,
   * or why it cannot be read.
   * Without `final`, a row that reaches the end of the bytes may go on in the next chunk.
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
        if (closed < 0) return final ? "a quoted field has no closing quote" : false
        at = closed
      } else {
        const from = at
        let code = bytes[at]
        while (code !== lineFeed && code !== undefined) {
          if (code === first && (single || this.separates(bytes, at))) break
          code = bytes[++at]
        }
        if (code === undefined && !final) return false
        const ended = code === lineFeed || code === undefined
        bounds.push(from, ended && at > from && bytes[at - 1] === carriageReturn ? at - 1 : at)
      }
      if (bytes[at] === first && (single || this.separates(bytes, at))) {
        at += separator.length
        continue
      }
      this.end = at
      if (bytes[at] === carriageReturn) at++
      this.next = at + 1
      if (at >= bytes.length) {
        this.next = at
        return final
      }
      return bytes[at] === lineFeed ? true : "text follows the closing quote of a field"
    }
  }

  private separates(bytes: Buffer, at: number): boolean {
    const { separator } = this
    const end = at + separator.length
    return end <= bytes.length && bytes.compare(separator, 0, separator.length, at, end) === 0
  }

  /**
   * Passes the quoted field at `at` and gives what is behind its closing quote, or -1 when that, or
   * a whole separator behind it, has not come.
   */
  private passQuoted(bytes: Buffer, at: number, final: boolean): number {
    let from = at + 1
    let doubled = false
    for (;;) {
      const close = bytes.indexOf(quote, from)
      if (close < 0 || (close + this.separator.length >= bytes.length && !final)) return -1
      for (let feed = from; feed < close; feed++) if (bytes[feed] === lineFeed) this.innerLines++
      if (bytes[close + 1] !== quote) {
        this.bounds.push(doubled ? -2 - at : at + 1, close)
        return close + 1
      }
      doubled = true
      from = close + 2
    }
  }
}

const byteOrderMark = Buffer.from("\ufeff")

/** Reads CSV rows; the first one gives the names. Empty lines are passed over. */
export const csvReader = (delimiter: string): RecordReader => {
  const finder = new RowFinder(delimiter)
  let rest: Buffer = Buffer.alloc(0)
  let begun = false
  let line = 1
  let header: ReadonlyArray<string> | undefined
  /** The rest of a line that was too long is passed over. */
  let skipping = false
  let unreadable = false

  const textFrom = (bytes: Buffer, start: number, end: number): string => textOf(bytes.subarray(start, end))

  /** The record of the row that was found; its fields are the last bounds, from `first` on. */
  const row = (bytes: Buffer, start: number, first: number, valid: boolean): SourceRecord | undefined => {
    const { bounds, end } = finder
    const count = (bounds.length - first) / 2
    if (header === undefined) {
      const names = Array.from({ length: count }, (_, n) => headerName(bytes, bounds, first + 2 * n))
      if (count > 1 || names[0] !== "") header = names
      return undefined
    }
    let last = end
    while (last > start && isAsciiSpace(bytes[last - 1]!)) last--
    // A row of nothing but separators may consist of space too.
    if (count === 1 || count !== header.length) {
      if (last === start) return undefined
      // Unicode has more kinds of space, of which alone a line may consist.
      if (bytes[last - 1]! >= 0x80 && textFrom(bytes, start, last).trimEnd() === "") return undefined
    }
    const problem =
      count !== header.length
        ? `has ${count} fields, the header has ${header.length}`
        : valid || isUtf8(bytes.subarray(start, last))
          ? undefined
          : "holds bytes that are not UTF-8"
    return problem === undefined
      ? new PlacedRow({ line, bytes, start, end }, bounds, first, count)
      : { line, text: textFrom(bytes, start, last).trimEnd().toWellFormed(), problem }
  }

  /** Without names no row means anything: the header's problem is the only one reported. */
  const giveUp = (found: ReadonlyArray<SourceRecord>): ReadonlyArray<SourceRecord> => {
    unreadable = true
    rest = Buffer.alloc(0)
    return found
  }

  const read = (more: Uint8Array, final: boolean): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    if (unreadable) return found
    const chunk = Buffer.from(more.buffer, more.byteOffset, more.byteLength)
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    if (!begun) {
      if (bytes.length < byteOrderMark.length && !final) {
        rest = bytes
        return found
      }
      begun = true
      if (bytes.subarray(0, byteOrderMark.length).equals(byteOrderMark)) start = byteOrderMark.length
    }
    // Whatever ends here ends behind a line feed, which is no part of another character.
    const valid = isUtf8(final ? bytes : bytes.subarray(0, bytes.lastIndexOf(lineFeed) + 1))
    finder.bounds = []
    const passLine = (): void => {
      const feed = bytes.indexOf(lineFeed, start)
      skipping = feed < 0
      start = feed < 0 ? bytes.length : feed + 1
      if (feed >= 0) line++
    }
    while (start < bytes.length) {
      if (skipping) {
        passLine()
        continue
      }
      const first = finder.bounds.length
      const next = finder.find(bytes, start, final)
      if (next === false) {
        if (bytes.length - start <= longestRecord) break
        const text = textFrom(bytes, start, start + 4096)
          .slice(0, 1024)
          .toWellFormed()
        found.push({ line, text, problem: "is too long, or a quote is not closed" })
        if (header === undefined) return giveUp(found)
        passLine()
      } else if (next !== true) {
        const feed = bytes.indexOf(lineFeed, start)
        if (feed < 0 && !final && bytes.length - start <= longestRecord) break
        const text = textFrom(bytes, start, feed < 0 ? bytes.length : feed).trimEnd()
        found.push({ line, text: text.toWellFormed(), problem: next })
        if (header === undefined) return giveUp(found)
        passLine()
      } else {
        const one = row(bytes, start, first, valid)
        if (one !== undefined) found.push(one)
        line += finder.innerLines + 1
        start = finder.next
      }
    }
    rest = Buffer.from(bytes.subarray(start))
    return found
  }
  return {
    push: (bytes) => read(bytes, false),
    end: () => read(new Uint8Array(), true),
    header: () => header
  }
}

const isAsciiSpace = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

/** A name of the header, which may hold bytes that are not UTF-8. */
const headerName = (bytes: Buffer, bounds: ReadonlyArray<number>, at: number): string => {
  const start = bounds[at]!
  const field = bytes.subarray(start < 0 ? -1 - start : start, bounds[at + 1]!)
  return (isUtf8(field) ? fieldText(bytes, bounds, at) : textOf(field)).trim().toWellFormed()
}
