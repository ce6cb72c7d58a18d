/**
 * The work of `zerobus ingest`: combines reading, checking, the client and the output. Each has its
 * own module.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AckError } from "../RecordAck.ts"
import type { Refused } from "../ReturnedRecords.ts"
import * as Spool from "../Spool.ts"
import * as TableProperties from "../TableProperties.ts"
import { Zerobus, ZerobusLayer } from "../Zerobus.ts"
import * as ZerobusMetrics from "../ZerobusMetrics.ts"
import { readTable } from "./catalog.ts"
import type { IngestInput } from "./ingest.ts"
import { followed } from "./ingest/followRun.ts"
import { countRejects, type IngestSource } from "./ingest/ingestFile.ts"
import { ingestFiles } from "./ingest/ingestFiles.ts"
import { formsOf, inputsOf, type RecordInput, withColumns } from "./ingest/inputs.ts"
import { Places } from "./ingest/places.ts"
import { openRejects, type WriteRejects } from "./ingest/rejectsFile.ts"
import { atStart, isSameFile, resumePlace } from "./ingest/resumePlace.ts"
import { spoolKeeper, spoolPlace } from "./ingest/spoolPlace.ts"
import { stateKeeper } from "./ingest/stateKeeper.ts"
import { FileRecords } from "./records/fileRecords.ts"
import type { SourceRecord } from "./records/sourceRecord.ts"
import { unreachable } from "./spool/unreachable.ts"
import {
  because,
  type CommandFailed,
  exitRejects,
  exitTryAgain,
  failed
} from "./terminal/CommandFailed.ts"
import { missingSetting } from "./terminal/missingSetting.ts"
import { print, printJson, remark } from "./terminal/print.ts"
import {
  counted,
  noCounts,
  type Counts,
  type Outcome,
  showProgress,
  summary,
  summaryJson
} from "./terminal/progress.ts"

/** How long an interrupted ingest waits for queued records. */
const interruptedLimit = "10 seconds"

/**
 * Bytes queued and in flight. Enough to keep a connection busy, small enough for a small machine.
 */
const inflightBytes = 32 * 1024 * 1024

/** The problem with a combination of flags, if any. */
const flagProblem = (input: IngestInput): string | undefined => {
  if (input.skip < 0) return "--skip must not be negative."
  if (Option.exists(input.maxRejects, (most) => most < 0))
    return "--max-rejects must not be negative."
  if (Option.isSome(input.maxRejects) && Option.isNone(input.rejects)) {
    return "--max-rejects needs --rejects: without it the first bad record ends the ingest."
  }
  if (input.dryRun && !input.create) return "--dry-run goes with --create."
  if (input.resume) {
    if (Option.isNone(input.spool)) return "--resume goes with --spool."
    if (input.skip > 0)
      return "--resume continues at the position in the spool, so --skip does not go with it."
    if (input.files.includes("-"))
      return "--resume reads the files again, which standard input does not allow."
  }
  if (Option.isSome(input.state)) {
    if (!input.follow) return "--state goes with --follow."
    if (Option.isSome(input.spool))
      return "--spool keeps the position of --follow, so --state does not go with it."
  }
  if (input.follow && Option.isNone(input.state) && Option.isNone(input.spool)) {
    return "--follow needs --state or --spool, to keep its position."
  }
  if (input.follow && (input.files.length > 1 || input.files[0] === "-"))
    return "--follow takes one file."
  return input.follow && input.skip > 0
    ? "--follow continues where the last run stopped, so --skip does not go with it."
    : undefined
}

/** Writes records that the server refuses to the rejects file, with their line numbers. */
const refusedHandler =
  (
    write: WriteRejects,
    places: Places,
    counts: Counts,
    limit: Pick<IngestSource, "counts" | "maxRejects">,
    several: boolean,
    numberOf: (offset: number) => number
  ) =>
  ({ cause, offset, payloads }: Refused<SourceRecord>): Effect.Effect<void, unknown> => {
    const number = numberOf(Number(offset))
    // An earlier run left this record in the spool.
    const isOlder = number < 0
    const place = isOlder ? undefined : places.of(number)
    if (!isOlder) counts.refused += payloads.length
    const tooMany = countRejects(limit)
    const rejects = payloads.map((payload) => ({
      ...(several ? { file: place?.file } : {}),
      line: place?.line ?? 0,
      reason: `refused by the server: ${cause.message}`,
      record: Buffer.from(payload).toString("utf8")
    }))
    return Effect.andThen(
      write(rejects),
      tooMany === undefined ? Effect.void : Effect.fail(tooMany)
    )
  }

const run = Effect.fnUntraced(function* (
  input: IngestInput
): Effect.fn.Return<void, CommandFailed, Scope.Scope> {
  const problem = flagProblem(input)
  if (problem !== undefined) return yield* failed(problem)
  const forms = yield* formsOf(input)
  let files = yield* inputsOf(input)
  if (input.create) {
    const { createTable, printTable } = yield* Effect.promise(() => import("./ingestCreate.ts"))
    if (input.dryRun) return yield* printTable(input.table, files[0]!, forms)
    files = [yield* createTable(input.table, files[0]!, forms), ...files.slice(1)]
  }
  const { definition } = yield* readTable(input.table)
  // A record has no field for the rescue column: the server fills it.
  const columns = definition.columns.filter(({ rescue }) => rescue !== true)
  const inputs = withColumns(files, columns)
  const rejectsFile = Option.getOrUndefined(input.rejects)
  const onRejects =
    rejectsFile === undefined
      ? undefined
      : yield* Effect.mapError(openRejects(rejectsFile, input.files), because)
  const zerobus = yield* Layer.build(ZerobusLayer).pipe(
    Effect.map(Context.get(Zerobus)),
    Effect.mapError((error) =>
      error._tag === "ConfigError" ? missingSetting(error) : because(error)
    )
  )
  const rescueUnknown = input.rescue || columns.length < definition.columns.length
  const records = new FileRecords(columns, { ...forms, rescueUnknown })
  const counts = noCounts()
  const places = new Places()
  const limit = { counts, maxRejects: Option.getOrUndefined(input.maxRejects) }
  const several = inputs.length > 1
  const spool = Option.getOrUndefined(input.spool)
  // In a spool, offsets continue from one run to the next.
  let firstOffset = spool === undefined ? 0 : Infinity
  const stream = yield* zerobus
    .createStream<SourceRecord>(
      { ...TableProperties.json(input.table), codec: records },
      {
        maxInflightBytes: inflightBytes,
        scopeCloseTimeout: "1 second",
        // The summary reports unacknowledged records, with their place in the file.
        onUnacked: () => Effect.void,
        spool: spool === undefined ? undefined : Spool.directory(spool),
        ...(onRejects === undefined
          ? {}
          : {
              onRefused: refusedHandler(
                onRejects,
                places,
                counts,
                limit,
                several,
                (offset) => offset - firstOffset
              ),
              maxRefusals: Number.MAX_SAFE_INTEGER
            })
      }
    )
    .pipe(Effect.mapError(because))
  const place =
    spool === undefined
      ? undefined
      : yield* spoolPlace({
          stream,
          folder: spool,
          inputs,
          codec: records,
          reading: readingOf(input),
          resume: input.resume || input.follow,
          follow: input.follow,
          skip: input.skip,
          counts
        })
  if (place !== undefined) firstOffset = place.firstOffset
  const before = place?.before
  if (
    before !== undefined &&
    !input.resume &&
    !input.follow &&
    (yield* isSameFile(inputs, before))
  ) {
    yield* remark(
      `${spool} holds the position of an earlier run with these files; --resume continues there.`
    )
  }
  const begin =
    input.resume && !input.follow && before !== undefined
      ? yield* resumePlace(inputs, before)
      : atStart(inputs[0]!.csv, input.skip)
  counts.skipped = begin.skipped
  counts.stored = begin.stored
  const source = {
    records,
    stream,
    onRejects,
    skip: begin.skip,
    counts,
    places,
    maxRejects: limit.maxRejects
  }
  const following = input.follow
    ? yield* followed({
        input: inputs[0]!,
        keeper:
          place === undefined
            ? yield* stateKeeper(
                Option.getOrThrow(input.state),
                inputs[0]!.file,
                input.table,
                counts
              )
            : yield* spoolKeeper(place, spool!),
        source: { ...source, header: inputs[0]!.format === "csv" }
      })
    : undefined
  if (following === undefined) counts.total = totalOf(inputs)

  const started = yield* Clock.currentTimeMillis
  yield* stream.durableOffsets.pipe(
    Stream.runForEach((offset) =>
      Effect.sync(() => {
        counts.durable = Math.max(counts.durable, offset + 1 - firstOffset - counts.refused)
        places.reached(counts.durable + counts.refused)
      })
    ),
    Effect.ignore,
    Effect.forkScoped
  )
  const resent = Metric.withAttributes(ZerobusMetrics.recordsResent, { table: input.table })
  const look = Effect.map(Metric.value(resent), ({ count }) => {
    counts.resent = Number(count)
  })
  const progress = yield* Effect.forkScoped(showProgress(counts, process.stderr, look))

  /** Closes the stream, stops the progress display and prints the summary. */
  const finish = Effect.fnUntraced(function* (stopped: Outcome["stopped"]) {
    const close =
      spool === undefined
        ? Effect.mapError(stream.close, closeFailure)
        : Effect.raceFirst(Effect.mapError(stream.close, closeFailure), unreachable(stream))
    const limited = Effect.timeoutOrElse(close, {
      duration: interruptedLimit,
      orElse: () => Effect.fail(failed("The stream was not closed in time.", exitTryAgain))
    })
    const closed = yield* Effect.exit(stopped === "interrupted" ? limited : close)
    if (spool !== undefined) {
      // A batch that could not be written gets no offset.
      yield* Spool.progress(stream).pipe(
        Effect.map(({ nextOffset }) => {
          counts.accepted = nextOffset - firstOffset
        }),
        Effect.ignore
      )
    }
    if (Exit.isSuccess(closed)) counts.durable = counts.accepted - counts.refused
    else if (spool === undefined) {
      yield* stream.getUnackedRecords.pipe(
        Effect.map((records) => {
          counts.durable = counts.accepted - counts.refused - records.length
        }),
        Effect.ignore
      )
    }
    yield* look
    yield* Fiber.interrupt(progress)
    if (following !== undefined) yield* following.save
    const millis = (yield* Clock.currentTimeMillis) - started
    const outcome: Outcome = {
      table: input.table,
      millis,
      counts,
      durableTo: places.reached(counts.durable + counts.refused),
      stopped,
      rejectsFile,
      spool,
      following: following !== undefined
    }
    yield* input.json ? printJson(summaryJson(outcome)) : print(summary(outcome))
    return closed
  })

  const run = following?.run ?? ingestFiles(inputs, source, begin, place)
  const exit = yield* run.pipe(
    Effect.onInterrupt(() => Effect.ignore(finish("interrupted"))),
    Effect.exit
  )
  const closed = yield* finish(Exit.isFailure(exit) ? "error" : undefined).pipe(
    Effect.onInterrupt(() => Effect.ignore(finish("interrupted")))
  )
  yield* exit
  yield* closed
  const bad = counts.rejected + counts.refused
  if (input.strict && bad > 0)
    return yield* failed(`${counted(bad, "record")} rejected, and --strict was given.`, exitRejects)
})

/** The cause of a closed stream, or the error of a close that took too long. */
const closeFailure = (error: AckError): CommandFailed =>
  because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)

/** The flags that determine which records the files contain. */
const readingOf = ({
  columns,
  dateFormat,
  delimiter,
  format,
  gzip,
  ignoreUnknown,
  noHeader,
  ...flags
}: IngestInput) => [
  [columns, dateFormat, delimiter, format, flags.timestampFormat].map(Option.getOrNull),
  [gzip, ignoreUnknown, noHeader, flags.nullWords, flags.rowLines, flags.timestampUnit],
  ...(flags.rescue ? ["rescue"] : [])
]

/** The total size of the files in bytes. Undefined when one is unknown. */
const totalOf = (inputs: ReadonlyArray<RecordInput>): number | undefined =>
  inputs.reduce<number | undefined>(
    (sum, { size }) => (sum === undefined || size === undefined ? undefined : sum + size),
    0
  )

/** Runs the command. */
export const runIngest = (input: IngestInput): Effect.Effect<void, CommandFailed> =>
  Effect.scoped(run(input))
