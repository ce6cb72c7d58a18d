/**
 * BINARY as text, in both directions, with the same rules for client, local server and command
 * line: the standard alphabet of RFC 4648 (`+` and `/`), with complete padding or none.
 */

// Searches for one wrong character: a pattern for the whole text would need a stack as deep as the
// text is long.
const wrongCharacter = /[^A-Za-z0-9+/]/

/**
 * Whether a text is base64: only characters of the alphabet, whole bytes, complete padding or none.
 */
const isBase64 = (text: string): boolean => {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  const digits = text.length - padding
  if (padding > 0 ? text.length % 4 !== 0 : digits % 4 === 1) return false
  return !wrongCharacter.test(padding > 0 ? text.slice(0, digits) : text)
}

/** Reads base64 text as bytes, or `undefined` when the text is not base64. */
export const bytesOfBase64 = (text: string): Buffer | undefined =>
  isBase64(text) ? Buffer.from(text, "base64") : undefined

/** Writes bytes as base64 text with its padding. */
export const base64OfBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

/** Completes the padding of base64 text; `undefined` when the text is not base64. */
export const paddedBase64 = (text: string): string | undefined =>
  isBase64(text) ? text.padEnd(Math.ceil(text.length / 4) * 4, "=") : undefined
