/**
 * 64-bit offsets of strings and bytes. They are written as two 32-bit halves: creating a bigint for
 * each would cost more than the rest of a cast.
 */

const HALF = 2 ** 32

/** An array of 64-bit offsets, initially 0. */
export class WideOffsets {
  readonly offsets: BigInt64Array
  private readonly halves: Uint32Array

  constructor(length: number) {
    this.offsets = new BigInt64Array(length)
    this.halves = new Uint32Array(this.offsets.buffer)
  }

  /** Sets an offset, which must not be negative. */
  set(index: number, offset: number): void {
    this.halves[index * 2] = offset
    if (offset >= HALF) this.halves[index * 2 + 1] = offset / HALF
  }
}

/** Widens 32-bit offsets to 64 bits. */
export const widen = (offsets: Int32Array): BigInt64Array => {
  const out = new WideOffsets(offsets.length)
  for (let index = 0; index < offsets.length; index++) out.set(index, offsets[index]!)
  return out.offsets
}

/** Offsets of either width as numbers, shifted so that the first is 0. */
export const fromZero = (offsets: Int32Array | BigInt64Array, length: number): Float64Array => {
  const out = new Float64Array(length + 1)
  const first = Number(offsets[0] ?? 0)
  for (let index = 1; index <= length; index++) out[index] = Number(offsets[index]) - first
  return out
}
