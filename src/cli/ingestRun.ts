/**
 * What `zerobus ingest` does: composes reading, checking, the client and what is shown; each has a module of its own.
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
import type { Refused } from "../StreamConfigurationOptions.ts"
import * as TableProperties from "../TableProperties.ts"
import { Zerobus, ZerobusLayer } from "../Zerobus.ts"
import * as ZerobusMetrics from "../ZerobusMetrics.ts"
import { missingSetting, readTable } from "./catalog.ts"
import type { IngestInput } from "./ingest.ts"
import { type Followed, followed } from "./ingest/followRun.ts"
import { countRejects, ingestFile, type IngestSource } from "./ingest/ingestFile.ts"
import { formsOf, inputsOf, type RecordInput, withColumns } from "./ingest/inputs.ts"
import { Places } from "./ingest/places.ts"
import { openRejects, type WriteRejects } from "./ingest/rejectsFile.ts"
import { recordBytes } from "./input/recordBytes.ts"
import { FileRecords } from "./records/fileRecords.ts"
import { reader, type SourceRecord } from "./records/recordFile.ts"
import { because, type CommandFailed, exitRejects, failed } from "./terminal/CommandFailed.ts"
import { print, printJson } from "./terminal/print.ts"
import {
  counted,
  noCounts,
  type Counts,
  type Outcome,
  showProgress,
  summary,
  summaryJson
} from "./terminal/progress.ts"

/** How long an interrupted ingest waits for what is queued. */
const interruptedLimit = "10 seconds"

/** Bytes queued and in flight: enough to keep a connection busy, little enough for a small machine. */
const inflightBytes = 32 * 1024 * 1024

/** What is wrong with the flags together. */
const flagProblem = (input: IngestInput): string | undefined => {
  if (input.skip < 0) return "--skip must not be negative."
  if (Option.exists(input.maxRejects, (most) => most < 0)) return "--max-rejects must not be negative."
  if (Option.isSome(input.maxRejects) && Option.isNone(input.rejects)) {
    return "--max-rejects needs --rejects: without it the first bad record ends the ingest."
  }
  if (input.dryRun && !input.create) return "--dry-run goes with --create."
  if (input.follow !== Option.isSome(input.state)) return "--follow and --state go together."
  if (input.follow && (input.files.length > 1 || input.files[0] === "-")) return "--follow takes one file."
  return input.follow && input.skip > 0
    ? "--follow goes on where --state says, so --skip does not go with it."
    : undefined
}

/** Keeps records that the server refuses in the file of rejects, with their lines. */
const refusedHandler =
  (
    write: WriteRejects,
    places: Places,
    counts: Counts,
    limit: Pick<IngestSource, "counts" | "maxRejects">,
    several: boolean
  ) =>
  ({ cause, offset, payloads }: Refused<SourceRecord>): Effect.Effect<void, unknown> => {
    const place = places.of(Number(offset))
    counts.refused += payloads.length
    const tooMany = countRejects(limit)
    const rejects = payloads.map((payload) => ({
      ...(several ? { file: place?.file } : {}),
      line: place?.line ?? 0,
      reason: `refused by the server: ${cause.message}`,
      record: Buffer.from(payload).toString("utf8")
    }))
    return Effect.andThen(write(rejects), tooMany === undefined ? Effect.void : Effect.fail(tooMany))
  }

const run = Effect.fnUntraced(function* (input: IngestInput): Effect.fn.Return<void, CommandFailed, Scope.Scope> {
  const problem = flagProblem(input)
  if (problem !== undefined) return yield* failed(problem)
  const forms = yield* formsOf(input)
  const files = yield* inputsOf(input)
  if (input.create) {
    const { createTable, printTable } = yield* Effect.promise(() => import("./ingestCreate.ts"))
    if (input.dryRun) return yield* printTable(input.table, files[0]!, forms)
    yield* createTable(input.table, files[0]!, forms)
  }
  const { definition } = yield* readTable(input.table)
  const inputs = withColumns(files, definition.columns)
  const rejectsFile = Option.getOrUndefined(input.rejects)
  const onRejects =
    rejectsFile === undefined ? undefined : yield* Effect.mapError(openRejects(rejectsFile, input.files), because)
  const zerobus = yield* Layer.build(ZerobusLayer).pipe(
    Effect.map(Context.get(Zerobus)),
    Effect.mapError((error) => (error._tag === "ConfigError" ? missingSetting(error) : because(error)))
  )
  const records = new FileRecords(definition.columns, forms)
  const counts = noCounts()
  const places = new Places()
  const limit = { counts, maxRejects: Option.getOrUndefined(input.maxRejects) }
  const several = inputs.length > 1
  const stream = yield* zerobus
    .createStream<SourceRecord>(
      { ...TableProperties.json(input.table), codec: records },
      {
        maxInflightBytes: inflightBytes,
        scopeCloseTimeout: "1 second",
        // What is left is in the summary, with the place in the file.
        onUnacked: () => Effect.void,
        ...(onRejects === undefined
          ? {}
          : {
              onRefused: refusedHandler(onRejects, places, counts, limit, several),
              maxRefusals: Number.MAX_SAFE_INTEGER
            })
      }
    )
    .pipe(Effect.mapError(because))
  const source = { records, stream, onRejects, skip: input.skip, counts, places, maxRejects: limit.maxRejects }
  const following = input.follow
    ? yield* followed({
        input: inputs[0]!,
        table: input.table,
        state: Option.getOrThrow(input.state),
        source: { ...source, header: inputs[0]!.format === "csv" }
      })
    : undefined
  if (following === undefined) counts.total = totalOf(inputs)

  const started = yield* Clock.currentTimeMillis
  yield* stream.durableOffsets.pipe(
    Stream.runForEach((offset) =>
      Effect.sync(() => {
        counts.durable = Math.max(counts.durable, offset + 1 - counts.refused)
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

  /** Closes the stream, stops the display and prints how far it got. */
  const finish = Effect.fnUntraced(function* (stopped: Outcome["stopped"]) {
    const closed = yield* (
      stopped === "interrupted" ? Effect.timeout(stream.close, interruptedLimit) : stream.close
    ).pipe(Effect.exit)
    yield* stream.getUnackedRecords.pipe(
      Effect.map((records) => {
        counts.durable = counts.accepted - counts.refused - records.length
      }),
      Effect.ignore
    )
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
      following: following !== undefined
    }
    yield* input.json ? printJson(summaryJson(outcome)) : print(summary(outcome))
    return closed
  })

  const exit = yield* ingestInputs(inputs, source, following).pipe(
    Effect.onInterrupt(() => Effect.ignore(finish("interrupted"))),
    Effect.exit
  )
  const closed = yield* finish(Exit.isFailure(exit) ? "error" : undefined).pipe(
    Effect.onInterrupt(() => Effect.ignore(finish("interrupted")))
  )
  yield* exit
  if (Exit.isFailure(closed))
    return yield* Effect.mapError(closed, (error) =>
      because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)
    )
  const bad = counts.rejected + counts.refused
  if (input.strict && bad > 0)
    return yield* failed(`${counted(bad, "record")} rejected, and --strict was given.`, exitRejects)
})

/** The bytes of all files, where all are known. */
const totalOf = (inputs: ReadonlyArray<RecordInput>): number | undefined =>
  inputs.reduce<number | undefined>(
    (sum, { size }) => (sum === undefined || size === undefined ? undefined : sum + size),
    0
  )

/** Queues the records of one file after the other. */
const ingestInputs = (
  inputs: ReadonlyArray<RecordInput>,
  source: Omit<IngestSource, "name" | "bytes" | "reader" | "header">,
  following: Followed | undefined
): Effect.Effect<void, CommandFailed> => {
  if (following !== undefined) return following.run
  const several = inputs.length > 1
  const { counts, places } = source
  return Effect.forEach(
    inputs,
    ({ csv, file, format, gzip, name }) => {
      if (several) places.begin(name)
      return ingestFile({
        ...source,
        name: several ? name : undefined,
        bytes: recordBytes(file, { gzip, onRead: (bytes) => (counts.stored += bytes) }),
        reader: reader(format, csv),
        header: format === "csv"
      })
    },
    { discard: true }
  )
}

/** Runs the command. */
export const runIngest = (input: IngestInput): Effect.Effect<void, CommandFailed> => Effect.scoped(run(input))
