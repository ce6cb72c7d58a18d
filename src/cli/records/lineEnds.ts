/**
 * Line ends of a file: LF, CR LF, a single CR (old Mac files), and CR CR LF, which Windows programs
 * produce from CR LF in text mode. One file may contain all of them.
 */

export const lineFeed = 0x0a
export const carriageReturn = 0x0d

/**
 * Length in bytes of the line end at `at`: 0 when there is none, -1 when the deciding bytes have
 * not arrived. With `final`, no more bytes will arrive.
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

/** The index of the first line end from `start` on, or -1. */
export const findLineEnd = (bytes: Uint8Array, start: number): number => {
  for (let at = start; at < bytes.length; at++) {
    const code = bytes[at]!
    if (code === lineFeed || code === carriageReturn) return at
  }
  return -1
}

/** The index after the last complete line end; 0 when there is none. */
export const endOfLines = (bytes: Buffer): number => {
  const feed = bytes.lastIndexOf(lineFeed) + 1
  let limit = bytes.length
  // One or two CR at the end may be the start of CR LF or CR CR LF.
  for (let n = 0; n < 2 && limit > feed && bytes[limit - 1] === carriageReturn; n++) limit--
  return feed + bytes.subarray(feed, limit).lastIndexOf(carriageReturn) + 1
}
