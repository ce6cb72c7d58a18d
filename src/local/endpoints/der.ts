/**
 * Writes the ASN.1 values of an X.509 certificate in DER.
 */

/** One value: a tag and its content. */
export const der = (tag: number, ...content: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  const bytes = length.subarray(length.findIndex((byte) => byte !== 0))
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, body])
}

/** SEQUENCE. */
export const sequence = (...content: ReadonlyArray<Uint8Array>): Buffer => der(0x30, ...content)

/** SET of one element. */
export const setOf = (content: Uint8Array): Buffer => der(0x31, content)

/** A non-negative INTEGER of big-endian bytes. */
export const integer = (bytes: Uint8Array): Buffer =>
  der(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)

/** BIT STRING of whole bytes, with a number of unused bits at the end. */
export const bitString = (bytes: Uint8Array, unused = 0): Buffer =>
  der(0x03, Buffer.of(unused), bytes)

/** OCTET STRING. */
export const octetString = (bytes: Uint8Array): Buffer => der(0x04, bytes)

/** UTF8String. */
export const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text))

/** BOOLEAN TRUE. */
export const yes: Buffer = der(0x01, Buffer.of(0xff))

/** UTCTime of milliseconds since the epoch; for the years 1950 to 2049. */
export const utcTime = (millis: number): Buffer => {
  const digits = new Date(millis).toISOString().replace(/[-:T]|\.\d{3}/g, "")
  return der(0x17, Buffer.from(digits.slice(2)))
}

/** OBJECT IDENTIFIER from its dotted form. */
export const objectId = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}
