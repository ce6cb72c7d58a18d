/**
 * Writes record batch messages of Arrow's IPC format. The flatbuffer of such a message always has
 * the same structure, so it is written at fixed positions instead of by a general builder.
 *
 *   0   root offset
 *   4   free bytes, for the beginning of a Flight frame (`flightFrame.ts`)
 *   16  root offset once more: the header of the frame begins here
 *   20  vtable of Message
 *   32  Message: header, bodyLength, version, header_type
 *   52  vtable of RecordBatch
 *   64  RecordBatch: nodes, length, buffers, compression
 *   92  nodes: count, (length, nulls)*
 *       buffers: count, (offset, length)*
 *       compression, if there is one
 *       free bytes, for the rest of the frame up to the body
 */
import type { ByteSink } from "../recordCodec.ts"
import { HEADER_AT, ROOM_BEFORE_BODY } from "./flightFrame.ts"
import { PREFIX } from "./ipcStream.ts"

/** The columns of a batch, depth first: a node for each, and all their buffers in order. */
export interface FlatBatch {
  readonly rows: number
  readonly nodes: ReadonlyArray<{ readonly length: number; readonly nullCount: number }>
  readonly buffers: ReadonlyArray<Uint8Array>
}

/** How the buffers of a body are compressed. */
export interface BodyCompression {
  /** Its number in Arrow's format. */
  readonly codec: number
  readonly compress: (bytes: Uint8Array) => Uint8Array
}

/**
 * Shorter buffers are not compressed: a call of Node's ZSTD takes 17 us whatever the length, which
 * is what a slow network needs for the bytes that it could save.
 */
const LEAST_COMPRESSED = 1024

const METADATA_V5 = 4
const RECORD_BATCH = 3
const MESSAGE = 32
const BATCH = 64
const NODES = 92

/** The alignment of buffers: uncompressed ones may be read in place with any instructions. */
const alignmentOf = (compression: BodyCompression | undefined): number =>
  compression === undefined ? 64 : 8

const padded = (length: number, alignment: number): number =>
  Math.ceil(length / alignment) * alignment

/** Bytes of the flatbuffer for this many nodes and buffers. */
const metadataSize = (nodes: number, buffers: number, compressed: boolean): number =>
  NODES + 4 + nodes * 16 + 8 + buffers * 16 + (compressed ? 16 : 0) + ROOM_BEFORE_BODY

/** Appends the message of one batch to the sink. */
export const writeBatchMessage = (
  sink: ByteSink,
  batch: FlatBatch,
  compression: BodyCompression | undefined
): void => {
  const { buffers, nodes, rows } = batch
  const size = metadataSize(nodes.length, buffers.length, compression !== undefined)
  // Compressed buffers need less, and a sink that has grown keeps its size.
  sink.ensure(PREFIX + size + (compression === undefined ? bodySize(buffers) : 0))
  // The sink may move while the body is written, so positions are relative to the start of the
  // record.
  const start = sink.position - sink.mark
  sink.position += PREFIX + size
  const regions = writeBody(sink, buffers, compression)
  const bodyLength = sink.position - sink.mark - start - PREFIX - size
  const at = sink.mark + start
  sink.buffer.writeInt32LE(-1, at)
  sink.buffer.writeInt32LE(size, at + 4)
  writeMetadata(sink.buffer.subarray(at + PREFIX, at + PREFIX + size), {
    rows,
    nodes,
    regions,
    bodyLength,
    codec: compression?.codec
  })
}

/** The position of a buffer in its body, without padding. */
type Region = readonly [offset: number, length: number]

/** Bytes of an uncompressed body. */
const bodySize = (buffers: ReadonlyArray<Uint8Array>): number =>
  buffers.reduce((sum, { length }) => sum + padded(length, alignmentOf(undefined)), 0)

const writeBody = (
  sink: ByteSink,
  buffers: ReadonlyArray<Uint8Array>,
  compression: BodyCompression | undefined
): ReadonlyArray<Region> => {
  const alignment = alignmentOf(compression)
  const start = sink.position - sink.mark
  return buffers.map((bytes) => {
    const offset = sink.position - sink.mark - start
    if (bytes.length === 0) return [offset, 0]
    const length =
      compression === undefined ? append(sink, bytes) : appendCompressed(sink, bytes, compression)
    const padding = padded(offset + length, alignment) - offset - length
    sink.ensure(padding)
    sink.buffer.fill(0, sink.position, sink.position + padding)
    sink.position += padding
    return [offset, length]
  })
}

const append = (sink: ByteSink, bytes: Uint8Array): number => {
  sink.ensure(bytes.length)
  sink.buffer.set(bytes, sink.position)
  sink.position += bytes.length
  return bytes.length
}

/**
 * A compressed buffer is prefixed by its uncompressed length, or by -1 if compression did not
 * shorten it.
 */
const appendCompressed = (
  sink: ByteSink,
  bytes: Uint8Array,
  { compress }: BodyCompression
): number => {
  const shorter = bytes.length < LEAST_COMPRESSED ? bytes : compress(bytes)
  const plain = shorter.length >= bytes.length
  sink.ensure(8)
  sink.buffer.writeBigInt64LE(plain ? -1n : BigInt(bytes.length), sink.position)
  sink.position += 8
  return 8 + append(sink, plain ? bytes : shorter)
}

interface Metadata {
  readonly rows: number
  readonly nodes: FlatBatch["nodes"]
  readonly regions: ReadonlyArray<Region>
  readonly bodyLength: number
  readonly codec: number | undefined
}

const writeMetadata = (
  out: Buffer,
  { bodyLength, codec, nodes, regions, rows }: Metadata
): void => {
  out.fill(0)
  const u16 = (at: number, ...values: ReadonlyArray<number>) =>
    values.forEach((value, index) => out.writeUInt16LE(value, at + index * 2))
  const i64 = (at: number, value: number) => out.writeBigInt64LE(BigInt(value), at)
  /** Writes an offset at `at` that points to `to`. */
  const offset = (at: number, to: number) => out.writeUInt32LE(to - at, at)

  offset(0, MESSAGE)
  offset(HEADER_AT, MESSAGE)
  u16(20, 12, 20, 16, 18, 4, 8) // version, header_type, header, bodyLength
  out.writeInt32LE(MESSAGE - 20, MESSAGE)
  offset(MESSAGE + 4, BATCH)
  i64(MESSAGE + 8, bodyLength)
  out.writeInt16LE(METADATA_V5, MESSAGE + 16)
  out[MESSAGE + 18] = RECORD_BATCH

  u16(52, 12, 24, 8, 4, 16, codec === undefined ? 0 : 20) // length, nodes, buffers, compression
  out.writeInt32LE(BATCH - 52, BATCH)
  offset(BATCH + 4, NODES)
  i64(BATCH + 8, rows)

  out.writeUInt32LE(nodes.length, NODES)
  let at = NODES + 4
  for (const { length, nullCount } of nodes) {
    i64(at, length)
    i64(at + 8, nullCount)
    at += 16
  }
  offset(BATCH + 16, at + 4)
  out.writeUInt32LE(regions.length, at + 4)
  at += 8
  for (const [start, length] of regions) {
    i64(at, start)
    i64(at + 8, length)
    at += 16
  }
  if (codec === undefined) return
  u16(at, 8, 6, 4, 5) // codec, method
  out.writeInt32LE(8, at + 8)
  offset(BATCH + 20, at + 8)
  out[at + 12] = codec
}
