/**
 * What goes to the decode thread and comes back: the bytes of messages in one piece, and the column
 * buffers of their rows. The thread decodes whole messages in order and stops at the first that it
 * refuses, of which nothing is among the rows.
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
  /** Where each record begins and ends. */
  readonly places: Uint32Array<ArrayBuffer>
  /** How many records each message has. */
  readonly counts: Uint32Array<ArrayBuffer>
}

/** The rows of a block. */
export interface DecodedBlock {
  readonly chunks: ReadonlyArray<LeafChunk>
  /** How many there are. */
  readonly rows: number
  /** The first message that is refused, with the record and why; the rows are those before it. */
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

/** Decodes blocks of one target, one after another. */
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

/** The memory of chunks that goes to another thread by transfer; the rest is shared. */
export const transferOf = (buffers: ReadonlyArray<ArrayBufferLike>): Array<ArrayBuffer> =>
  buffers.filter((buffer) => buffer instanceof ArrayBuffer)

/** The memory behind the rows of a block. */
export const memoryOf = ({ chunks }: DecodedBlock): ReadonlyArray<ArrayBufferLike> =>
  buffersOf(chunks)
