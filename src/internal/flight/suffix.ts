/**
 * The rest of Arrow batches whose first rows are acknowledged.
 */
import { readLength, RECORD_TAG } from "../protobuf/envelope.ts"
import { concat, bytesField } from "../protobuf/writer.ts"
import { END_OF_STREAM, type IpcMessage, messagesOf } from "./ipcStream.ts"

/**
 * Writes the batch messages of a batch without its first `rows` rows. `stream` is an IPC stream
 * with only that batch.
 */
export type SliceBatch = (stream: Uint8Array, rows: number) => Uint8Array

/** Records with tags and lengths without their first `rows` rows. They have more rows than that. */
export const suffixOf =
  (slice: SliceBatch) =>
  (
    content: Uint8Array,
    rows: number
  ): { readonly content: Uint8Array; readonly records: number } => {
    const buffer = Buffer.from(content.buffer, content.byteOffset, content.length)
    const kept: Array<Uint8Array> = []
    let left = rows
    for (let position = 0; position < buffer.length;) {
      const { length, next } = readLength(buffer, position + 1)
      position = next + length
      const [schema, ...batches] = messagesOf(buffer, next, position)
      const before = batches.reduce((sum, batch) => sum + (batch.rows ?? 0), 0)
      if (before > left) {
        kept.push(bytesField(RECORD_TAG >> 3, withoutRows(buffer, schema!, batches, left, slice)))
        left = 0
      } else left -= before
    }
    return { content: concat(kept), records: kept.length }
  }

/** An IPC stream without its first rows. At least one row stays. */
const withoutRows = (
  buffer: Buffer,
  schema: IpcMessage,
  batches: ReadonlyArray<IpcMessage>,
  rows: number,
  slice: SliceBatch
): Uint8Array => {
  const bytesOf = ({ end, start }: IpcMessage) => buffer.subarray(start, end)
  const parts = [bytesOf(schema)]
  let left = rows
  for (const batch of batches) {
    const { rows: length = 0 } = batch
    if (left === 0) parts.push(bytesOf(batch))
    else if (left < length) {
      const alone = concat([bytesOf(schema), bytesOf(batch), END_OF_STREAM])
      parts.push(Buffer.from(slice(alone, left)))
      left = 0
    } else left -= length
  }
  return concat([...parts, END_OF_STREAM])
}
