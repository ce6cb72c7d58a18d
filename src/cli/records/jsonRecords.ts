/**
 * Readers of JSON files: one record per line, and arrays or objects that may span lines.
 *
 * Both find where a record starts and ends and leave its content to `JSON.parse` later, so that a
 * broken record is one bad record, and numbers keep the digits they have in the file.
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

/** How much of a piece that is too long is kept, to show where it is. */
const shown = 1024

const record = (line: number, text: string, problem?: string): SourceRecord => {
  const reason = problem ?? (text.isWellFormed() ? undefined : notUtf8)
  return reason === undefined
    ? { line, text }
    : { line, text: text.toWellFormed(), problem: reason }
}

const longRecord = (line: number, text: string): SourceRecord =>
  record(line, text.slice(0, shown), tooLong)

/**
 * Space that a record of one line may have around it: what lies beyond ASCII is left to the text.
 */
const isAsciiSpace = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

/**
 * Reads one record per line. Empty lines are passed over; the last line needs no line feed.
 * `firstLine` is the number of the first one.
 */
export const lineReader = (firstLine = 1): RecordReader => {
  /** A line whose end has not come. */
  let rest: Buffer = Buffer.alloc(0)
  let line = firstLine
  let skipping = false
  let valid = false
  const place = new ReadingPlace()

  /** The line from `start` to `end`, without the space around it. */
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
      // Unicode has more kinds of space, and a byte order mark counts as one.
      const text = textOf(bytes.subarray(first, last)).trim()
      if (text !== "") found.push(record(line, text))
    }
  }

  const read = (more: Uint8Array, final: boolean): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    const chunk = Buffer.from(more.buffer, more.byteOffset, more.byteLength)
    const from = rest.length
    const bytes = from === 0 ? chunk : Buffer.concat([rest, chunk])
    // Within a record of one line CR is nothing but space, so each one may end a line.
    const carriages = bytes.indexOf(carriageReturn) >= 0
    const whole = final
      ? bytes.length
      : carriages
        ? endOfLines(bytes)
        : bytes.lastIndexOf(lineFeed) + 1
    valid = isUtf8(bytes.subarray(0, whole))
    let start = 0
    // The next ones from `start` on; each is looked for once.
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
 * Reads an array of records, or objects one after another (a single object too); which of the two,
 * the first character says. Records may span lines and share a line.
 */
export const jsonReader = (): RecordReader => {
  const input = Utf8Text.make()
  let shape: "unknown" | "array" | "objects" | "ended" = "unknown"
  let text = ""
  let at = 0
  let line = 1
  /** Where the record being read starts in `text`, or -1 between records. */
  let start = -1
  let startLine = 1
  let depth = 0
  let inString = false
  let escaped = false
  /** The record being read is too long and was reported: its rest is passed over. */
  let skipping = false
  /** A comma was read and no record since. */
  let expecting = false
  /** A character that belongs to no record: the rest of its line is one bad piece. */
  let stray = false
  /** The last character was CR: a line feed behind it ends no further line. */
  let carriage = false
  /** Characters of the line up to here, and up to the start of the record being read. */
  let column = 0
  let startColumn = 0
  /**
   * A record was broken off within a text: lines are passed over up to one where a record may
   * start.
   */
  let lost = false
  /** The line being passed over does not start a record. */
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

  /** Counts a line that ends here, and ends what cannot go on behind it. */
  const endLine = (found: Array<SourceRecord>): void => {
    line++
    column = -1
    if (stray) finish(at, found, strayProblem())
    if (!inString || start < 0) return
    // No text of JSON holds a line end: its quote is missing, and what follows would be read inside
    // out.
    finish(at, found, "a text is not closed on its line")
    inString = escaped = false
    depth = 0
    lost = true
  }

  /**
   * Whether reading goes on with this character behind a broken record: one that starts a line no
   * deeper than that did.
   */
  const isFound = (code: number): boolean => {
    if (isSpace(code)) return false
    if (code === openBrace && column <= startColumn) return true
    if (code === closeBracket && shape === "array" && column <= startColumn) return true
    passing = true
    return false
  }

  const strayProblem = (): string =>
    shape === "ended" ? "stands after the end of the array" : "is not a JSON object"

  /** One character outside of any record. */
  const between = (code: number, found: Array<SourceRecord>): void => {
    if (isSpace(code)) return
    if (shape === "unknown") {
      shape = code === openBracket ? "array" : "objects"
      if (shape === "array") return
    }
    if (shape === "array" && (code === comma || code === closeBracket)) {
      // The comma after a record ends that record; one that is met here stands where a record
      // should, or before the bracket.
      if (code === comma || expecting)
        found.push(record(line, code === comma ? "," : "]", "a comma stands where a record should"))
      if (code === closeBracket) shape = "ended"
      expecting = code === comma
      return
    }
    begin()
    if (shape === "array") inside(code, found)
    else if (shape === "objects" && code === openBrace) depth = 1
    else stray = true
  }

  /** One character of a record. */
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
    // Whether it is an array stands at the start.
    place: () => undefined,
    line: () => line
  }
}
