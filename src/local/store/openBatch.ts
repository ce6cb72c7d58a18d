/**
 * The open batch of a table: column buffers that records are decoded into until they are sealed for
 * a flush. A message is added completely or not at all. Groups whose log write failed are removed
 * again.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { type ColumnTree, makeLeaves } from "../parquet/columnTree.ts"
import {
  bytesOf,
  type Leaf,
  type LeafChunk,
  type Mark,
  rollBack,
  sealAll
} from "../parquet/columnBuffer.ts"
import type { DecodedBlock, DecodeTarget, MessageRecords } from "../decoding/decodeBlock.ts"
import { type Decoder, makeDecoder } from "../records/recordDecoder.ts"
import { problemOf } from "../records/recordProblem.ts"
import { RecordRejected } from "../log/storageErrors.ts"
import type { HeldStream } from "../persistent/persistentStreams.ts"
import type { Waiting } from "./backlog.ts"
import type { LogWriter } from "../log/sharedLog.ts"
import type { TableLog } from "../log/tableLog.ts"

/** Where the rows of a log group begin in the buffers, and the last log entry before them. */
export interface GroupMark {
  readonly group: number
  readonly mark: Mark
  readonly lastSequence: number
  /** Per persistent stream, the last offset before them. */
  readonly streams: ReadonlyMap<string, number>
}

/** The offsets for rows that came from no persistent stream. */
export const noStreams: ReadonlyMap<string, number> = new Map()

/** The rows of messages that another thread decoded. */
type DecodedMessages = Pick<DecodedBlock, "chunks" | "rows">

/** The rows of a sealed batch. */
export interface SealedRows {
  readonly lastGroup: number
  rows: number
  bytes: number
  chunks: ReadonlyArray<LeafChunk> | undefined
  marks: ReadonlyArray<GroupMark>
  /**
   * Per persistent stream, the last offset among the rows. Decoding from the log determines it
   * anew.
   */
  streams: ReadonlyMap<string, number>
}

/**
 * A sealed batch. `chunks` is undefined once they were passed to a flush or after the table's
 * columns changed; the batch is then decoded again from the log.
 */
export interface Batch extends SealedRows {
  readonly segment: number
  readonly firstSequence: number
  lastSequence: number
  /** When its first row arrived, in milliseconds. */
  readonly since: number
  /** Whether some of its rows may have been committed before. */
  readonly again?: boolean
}

/**
 * The writer of one stream: the format of its records, and the decoder for the table's current
 * columns.
 */
export class EngineWriter {
  readonly log: LogWriter
  /** The persistent stream that it writes for, if any. */
  readonly stream: HeldStream | undefined
  private batch: OpenBatch
  private decoder: Decoder
  private decodeTarget: DecodeTarget

  constructor(log: LogWriter, batch: OpenBatch, stream: HeldStream | undefined) {
    this.log = log
    this.stream = stream
    this.batch = batch
    this.decoder = makeDecoder(batch.tree, log.format, batch.leaves)
    this.decodeTarget = { columns: batch.columns, format: log.format }
  }

  /**
   * What another thread needs to decode records for this batch. A new object after the table's
   * columns changed.
   */
  targetOf(batch: OpenBatch): DecodeTarget {
    this.decoderOf(batch)
    return this.decodeTarget
  }

  /**
   * The decoder that fills the buffers of this batch. Created anew after the table's columns
   * changed.
   */
  decoderOf(batch: OpenBatch): Decoder {
    if (batch !== this.batch) {
      this.batch = batch
      this.decoder = makeDecoder(batch.tree, this.log.format, batch.leaves)
      this.decodeTarget = { columns: batch.columns, format: this.log.format }
    }
    return this.decoder
  }
}

/** Column buffers of one table. `seal` empties them; a table whose columns change gets new ones. */
export class OpenBatch {
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly tree: ColumnTree
  readonly leaves: ReadonlyArray<Leaf>
  rows = 0
  private readonly messageMark: { rows: number; entries: Array<number>; sizes: Array<number> }
  private marks: Array<GroupMark> = []
  private streams = new Map<string, number>()

  constructor(columns: ReadonlyArray<ColumnDefinition>, tree: ColumnTree) {
    this.columns = columns
    this.tree = tree
    this.leaves = makeLeaves(tree)
    this.messageMark = {
      rows: 0,
      entries: this.leaves.map(() => 0),
      sizes: this.leaves.map(() => 0)
    }
  }

  /** Bytes of column data and levels. */
  get bytes(): number {
    let bytes = 0
    for (let i = 0; i < this.leaves.length; i++)
      bytes += this.leaves[i]!.size + this.leaves[i]!.entries
    return bytes
  }

  /**
   * Decodes all records or none, logs them, and returns the number of their log group. `offset` is
   * the offset of the message, used for persistent streams only.
   */
  append(
    writer: EngineWriter,
    records: ReadonlyArray<Uint8Array>,
    offset: number,
    wal: TableLog
  ): number | RecordRejected {
    const decode = writer.decoderOf(this)
    this.noteMark()
    let index = 0
    let rows = 0
    try {
      for (; index < records.length; index++) rows += decode(records[index]!)
    } catch (error) {
      rollBack(this.leaves, this.messageMark)
      const { expected, path, row } = problemOf(error)
      return new RecordRejected(index + row, path, expected)
    }
    this.markGroup(wal)
    this.rows += rows
    return this.log(writer, records, offset, wal)
  }

  /**
   * Adds rows that another thread decoded from these messages, logs the messages, and returns the
   * number of their log group.
   */
  appendDecoded(
    writer: EngineWriter,
    messages: ReadonlyArray<MessageRecords>,
    offset: number,
    { chunks, rows }: DecodedMessages,
    wal: TableLog
  ): number {
    this.noteMark()
    this.markGroup(wal)
    let group = 0
    for (let i = 0; i < this.leaves.length; i++) this.leaves[i]!.append(chunks[i]!)
    this.rows += rows
    for (const [index, records] of messages.entries()) {
      // Groups are closed between turns of the event loop, so all messages join the same group.
      group = this.log(writer, records, offset + index, wal)
    }
    return group
  }

  /** Logs the records of a message, and records the offset of its persistent stream. */
  private log(
    { log, stream }: EngineWriter,
    records: MessageRecords,
    offset: number,
    wal: TableLog
  ): number {
    if (stream === undefined) return wal.append(log, records)
    const { streamId } = stream
    const group = wal.append(log, records, { streamId, offset })
    this.streams.set(streamId, offset)
    stream.noteUnsafe(group, offset)
    return group
  }

  /** Records where the message, or the block of messages, begins. */
  private noteMark(): void {
    const mark = this.messageMark
    for (let i = 0; i < this.leaves.length; i++) {
      mark.entries[i] = this.leaves[i]!.entries
      mark.sizes[i] = this.leaves[i]!.size
    }
  }

  /** Keeps the mark when the next rows are the first of a log group. */
  private markGroup(wal: TableLog): void {
    const mark = this.messageMark
    const group = wal.openGroup
    if (this.marks.length > 64) this.dropOldMarks(wal.settledGroup)
    if (this.marks.length === 0 || this.marks[this.marks.length - 1]!.group !== group) {
      const entries = mark.entries.slice()
      this.marks.push({
        group,
        mark: { rows: this.rows, entries, sizes: mark.sizes.slice() },
        lastSequence: wal.lastSequence,
        streams: this.streams.size === 0 ? noStreams : new Map(this.streams)
      })
    }
  }

  /** Settled groups need no mark. The last mark is kept because a flush waits for its group. */
  private dropOldMarks(settled: number): void {
    const last = this.marks.length - 1
    this.marks = this.marks.filter((each, index) => each.group > settled || index === last)
  }

  /** Removes the rows of a failed group and of all groups after it. */
  cutBack(firstGroup: number): void {
    const found = this.marks.find((each) => each.group >= firstGroup)
    if (found === undefined) return
    rollBack(this.leaves, found.mark)
    this.rows = found.mark.rows
    this.streams = new Map(found.streams)
    this.marks = this.marks.filter((each) => each.group < firstGroup)
  }

  /** Returns the rows and empties the batch, which must have rows. */
  seal(): SealedRows {
    const { marks, rows, streams } = this
    const chunks = sealAll(this.leaves)
    this.rows = 0
    this.marks = []
    this.streams = new Map()
    return {
      lastGroup: marks[marks.length - 1]!.group,
      rows,
      bytes: bytesOf(chunks),
      chunks,
      marks,
      streams
    }
  }
}

/**
 * What waits for a table: its sealed batches, oldest first, and the open one, whose first row
 * arrived at `openSince`.
 */
export const waitingOf = (
  batches: ReadonlyArray<Batch>,
  open: OpenBatch,
  openSince: number
): Waiting => {
  let { bytes, rows } = open
  for (const batch of batches) {
    rows += batch.rows
    bytes += batch.bytes
  }
  return { rows, bytes, since: batches[0]?.since ?? (open.rows > 0 ? openSince : Infinity) }
}
