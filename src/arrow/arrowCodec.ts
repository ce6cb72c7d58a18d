/**
 * Encodes and decodes Arrow batches. In the landing zone a record is an IPC stream with the table's
 * schema and batches of at most 2 MiB.
 */
import {
  compressionRegistry,
  type Data,
  RecordBatch,
  type Schema,
  Table,
  tableFromIPC,
  tableToIPC
} from "apache-arrow"
import { zstdDecompressSync } from "node:zlib"
import { lz4Decompress } from "../internal/arrow/lz4Frame.ts"
import { lz4Size } from "../internal/arrow/lz4Size.ts"
import { type BodyCompression, writeBatchMessage } from "../internal/flight/batchMessage.ts"
import {
  bodyCompression,
  type CompressionName,
  LZ4,
  ZSTD
} from "../internal/flight/bodyCompression.ts"
import { flightRpc } from "../internal/flight/flightRpc.ts"
import { END_OF_STREAM } from "../internal/flight/ipcStream.ts"
import { LARGEST_BATCH } from "../internal/flight/rowBatches.ts"
import { RowWire } from "../internal/flight/rowWire.ts"
import { suffixOf } from "../internal/flight/suffix.ts"
import type { ByteSink, RecordCodec } from "../internal/recordCodec.ts"
import { InvalidArgument } from "../ZerobusError.ts"
import { castParts } from "./castColumn.ts"
import { flatten, flattenBatch, sizeOf } from "./flatten.ts"

/**
 * The library reads compressed batches with registered codecs. A codec registered by the program is
 * kept.
 */
const registerCodecs = (): void => {
  if (compressionRegistry.get(ZSTD) === null)
    compressionRegistry.set(ZSTD, { decode: (bytes) => zstdDecompressSync(bytes) })
  if (compressionRegistry.get(LZ4) === null)
    compressionRegistry.set(LZ4, { decode: (bytes) => lz4Decompress(bytes, lz4Size(bytes)) })
}

/** An Arrow table returned by a stream. Its JSON form is its IPC stream in base64. */
export class ReturnedTable extends Table {
  readonly #ipc: Uint8Array

  constructor(ipc: Uint8Array) {
    super(tableFromIPC(ipc).batches)
    this.#ipc = ipc
  }

  toJSON(): string {
    return Buffer.from(this.#ipc.buffer, this.#ipc.byteOffset, this.#ipc.length).toString("base64")
  }
}

/** A record from a program. */
export type Given = Table | RecordBatch | Uint8Array

const refused = (message: string): InvalidArgument => new InvalidArgument({ message, path: [] })

/** The schema message of an IPC stream, including its prefix. */
export const schemaMessage = (schema: Schema): Uint8Array => {
  const stream = tableToIPC(new Table(schema), "stream")
  return Uint8Array.from(stream.subarray(0, stream.length - END_OF_STREAM.length))
}

/** The casts from the columns of a schema to those of the table. */
type Plan = ReturnType<typeof castParts>

/** The codec of a table with this schema. */
export const arrowCodec = (
  schema: Schema,
  descriptor: Uint8Array,
  compression: CompressionName
): RecordCodec<Given> => {
  registerCodecs()
  const body = bodyCompression(compression)
  const plans = new WeakMap<Schema, Plan>()
  const planOf = (given: Schema): Plan => {
    const plan = plans.get(given) ?? castParts([], given.fields, schema.fields)
    plans.set(given, plan)
    return plan
  }

  const writeBatch = (batch: RecordBatch, sink: ByteSink): void => {
    const rows = batch.numRows
    const columns = planOf(batch.schema)(batch.data.children, rows)
    const whole = flatten(columns, rows)
    const frames = Math.ceil(sizeOf(whole) / LARGEST_BATCH)
    if (frames <= 1) return writeBatchMessage(sink, whole, body)
    const each = Math.max(1, Math.floor(rows / frames))
    for (let row = 0; row < rows; row += each) {
      const count = Math.min(each, rows - row)
      const part = columns.map((column: Data) => column.slice(row, count))
      writeBatchMessage(sink, flatten(part, count), body)
    }
  }

  return {
    write: (record, sink) => {
      const batches = batchesOf(record)
      if (batches instanceof InvalidArgument) return batches
      append(sink, descriptor)
      try {
        for (const batch of batches) writeBatch(batch, sink)
      } catch (error) {
        if (error instanceof InvalidArgument) return error
        throw error
      }
      append(sink, END_OF_STREAM)
      return undefined
    },
    read: (payload) => new ReturnedTable(payload),
    protocol: {
      stored: "arrow",
      gathers: false,
      rpc: (table) =>
        flightRpc(
          () => table.descriptor!,
          () => new RowWire()
        ),
      suffix: suffixOf((stream, rows) => withoutRows(stream, rows, body))
    }
  }
}

const append = (sink: ByteSink, bytes: Uint8Array): void => {
  sink.ensure(bytes.length)
  sink.buffer.set(bytes, sink.position)
  sink.position += bytes.length
}

/** The non-empty batches of a record. */
const batchesOf = (record: Given): ReadonlyArray<RecordBatch> | InvalidArgument => {
  const batches = givenBatches(record)
  if (batches instanceof InvalidArgument) return batches
  const filled = batches.filter(({ numRows }) => numRows > 0)
  return filled.length > 0
    ? filled
    : refused("The record has no rows. Leave it out: a batch needs at least one.")
}

const givenBatches = (record: unknown): ReadonlyArray<RecordBatch> | InvalidArgument => {
  if (record instanceof Table) return record.batches
  if (record instanceof RecordBatch) return [record]
  if (!(record instanceof Uint8Array)) {
    return refused(
      "A record must be a Table or a RecordBatch of apache-arrow, or the bytes of an IPC stream " +
        "or file."
    )
  }
  let batches: ReadonlyArray<RecordBatch>
  try {
    batches = tableFromIPC(record).batches
  } catch {
    return refused(
      "The bytes cannot be read as a stream of Arrow's IPC format: it is damaged, or of another " +
        "format."
    )
  }
  if (batches.length === 1) return batches
  if (batches.length === 0)
    return refused("The bytes hold no batch of a stream in Arrow's IPC format.")
  const advice = "Read it with tableFromIPC and ingest the table."
  return refused(`The IPC stream holds ${batches.length} batches instead of one. ${advice}`)
}

/** The batch message of a stream's only batch without its first `rows` rows. */
const withoutRows = (
  stream: Uint8Array,
  rows: number,
  body: BodyCompression | undefined
): Uint8Array => {
  // Copied, because the library reads numbers in place and needs them aligned.
  const [batch] = tableFromIPC(Uint8Array.from(stream)).batches
  const rest = flattenBatch(batch!.slice(rows))
  const sink = new GrowingSink()
  writeBatchMessage(sink, rest, body)
  return sink.buffer.subarray(0, sink.position)
}

/** A sink that grows as needed. */
class GrowingSink implements ByteSink {
  buffer = Buffer.allocUnsafe(64 * 1024)
  position = 0
  readonly mark = 0

  ensure(bytes: number): void {
    const needed = this.position + bytes
    if (needed <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.position)
    this.buffer = larger
  }
}
