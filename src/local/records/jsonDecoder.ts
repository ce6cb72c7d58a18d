/**
 * Decodes JSON records into the leaves of a table. Nearly all are read once, directly from their
 * bytes into the columns (`jsonReader.ts`). Other records, including invalid ones, are rolled back
 * and parsed as a whole (`jsonValues.ts`), which determines their values or why they are refused.
 */
import { isUtf8 } from "node:buffer"
import { jsonReader, type ReadRecord } from "./jsonReader.ts"
import { jsonObjectAppender } from "./jsonValues.ts"
import { rescuingAppender } from "./rescuedFields.ts"
import { RecordProblem } from "./recordProblem.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import type { ColumnTree } from "../parquet/columnTree.ts"

/** Appends one JSON record, all bytes or those from `start` to `end`; returns 1. */
type DecodeJson = (bytes: Uint8Array, start?: number, end?: number) => number

/**
 * Creates the decoder of JSON records in UTF-8. On a problem it throws and leaves a partial record
 * behind.
 */
export const jsonDecoder = (tree: ColumnTree, leaves: ReadonlyArray<Leaf>): DecodeJson => {
  const read = jsonReader(tree, leaves)
  const parse = parsedDecoder(tree, leaves)
  const entries = new Float64Array(leaves.length)
  const sizes = new Float64Array(leaves.length)
  return (bytes, start = 0, end = bytes.length) => {
    for (let i = 0; i < leaves.length; i++) {
      entries[i] = leaves[i]!.entries
      sizes[i] = leaves[i]!.size
    }
    if (isRead(read, bytes, start, end)) return 1
    for (let i = 0; i < leaves.length; i++) leaves[i]!.cut(entries[i]!, sizes[i]!)
    return parse(bytes, start, end)
  }
}

/** Errors of the reader are ignored: parsing the record finds the same problem, or none. */
const isRead = (read: ReadRecord, bytes: Uint8Array, start: number, end: number): boolean => {
  try {
    return read(bytes, start, end)
  } catch {
    return false
  }
}

/**
 * The decoder that parses records as a whole. It is the reference for the values of a record and
 * for refusals.
 */
export const parsedDecoder = (tree: ColumnTree, leaves: ReadonlyArray<Leaf>): DecodeJson => {
  const appendObject: (value: unknown, repetition: number, text: string) => void =
    tree.rescue === undefined
      ? jsonObjectAppender(tree, leaves)
      : rescuingAppender(tree, leaves, tree.rescue)
  return (bytes, start = 0, end = bytes.length) => {
    const record = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
    if (!isUtf8(record)) throw new RecordProblem([], "expected a JSON object as valid UTF-8")
    const text = record.toString("utf8")
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw new RecordProblem([], "expected a JSON object, the record is not valid JSON")
    }
    appendObject(value, 0, text)
    return 1
  }
}
