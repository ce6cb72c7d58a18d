/** A gRPC message frame: a flag, the length in four bytes, and the bytes. */
export const frame = (message: Uint8Array, flag = 0): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Bytes for the n-th message. Each byte identifies the message and its position. */
export const messageOf = (n: number, length: number): Buffer =>
  Buffer.from(new Uint8Array(length).map((_, at) => n * 31 + at))
