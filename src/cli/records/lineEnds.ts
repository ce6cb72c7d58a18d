/**
 * Where a line of a file ends: LF, CR LF, CR alone as old Macs wrote it, and CR CR LF, which
 * Windows programs make of CR LF in text mode. All of them may stand in one file.
 */

export const lineFeed = 0x0a
export const carriageReturn = 0x0d

/**
 * Bytes of the line end at `at`: 0 when there is none, -1 when the bytes that decide have not come.
 * With `final` none will.
 */
export const lineEndAt = (bytes: Uint8Array, at: number, final: boolean): number => {
  if (bytes[at] === lineFeed) return 1
  if (bytes[at] !== carriageReturn) return 0
  const second = bytes[at + 1]
  if (second === lineFeed) return 2
  if (second === undefined) return final ? 1 : -1
  if (second !== carriageReturn) return 1
  const third = bytes[at + 2]
  return third === lineFeed ? 3 : third === undefined && !final ? -1 : 1
}

/** Where the first line end from `start` on begins, or -1. */
export const findLineEnd = (bytes: Uint8Array, start: number): number => {
  for (let at = start; at < bytes.length; at++) {
    const code = bytes[at]!
    if (code === lineFeed || code === carriageReturn) return at
  }
  return -1
}

/** The position behind the last line end that is known to be whole; 0 when there is none. */
export const endOfLines = (bytes: Buffer): number => {
  const feed = bytes.lastIndexOf(lineFeed) + 1
  let limit = bytes.length
  // One or two CR at the end may be the beginning of CR LF or CR CR LF.
  for (let n = 0; n < 2 && limit > feed && bytes[limit - 1] === carriageReturn; n++) limit--
  return feed + bytes.subarray(feed, limit).lastIndexOf(carriageReturn) + 1
}
