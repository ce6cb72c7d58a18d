/**
 * Divides a message of single records into smaller ones, so that fewer records travel together.
 */
import { readLength, HEAD_ROOM } from "../protobuf/envelope.ts"
import { sizeClass } from "./bufferPool.ts"
import { Chunk, Message } from "./chunk.ts"

/**
 * Messages of at most `records` records each that together hold what `message` holds, in order.
 * They are copies: a header is stamped in front of each, where the bytes of the record before it
 * lie in the whole. The whole gives its chunk back.
 */
export const divide = (message: Message, records: number): ReadonlyArray<Message> => {
  const { buffer } = message.chunk
  const pieces: Array<Message> = []
  let start = message.start
  let first = 0
  for (let position = start, done = 1; position < message.end; done++) {
    const { length, next } = readLength(buffer, position + 1)
    position = next + length
    if (done - first < records && position < message.end) continue
    pieces.push(copy(message, start, position, first, done - first))
    start = position
    first = done
  }
  message.chunk.release()
  return pieces
}

/**
 * A message with other records, of the same offsets, in the place of `message`, which gives its
 * chunk back.
 */
export const replace = (message: Message, content: Uint8Array, records: number): Message => {
  const chunk = new Chunk(sizeClass(HEAD_ROOM + content.length))
  chunk.buffer.set(content, HEAD_ROOM)
  const { acceptedAt, atomic, handedAt, offset, offsets, sends } = message
  const end = HEAD_ROOM + content.length
  const other = new Message({ chunk, start: HEAD_ROOM, end, offset, records, atomic, acceptedAt })
  message.chunk.release()
  return Object.assign(other, { offsets, sends, handedAt })
}

const copy = (
  whole: Message,
  start: number,
  end: number,
  first: number,
  records: number
): Message => {
  const chunk = new Chunk(sizeClass(HEAD_ROOM + end - start))
  whole.chunk.buffer.copy(chunk.buffer, HEAD_ROOM, start, end)
  const piece = new Message({
    chunk,
    start: HEAD_ROOM,
    end: HEAD_ROOM + end - start,
    offset: whole.offset + first,
    records,
    atomic: false,
    acceptedAt: whole.acceptedAt
  })
  piece.offsets = records
  piece.sends = whole.sends
  return piece
}
