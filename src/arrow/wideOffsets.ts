/**
 * 64-bit offsets of texts and bytes. They are written as two halves: a bigint for each costs more
 * than the rest of a cast.
 */

const HALF = 2 ** 32

/** So many 64-bit offsets, all 0, and how to set one. */
export class WideOffsets {
  readonly offsets: BigInt64Array
  private readonly halves: Uint32Array

  constructor(length: number) {
    this.offsets = new BigInt64Array(length)
    this.halves = new Uint32Array(this.offsets.buffer)
  }

  /** Sets an offset, which is not negative. */
  set(index: number, offset: number): void {
    this.halves[index * 2] = offset
    if (offset >= HALF) this.halves[index * 2 + 1] = offset / HALF
  }
}

/** Offsets of 32 bits as those of 64. */
export const widen = (offsets: Int32Array): BigInt64Array => {
  const out = new WideOffsets(offsets.length)
  for (let index = 0; index < offsets.length; index++) out.set(index, offsets[index]!)
  return out.offsets
}

/** Offsets of either width as numbers, of which the first is 0. */
export const fromZero = (offsets: Int32Array | BigInt64Array, length: number): Float64Array => {
  const out = new Float64Array(length + 1)
  const first = Number(offsets[0] ?? 0)
  for (let index = 1; index <= length; index++) out[index] = Number(offsets[index]) - first
  return out
}
