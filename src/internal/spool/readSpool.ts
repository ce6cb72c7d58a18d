/**
 * Reads a spool without opening it: a summary of its content, and its records. It changes nothing
 * and takes no lock, so the process that holds the spool may continue.
 */
import { nodeDisk } from "../log/logDisk.ts"
import { readAcknowledged } from "./acknowledgedFile.ts"
import { readLength, recordEnd } from "../protobuf/envelope.ts"
import { SpoolReader } from "./spoolReader.ts"
import { acknowledgedPath, scanSpool, type SpoolContent } from "./spoolScan.ts"
import { SpoolFailure, spoolFailure } from "./spoolFailure.ts"

/** A summary of a spool. */
export interface SpoolSummary {
  readonly tableName: string
  readonly recordType: "json" | "proto" | "avro" | "arrow"
  /** The persistent stream that it belongs to. */
  readonly streamId: string | undefined
  /** The oldest unacknowledged offset, and the next offset. They are equal when nothing waits. */
  readonly firstOffset: number
  readonly nextOffset: number
  /** Bytes on disk. */
  readonly bytes: number
  /** Records that wait, and their bytes with tags and lengths. */
  readonly waitingRecords: number
  readonly waitingBytes: number
  /** The serialized `DescriptorProto` of protobuf records. */
  readonly descriptor: Uint8Array | undefined
  /** The position of the latest entry that has one, and its offset. */
  readonly position: { readonly offset: number; readonly bytes: Uint8Array } | undefined
}

/** A record that waits in a spool, or all records of a batch under one offset. */
export interface WaitingEntry {
  readonly offset: number
  readonly payloads: ReadonlyArray<Uint8Array>
  /** Whether it is a batch. */
  readonly atomic: boolean
}

/** Summarizes a spool. Throws `SpoolFailure`, also when the folder holds none. */
export const summarize = async (folder: string): Promise<SpoolSummary> => {
  try {
    const { acknowledged, files, header, next, position, waiting } = await scanLive(folder)
    if (header === undefined)
      throw new SpoolFailure("Mismatch", `The folder ${folder} holds no spool.`)
    return {
      tableName: header.table,
      recordType: header.recordType,
      streamId: header.streamId,
      firstOffset: acknowledged + 1,
      nextOffset: next,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      waitingRecords: waiting.records,
      waitingBytes: waiting.bytes,
      descriptor:
        header.descriptor === undefined
          ? undefined
          : Uint8Array.from(Buffer.from(header.descriptor, "base64")),
      position
    }
  } catch (error) {
    throw spoolFailure(error, "reading it", folder)
  }
}

/** Reads the files. The process that holds the spool may delete some of them in the meantime. */
const scanLive = async (folder: string): Promise<SpoolContent> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await scanSpool(nodeDisk, folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 10) throw error
    }
  }
}

/**
 * The waiting entries in order, in groups of what was read at once. Entries that the holder of the
 * spool acknowledges and deletes in the meantime are left out. Throws `SpoolFailure`.
 */
export const waitingEntries = async function* (
  folder: string
): AsyncGenerator<ReadonlyArray<WaitingEntry>> {
  try {
    let from = 0
    for (let content = await scanLive(folder); ; content = await scanLive(folder)) {
      const { acknowledged, files, next } = content
      from = Math.max(from, acknowledged + 1)
      const reader = new SpoolReader(
        nodeDisk,
        folder,
        { files, recent: undefined, persistedNext: next },
        from
      )
      try {
        while (reader.hasMore) {
          const entries = await nextEntries(reader)
          from = reader.offset
          yield entries
        }
        return
      } catch (error) {
        if ((await readAcknowledged(nodeDisk, acknowledgedPath(folder))) < from) throw error
      } finally {
        await reader.close()
      }
    }
  } catch (error) {
    throw spoolFailure(error, "reading it", folder)
  }
}

/** The entries of the next block. */
const nextEntries = async (reader: SpoolReader): Promise<ReadonlyArray<WaitingEntry>> => {
  await reader.load()
  const found: Array<WaitingEntry> = []
  for (let entry = reader.peekUnsafe(); entry !== undefined; entry = reader.peekUnsafe()) {
    const { atomic, buffer, end, offset, records, start } = entry
    const payloads: Array<Uint8Array> = []
    for (let at = start; at < end; at = recordEnd(buffer, at)) {
      const { length, next } = readLength(buffer, at + 1)
      payloads.push(new Uint8Array(buffer.subarray(next, next + length)))
    }
    if (atomic) found.push({ offset, payloads, atomic })
    else
      payloads.forEach((payload, i) =>
        found.push({ offset: offset + i, payloads: [payload], atomic })
      )
    reader.takeUnsafe(records, end - start)
  }
  return found
}

/**
 * The waiting entries that `isLeft` selects, one by one; `undefined` when the payloads exceed
 * `maxBytes`. Throws `SpoolFailure`.
 */
export const leftEntries = async (
  folder: string,
  maxBytes: number,
  isLeft: (offset: number) => boolean = () => true
): Promise<
  | ReadonlyArray<{ readonly payloads: () => ReadonlyArray<Uint8Array>; readonly atomic: boolean }>
  | undefined
> => {
  const left = []
  let bytes = 0
  for await (const entries of waitingEntries(folder)) {
    for (const { atomic, offset, payloads } of entries) {
      if (!isLeft(offset)) continue
      for (const payload of payloads) bytes += payload.length
      left.push({ atomic, payloads: () => payloads })
    }
    if (bytes > maxBytes) return undefined
  }
  return left
}
