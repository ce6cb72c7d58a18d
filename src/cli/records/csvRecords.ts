/**
 * Reader of CSV files as RFC 4180 has them: quoted fields with doubled quotes, line feeds inside quotes, CR LF or LF between
 * rows, names in the first row.
 *
 * A row with a broken quote is one bad line: reading goes on at the next line, so that nothing behind it is swallowed. (csv-parse, which tests use as an
 * oracle for correct files, passes over the rows up to the next quote there.)
 */
import { longestRecord, type RecordReader, type SourceRecord } from "./sourceRecord.ts"
import * as Utf8Text from "./utf8Text.ts"

/** A row found in the text, a row that is not complete yet, or why there is none. */
type Row =
  | { readonly _tag: "Row"; readonly fields: ReadonlyArray<string>; readonly end: number; readonly next: number }
  | { readonly _tag: "More" }
  | { readonly _tag: "Bad"; readonly reason: string }

const more: Row = { _tag: "More" }
const lineFeed = 0x0a
const quote = 0x22

/** Reads the row that starts at `start`. Without `final`, a row that reaches the end of the text may go on in the next chunk. */
const readRow = (text: string, start: number, delimiter: string, final: boolean): Row => {
  const separator = delimiter.charCodeAt(0)
  const fields: Array<string> = []
  let at = start
  while (true) {
    let field: string
    if (text.charCodeAt(at) === quote) {
      let from = at + 1
      field = ""
      while (true) {
        const close = text.indexOf('"', from)
        if (close < 0) return final ? { _tag: "Bad", reason: "a quoted field has no closing quote" } : more
        if (close + 1 === text.length && !final) return more
        field += text.slice(from, close)
        at = close + 1
        if (text.charCodeAt(at) !== quote) break
        field += '"'
        from = at + 1
      }
    } else {
      const from = at
      while (at < text.length) {
        const code = text.charCodeAt(at)
        if (code === separator || code === lineFeed) break
        at++
      }
      if (at === text.length && !final) return more
      field = text.slice(
        from,
        at > from && text.charCodeAt(at - 1) === 0x0d && text.charCodeAt(at) !== separator ? at - 1 : at
      )
    }
    fields.push(field)
    if (at < text.length && text.charCodeAt(at) === separator) {
      at++
      continue
    }
    const end = at
    if (text.charCodeAt(at) === 0x0d) at++
    if (at >= text.length) return final ? { _tag: "Row", fields, end, next: text.length } : more
    if (text.charCodeAt(at) === lineFeed) return { _tag: "Row", fields, end, next: at + 1 }
    return { _tag: "Bad", reason: "text follows the closing quote of a field" }
  }
}

const countLines = (text: string, start: number, end: number): number => {
  let lines = 0
  for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) lines++
  return lines
}

/** Reads CSV rows; the first one gives the names. Empty lines are passed over. */
export const csvReader = (delimiter: string): RecordReader => {
  const input = Utf8Text.make()
  let text = ""
  let line = 1
  let header: ReadonlyArray<string> | undefined
  /** The rest of a line that was too long is passed over. */
  let skipping = false
  let unreadable = false

  const row = (
    found: { readonly fields: ReadonlyArray<string>; readonly end: number },
    start: number
  ): SourceRecord | undefined => {
    const { end, fields } = found
    if (header === undefined) {
      if (fields.length > 1 || fields[0]!.trim() !== "") header = fields.map((name) => name.trim().toWellFormed())
      return undefined
    }
    const raw = text.slice(start, end).trimEnd()
    if (raw === "") return undefined
    if (fields.length !== header.length) {
      return { line, text: raw.toWellFormed(), problem: `has ${fields.length} fields, the header has ${header.length}` }
    }
    if (!raw.isWellFormed()) return { line, text: raw.toWellFormed(), problem: "holds bytes that are not UTF-8" }
    return { line, text: raw, fields }
  }

  /** Without names no row means anything: the header's problem is the only one reported. */
  const giveUp = (found: ReadonlyArray<SourceRecord>): ReadonlyArray<SourceRecord> => {
    unreadable = true
    text = ""
    return found
  }

  const read = (chunk: string, final: boolean): ReadonlyArray<SourceRecord> => {
    const found: Array<SourceRecord> = []
    if (unreadable) return found
    text += chunk
    let start = 0
    const passLine = (): void => {
      const feed = text.indexOf("\n", start)
      skipping = feed < 0
      start = feed < 0 ? text.length : feed + 1
      if (feed >= 0) line++
    }
    while (start < text.length) {
      if (skipping) {
        passLine()
        continue
      }
      const next = readRow(text, start, delimiter, final)
      if (next._tag === "More") {
        if (text.length - start <= longestRecord) break
        const shown = text.slice(start, start + 1024).toWellFormed()
        found.push({ line, text: shown, problem: "is too long, or a quote is not closed" })
        if (header === undefined) return giveUp(found)
        passLine()
      } else if (next._tag === "Bad") {
        const feed = text.indexOf("\n", start)
        if (feed < 0 && !final && text.length - start <= longestRecord) break
        const raw = text.slice(start, feed < 0 ? undefined : feed).trimEnd()
        found.push({ line, text: raw.toWellFormed(), problem: next.reason })
        if (header === undefined) return giveUp(found)
        passLine()
      } else {
        const one = row(next, start)
        if (one !== undefined) found.push(one)
        line += countLines(text, start, next.next)
        start = next.next
      }
    }
    text = text.slice(start)
    return found
  }
  return {
    push: (bytes) => read(input.push(bytes), false),
    end: () => read(input.end(), true),
    header: () => header
  }
}
