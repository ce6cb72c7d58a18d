/**
 * `zerobus ingest --follow`: moves what is appended to a file into a stream. How far it came is
 * kept by a state file (`stateKeeper.ts`) or by the stream's spool (`spoolPlace.ts`).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fs from "node:fs/promises"
import { follow, reopen, startsAs } from "../input/followedFile.ts"
import { openFile } from "../input/recordBytes.ts"
import type { CsvOptions } from "../records/csvRecords.ts"
import { reader as readerOf } from "../records/recordFile.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { type FilePlace, goingOn, isPlain, type OpenFile, reading } from "./filePlace.ts"
import { type IngestSource, type Keeping, takeRecords } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"
import { notAsItWas } from "./resumePlace.ts"

/** Keeps how far a followed file was read. */
export interface FollowKeeper {
  /** How far an earlier run came. */
  readonly before: FilePlace | undefined
  /** Begins a file, at the place of an earlier run or at its start. */
  readonly begin: (open: OpenFile) => Effect.Effect<Keeping, CommandFailed>
  /** What is read next is the start of a file: the one before has ended, was cut, or is gone. */
  readonly restarted: () => void
  /** Nothing more was there. */
  readonly idle: Effect.Effect<void, CommandFailed>
  /** Keeps the place once more; nothing is queued any more. */
  readonly save: Effect.Effect<void, CommandFailed>
}

/** Input and keeper of a followed file, and what every ingest needs. */
export interface FollowOptions {
  readonly input: RecordInput
  readonly keeper: FollowKeeper
  readonly source: Omit<IngestSource, "bytes" | "reader" | "keeping">
}

/** A followed file. */
export interface Followed {
  /** Follows until it is interrupted or fails. */
  readonly run: Effect.Effect<never, CommandFailed>
  /** Keeps how far it came; nothing is queued any more. */
  readonly save: Effect.Effect<void, CommandFailed>
}

/** Where following begins. */
interface Beginning {
  readonly handle: Fs.FileHandle
  readonly offset: number
  readonly csv: CsvOptions
}

/** Opens the file where an earlier run came to, else at its start. */
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
        `${file} is not the file that was followed before, which is gone. What came behind its ` +
          `line ${before.line} was not read; this file is read from its start.`
      )
    : wasCut(file)
  return start
})

const wasCut = (file: string) => Effect.logWarning(`${file} was cut; it is read from its start.`)

const needsPlain = () =>
  failed(
    "--follow takes a plain file of format ndjson or csv that is neither compressed nor UTF-16."
  )

/** Refuses what can only be read from its start, whatever its name is. */
const requirePlain = Effect.fnUntraced(function* (file: string, handle: Fs.FileHandle) {
  const plain = yield* Effect.mapError(
    reading(file, () => isPlain(handle)),
    because
  )
  if (!plain) return yield* needsPlain()
})

/** Prepares to follow a file; its handle is closed with the scope. */
export const followed = Effect.fnUntraced(function* ({
  input,
  keeper,
  source
}: FollowOptions): Effect.fn.Return<Followed, CommandFailed, Scope.Scope> {
  if (input.format === "json" || input.gzip || input.size === undefined) {
    return yield* needsPlain()
  }
  const { counts, stream } = source
  const first = yield* beginning(input, keeper)
  yield* requirePlain(input.file, first.handle).pipe(
    Effect.onError(() => Effect.promise(() => first.handle.close()))
  )
  const begin = Effect.fnUntraced(function* (handle: Fs.FileHandle, from: number, csv: CsvOptions) {
    const reader = readerOf(input.format, csv)
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
    // The last line of a file that has ended needs no line end.
    if (file !== undefined) yield* file.take(file.reader.end())
    if (why === "cut") yield* wasCut(input.file)
    keeper.restarted()
    file = undefined
  })
  const run = Effect.scoped(
    follow<CommandFailed>(input.file, first, { onBytes, onRestart, onIdle: keeper.idle })
  ).pipe(
    Effect.mapError((error) => (error._tag === "UnreadableFile" ? because(error) : error)),
    // A stream that has ended takes nothing more, and an idle file would not find out.
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
