/**
 * Copies the values of whole Arrow columns, except NULLs, into the memory of leaves. Each function
 * returns the end position.
 */

type Bits = Uint8Array | undefined

const isSet = (bits: Uint8Array, index: number): boolean =>
  ((bits[index >> 3]! >> (index & 7)) & 1) === 1

/** Copies values of 4 or 8 bytes. In leaves, they are aligned to their width. */
export const copyFixed = (
  source: Uint8Array,
  width: number,
  count: number,
  validity: Bits,
  values: Uint8Array,
  at: number
): number => {
  if (validity === undefined) {
    values.set(source.subarray(0, count * width), at)
    return at + count * width
  }
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const words = new Int32Array(values.buffer, values.byteOffset, values.length >> 2)
  let word = at >> 2
  if (width === 4) {
    for (let i = 0; i < count; i++) {
      if (isSet(validity, i)) words[word++] = view.getInt32(i * 4, true)
    }
  } else {
    for (let i = 0; i < count; i++) {
      if (!isSet(validity, i)) continue
      words[word++] = view.getInt32(i * 8, true)
      words[word++] = view.getInt32(i * 8 + 4, true)
    }
  }
  return word << 2
}

/** Copies bits to bytes of 0 and 1. */
export const copyBits = (
  bits: Uint8Array,
  count: number,
  validity: Bits,
  values: Uint8Array,
  at: number
): number => {
  let end = at
  for (let i = 0; i < count; i++) {
    if (validity === undefined || isSet(validity, i)) values[end++] = isSet(bits, i) ? 1 : 0
  }
  return end
}

/** Values of at least this many bytes are copied by the runtime, shorter ones by a loop. */
const longBytes = 48

/** Copies values of any length, each preceded by its length in four bytes. */
export const copyBytes = (
  source: Uint8Array,
  offsets: Int32Array,
  count: number,
  validity: Bits,
  values: Uint8Array,
  at: number
): number => {
  let end = at
  for (let i = 0; i < count; i++) {
    if (validity !== undefined && !isSet(validity, i)) continue
    const start = offsets[i]!
    const stop = offsets[i + 1]!
    const length = stop - start
    values[end] = length
    values[end + 1] = length >>> 8
    values[end + 2] = length >>> 16
    values[end + 3] = length >>> 24
    end += 4
    if (length >= longBytes) {
      values.set(source.subarray(start, stop), end)
      end += length
    } else for (let j = start; j < stop; j++) values[end++] = source[j]!
  }
  return end
}
