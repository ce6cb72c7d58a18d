/**
 * What `zerobus ingest` does: composes reading, checking, the client and what is shown; each has a module of its own.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import * as TableProperties from "../TableProperties.ts"
import { Zerobus, ZerobusLayer } from "../Zerobus.ts"
import { missingSetting, readTable } from "./catalog.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import type { IngestInput } from "./ingest.ts"
import { ingestFile, Places, type Reject } from "./ingest/ingestFile.ts"
import { noCounts, type Outcome, showProgress, summary, summaryJson } from "./terminal/progress.ts"
import { recordBytes, sizeOf } from "./input/recordBytes.ts"
import { FileRecords } from "./records/fileRecords.ts"
import { formats, kindOf } from "./records/fileKind.ts"
import { reader, type SourceRecord } from "./records/recordFile.ts"

/** How long an interrupted ingest waits for what is queued. */
const interruptedLimit = "10 seconds"

/** Bytes queued and in flight: enough to keep a connection busy, little enough for a small machine. */
const inflightBytes = 32 * 1024 * 1024

/** The delimiter that a user means who cannot easily type it. */
const delimiterNamed = (text: string): string => (text === "\\t" || text.toLowerCase() === "tab" ? "\t" : text)

const run = Effect.fnUntraced(function* (input: IngestInput): Effect.fn.Return<void, CommandFailed, Scope.Scope> {
  const kind = kindOf(input.file)
  const format = Option.getOrUndefined(input.format) ?? kind.format ?? (input.file === "-" ? "ndjson" : undefined)
  if (format === undefined) {
    return yield* failed(
      `The format of ${input.file} cannot be told from its name. Give it with --format (${formats.join(", ")}).`
    )
  }
  const delimiter = Option.getOrUndefined(Option.map(input.delimiter, delimiterNamed))
  if (delimiter !== undefined && ([...delimiter].length !== 1 || /["\r\n]/.test(delimiter))) {
    return yield* failed("--delimiter must be one character, or \\t for a tab, and neither a quote nor a line end.")
  }
  if (input.skip < 0) return yield* failed("--skip must not be negative.")

  const { definition } = yield* readTable(input.table)
  yield* Effect.mapError(sizeOf(input.file), because)
  const rejectsFile = Option.getOrUndefined(input.rejects)
  const onRejects = rejectsFile === undefined ? undefined : yield* rejectsWriter(rejectsFile, input.file)
  const zerobus = yield* Layer.build(ZerobusLayer).pipe(
    Effect.map(Context.get(Zerobus)),
    Effect.mapError((error) => (error._tag === "ConfigError" ? missingSetting(error) : because(error)))
  )
  const records = new FileRecords(definition.columns, { ignoreUnknown: input.ignoreUnknown })
  const stream = yield* zerobus
    .createStream<SourceRecord>(
      { ...TableProperties.json(input.table), codec: records },
      {
        maxInflightBytes: inflightBytes,
        scopeCloseTimeout: "1 second",
        // What is left is in the summary, with the place in the file.
        onUnacked: () => Effect.void
      }
    )
    .pipe(Effect.mapError(because))

  const counts = noCounts()
  const places = new Places()
  const started = yield* Clock.currentTimeMillis
  yield* stream.durableOffsets.pipe(
    Stream.runForEach((offset) =>
      Effect.sync(() => {
        counts.durable = Math.max(counts.durable, offset + 1)
        places.reached(counts.durable)
      })
    ),
    Effect.ignore,
    Effect.forkScoped
  )
  const progress = yield* Effect.forkScoped(showProgress(counts, process.stderr))

  /** Closes the stream, stops the display and prints how far it got. */
  const finish = Effect.fnUntraced(function* (stopped: Outcome["stopped"]) {
    const closed = yield* (
      stopped === "interrupted" ? Effect.timeout(stream.close, interruptedLimit) : stream.close
    ).pipe(Effect.exit)
    yield* stream.getUnackedRecords.pipe(
      Effect.map((records) => {
        counts.durable = counts.accepted - records.length
      }),
      Effect.ignore
    )
    yield* Fiber.interrupt(progress)
    const millis = (yield* Clock.currentTimeMillis) - started
    const outcome: Outcome = {
      table: input.table,
      millis,
      counts,
      durableTo: places.reached(counts.durable),
      stopped,
      rejectsFile
    }
    yield* Console.log(input.json ? summaryJson(outcome) : summary(outcome))
    return closed
  })

  const exit = yield* ingestFile({
    bytes: recordBytes(input.file, { gzip: input.gzip || kind.gzip }),
    reader: reader(format, { delimiter, usualDelimiter: kind.delimiter }),
    header: format === "csv",
    records,
    stream,
    onRejects,
    skip: input.skip,
    counts,
    places
  }).pipe(
    Effect.onInterrupt(() => finish("interrupted")),
    Effect.exit
  )
  const closed = yield* finish(Exit.isFailure(exit) ? "error" : undefined).pipe(
    Effect.onInterrupt(() => finish("interrupted"))
  )
  yield* exit
  if (Exit.isFailure(closed))
    return yield* Effect.mapError(closed, (error) =>
      because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)
    )
})

/** Opens the file of rejects, emptied, and gives what writes to it. */
const rejectsWriter = Effect.fnUntraced(function* (
  file: string,
  source: string
): Effect.fn.Return<
  (rejects: ReadonlyArray<Reject>) => Effect.Effect<void, CommandFailed>,
  CommandFailed,
  Scope.Scope
> {
  const unwritable = (error: unknown) =>
    failed(
      `The file of rejects ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`
    )
  const same = yield* Effect.promise(() => sameFile(file, source))
  if (same) return yield* failed("--rejects names the file that is read. Name another one.")
  const handle = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => Fs.open(file, "w"), catch: unwritable }),
    (handle) => Effect.ignore(Effect.promise(() => handle.close()))
  )
  return (rejects) =>
    Effect.tryPromise({
      try: () => handle.appendFile(rejects.map((reject) => `${JSON.stringify(reject)}\n`).join("")),
      catch: unwritable
    })
})

const sameFile = async (one: string, other: string): Promise<boolean> => {
  try {
    return (await Fs.realpath(one)) === (await Fs.realpath(other))
  } catch {
    return false
  }
}

/** Runs the command. */
export const runIngest = (input: IngestInput): Effect.Effect<void, CommandFailed> => Effect.scoped(run(input))
