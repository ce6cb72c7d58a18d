/**
 * Repetition and definition levels in Parquet's hybrid of run-length and bit-packed runs, as data
 * pages of version 1 want them: four bytes of length in front.
 */

/** How many bits a level up to `max` needs. */
export const bitWidthOf = (max: number): number => 32 - Math.clz32(max)

/**
 * Whether `levels[start, end)` are one level: whether they are themselves, moved on by one. The
 * runtime compares memory much faster than a loop here does.
 */
export const areSame = (levels: Uint8Array, start: number, end: number): boolean =>
  end - start < 2 ||
  Buffer.compare(levels.subarray(start, end - 1), levels.subarray(start + 1, end)) === 0

/**
 * The most bytes that so many levels take: at worst everything is bit-packed, with a header for
 * every run; run-length runs are shorter than what they replace.
 */
export const mostLevelBytes = (count: number, bitWidth: number): number =>
  4 + 16 + count * 2 + ((count * bitWidth + 7) >> 3)

/**
 * Encodes `levels[start, end)` with its length in front at the position `to` of `out`, which has
 * room for `mostLevelBytes`, and answers the position behind it. Runs of eight and more become
 * run-length runs.
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
  const length = at - to - 4
  out[to] = length
  out[to + 1] = length >>> 8
  out[to + 2] = length >>> 16
  out[to + 3] = length >>> 24
  return at
}
