/**
 * Decodes records by format: those of a stream, and those read back from the log.
 */
import * as Result from "effect/Result"
import { type MessageShape, parseDescriptorProto } from "../../internal/protobuf/descriptor.ts"
import { type ColumnTree, makeLeaves } from "../parquet/columnTree.ts"
import { avroDecoder } from "./avroDecoder.ts"
import { arrowDecoder } from "./arrowDecoder.ts"
import { jsonDecoder } from "./jsonDecoder.ts"
import type { Leaf, LeafChunk } from "../parquet/columnBuffer.ts"
import type { LogFormat, RecordsFrame } from "../log/logFrames.ts"
import { protoDecoder } from "./protoDecoder.ts"

/**
 * Decodes a record into the leaves: all bytes, or those from `start` to `end`. Returns the number
 * of rows, which is one except for Arrow. Throws errors that `problemOf` accepts.
 */
export type Decoder = (bytes: Uint8Array, start?: number, end?: number) => number

/** A cache of parsed descriptors by their bytes: streams of many tables may have equal ones. */
const shapes = new Map<string, MessageShape>()
const mostShapes = 64

const shapeOf = (descriptor: Uint8Array): MessageShape => {
  const key = Buffer.from(descriptor.buffer, descriptor.byteOffset, descriptor.length).toString(
    "latin1"
  )
  const known = shapes.get(key)
  if (known !== undefined) return known
  const shape = Result.getOrThrowWith(parseDescriptorProto(descriptor), (why) => new Error(why))
  shapes.set(key, shape)
  if (shapes.size > mostShapes) shapes.delete(shapes.keys().next().value!)
  return shape
}

/**
 * Creates the decoder of a format. Its schema must fit the columns according to `formatProblem`.
 */
export const makeDecoder = (
  tree: ColumnTree,
  format: LogFormat,
  leaves: ReadonlyArray<Leaf>
): Decoder => {
  switch (format._tag) {
    case "Json":
      return jsonDecoder(tree, leaves)
    case "Proto":
      return protoDecoder(tree, shapeOf(format.descriptor), leaves)
    case "Arrow":
      return arrowDecoder(tree, format.schema, leaves)
    case "Avro":
      return avroDecoder(tree, format.schema, leaves)
  }
}

/** Rows decoded from the log, with the sequence number of their last entry; 0 without entries. */
export interface DecodedRows {
  readonly chunks: ReadonlyArray<LeafChunk>
  readonly rows: number
  readonly lastSequence: number
  /** Per persistent stream, the last offset among the rows. */
  readonly streams: ReadonlyMap<string, number>
}

/** Decodes log entries. They passed the same checks when they were appended. */
export const decodeFrames = (
  tree: ColumnTree,
  frames: ReadonlyArray<RecordsFrame>
): DecodedRows => {
  const leaves = makeLeaves(tree)
  const decoders = new Map<LogFormat, Decoder>()
  const streams = new Map<string, number>()
  let rows = 0
  let lastSequence = 0
  for (const frame of frames) {
    let decode = decoders.get(frame.format)
    if (decode === undefined) {
      decode = makeDecoder(tree, frame.format, leaves)
      decoders.set(frame.format, decode)
    }
    for (const record of frame.records) rows += decode(record)
    lastSequence = frame.sequence
    if (frame.position !== undefined) streams.set(frame.position.streamId, frame.position.offset)
  }
  return { chunks: leaves.map((leaf) => leaf.seal()), rows, lastSequence, streams }
}
