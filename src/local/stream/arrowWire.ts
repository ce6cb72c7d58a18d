/**
 * The messages of an Arrow stream, which is a call of Flight's `DoPut`.
 *
 *   client -> schema                     server -> { ack_up_to_offset: -1, ack_up_to_records: 0 }
 *          -> batch { offset_id: 0 }            -> { ack_up_to_offset: 0, ack_up_to_records: 120 }
 *          -> batch { offset_id: 1 }            -> { ..., close_stream_duration_ms: 60000 }
 *
 * A batch is one message, and its rows are the records. Acknowledgements contain the offset and the
 * number of rows of this connection; clients use the number of rows.
 */
import { peekRows, readMessage } from "../../internal/arrow/ipcMessage.ts"
import { ArrowProblem } from "../../internal/arrow/arrowProblem.ts"
import {
  readFlightData,
  readOffsetMetadata,
  writePutResult
} from "../../internal/flight/flightData.ts"
import { bytesField } from "../../internal/protobuf/writer.ts"
import { ARROW_RECORDS, type StreamRequest } from "./streamMessages.ts"
import { farAhead, type StreamWire } from "./streamWire.ts"

const malformed = (problem: string): StreamRequest => ({ _tag: "Malformed", problem })

/** Sums the rows of the batches up to a wire offset. */
class RowSums {
  /** All rows that were received, and those up to `upTo`. */
  total = 0
  private sum = 0
  private upTo = -1
  /** Rows of each batch after `upTo`. */
  private readonly rows: Array<number> = []

  add(rows: number): void {
    this.total += rows
    this.rows.push(rows)
  }

  /**
   * The rows up to an offset. Offsets must not decrease, so the counts of earlier batches are
   * dropped.
   */
  at(upTo: number): number {
    const batches = this.rows.splice(0, Math.max(0, upTo - this.upTo))
    for (const rows of batches) this.sum += rows
    this.upTo += batches.length
    return this.sum
  }
}

/** The messages of one Arrow stream for a table. */
export const arrowWire = (tableName: string): StreamWire => {
  const sums = new RowSums()
  let hasSchema = false
  let last = { ackUpToOffset: -1, ackUpToRecords: 0 }
  const answer = (graceMillis?: number) =>
    writePutResult({ ...last, closeStreamDurationMs: graceMillis })

  const readFirst = (header: Uint8Array): StreamRequest => {
    if (readMessage(header)._tag !== "Schema")
      return malformed("The first message must be an Arrow schema")
    hasSchema = true
    return { _tag: "Create", tableName, descriptor: header, recordType: ARROW_RECORDS }
  }

  const readBatch = (
    bytes: Uint8Array,
    header: Uint8Array,
    metadata: Uint8Array | undefined
  ): StreamRequest => {
    const count = peekRows(header)
    if (count === undefined) {
      return malformed("The message is no record batch; send the values of dictionaries instead")
    }
    const offset = metadata === undefined ? undefined : readOffsetMetadata(metadata)
    return {
      _tag: "Ingest",
      batch: true,
      offset,
      kind: "Arrow",
      records: [bytes],
      count,
      recordBytes: bytes.length
    }
  }

  return {
    mayHurry: true,
    read: (bytes) => {
      const data = readFlightData(bytes)
      if (data === undefined) return malformed("The message is not a valid FlightData")
      try {
        return hasSchema ? readBatch(bytes, data.header, data.metadata) : readFirst(data.header)
      } catch (error) {
        if (!(error instanceof ArrowProblem)) throw error
        return malformed(`The message is not valid Arrow IPC. ${error.message}`)
      }
    },
    created: () => answer(),
    resumed: () => answer(),
    received: (records) => sums.add(records),
    ack: (upTo, graceMillis) => {
      last = { ackUpToOffset: upTo, ackUpToRecords: sums.at(upTo) }
      return answer(graceMillis)
    },
    closeSignal: answer,
    falseAck: (kind, place) => {
      const { ackUpToRecords: rows } = last
      switch (kind) {
        case "future":
          return writePutResult({
            ackUpToOffset: farAhead(place),
            ackUpToRecords: sums.total + 999
          })
        case "lower":
          return writePutResult({
            ackUpToOffset: place.decided - 1,
            ackUpToRecords: Math.max(0, rows - 1)
          })
        case "repeated":
          return writePutResult({ ackUpToOffset: place.decided, ackUpToRecords: rows })
        case "negative":
          return writePutResult({ ackUpToOffset: place.decided, ackUpToRecords: -1 })
        case "missing":
          return bytesField(1, Buffer.from("{}"))
      }
    }
  }
}
