/**
 * Which values of users count as bytes.
 */

/**
 * Whether the value is a `Uint8Array`, such as a `Buffer`, of this realm or another: jest and `vm`
 * give programs separate realms.
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array ||
  (ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === "Uint8Array")
