/**
 * Moves the records of a file into a stream: read, check, queue, and remember where in the file the
 * durable records end.
 *
 * Memory is bounded by the stream's landing zone, whose full state stops the reading. Per record
 * everything is synchronous; effects run per chunk of the file, and where a record has to wait.
 * What is shown to the user is the business of `progress.ts`.
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

/** What an ingest needs of one file. */
export interface IngestSource {
  /** How the file is called in messages, where there are several. */
  readonly name?: string | undefined
  readonly bytes: Stream.Stream<Uint8Array, UnreadableFile>
  readonly reader: RecordReader
  /** Whether the records are rows under a header. */
  readonly header: boolean
  /** What checks the records and writes them into the stream. */
  readonly records: FileRecords
  readonly stream: ZerobusStream<SourceRecord>
  /** Receives records that are not valid; without it the first one ends the ingest. */
  readonly onRejects: WriteRejects | undefined
  /** Rejected records that the ingest goes on behind, at most. Default: any number. */
  readonly maxRejects?: number | undefined
  /** Records at the start of all files that are passed over. */
  readonly skip: number
  readonly counts: Counts
  readonly places: Places
  /** What keeps how far the file was read, for a later run. */
  readonly keeping?: Keeping | undefined
}

/** Keeps how far a file was read. */
export interface Keeping {
  /** Whether the record, which is read again, was taken by an earlier run. */
  readonly passOver?: ((record: SourceRecord) => boolean) | undefined
  /** Runs before the reader gets more of a file that grows. */
  readonly ahead?: Effect.Effect<void, CommandFailed> | undefined
  /**
   * Keeps how far the reader is: all that it gave was taken or rejected, and `last` was taken last.
   */
  readonly keep: (last: RecordAck | undefined) => Effect.Effect<void, CommandFailed>
}

/** Queues every record of the file; succeeds when the last one is queued, not yet durable. */
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

const placed = ({ name }: IngestSource, line: number, problem: string): CommandFailed =>
  failed(`${name === undefined ? "Line" : `${name}, line`} ${line}: ${problem}.`)

/** Checks the header once it is there, and queues records of the file. */
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

/** Fails when more records were rejected than may be. */
export const countRejects = ({
  counts,
  maxRejects
}: Pick<IngestSource, "counts" | "maxRejects">): CommandFailed | undefined =>
  maxRejects !== undefined && counts.rejected + counts.refused > maxRejects
    ? failed(
        `More records were rejected than --max-rejects allows (${count(maxRejects)}). Mend the ` +
          `file, or raise the limit.`
      )
    : undefined

/** Checks and queues records in order. */
const queue = Effect.fnUntraced(function* (
  source: IngestSource,
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
    if (source.onRejects === undefined) return yield* placed(source, record.line, taken)
    counts.rejected++
    const reject = { line: record.line, reason: taken, record: record.text }
    rejects.push(source.name === undefined ? reject : { file: source.name, ...reject })
    if (countRejects(source) !== undefined) break
  }
  if (rejects.length > 0 && source.onRejects !== undefined)
    yield* Effect.mapError(source.onRejects(rejects), because)
  const tooMany = countRejects(source)
  if (tooMany !== undefined) return yield* tooMany
  // Behind the rejects, so that a kill leaves none of them out.
  if (keeping !== undefined) yield* keeping.keep(last)
})

/**
 * Queues without waiting: the receipt, undefined when it has to wait, or why the record cannot be
 * sent.
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
