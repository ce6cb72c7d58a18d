/**
 * Moves the records of a file into a stream: read, check, queue, and remember where in the file the durable records end.
 *
 * Memory is bounded by the stream's landing zone, whose full state stops the reading. Per record everything is synchronous; effects
 * run per chunk of the file, and where a record has to wait. What is shown to the user is the business of `progress.ts`.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArgument, PayloadTooLarge } from "../../ZerobusError.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import type { UnreadableFile } from "../input/recordBytes.ts"
import { type Counts, type Place, recordsRead } from "../terminal/progress.ts"
import type { FileRecords } from "../records/fileRecords.ts"
import type { RecordReader, SourceRecord } from "../records/sourceRecord.ts"

/** A record that is not valid, and why. */
export interface Reject {
  readonly line: number
  readonly reason: string
  readonly record: string
}

/** How many places are forgotten at a time. */
const forgetEvery = 65_536

/** Where accepted records stand in the file, from the first one that is not durable yet. */
export class Places {
  private lines: Array<number> = []
  private records: Array<number> = []
  private first = 0

  /** Notes the place of the next accepted record. */
  add(line: number, records: number): void {
    this.lines.push(line)
    this.records.push(records)
  }

  /** The place of the last of the first `durable` accepted records; forgets the places before it. */
  reached(durable: number): Place | undefined {
    const index = durable - 1 - this.first
    if (index < 0 || index >= this.lines.length) return undefined
    const place = { line: this.lines[index]!, records: this.records[index]! }
    if (index >= forgetEvery) {
      this.lines = this.lines.slice(index)
      this.records = this.records.slice(index)
      this.first += index
    }
    return place
  }
}

/** What an ingest needs. */
export interface IngestSource {
  readonly bytes: Stream.Stream<Uint8Array, UnreadableFile>
  readonly reader: RecordReader
  /** Whether the records are rows under a header. */
  readonly header: boolean
  /** What checks the records and writes them into the stream. */
  readonly records: FileRecords
  readonly stream: ZerobusStream<SourceRecord>
  /** Receives records that are not valid; without it the first one ends the ingest. */
  readonly onRejects: ((rejects: ReadonlyArray<Reject>) => Effect.Effect<void, CommandFailed>) | undefined
  /** Records at the start of the file that are passed over. */
  readonly skip: number
  readonly counts: Counts
  readonly places: Places
}

/** Queues every record of the file; succeeds when the last one is queued, not yet durable. */
export const ingestFile = Effect.fnUntraced(function* (source: IngestSource): Effect.fn.Return<void, CommandFailed> {
  const { counts, reader } = source
  let begun = !source.header
  const take = Effect.fnUntraced(function* (
    records: ReadonlyArray<SourceRecord>
  ): Effect.fn.Return<void, CommandFailed> {
    const header = reader.header()
    if (!begun && header !== undefined) {
      const problem = source.records.useHeader(header)
      if (problem !== undefined) return yield* failed(`Line 1: ${problem.problem}.`)
      begun = true
    }
    if (records.length > 0) yield* queue(source, records)
    const problem = reader.problem()
    if (problem !== undefined) return yield* failed(`Line ${reader.line()}: ${problem}.`)
  })
  yield* Stream.runForEach(Stream.mapError(source.bytes, because), (bytes) => {
    counts.bytes += bytes.length
    return take(reader.push(bytes))
  })
  yield* take(reader.end())
})

/** Checks and queues records in order. */
const queue = Effect.fnUntraced(function* (
  source: IngestSource,
  records: ReadonlyArray<SourceRecord>
): Effect.fn.Return<void, CommandFailed> {
  const { counts, places, skip, stream } = source
  const rejects: Array<Reject> = []
  for (const record of records) {
    if (recordsRead(counts) < skip) {
      counts.skipped++
      continue
    }
    let problem = offer(stream, record)
    if (problem === false) {
      problem = yield* stream.ingestRecord(record).pipe(
        Effect.as(undefined),
        Effect.catchTags({
          InvalidArgument: (error) => Effect.succeed(error.message),
          PayloadTooLarge: (error) => Effect.succeed(error.message),
          StreamClosed: (error) => Effect.fail(because(error.cause ?? error)),
          FlushTimeout: (error) => Effect.fail(because(error)),
          Retryable: (error) => Effect.fail(because(error))
        })
      )
    }
    if (problem === undefined) {
      counts.accepted++
      places.add(record.line, recordsRead(counts))
      continue
    }
    if (source.onRejects === undefined) return yield* failed(`Line ${record.line}: ${problem}.`)
    counts.rejected++
    rejects.push({ line: record.line, reason: problem, record: record.text })
  }
  if (rejects.length > 0 && source.onRejects !== undefined) yield* source.onRejects(rejects)
})

/** Queues without waiting: undefined when queued, false when it has to wait, or why the record cannot be sent. */
const offer = (stream: ZerobusStream<SourceRecord>, record: SourceRecord): undefined | false | string => {
  try {
    return stream.offerUnsafe(record) === undefined ? false : undefined
  } catch (error) {
    if (error instanceof InvalidArgument || error instanceof PayloadTooLarge) return error.message
    throw error
  }
}
