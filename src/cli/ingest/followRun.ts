/**
 * `zerobus ingest --follow`: moves what is appended to a file into a stream, and keeps in the state file up to where it is durable.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fs from "node:fs/promises"
import { follow, identityOf, reopen } from "../input/followedFile.ts"
import { openFile } from "../input/recordBytes.ts"
import { reader } from "../records/recordFile.ts"
import type { RecordReader } from "../records/sourceRecord.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { type FollowPlace, type FollowState, Marks, readState, UnusableState, writeState } from "./followState.ts"
import { type IngestSource, takeRecords } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"

/** Least time between two writes of the state while records go on. */
const stateInterval = 1000

/** What following needs besides what any file does. */
export interface FollowOptions {
  readonly input: RecordInput
  readonly table: string
  readonly state: string
  readonly source: Omit<IngestSource, "bytes" | "reader">
}

/** A followed file. */
export interface Followed {
  /** Follows until it is interrupted or fails. */
  readonly run: Effect.Effect<never, CommandFailed>
  /** Writes the state once more; nothing is queued any more. */
  readonly save: Effect.Effect<void, CommandFailed>
}

const unusable = (error: unknown): CommandFailed =>
  error instanceof UnusableState
    ? because(error)
    : failed(`The file of --state cannot be used: ${(error as Error).message}`)

const tried = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: unusable })

/** Opens the file where the state says, else at its start. */
export const followed = Effect.fnUntraced(function* ({
  input,
  source,
  state: path,
  table
}: FollowOptions): Effect.fn.Return<Followed, CommandFailed, Scope.Scope> {
  if (input.format === "json" || input.gzip || input.size === undefined) {
    return yield* failed("--follow takes a plain file of format ndjson or csv that is not compressed.")
  }
  const { counts, stream } = source
  const before = yield* tried(() => readState(path, input.file, table))
  const marks = new Marks()
  let kept: FollowPlace | undefined = before
  let written: FollowPlace | undefined = before
  let writtenAt = 0
  const save: Effect.Effect<void, CommandFailed> = Effect.suspend(() => {
    kept = marks.reached(counts.durable + counts.refused) ?? kept
    if (kept === undefined || kept === written) return Effect.void
    const state: FollowState = { ...kept, file: input.file, table }
    written = kept
    return tried(() => writeState(path, state))
  })
  const saveSometimes = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - writtenAt < stateInterval) return
    writtenAt = now
    yield* save
  })

  const found = before === undefined ? undefined : yield* tried(() => reopen(input.file, before.identity))
  if (before !== undefined && found === undefined) {
    yield* Effect.logWarning(
      `${input.file} is not the file that was followed before, which is gone. What came behind its line ${before.line} was not read; this file is read from its start.`
    )
  }
  const place = found === undefined ? undefined : before
  const handle = found ?? (yield* Effect.mapError(openFile(input.file), because))
  const offset = place?.offset ?? 0
  const { csv } = input
  let one: RecordReader = reader(
    input.format,
    place === undefined
      ? csv
      : {
          ...csv,
          names: place.header ?? csv.names,
          delimiter: place.delimiter ?? csv.delimiter,
          line: place.line
        }
  )
  let take = takeRecords({ ...source, reader: one, bytes: Stream.empty })

  const onBytes = Effect.fnUntraced(function* (bytes: Uint8Array, from: Fs.FileHandle, at: number) {
    counts.bytes += bytes.length
    yield* take(one.push(bytes))
    const end = at + bytes.length - one.pending()
    marks.add(
      {
        identity: yield* Effect.promise(() => identityOf(from, end)),
        offset: end,
        line: one.line(),
        header: one.header(),
        delimiter: one.delimiter()
      },
      counts.accepted
    )
    yield* saveSometimes
  })
  const onRestart = Effect.fnUntraced(function* (why: "rotated" | "cut") {
    // The last line of a file that has ended needs no line end.
    yield* take(one.end())
    if (why === "cut") yield* Effect.logWarning(`${input.file} was cut; it is read from its start.`)
    one = reader(input.format, input.csv)
    take = takeRecords({ ...source, reader: one, bytes: Stream.empty })
  })
  const run = Effect.scoped(
    follow<CommandFailed>(input.file, { handle, offset }, { onBytes, onRestart, onIdle: saveSometimes })
  ).pipe(
    Effect.mapError((error) => (error._tag === "UnreadableFile" ? because(error) : error)),
    // A stream that has ended takes nothing more, and an idle file would not find out.
    Effect.raceFirst(
      Stream.runDrain(stream.durableOffsets).pipe(
        Effect.mapError((error) => because(error._tag === "StreamClosed" ? (error.cause ?? error) : error)),
        Effect.andThen(Effect.fail(failed("The stream has ended.")))
      )
    )
  )
  return { run, save }
})
