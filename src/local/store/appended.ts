/**
 * Appends the messages of one block and reports the outcome.
 */
import { RecordRejected, type StorageFailure } from "../log/storageErrors.ts"
import type { DecodedBlock, MessageRecords } from "../decoding/decodeBlock.ts"

/** The outcome of appending a block of messages. */
export interface Appended {
  /** The log groups of the appended messages: all of them, or those before the problem. */
  readonly tickets: ReadonlyArray<number>
  /** Why the next message was refused, or a failure before it was decoded. */
  readonly problem: RecordRejected | StorageFailure | undefined
}

/** How a writer appends messages. */
export interface Appending {
  /** Decodes and logs the message at an index. */
  readonly append: (records: MessageRecords, index: number) => number | RecordRejected
  /** Logs messages whose rows are decoded already; undefined when they have to be decoded again. */
  readonly appendDecoded: (
    messages: ReadonlyArray<MessageRecords>,
    decoded: DecodedBlock
  ) => number | undefined
}

/**
 * Appends messages that another thread decoded, up to the first refused one. Decodes them here when
 * the thread returned no rows.
 */
export const appendAll = (
  messages: ReadonlyArray<MessageRecords>,
  decoded: DecodedBlock | undefined,
  { append, appendDecoded }: Appending
): Appended => {
  if (decoded === undefined) return appendEach(messages, append)
  const { refused } = decoded
  const taken = refused === undefined ? messages : messages.slice(0, refused.message)
  const problem = refused && new RecordRejected(refused.record, refused.path, refused.expected)
  if (taken.length === 0) return { tickets: [], problem }
  const ticket = appendDecoded(taken, decoded)
  if (ticket === undefined) return appendEach(messages, append)
  return { tickets: taken.map(() => ticket), problem }
}

/** Appends messages one by one, up to the first refused one. */
const appendEach = (
  messages: ReadonlyArray<MessageRecords>,
  append: Appending["append"]
): Appended => {
  const tickets: Array<number> = []
  for (const [index, records] of messages.entries()) {
    const ticket = append(records, index)
    if (typeof ticket !== "number") return { tickets, problem: ticket }
    tickets.push(ticket)
  }
  return { tickets, problem: undefined }
}
