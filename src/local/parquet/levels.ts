/**
 * Repetition and definition levels in Parquet's hybrid of run-length and bit-packed runs, as data pages of version 1 want
 * them: four bytes of length in front.
 */

/** How many bits a level up to `max` needs. */
export const bitWidthOf = (max: number): number => 32 - Math.clz32(max)

/** Encodes `levels[start, end)` with its length in front. Runs of eight and more become run-length runs. */
export const encodeLevels = (levels: Uint8Array, start: number, end: number, bitWidth: number): Uint8Array => {
  const count = end - start
  // At worst everything is bit-packed, with a header for every run; run-length runs are shorter than what they replace.
  const out = new Uint8Array(4 + 16 + count * 2 + ((count * bitWidth + 7) >> 3))
  let at = 4
  const varint = (value: number): void => {
    while (value > 127) {
      out[at++] = (value & 127) | 128
      value >>>= 7
    }
    out[at++] = value
  }
  const packed = (from: number, to: number): void => {
    if (from === to) return
    const groups = (to - from + 7) >> 3
    varint((groups << 1) | 1)
    let bits = 0
    let held = 0
    const padded = from + groups * 8
    for (let i = from; i < padded; i++) {
      bits |= (i < to ? levels[i]! : 0) << held
      held += bitWidth
      while (held >= 8) {
        out[at++] = bits & 255
        bits >>>= 8
        held -= 8
      }
    }
  }
  let literal = start
  let i = start
  while (i < end) {
    const level = levels[i]!
    let stop = i + 1
    while (stop < end && levels[stop] === level) stop++
    // A bit-packed run in front holds whole groups of eight, so it may borrow from this run.
    const borrowed = (8 - ((i - literal) & 7)) & 7
    if (stop - i - borrowed >= 8) {
      packed(literal, i + borrowed)
      varint((stop - i - borrowed) << 1)
      out[at++] = level
      literal = stop
    }
    i = stop
  }
  packed(literal, end)
  const length = at - 4
  out[0] = length
  out[1] = length >>> 8
  out[2] = length >>> 16
  out[3] = length >>> 24
  return out.subarray(0, at)
}
