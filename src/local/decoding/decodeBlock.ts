/**
 * The data exchanged with the decode thread: the bytes of messages in one piece, and the column
 * buffers of their rows. The thread decodes whole messages in order and stops at the first refused
 * one, which adds no rows.
 */
import type { ColumnDefinition } from "../../internal/columns/columnType.ts"
import { buffersOf, type LeafChunk, markOf, rollBack, sealAll } from "../parquet/columnBuffer.ts"
import { takeMemory } from "../parquet/columnMemory.ts"
import { columnTree, makeLeaves } from "../parquet/columnTree.ts"
import type { LogFormat } from "../log/logFrames.ts"
import { makeDecoder } from "../records/recordDecoder.ts"
import { problemOf } from "../records/recordProblem.ts"

/** The records of one message: views of its bytes. */
export type MessageRecords = ReadonlyArray<Uint8Array>

/** How the records of a stream become rows of a table. */
export interface DecodeTarget {
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly format: LogFormat
}

/** Messages for the decode thread. */
export interface DecodeBlock {
  readonly bytes: Uint8Array
  /** The start and the end of each record. */
  readonly places: Uint32Array<ArrayBuffer>
  /** The number of records in each message. */
  readonly counts: Uint32Array<ArrayBuffer>
}

/** The rows of a block. */
export interface DecodedBlock {
  readonly chunks: ReadonlyArray<LeafChunk>
  /** The number of rows. */
  readonly rows: number
  /** The first refused message, with the record and the reason. The rows are those before it. */
  readonly refused:
    | {
        readonly message: number
        readonly record: number
        readonly path: string
        readonly expected: string
      }
    | undefined
}

/** Copies messages into a block. */
export const blockOf = (messages: ReadonlyArray<MessageRecords>): DecodeBlock => {
  let total = 0
  let records = 0
  const spans = messages.map((message) => {
    const last = message[message.length - 1]!
    const start = message[0]!.byteOffset
    const length = last.byteOffset + last.length - start
    const at = total
    total += length
    records += message.length
    return { start, length, at }
  })
  const bytes = takeMemory(total)
  const places = new Uint32Array(records * 2)
  let place = 0
  messages.forEach((message, index) => {
    const { at, length, start } = spans[index]!
    bytes.set(new Uint8Array(message[0]!.buffer, start, length), at)
    for (const record of message) {
      const from = at + record.byteOffset - start
      places[place++] = from
      places[place++] = from + record.length
    }
  })
  return { bytes, places, counts: Uint32Array.from(messages, ({ length }) => length) }
}

/** Creates the decoder for blocks of one target. */
export const blockDecoder = ({
  columns,
  format
}: DecodeTarget): ((block: DecodeBlock) => DecodedBlock) => {
  const tree = columnTree(columns)
  const leaves = makeLeaves(tree)
  const decode = makeDecoder(tree, format, leaves)
  return ({ bytes, counts, places }) => {
    let place = 0
    let rows = 0
    for (let message = 0; message < counts.length; message++) {
      const mark = markOf(leaves, rows)
      for (let record = 0; record < counts[message]!; record++, place += 2) {
        try {
          rows += decode(bytes, places[place]!, places[place + 1]!)
        } catch (error) {
          rollBack(leaves, mark)
          const { expected, path, row } = problemOf(error)
          const refused = { message, record: record + row, path, expected }
          return { chunks: sealAll(leaves), rows: mark.rows, refused }
        }
      }
    }
    return { chunks: sealAll(leaves), rows, refused: undefined }
  }
}

/** The buffers that have to be transferred to another thread; the others are shared. */
export const transferOf = (buffers: ReadonlyArray<ArrayBufferLike>): Array<ArrayBuffer> =>
  buffers.filter((buffer) => buffer instanceof ArrayBuffer)

/** The buffers of a block's rows. */
export const memoryOf = ({ chunks }: DecodedBlock): ReadonlyArray<ArrayBufferLike> =>
  buffersOf(chunks)
