/**
 * Moves the records of a file into a stream: reads, checks and queues them, and tracks the file
 * position of durable records.
 *
 * Memory is bounded by the stream's landing zone: when it is full, reading stops. Records are
 * processed synchronously. Effects run once per chunk, and when a record has to wait. `progress.ts`
 * builds the output for users.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArgument, PayloadTooLarge } from "../../ZerobusError.ts"
import type { RecordAck } from "../../RecordAck.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import type { UnreadableFile } from "../input/recordBytes.ts"
import { count, type Counts, recordsRead } from "../terminal/progress.ts"
import type { Places } from "./places.ts"
import type { Reject, WriteRejects } from "./rejectsFile.ts"
import type { FileRecords } from "../records/fileRecords.ts"
import type { RecordReader, SourceRecord } from "../records/sourceRecord.ts"
import { TypedRow } from "../records/typedRow.ts"
import type { TypedFile } from "../typed/typedFile.ts"

/** One file of an ingest. */
export interface IngestSource {
  /** The file's name in messages, when there are several. */
  readonly name?: string | undefined
  readonly bytes: Stream.Stream<Uint8Array, UnreadableFile>
  readonly reader: RecordReader
  /** Whether the file has a header. */
  readonly header: boolean
  /** Checks the records and writes them into the stream. */
  readonly records: FileRecords
  readonly stream: ZerobusStream<SourceRecord>
  /** Receives invalid records. Without it, the first one ends the ingest. */
  readonly onRejects: WriteRejects | undefined
  /** Most rejected records before the ingest fails. Default: no limit. */
  readonly maxRejects?: number | undefined
  /** Number of records to skip at the start, over all files. */
  readonly skip: number
  readonly counts: Counts
  readonly places: Places
  /** Saves the position in the file, for a later run. */
  readonly keeping?: Keeping | undefined
}

/** Saves the position in a file. */
export interface Keeping {
  /** Whether an earlier run already accepted this record, which is read again. */
  readonly passOver?: ((record: SourceRecord) => boolean) | undefined
  /** Runs before the reader receives more bytes of a growing file. */
  readonly ahead?: Effect.Effect<void, CommandFailed> | undefined
  /**
   * Saves the reader's position. All records before it were accepted or rejected; `last` is the
   * last accepted one.
   */
  readonly keep: (last: RecordAck | undefined) => Effect.Effect<void, CommandFailed>
}

/** What an ingest needs of a file whose columns are known. */
export type TypedSource = Omit<IngestSource, "bytes" | "reader" | "header">

/** Queues every row of a file with types, as {@link ingestFile} does with records. */
export const ingestTyped = Effect.fnUntraced(function* (
  source: TypedSource,
  file: TypedFile
): Effect.fn.Return<void, CommandFailed> {
  const { counts, name = "the file" } = source
  const problem = source.records.useColumns(file.columns)
  if (problem !== undefined) {
    return yield* failed(`The columns of ${name} do not fit the table: ${problem.problem}.`)
  }
  const before = { stored: counts.stored, bytes: counts.bytes }
  const look = () => {
    counts.stored = before.stored + Math.round(file.read.stored)
    counts.bytes = before.bytes + Math.round(file.read.bytes)
  }
  yield* Stream.runForEach(Stream.mapError(file.rows, because), (rows) => {
    look()
    return queue(source, rows)
  })
  look()
})

/**
 * Queues every record of the file. Succeeds when the last one is queued, which is before it is
 * durable.
 */
export const ingestFile = Effect.fnUntraced(function* (
  source: IngestSource
): Effect.fn.Return<void, CommandFailed> {
  const { counts, reader } = source
  const take = takeRecords(source)
  yield* Stream.runForEach(Stream.mapError(source.bytes, because), (bytes) => {
    counts.bytes += bytes.length
    return take(reader.push(bytes))
  })
  yield* take(reader.end())
})

const placed = (
  { name }: TypedSource,
  line: number,
  problem: string,
  unit: "line" | "row" = "line"
): CommandFailed => {
  const where = name === undefined ? (unit === "line" ? "Line" : "Row") : `${name}, ${unit}`
  return failed(`${where} ${line}: ${problem}.`)
}

/** Checks the header once it is read, and queues records. */
export const takeRecords = (
  source: IngestSource
): ((records: ReadonlyArray<SourceRecord>) => Effect.Effect<void, CommandFailed>) => {
  const { reader, records: codec } = source
  let begun = !source.header
  if (begun) codec.useJson()
  return Effect.fnUntraced(function* (
    records: ReadonlyArray<SourceRecord>
  ): Effect.fn.Return<void, CommandFailed> {
    const header = reader.header()
    if (!begun && header !== undefined) {
      const problem = codec.useHeader(header)
      if (problem !== undefined) return yield* placed(source, 1, problem.problem)
      begun = true
    }
    if (records.length > 0) yield* queue(source, records)
    const problem = reader.problem()
    if (problem !== undefined) return yield* placed(source, reader.line(), problem)
  })
}

/** The failure when more records were rejected than allowed, else undefined. */
export const countRejects = ({
  counts,
  maxRejects
}: Pick<IngestSource, "counts" | "maxRejects">): CommandFailed | undefined =>
  maxRejects !== undefined && counts.rejected + counts.refused > maxRejects
    ? failed(
        `More records were rejected than --max-rejects allows (${count(maxRejects)}). ` +
          `Correct the file, or raise the limit.`
      )
    : undefined

/** Checks and queues records in order. */
const queue = Effect.fnUntraced(function* (
  source: TypedSource,
  records: ReadonlyArray<SourceRecord>
): Effect.fn.Return<void, CommandFailed> {
  const { counts, keeping, places, skip, stream } = source
  const rejects: Array<Reject> = []
  let last: RecordAck | undefined
  for (const record of records) {
    if (recordsRead(counts) < skip || keeping?.passOver?.(record) === true) {
      counts.skipped++
      continue
    }
    let taken = offer(stream, record)
    if (taken === undefined) {
      taken = yield* stream.ingestRecord(record).pipe(
        Effect.catchTags({
          InvalidArgument: (error) => Effect.succeed(error.message),
          PayloadTooLarge: (error) => Effect.succeed(error.message),
          StreamClosed: (error) => Effect.fail(because(error.cause ?? error)),
          FlushTimeout: (error) => Effect.fail(because(error)),
          Retryable: (error) => Effect.fail(because(error))
        })
      )
    }
    if (typeof taken !== "string") {
      last = taken
      counts.accepted++
      places.add(record.line, recordsRead(counts))
      continue
    }
    if (source.onRejects === undefined) {
      const unit = record instanceof TypedRow ? "row" : "line"
      return yield* placed(source, record.line, taken, unit)
    }
    counts.rejected++
    const reject = { line: record.line, reason: taken, record: record.text }
    rejects.push(source.name === undefined ? reject : { file: source.name, ...reject })
    if (countRejects(source) !== undefined) break
  }
  if (rejects.length > 0 && source.onRejects !== undefined)
    yield* Effect.mapError(source.onRejects(rejects), because)
  const tooMany = countRejects(source)
  if (tooMany !== undefined) return yield* tooMany
  // Saved after the rejects, so that a kill loses none of them.
  if (keeping !== undefined) yield* keeping.keep(last)
})

/**
 * Queues a record without waiting. Returns the receipt, undefined when the record has to wait, or
 * why it cannot be sent.
 */
const offer = (
  stream: ZerobusStream<SourceRecord>,
  record: SourceRecord
): RecordAck | undefined | string => {
  try {
    return stream.offerUnsafe(record)
  } catch (error) {
    if (error instanceof InvalidArgument || error instanceof PayloadTooLarge) return error.message
    throw error
  }
}
