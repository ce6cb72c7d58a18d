/**
 * Divides a message of single records into smaller ones, so that fewer records travel together.
 */
import { readLength, HEAD_ROOM } from "../protobuf/envelope.ts"
import { sizeClass } from "./bufferPool.ts"
import { Chunk, Message } from "./chunk.ts"

/**
 * Divides `message` into messages of at most `records` records each, in order. They are copies:
 * each needs room for a header in front, where the previous record lies in the original. The
 * original releases its chunk.
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
 * Replaces `message` by one with the last `records` of its records, and their offsets. The original
 * releases its chunk.
 */
export const replace = (message: Message, content: Uint8Array, records: number): Message => {
  const chunk = new Chunk(sizeClass(HEAD_ROOM + content.length))
  chunk.buffer.set(content, HEAD_ROOM)
  const { acceptedAt, atomic, handedAt, sends } = message
  // Each single record has an offset.
  const gone = atomic ? 0 : message.records - records
  const [offset, offsets] = [message.offset + gone, message.offsets - gone]
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
