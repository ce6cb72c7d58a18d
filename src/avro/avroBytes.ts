/**
 * Writes the parts of Avro's binary form into the sink of a record.
 */
import type { ByteSink } from "../internal/recordCodec.ts"

/** Writes raw bytes. */
export const putBytes = (sink: ByteSink, bytes: Uint8Array): void => {
  sink.ensure(bytes.length)
  sink.buffer.set(bytes, sink.position)
  sink.position += bytes.length
}

/** Writes a single byte. */
export const putByte = (sink: ByteSink, byte: number): void => {
  sink.ensure(1)
  sink.buffer[sink.position++] = byte
}

/** Writes a safe integer in zigzag coding. */
export const putInteger = (sink: ByteSink, value: number): void => {
  if (value < -0x8000_0000_0000 || value > 0x7fff_ffff_ffff) return putLong(sink, BigInt(value))
  sink.ensure(10)
  let left = value < 0 ? -2 * value - 1 : 2 * value
  while (left >= 0x80) {
    sink.buffer[sink.position++] = (left % 0x80) | 0x80
    left = Math.floor(left / 0x80)
  }
  sink.buffer[sink.position++] = left
}

/** Writes a 64-bit integer in zigzag coding. */
export const putLong = (sink: ByteSink, value: bigint): void => {
  sink.ensure(10)
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  while (left >= 0x80n) {
    sink.buffer[sink.position++] = Number(left & 0x7fn) | 0x80
    left >>= 7n
  }
  sink.buffer[sink.position++] = Number(left)
}

/** Writes bytes with their length. */
export const putSized = (sink: ByteSink, bytes: Uint8Array): void => {
  putInteger(sink, bytes.length)
  putBytes(sink, bytes)
}

/** Writes a well-formed string with its length. */
export const putText = (sink: ByteSink, text: string): void => {
  const length = Buffer.byteLength(text)
  putInteger(sink, length)
  sink.ensure(length)
  sink.position += sink.buffer.write(text, sink.position)
}

/** Writes a 32-bit float. */
export const putFloat = (sink: ByteSink, value: number): void => {
  sink.ensure(4)
  sink.position = sink.buffer.writeFloatLE(value, sink.position)
}

/** Writes a 64-bit float. */
export const putDouble = (sink: ByteSink, value: number): void => {
  sink.ensure(8)
  sink.position = sink.buffer.writeDoubleLE(value, sink.position)
}
