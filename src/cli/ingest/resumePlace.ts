/**
 * `zerobus ingest --resume`: where in the files reading goes on, once they are known to be those
 * that the position in the spool is of.
 */
import * as Effect from "effect/Effect"
import { startsAs } from "../input/followedFile.ts"
import { openFile } from "../input/recordBytes.ts"
import type { CsvOptions } from "../records/csvRecords.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { count } from "../terminal/progress.ts"
import { type GoingOn, goingOn, reading } from "./filePlace.ts"
import type { RecordInput } from "./inputs.ts"
import type { FilesPosition } from "./spoolPlace.ts"

/** Where reading goes on. */
export interface ResumePlace {
  /** The file, from 0; those before it are done. */
  readonly file: number
  /** The byte of it. Undefined: it is read from its start. */
  readonly offset: number | undefined
  readonly csv: CsvOptions
  /** Records of the files in front of where reading begins, and of the file itself. */
  readonly skipped: number
  readonly records: number
  /** Records of the files in front of the position; those that are read again are passed over. */
  readonly skip: number
  /** Bytes of the files in front of where reading begins. */
  readonly stored: number
}

/** Where a run begins that does not resume. */
export const atStart = (csv: CsvOptions, skip: number): ResumePlace => ({
  file: 0,
  offset: undefined,
  csv,
  skipped: 0,
  records: 0,
  skip,
  stored: 0
})

/** Whether the file at the position is the one that it is of, by the bytes at its start. */
export const isSameFile = Effect.fnUntraced(function* (
  inputs: ReadonlyArray<RecordInput>,
  { file, identity }: FilesPosition
): Effect.fn.Return<boolean, CommandFailed> {
  const { file: name, size } = inputs[file]!
  if (size === undefined) return true
  return yield* withHandle(name, (handle) => startsAs(handle, identity))
})

const withHandle = <A>(
  name: string,
  use: (handle: Handle) => Promise<A>
): Effect.Effect<A, CommandFailed> =>
  Effect.acquireUseRelease(
    openFile(name),
    (handle) => reading(name, () => use(handle)),
    (handle) => Effect.ignore(Effect.promise(() => handle.close()))
  ).pipe(Effect.mapError(because))

type Handle = Effect.Success<ReturnType<typeof openFile>>

const fromStart = "To ingest the files as they are now from their start, leave --resume out."

/** Where reading goes on in files that a position is of; fails where they are not as they were. */
export const resumePlace = Effect.fnUntraced(function* (
  inputs: ReadonlyArray<RecordInput>,
  position: FilesPosition
): Effect.fn.Return<ResumePlace, CommandFailed> {
  const { bytesBefore, file, place, records, recordsBefore } = position
  const input = inputs[file]!
  const done = inputs.slice(0, file)
  if (done.reduce((sum, { size }) => sum + (size ?? 0), 0) !== bytesBefore) {
    return yield* failed(
      `The files in front of ${input.name}, where --resume goes on, have other sizes than when ` +
        `they were read. Ingest ` +
        `what was added to them by itself, with another --spool. ${fromStart}`
    )
  }
  if (!(yield* isSameFile(inputs, position))) {
    return yield* failed(
      `${input.name} is not the file that was read: its first bytes are others. ${fromStart}`
    )
  }
  const skip = recordsBefore + records
  const unsought = {
    file,
    offset: undefined,
    csv: input.csv,
    skipped: recordsBefore,
    records: 0,
    skip
  }
  if (place === undefined || place.offset === 0) return { ...unsought, stored: bytesBefore }
  const found = yield* withHandle(input.file, (handle) => goingOn(handle, place, input))
  if (found._tag !== "Place") return yield* notAsItWas(input.name, place.offset, skip, found)
  const { csv, offset } = found
  return { file, offset, csv, skipped: skip, records, skip, stored: bytesBefore + offset }
})

/** Why reading cannot go on at a place of a file. */
export const notAsItWas = (
  name: string,
  offset: number,
  records: number,
  found: Exclude<GoingOn, { readonly _tag: "Place" }>
): CommandFailed => {
  switch (found._tag) {
    case "Cut":
      return failed(
        `${name} was read up to byte ${count(offset)} and has ${count(found.size)} bytes now. ` +
          `${fromStart}`
      )
    case "Changed":
      return failed(
        `${name} was read up to byte ${count(offset)}, and the bytes in front of that are ` +
          `others now. ${fromStart}`
      )
    case "Grown":
      return failed(
        `${name} was read up to byte ${count(offset)}, where its last line had no line end, and ` +
          `that line has grown. ` +
          `Ingest the line by itself; to go on behind it, replace --resume by --skip ${records}.`
      )
  }
}
