/**
 * Readers of JSON files: one record per line, or arrays and objects that may span lines.
 *
 * Both only find the bounds of records. The content is parsed later by `JSON.parse`, so that an
 * invalid record affects only itself, and numbers keep their digits.
 */
import { isUtf8 } from "node:buffer"
import { carriageReturn, endOfLines, lineEndAt, lineFeed } from "./lineEnds.ts"
import { ReadingPlace } from "./readingPlace.ts"
import {
  longestRecord,
  PlacedRecord,
  type RecordReader,
  type SourceRecord
} from "./sourceRecord.ts"
import { textOf } from "./utf8Text.ts"
import * as Utf8Text from "./utf8Text.ts"

const tooLong = `longer than ${longestRecord} bytes`
const notUtf8 = "holds bytes that are not UTF-8"

/** Characters kept of an overlong record, for messages. */
const shown = 1024

const record = (line: number, text: string, problem?: string): SourceRecord => {
  const reason = problem ?? (text.isWellFormed() ? undefined : notUtf8)
  return reason === undefined
    ? { line, text }
    : { line, text: text.toWellFormed(), problem: reason }
}

const longRecord = (line: number, text: string): SourceRecord =>
  record(line, text.slice(0, shown), tooLong)

/** ASCII whitespace around a record on one line. Other whitespace is handled as text. */
const isAsciiSpace = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

/**
 * Reads one record per line. Empty lines are skipped, and the last line needs no line feed.
 * `firstLine` is the number of the first line.
 */
export const lineReader = (firstLine = 1): RecordReader => {
  /** A line whose end has not arrived. */
  let rest: Buffer = Buffer.alloc(0)
  let line = firstLine
  let skipping = false
  let valid = false
  const place = new ReadingPlace()

  /** Adds the line from `start` to `end`, without surrounding whitespace. */
  const take = (bytes: Buffer, start: number, end: number, found: Array<SourceRecord>): void => {
    let first = start
    let last = end
    while (first < last && isAsciiSpace(bytes[first]!)) first++
    while (last > first && isAsciiSpace(bytes[last - 1]!)) last--
    if (first === last) return
    if (last - first > longestRecord) {
      found.push(longRecord(line, textOf(bytes.subarray(first, first + 4 * shown))))
    } else if (valid && bytes[first]! < 0x80 && bytes[last - 1]! < 0x80) {
      found.push(new PlacedRecord(line, bytes, first, last))
    } else {
      // Also trims Unicode whitespace and a byte order mark.
      const text = textOf(bytes.subarray(first, last)).trim()
      if (text !== "") found.push(record(line, text))
    }
  }

  const read = (more: Uint8Array, final: boolean): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    const chunk = Buffer.from(more.buffer, more.byteOffset, more.byteLength)
    const from = rest.length
    const bytes = from === 0 ? chunk : Buffer.concat([rest, chunk])
    // In a one-line record, CR can only be whitespace, so each CR may end a line.
    const carriages = bytes.indexOf(carriageReturn) >= 0
    const whole = final
      ? bytes.length
      : carriages
        ? endOfLines(bytes)
        : bytes.lastIndexOf(lineFeed) + 1
    valid = isUtf8(bytes.subarray(0, whole))
    let start = 0
    // The next line feed and carriage return from `start` on. Each is searched once.
    let feed = -1
    let carriage = carriages ? -1 : whole
    const next = (code: number, at: number): number => {
      const found = bytes.indexOf(code, at)
      return found < 0 || found > whole ? whole : found
    }
    while (start < whole) {
      if (feed < start) feed = next(lineFeed, carriages ? start : Math.max(start, from))
      if (carriage < start) carriage = next(carriageReturn, start)
      const end = Math.min(feed, carriage)
      if (skipping) skipping = false
      else take(bytes, start, end, found)
      line++
      start = carriage < feed ? carriage + lineEndAt(bytes, carriage, true) : end + 1
    }
    if (skipping) place.drop(bytes.length)
    else place.advance(Math.min(start, bytes.length))
    rest = skipping || start >= bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(start))
    if (rest.length > longestRecord) {
      place.drop(rest.length)
      found.push(longRecord(line, textOf(rest.subarray(0, 4 * shown))))
      rest = Buffer.alloc(0)
      skipping = true
    }
    return found
  }
  return {
    push: (bytes) => read(bytes, false),
    end: () => read(new Uint8Array(), true),
    header: () => undefined,
    delimiter: () => undefined,
    problem: () => undefined,
    place: () => place.bytes,
    line: () => line
  }
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBrace = 0x7b
const openBracket = 0x5b
const closeBrace = 0x7d
const closeBracket = 0x5d
const isSpace = (code: number): boolean =>
  code === 0x20 || code === lineFeed || code === 0x0d || code === 0x09

/**
 * Reads an array of records, or a sequence of objects (or a single one). The first character
 * decides. Records may span lines and share a line.
 */
export const jsonReader = (): RecordReader => {
  const input = Utf8Text.make()
  let shape: "unknown" | "array" | "objects" | "ended" = "unknown"
  let text = ""
  let at = 0
  let line = 1
  /** Start of the current record in `text`, or -1 between records. */
  let start = -1
  let startLine = 1
  let depth = 0
  let inString = false
  let escaped = false
  /** The current record is too long and was reported; its rest is skipped. */
  let skipping = false
  /** A comma was read, and no record since. */
  let expecting = false
  /** A character outside any record was read; the rest of its line is one invalid record. */
  let stray = false
  /** The last character was CR; a following line feed ends no further line. */
  let carriage = false
  /** Column of the current character, and of the start of the current record. */
  let column = 0
  let startColumn = 0
  /** A record ended inside a string; lines are skipped up to one where a record may start. */
  let lost = false
  /** The line being skipped does not start a record. */
  let passing = false

  const finish = (end: number, found: Array<SourceRecord>, problem?: string): void => {
    const one = text.slice(start, end).trimEnd()
    if (!skipping)
      found.push(
        one.length > longestRecord ? longRecord(startLine, one) : record(startLine, one, problem)
      )
    skipping = false
    start = -1
    stray = false
  }
  const begin = (): void => {
    start = at
    startLine = line
    startColumn = column
    expecting = false
  }

  /** Counts the line that ends here, and ends a record that cannot continue on the next line. */
  const endLine = (found: Array<SourceRecord>): void => {
    line++
    column = -1
    if (stray) finish(at, found, strayProblem())
    if (!inString || start < 0) return
    // A JSON string cannot contain a line end, so its closing quote is missing. Continuing would
    // swap the inside and outside of strings.
    finish(at, found, "a string is not closed on its line")
    inString = escaped = false
    depth = 0
    lost = true
  }

  /**
   * Whether reading resumes at this character after a broken record. It must start a line, at no
   * deeper column than the broken record.
   */
  const isFound = (code: number): boolean => {
    if (isSpace(code)) return false
    if (code === openBrace && column <= startColumn) return true
    if (code === closeBracket && shape === "array" && column <= startColumn) return true
    passing = true
    return false
  }

  const strayProblem = (): string =>
    shape === "ended" ? "is after the end of the array" : "is not a JSON object"

  /** Handles a character outside any record. */
  const between = (code: number, found: Array<SourceRecord>): void => {
    if (isSpace(code)) return
    if (shape === "unknown") {
      shape = code === openBracket ? "array" : "objects"
      if (shape === "array") return
    }
    if (shape === "array" && (code === comma || code === closeBracket)) {
      // The comma after a record ends that record. A comma seen here is where a record should be,
      // or before the bracket.
      if (code === comma || expecting)
        found.push(record(line, code === comma ? "," : "]", "a comma is where a record should be"))
      if (code === closeBracket) shape = "ended"
      expecting = code === comma
      return
    }
    begin()
    if (shape === "array") inside(code, found)
    else if (shape === "objects" && code === openBrace) depth = 1
    else stray = true
  }

  /** Handles a character of a record. */
  const inside = (code: number, found: Array<SourceRecord>): void => {
    if (code === quote) inString = true
    else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      if (depth > 0) {
        depth--
        if (depth === 0 && shape === "objects") finish(at + 1, found)
      } else if (code === closeBracket) {
        finish(at, found)
        shape = "ended"
      }
    } else if (code === comma && depth === 0) {
      finish(at, found)
      expecting = true
    }
  }

  const read = (more: string): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    text += more
    for (; at < text.length; at++, column++) {
      const code = text.charCodeAt(at)
      if (code === lineFeed || code === carriageReturn) {
        if (code === carriageReturn || !carriage) endLine(found)
        else column = -1
        carriage = code === carriageReturn
        passing = false
        if (lost) continue
      } else carriage = false
      if (lost) {
        if (passing || !isFound(code)) continue
        lost = false
      }
      if (stray) continue
      if (inString) {
        if (escaped) escaped = false
        else if (code === backslash) escaped = true
        else if (code === quote) inString = false
      } else if (start < 0) between(code, found)
      else inside(code, found)
    }
    const keep = start < 0 ? at : start
    text = text.slice(keep)
    at -= keep
    if (start >= 0) start = 0
    if (text.length > longestRecord) {
      if (!skipping) found.push(longRecord(startLine, text))
      skipping = true
      text = ""
      at = 0
    }
    return found
  }
  return {
    push: (bytes) => read(input.push(bytes)),
    end: () => {
      const found = [...read(input.end())]
      const open = shape === "array"
      if (start >= 0)
        finish(text.length, found, stray ? strayProblem() : "the file ends inside this record")
      else if (open)
        found.push(
          record(line, "", "the file ends inside the array: its closing bracket is missing")
        )
      return found
    },
    header: () => undefined,
    delimiter: () => undefined,
    problem: () => undefined,
    // Only the start of the file shows whether it is an array.
    place: () => undefined,
    line: () => line
  }
}
