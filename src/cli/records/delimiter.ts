/**
 * Detects the field delimiter of a CSV file from its first row.
 */
import { findLineEnd, lineEndAt } from "./lineEnds.ts"

/** Delimiters that are detected. */
const delimiters = [",", "\t", ";", "|"] as const

/** Most bytes of the first row that are examined. */
const mostBytes = 1 << 20

/** The detected delimiter, and the length in bytes of a line that only declares it. */
export interface ShownDelimiter {
  readonly delimiter: string
  readonly length: number
}

/** A line that some spreadsheets write before the header: `sep=;`. */
const naming = /^sep=(.)$/i

/**
 * The delimiter of the file that starts with these bytes: the usual one when the first row contains
 * it, else the most frequent one outside quotes. Undefined when the end of the row has not arrived.
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
