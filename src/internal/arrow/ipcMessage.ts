/**
 * Reads the header of an Arrow IPC message: the flatbuffer before its body. Never reads outside of
 * it. `arrowColumns.ts` checks what it states about the body.
 */
import { refuseArrow } from "./arrowProblem.ts"
import type { ArrowField } from "./arrowSchema.ts"
import { FlatTable } from "./flatbuffer.ts"
import { readSchema } from "./ipcSchema.ts"

/** How the buffers of a body are compressed. */
export type BodyCodec = "LZ4_FRAME" | "ZSTD"

/** The header of a record batch: rows, and per column its length, NULLs and buffers. */
export interface BatchHeader {
  readonly rows: number
  /** Per column, depth first: how many values it has, and how many are NULL. */
  readonly lengths: ReadonlyArray<number>
  readonly nulls: ReadonlyArray<number>
  /** Per buffer, in order: its position in the body, and its length. */
  readonly offsets: ReadonlyArray<number>
  readonly sizes: ReadonlyArray<number>
  readonly codec: BodyCodec | undefined
}

/** A message. `Other` stands for tensors and for kinds that later versions add. */
export type ArrowMessage =
  | { readonly _tag: "Schema"; readonly fields: ReadonlyArray<ArrowField> }
  | { readonly _tag: "RecordBatch"; readonly batch: BatchHeader; readonly bodyLength: number }
  | {
      readonly _tag: "DictionaryBatch"
      readonly id: bigint
      readonly isDelta: boolean
      readonly batch: BatchHeader
      readonly bodyLength: number
    }
  | { readonly _tag: "Other" }

/** Metadata version V4. Messages of earlier versions have another layout. */
const oldestVersion = 3
const newestVersion = 4

/** Reads a header, without the length prefix of IPC streams. */
export const readMessage = (header: Uint8Array): ArrowMessage => {
  const message = FlatTable.root(header)
  const version = message.int16(0)
  if (version < oldestVersion || version > newestVersion) {
    refuseArrow("The message has a metadata version other than V4 or V5.")
  }
  const content = message.table(2)
  if (content === undefined) return refuseArrow("The message has no header.")
  switch (message.byte(1)) {
    case 1:
      return { _tag: "Schema", fields: readSchema(content) }
    case 2: {
      const data = content.table(1)
      if (data === undefined) return refuseArrow("The dictionary batch has no data.")
      const [id, isDelta] = [content.int64(0), content.byte(2) !== 0]
      return {
        _tag: "DictionaryBatch",
        id,
        isDelta,
        batch: readBatch(data),
        bodyLength: message.count(3)
      }
    }
    case 3:
      return { _tag: "RecordBatch", batch: readBatch(content), bodyLength: message.count(3) }
    default:
      return { _tag: "Other" }
  }
}

/** Reads only the number of rows of a record batch; undefined for other messages. */
export const peekRows = (header: Uint8Array): number | undefined => {
  const message = FlatTable.root(header)
  return message.byte(1) === 3 ? message.table(2)?.count(0) : undefined
}

const codecs: ReadonlyArray<BodyCodec> = ["LZ4_FRAME", "ZSTD"]

const readBatch = (batch: FlatTable): BatchHeader => {
  const nodes = batch.vector(1, 16)
  const buffers = batch.vector(2, 16)
  const compression = batch.table(3)
  let codec: BodyCodec | undefined
  if (compression !== undefined) {
    codec = codecs[compression.byte(0)]
    if (codec === undefined || compression.byte(1) !== 0) {
      refuseArrow("The batch is compressed in a way other than LZ4_FRAME or ZSTD per buffer.")
    }
  }
  if (batch.vector(4, 8).length > 0) refuseArrow("The batch has columns of view types.")
  const lengths: Array<number> = []
  const nulls: Array<number> = []
  for (let index = 0; index < nodes.length; index++) {
    lengths.push(batch.pairCount(nodes, index, 0))
    nulls.push(batch.pairCount(nodes, index, 1))
  }
  const offsets: Array<number> = []
  const sizes: Array<number> = []
  for (let index = 0; index < buffers.length; index++) {
    offsets.push(batch.pairCount(buffers, index, 0))
    sizes.push(batch.pairCount(buffers, index, 1))
  }
  return { rows: batch.count(0), lengths, nulls, offsets, sizes, codec }
}
