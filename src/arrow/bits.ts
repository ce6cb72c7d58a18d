/**
 * Arrow bitmaps: one bit per row, lowest bit first.
 */

/** Copies `length` bits so that the first is bit 0. Bits after the last are 0. */
export const copyBits = (bitmap: Uint8Array, offset: number, length: number): Uint8Array => {
  const out = new Uint8Array((length + 7) >> 3)
  const shift = offset & 7
  const first = offset >> 3
  if (shift === 0) out.set(bitmap.subarray(first, first + out.length))
  else {
    for (let index = 0; index < out.length; index++) {
      const low = bitmap[first + index]! >> shift
      const high = (bitmap[first + index + 1] ?? 0) << (8 - shift)
      out[index] = low | high
    }
  }
  const rest = length & 7
  if (rest > 0) out[out.length - 1]! &= (1 << rest) - 1
  return out
}

/** Whether the bit of a row is set. */
export const bitAt = (bitmap: Uint8Array, index: number): boolean =>
  (bitmap[index >> 3]! & (1 << (index & 7))) !== 0

/** Sets the bit of a row. */
export const setBit = (bitmap: Uint8Array, index: number): void => {
  bitmap[index >> 3]! |= 1 << (index & 7)
}
