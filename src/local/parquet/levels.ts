/**
 * Encodes repetition and definition levels in Parquet's hybrid of run-length and bit-packed runs,
 * in the form of version 1 data pages: the length comes first, in four bytes.
 */

/** The number of bits for levels up to `max`. */
export const bitWidthOf = (max: number): number => 32 - Math.clz32(max)

/**
 * Whether all of `levels[start, end)` are equal, checked by comparing the range with itself shifted
 * by one: the runtime compares memory much faster than a loop here.
 */
export const areSame = (levels: Uint8Array, start: number, end: number): boolean =>
  end - start < 2 ||
  Buffer.compare(levels.subarray(start, end - 1), levels.subarray(start + 1, end)) === 0

/**
 * The maximum encoded size of this many levels. In the worst case everything is bit-packed, with a
 * header for every run; run-length runs are always shorter.
 */
export const mostLevelBytes = (count: number, bitWidth: number): number =>
  4 + 16 + count * 2 + ((count * bitWidth + 7) >> 3)

/**
 * Encodes `levels[start, end)`, with the length first, at the position `to` of `out`, which has
 * room for `mostLevelBytes`. Returns the position after it. Runs of eight or more become run-length
 * runs.
 */
export const encodeLevels = (
  levels: Uint8Array,
  start: number,
  end: number,
  bitWidth: number,
  out: Uint8Array,
  to: number
): number => {
  let at = to + 4
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
  if (end - start >= 8 && areSame(levels, start, end)) {
    varint((end - start) << 1)
    out[at++] = levels[start]!
    literal = i = end
  }
  while (i < end) {
    const level = levels[i]!
    let stop = i + 1
    while (stop < end && levels[stop] === level) stop++
    // A preceding bit-packed run consists of whole groups of eight, so it may take levels from this
    // run.
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
  const length = at - to - 4
  out[to] = length
  out[to + 1] = length >>> 8
  out[to + 2] = length >>> 16
  out[to + 3] = length >>> 24
  return at
}
