/**
 * The parts of Avro's binary form, written into the sink of a record.
 */
import type { ByteSink } from "../internal/recordCodec.ts"

/** Bytes as they are. */
export const putBytes = (sink: ByteSink, bytes: Uint8Array): void => {
  sink.ensure(bytes.length)
  sink.buffer.set(bytes, sink.position)
  sink.position += bytes.length
}

/** A single byte. */
export const putByte = (sink: ByteSink, byte: number): void => {
  sink.ensure(1)
  sink.buffer[sink.position++] = byte
}

/** A safe integer, in zigzag coding. */
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

/** A long of 64 bits. */
export const putLong = (sink: ByteSink, value: bigint): void => {
  sink.ensure(10)
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  while (left >= 0x80n) {
    sink.buffer[sink.position++] = Number(left & 0x7fn) | 0x80
    left >>= 7n
  }
  sink.buffer[sink.position++] = Number(left)
}

/** Bytes behind their length. */
export const putSized = (sink: ByteSink, bytes: Uint8Array): void => {
  putInteger(sink, bytes.length)
  putBytes(sink, bytes)
}

/** A text behind its length; it must be well formed. */
export const putText = (sink: ByteSink, text: string): void => {
  const length = Buffer.byteLength(text)
  putInteger(sink, length)
  sink.ensure(length)
  sink.position += sink.buffer.write(text, sink.position)
}

/** A float of 32 bits. */
export const putFloat = (sink: ByteSink, value: number): void => {
  sink.ensure(4)
  sink.position = sink.buffer.writeFloatLE(value, sink.position)
}

/** A float of 64 bits. */
export const putDouble = (sink: ByteSink, value: number): void => {
  sink.ensure(8)
  sink.position = sink.buffer.writeDoubleLE(value, sink.position)
}
