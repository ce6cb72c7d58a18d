/**
 * Decodes the messages of an Arrow stream into the leaves of a table, column by column. A message
 * is one `FlightData` with a record batch, in the form received and logged.
 */
import { readColumns } from "../../internal/arrow/arrowColumns.ts"
import { refuseArrow } from "../../internal/arrow/arrowProblem.ts"
import type { ArrowField } from "../../internal/arrow/arrowSchema.ts"
import type { BatchLimits, Decompress } from "../../internal/arrow/bodyBuffers.ts"
import { type BatchHeader, readMessage } from "../../internal/arrow/ipcMessage.ts"
import { lz4Decompress } from "../../internal/arrow/lz4Frame.ts"
import { readFlightData } from "../../internal/flight/flightData.ts"
import { decompressZstdTo } from "../parquet/codecs.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import type { ColumnTree } from "../parquet/columnTree.ts"
import { fieldAppenders } from "./arrowColumnAppenders.ts"
import { RecordProblem } from "./recordProblem.ts"

/** The limits for one message, regardless of the sizes that it declares. */
export const batchLimits: BatchLimits = { bytes: 64 * 1024 * 1024, values: 2 ** 24 }
/** The most leaf entries that one message may create. */
const maxEntries = 2 ** 26

/** Decompresses the buffers of a batch. */
export const decompress: Decompress = (codec, bytes, size) =>
  codec === "ZSTD" ? decompressZstdTo(bytes, size) : lz4Decompress(bytes, size)

/** The fields of a schema message. Throws `ArrowProblem` for other bytes. */
export const arrowFields = (schema: Uint8Array): ReadonlyArray<ArrowField> => {
  const message = readMessage(schema)
  return message._tag === "Schema" ? message.fields : refuseArrow("The message is no schema.")
}

/** The record batch of a message. Throws `ArrowProblem` for another kind of message. */
export const arrowBatch = (
  message: Uint8Array
): { readonly batch: BatchHeader; readonly body: Uint8Array } => {
  const data = readFlightData(message)
  if (data === undefined) return refuseArrow("The message is not a valid FlightData.")
  const { body, header } = data
  const read = readMessage(header)
  if (read._tag !== "RecordBatch") return refuseArrow("The message is no record batch.")
  return { batch: read.batch, body }
}

/**
 * Creates the decoder of a stream. It appends the rows of a message (all bytes, or those from
 * `start` to `end`) and returns their number. The schema must have been checked against the columns
 * of the tree.
 */
export const arrowDecoder = (
  tree: ColumnTree,
  schema: Uint8Array,
  leaves: ReadonlyArray<Leaf>
): ((bytes: Uint8Array, start?: number, end?: number) => number) => {
  const fields = arrowFields(schema)
  const { appenders, load } = fieldAppenders(tree.names, tree.columns, fields, leaves)
  return (bytes, start = 0, end = bytes.length) => {
    const { batch, body } = arrowBatch(bytes.subarray(start, end))
    const columns = readColumns(fields, batch, body, decompress, batchLimits)
    const { rows } = batch
    if (load(columns, rows) > maxEntries) {
      refuseArrow(`The batch makes more than ${maxEntries} values. Send smaller batches.`)
    }
    for (let i = 0; i < appenders.length; i++) {
      const { append, appendAll } = appenders[i]!
      if (appendAll?.(rows) === true) continue
      let row = 0
      try {
        for (; row < rows; row++) append(row, 0)
      } catch (error) {
        if (error instanceof RecordProblem) error.row = row
        throw error
      }
    }
    return rows
  }
}
