/**
 * What counts as bytes where users hand them in.
 */

/**
 * Whether the value is a `Uint8Array`, such as a `Buffer`, of this realm or another one: jest and
 * `vm` give programs realms of their own.
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array ||
  (ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === "Uint8Array")
