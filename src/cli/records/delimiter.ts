/**
 * Finds out what separates the fields of a CSV file, from its first row.
 */
import { findLineEnd, lineEndAt } from "./lineEnds.ts"

/** What may separate fields without being named. */
const delimiters = [",", "\t", ";", "|"] as const

/** Bytes of a first row that are looked at, at most. */
const mostBytes = 1 << 20

/**
 * What the first row shows: the delimiter, and how many bytes the line takes that only names it.
 */
export interface ShownDelimiter {
  readonly delimiter: string
  readonly length: number
}

/** The line that some spreadsheets put before the header: `sep=;`. */
const naming = /^sep=(.)$/i

/**
 * The delimiter of the file that begins with these bytes: the usual one wherever the first row has
 * it, else the one that the row has most often outside of quotes. Undefined when the row's end has
 * not come.
 */
export const delimiterOf = (
  bytes: Buffer,
  final: boolean,
  usual: string
): ShownDelimiter | undefined => {
  let start = 0
  for (;;) {
    const end = findLineEnd(bytes, start)
    const ending = end < 0 ? -1 : lineEndAt(bytes, end, final)
    if (ending < 0 && !final && bytes.length < mostBytes) return undefined
    const line = bytes.toString(
      "latin1",
      start,
      end < 0 ? Math.min(bytes.length, start + mostBytes) : end
    )
    const named = start === 0 && ending > 0 ? naming.exec(line)?.[1] : undefined
    if (named !== undefined) return { delimiter: named, length: end + ending }
    if (line.trim() !== "" || ending < 0) return { delimiter: mostFrequent(line, usual), length: 0 }
    start = end + ending
  }
}

const mostFrequent = (row: string, usual: string): string => {
  const bare = row.replace(/"(?:[^"]|"")*"/g, "")
  const counts = delimiters.map((delimiter) => bare.split(delimiter).length - 1)
  if (bare.includes(usual)) return usual
  const most = Math.max(...counts)
  return most === 0 ? usual : delimiters[counts.indexOf(most)]!
}
