/**
 * The protobuf wire format, as far as the client writes and reads it by hand: varints, and a walk over the fields of a message.
 */

/** Thrown by {@link forEachField} when the bytes are not a protobuf message. */
export class MalformedMessage extends Error {}

/** How many bytes a varint takes. `value` is a non-negative safe integer. */
export const varintSize = (value: number): number => {
  let size = 1
  while (value >= 0x80) {
    value = Math.floor(value / 0x80)
    size++
  }
  return size
}

/** Writes a varint at `position` and returns the position behind it. `value` is a non-negative safe integer. */
export const writeVarint = (buffer: Uint8Array, value: number, position: number): number => {
  while (value >= 0x80) {
    buffer[position++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  buffer[position++] = value
  return position
}

/**
 * Walks the fields of one message. For varints `value` is the number (-1 for a negative one) and `start` is -1; for
 * length-delimited fields `start` and `end` delimit the content; fixed-width fields are skipped.
 */
export const forEachField = (
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (field: number, value: number, start: number, end: number) => void
): void => {
  let position = from
  const varint = (): number => {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (position >= to) throw new MalformedMessage()
      const byte = bytes[position++]!
      if (i === 9) {
        // A tenth byte carries the sign bit of an int64, and nothing else.
        if (byte === 1) return -1
        if (byte !== 0) throw new MalformedMessage()
      }
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : value
      scale *= 0x80
    }
    throw new MalformedMessage()
  }
  while (position < to) {
    const key = varint()
    const field = Math.floor(key / 8)
    if (field < 1 || key < 0) throw new MalformedMessage()
    switch (key % 8) {
      case 0:
        visit(field, varint(), -1, -1)
        break
      case 1:
        position += 8
        break
      case 2: {
        const length = varint()
        if (length < 0 || length > to - position) throw new MalformedMessage()
        visit(field, 0, position, position + length)
        position += length
        break
      }
      case 5:
        position += 4
        break
      default:
        throw new MalformedMessage()
    }
    if (position > to) throw new MalformedMessage()
  }
}

/** Whether the bytes can be a protobuf message, judged by its top level. */
export const isMessage = (bytes: Uint8Array): boolean => {
  try {
    forEachField(bytes, 0, bytes.length, () => {})
    return true
  } catch (error) {
    if (error instanceof MalformedMessage) return false
    throw error
  }
}
