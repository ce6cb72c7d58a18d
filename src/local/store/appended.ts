/**
 * What becomes of messages that are appended together.
 */
import type { RecordRejected, StorageFailure } from "../log/storageErrors.ts"
import type { MessageRecords } from "../records/decodeBlock.ts"

/** What became of messages. */
export interface Appended {
  /** The groups that the messages joined, of all of them or of those before the problem. */
  readonly tickets: ReadonlyArray<number>
  /** Why the next message is refused, or what failed before it was decoded. */
  readonly problem: RecordRejected | StorageFailure | undefined
}

/** Appends messages one after another, up to the first that is refused. */
export const appendEach = (
  messages: ReadonlyArray<MessageRecords>,
  append: (records: MessageRecords) => number | RecordRejected
): Appended => {
  const tickets: Array<number> = []
  for (const records of messages) {
    const ticket = append(records)
    if (typeof ticket !== "number") return { tickets, problem: ticket }
    tickets.push(ticket)
  }
  return { tickets, problem: undefined }
}
