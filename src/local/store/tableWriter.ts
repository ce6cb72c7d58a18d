/**
 * The writer of one stream over a `TableEngine`.
 */
import { StorageFailure } from "../log/storageErrors.ts"
import type { LogFormat } from "../log/logFrames.ts"
import type { DecodeTarget } from "../decoding/decodeBlock.ts"
import type { HeldStream } from "../persistent/persistentStreams.ts"
import type { DecodeThread } from "../decoding/decodeThread.ts"
import { type Appended, appendAll } from "./appended.ts"
import type { EngineLimits } from "./engineLimits.ts"
import type { EngineWriter } from "./openBatch.ts"
import type { TableEngine } from "./tableEngine.ts"
import type { TableWriter } from "./tableStore.ts"

/**
 * Messages of at least this many bytes wait for the thread to start, because decoding them here
 * would block the event loop.
 */
const worthWaiting = 1024 * 1024

type DecodeLimits = Pick<EngineLimits, "bulkBytes" | "largeMessageBytes">

/**
 * Opens a writer. The format must have been checked against the table. Without a thread, all
 * records are decoded here.
 */
export const tableWriter = (
  engine: TableEngine,
  format: LogFormat,
  thread: DecodeThread | undefined,
  limits: DecodeLimits,
  stream?: HeldStream
): TableWriter => {
  const writer = engine.openWriter(format, stream)
  return {
    appendUnsafe: (records, offset = 0) => engine.append(writer, records, offset),
    ...(thread === undefined ? {} : elsewhere(engine, writer, thread, limits)),
    onDurable: (ticket, callback) => engine.onDurable(ticket, callback),
    pressure: () => engine.pressure,
    onRoom: (callback) => engine.onRoom(callback),
    close: () => {
      stream?.release()
      thread?.forget(engine.targetOf(writer))
    }
  }
}

const failed = (message: string): Appended => ({
  tickets: [],
  problem: new StorageFailure({ reason: "Io", message })
})

const elsewhere = (
  engine: TableEngine,
  writer: EngineWriter,
  thread: DecodeThread,
  { bulkBytes, largeMessageBytes }: DecodeLimits
): Pick<TableWriter, "isForElsewhere" | "appendElsewhere"> => {
  let last: DecodeTarget | undefined
  return {
    isForElsewhere: (messageBytes, undurableBytes) => {
      if (messageBytes < largeMessageBytes && undurableBytes < bulkBytes) return false
      return thread.isReady() || (messageBytes >= worthWaiting && !thread.isBroken())
    },
    appendElsewhere: (messages, done, offset = 0) => {
      const target = engine.targetOf(writer)
      // The table's columns changed since the last block.
      if (last !== undefined && last !== target) thread.forget(last)
      last = target
      thread.decode(target, messages, (result) => {
        if (result instanceof Error) return done(failed(result.message))
        // The client sends unacknowledged messages again on the new connection, with the same
        // offsets.
        if (writer.stream?.isHeld === false)
          return done(failed("The stream was resumed on another connection."))
        done(
          appendAll(messages, result === "undecoded" ? undefined : result, {
            append: (records, index) => engine.append(writer, records, offset + index),
            // Rows for columns that the table no longer has are decoded again.
            appendDecoded: (taken, decoded) =>
              engine.take((open, wal) =>
                target === writer.targetOf(open)
                  ? open.appendDecoded(writer, taken, offset, decoded, wal)
                  : undefined
              )
          })
        )
      })
    }
  }
}
