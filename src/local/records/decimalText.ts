/**
 * Reads decimal text into the unscaled integer of DECIMAL(precision, scale) and appends it to its
 * leaf.
 */
import type { Leaf } from "../parquet/columnBuffer.ts"

const zero = 48

/**
 * Appends the decimal in `bytes[start, end)`. Returns false when the text is not a decimal or does
 * not fit.
 *
 * Accepts an optional sign, digits and a fraction. Decimals beyond the scale must be zeros; values
 * are never rounded.
 */
export const addDecimal = (
  leaf: Leaf,
  repetition: number,
  precision: number,
  scale: number,
  bytes: Uint8Array,
  start: number,
  end: number
): boolean => {
  let at = start
  let negative = false
  if (at < end && (bytes[at] === 45 || bytes[at] === 43)) negative = bytes[at++] === 45
  let digits = 0
  let significant = 0
  let decimals = -1
  let small = 0
  let text = ""
  for (; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit === -2 && decimals < 0) {
      decimals = 0
      continue
    }
    if (digit < 0 || digit > 9) return false
    digits++
    if (decimals >= 0 && decimals >= scale) {
      if (digit !== 0) return false
      continue
    }
    if (decimals >= 0) decimals++
    if (significant > 0 || digit > 0) significant++
    if (significant > precision) return false
    if (significant <= 15) small = small * 10 + digit
    else {
      if (text === "") text = String(small)
      text += String.fromCharCode(digit + zero)
    }
  }
  if (digits === 0) return false
  const missing = scale - Math.max(decimals, 0)
  if (significant > 0 && significant + missing > precision) return false
  if (text === "" && significant + missing <= 15) {
    for (let i = 0; i < missing; i++) small *= 10
    addSmall(leaf, repetition, negative ? -small : small)
    return true
  }
  const unscaled = BigInt(text === "" ? small : text) * 10n ** BigInt(missing)
  addBig(leaf, repetition, negative ? -unscaled : unscaled)
  return true
}

const addSmall = (leaf: Leaf, repetition: number, unscaled: number): void => {
  if (leaf.shape.physical === "INT32") leaf.addWord(repetition, unscaled)
  else if (leaf.shape.physical === "INT64")
    leaf.addWords(repetition, unscaled | 0, Math.floor(unscaled / 4294967296))
  else addBig(leaf, repetition, BigInt(unscaled))
}

const addBig = (leaf: Leaf, repetition: number, unscaled: bigint): void => {
  if (leaf.shape.physical === "INT32") {
    leaf.addWord(repetition, Number(unscaled))
  } else if (leaf.shape.physical === "INT64") {
    leaf.addWords(
      repetition,
      Number(BigInt.asIntN(32, unscaled)),
      Number(BigInt.asIntN(32, unscaled >> 32n))
    )
  } else {
    const bytes = new Uint8Array(leaf.shape.width)
    let rest = unscaled
    for (let i = bytes.length - 1; i >= 0; i--) {
      bytes[i] = Number(rest & 255n)
      rest >>= 8n
    }
    leaf.addBytes(repetition, bytes, 0, bytes.length)
  }
}
