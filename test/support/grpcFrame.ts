/** A message in the frame of gRPC: a flag, its length in four bytes, and its bytes. */
export const frame = (message: Uint8Array, flag = 0): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Each byte of the n-th message tells the message and the place. */
export const messageOf = (n: number, length: number): Buffer =>
  Buffer.from(new Uint8Array(length).map((_, at) => n * 31 + at))
