/**
 * Writes the protobuf wire format: varints in place for the hot paths, and small messages field by
 * field for all others.
 *
 * A message is the concatenation of its fields. So `concat` joins the results of the field writers,
 * and `bytesField` nests them.
 */

/** The size of a varint in bytes. `value` is a non-negative safe integer. */
export const varintSize = (value: number): number => {
  let size = 1
  while (value >= 0x80) {
    value = Math.floor(value / 0x80)
    size++
  }
  return size
}

/**
 * Writes a varint at `position` and returns the position after it. `value` is a non-negative safe
 * integer.
 */
export const writeVarint = (buffer: Uint8Array, value: number, position: number): number => {
  while (value >= 0x80) {
    buffer[position++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  buffer[position++] = value
  return position
}

/** A varint field. A negative integer takes ten bytes, as `int32`, `int64` and enums do. */
export const varintField = (field: number, value: number): Uint8Array => {
  const key = field * 8
  const at = varintSize(key)
  const out = new Uint8Array(at + (value < 0 ? 10 : varintSize(value)))
  writeVarint(out, key, 0)
  if (value >= 0) writeVarint(out, value, at)
  else {
    let rest = BigInt.asUintN(64, BigInt(value))
    for (let position = at; position < out.length; position++, rest >>= 7n) {
      out[position] = Number(rest & 0x7fn) | (rest >= 0x80n ? 0x80 : 0)
    }
  }
  return out
}

/** A length-delimited field: bytes, or a nested message. */
export const bytesField = (field: number, content: Uint8Array): Uint8Array => {
  const key = field * 8 + 2
  const out = new Uint8Array(varintSize(key) + varintSize(content.length) + content.length)
  out.set(content, writeVarint(out, content.length, writeVarint(out, key, 0)))
  return out
}

const encoder = new TextEncoder()

/** A text field. Text that UTF-8 cannot represent becomes U+FFFD. */
export const textField = (field: number, text: string): Uint8Array =>
  bytesField(field, encoder.encode(text))

/** The message of these fields, in order. */
export const concat = (fields: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const field of fields) length += field.length
  const out = new Uint8Array(length)
  let position = 0
  for (const field of fields) {
    out.set(field, position)
    position += field.length
  }
  return out
}
