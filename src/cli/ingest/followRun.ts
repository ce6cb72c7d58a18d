/**
 * `zerobus ingest --follow`: ingests what is appended to a file. The position is saved in a state
 * file (`stateKeeper.ts`) or in the stream's spool (`spoolPlace.ts`).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fs from "node:fs/promises"
import { follow, reopen, startsAs } from "../input/followedFile.ts"
import { openFile } from "../input/recordBytes.ts"
import type { CsvOptions } from "../records/csvRecords.ts"
import { isTyped } from "../records/fileKind.ts"
import { reader as readerOf } from "../records/recordFile.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { type FilePlace, goingOn, isPlain, type OpenFile, reading } from "./filePlace.ts"
import { type IngestSource, type Keeping, takeRecords } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"
import { notAsItWas } from "./resumePlace.ts"

/** Saves the position in a followed file. */
export interface FollowKeeper {
  /** The position of an earlier run. */
  readonly before: FilePlace | undefined
  /** Starts a file, at the position of an earlier run or at its start. */
  readonly begin: (open: OpenFile) => Effect.Effect<Keeping, CommandFailed>
  /**
   * Called before reading from the start of a file: the previous one has ended, was truncated, or
   * is gone.
   */
  readonly restarted: () => void
  /** Runs when there was nothing more to read. */
  readonly idle: Effect.Effect<void, CommandFailed>
  /** Saves the position a last time, when nothing is queued any more. */
  readonly save: Effect.Effect<void, CommandFailed>
}

/** The input of a followed file, where its position is saved, and the options of every ingest. */
export interface FollowOptions {
  readonly input: RecordInput
  readonly keeper: FollowKeeper
  readonly source: Omit<IngestSource, "bytes" | "reader" | "keeping">
}

/** A followed file. */
export interface Followed {
  /** Follows the file until interrupted or failed. */
  readonly run: Effect.Effect<never, CommandFailed>
  /** Saves the position, when nothing is queued any more. */
  readonly save: Effect.Effect<void, CommandFailed>
}

/** Where following starts. */
interface Beginning {
  readonly handle: Fs.FileHandle
  readonly offset: number
  readonly csv: CsvOptions
}

/** Opens the file at the position of an earlier run, else at its start. */
const beginning = Effect.fnUntraced(function* (
  input: RecordInput,
  { before, restarted }: FollowKeeper
): Effect.fn.Return<Beginning, CommandFailed> {
  const { csv, file } = input
  const files = <A>(run: () => Promise<A>) => Effect.mapError(reading(file, run), because)
  const former =
    before === undefined ? undefined : yield* files(() => reopen(file, before.identity))
  const handle = former ?? (yield* Effect.mapError(openFile(file), because))
  const start = { handle, offset: 0, csv }
  if (before === undefined) return start
  const isKnown =
    former !== undefined ||
    (before.offset > 0 && (yield* files(() => startsAs(handle, before.identity))))
  const found = isKnown ? yield* files(() => goingOn(handle, before, input)) : undefined
  if (found?._tag === "Place") return { handle, offset: found.offset, csv: found.csv }
  if (found?._tag === "Grown") {
    yield* Effect.promise(() => handle.close())
    return yield* notAsItWas(file, before.offset, before.line, found)
  }
  restarted()
  yield* former === undefined
    ? Effect.logWarning(
        `${file} is not the file that was followed before, which is gone. Text after its ` +
          `line ${before.line} was not read; this file is read from its start.`
      )
    : wasCut(file)
  return start
})

const wasCut = (file: string) =>
  Effect.logWarning(`${file} was truncated; it is read from its start.`)

const needsPlain = () =>
  failed(
    "--follow takes a plain file of format ndjson or csv that is neither compressed nor UTF-16."
  )

/** Refuses content that can only be read from its start, regardless of the file name. */
const requirePlain = Effect.fnUntraced(function* (file: string, handle: Fs.FileHandle) {
  const plain = yield* Effect.mapError(
    reading(file, () => isPlain(handle)),
    because
  )
  if (!plain) return yield* needsPlain()
})

/** Prepares to follow a file. Its handle is closed with the scope. */
export const followed = Effect.fnUntraced(function* ({
  input,
  keeper,
  source
}: FollowOptions): Effect.fn.Return<Followed, CommandFailed, Scope.Scope> {
  const { format } = input
  if (isTyped(format) || format === "json" || input.gzip || input.size === undefined) {
    return yield* needsPlain()
  }
  const { counts, stream } = source
  const first = yield* beginning(input, keeper)
  yield* requirePlain(input.file, first.handle).pipe(
    Effect.onError(() => Effect.promise(() => first.handle.close()))
  )
  const begin = Effect.fnUntraced(function* (handle: Fs.FileHandle, from: number, csv: CsvOptions) {
    const reader = readerOf(format, csv)
    const keeping = yield* keeper.begin({ handle, from, reader })
    const take = takeRecords({ ...source, reader, keeping, bytes: Stream.empty })
    return { reader, take, ahead: keeping.ahead ?? Effect.void }
  })
  let file: Effect.Success<ReturnType<typeof begin>> | undefined = yield* begin(
    first.handle,
    first.offset,
    first.csv
  )

  const onBytes = Effect.fnUntraced(function* (
    bytes: Uint8Array,
    handle: Fs.FileHandle,
    at: number
  ) {
    counts.bytes += bytes.length
    if (file === undefined) {
      yield* requirePlain(input.file, handle)
      file = yield* begin(handle, at, input.csv)
    }
    yield* file.ahead
    yield* file.take(file.reader.push(bytes))
  })
  const onRestart = Effect.fnUntraced(function* (why: "rotated" | "cut") {
    // The last line of a finished file needs no line end.
    if (file !== undefined) yield* file.take(file.reader.end())
    if (why === "cut") yield* wasCut(input.file)
    keeper.restarted()
    file = undefined
  })
  const run = Effect.scoped(
    follow<CommandFailed>(input.file, first, { onBytes, onRestart, onIdle: keeper.idle })
  ).pipe(
    Effect.mapError((error) => (error._tag === "UnreadableFile" ? because(error) : error)),
    // Fails when the stream ends: while the file is idle, no record is sent that would reveal it.
    Effect.raceFirst(
      Stream.runDrain(stream.durableOffsets).pipe(
        Effect.mapError((error) =>
          because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)
        ),
        Effect.andThen(Effect.fail(failed("The stream has ended.")))
      )
    )
  )
  return { run, save: keeper.save }
})
