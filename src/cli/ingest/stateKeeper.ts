/**
 * `zerobus ingest --follow --state`: saves the durable position in the followed file to the state
 * file.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import type { Counts } from "../terminal/progress.ts"
import { type FilePlace, placeOf, reading } from "./filePlace.ts"
import type { FollowKeeper } from "./followRun.ts"
import { Marks, readState, UnusableState, writeState } from "./followState.ts"

/** Minimum time between two writes of the state while records arrive, in milliseconds. */
const stateInterval = 1000

const unusable = (error: unknown): CommandFailed =>
  error instanceof UnusableState
    ? because(error)
    : failed(`The file of --state cannot be used: ${(error as Error).message}`)

const tried = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: unusable })

/** Saves the durable position in `file` to the state file at `path`. */
export const stateKeeper = Effect.fnUntraced(function* (
  path: string,
  file: string,
  table: string,
  counts: Counts
): Effect.fn.Return<FollowKeeper, CommandFailed> {
  const before = yield* tried(() => readState(path, file, table))
  const marks = new Marks()
  let kept: FilePlace | undefined = before
  let written: FilePlace | undefined = before
  let writtenAt = 0
  const save: Effect.Effect<void, CommandFailed> = Effect.suspend(() => {
    kept = marks.reached(counts.durable + counts.refused) ?? kept
    if (kept === undefined || kept === written) return Effect.void
    written = kept
    return tried(() => writeState(path, { ...written!, file, table }))
  })
  const saveSometimes = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - writtenAt < stateInterval) return
    writtenAt = now
    yield* save
  })
  return {
    before,
    begin: (open) =>
      Effect.succeed({
        keep: Effect.fnUntraced(function* () {
          const place = yield* Effect.mapError(
            reading(file, () => placeOf(open)),
            because
          )
          if (place !== undefined) marks.add(place, counts.accepted)
          yield* saveSometimes
        })
      }),
    restarted: () => {},
    idle: saveSometimes,
    save
  }
})
