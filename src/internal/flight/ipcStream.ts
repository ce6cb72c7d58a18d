/**
 * Streams of Arrow's IPC format as the client itself writes them: a schema message, record batch
 * messages, an end mark. The Arrow library reads and checks bytes from other sources.
 *
 *   message: FFFFFFFF | length of metadata (int32) | metadata: flatbuffer, padding | body
 */

/** The end mark of a stream. */
export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/** Bytes in front of a message's metadata. */
export const PREFIX = 8

const RECORD_BATCH = 3

/** The position of one message of a stream in its buffer. */
export interface IpcMessage {
  readonly start: number
  /** Where its body begins, after the metadata. */
  readonly body: number
  readonly end: number
  /** Rows of a record batch; undefined for the schema. */
  readonly rows: number | undefined
}

/** The messages of a stream that occupies `buffer` from `start` to `end`. */
export const messagesOf = (
  buffer: Buffer,
  start: number,
  end: number
): ReadonlyArray<IpcMessage> => {
  const messages: Array<IpcMessage> = []
  for (let at = start; at + PREFIX <= end;) {
    const metadata = at + PREFIX
    const body = metadata + buffer.readInt32LE(at + 4)
    if (body === metadata) break
    const message = tableAt(buffer, metadata)
    const header = field(buffer, message, 2)
    const bodyLength = field(buffer, message, 3)
    const isBatch = buffer[field(buffer, message, 1)] === RECORD_BATCH
    const length = bodyLength === 0 ? 0 : int64(buffer, bodyLength)
    messages.push({
      start: at,
      body,
      end: body + length,
      rows: isBatch ? rowsOf(buffer, header) : undefined
    })
    at = body + length
  }
  return messages
}

/** The rows of the record batch at the end of the offset `header`. */
const rowsOf = (buffer: Buffer, header: number): number => {
  const length = field(buffer, tableAt(buffer, header), 0)
  return length === 0 ? 0 : int64(buffer, length)
}

/** Follows an offset of a flatbuffer. */
const tableAt = (buffer: Buffer, at: number): number => at + buffer.readUInt32LE(at)

/** The position of a field in a flatbuffer's table; 0 when it has its default. */
const field = (buffer: Buffer, table: number, index: number): number => {
  const vtable = table - buffer.readInt32LE(table)
  const slot = 4 + index * 2
  const offset = slot < buffer.readUInt16LE(vtable) ? buffer.readUInt16LE(vtable + slot) : 0
  return offset === 0 ? 0 : table + offset
}

const int64 = (buffer: Buffer, at: number): number => Number(buffer.readBigInt64LE(at))
