/**
 * `zerobus ingest --resume`: finds where reading resumes, after checking that the files match the
 * position in the spool.
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

/** Where reading resumes. */
export interface ResumePlace {
  /** Index of the file. The files before it are done. */
  readonly file: number
  /** Byte offset in the file. Undefined when it is read from its start. */
  readonly offset: number | undefined
  readonly csv: CsvOptions
  /** Records before the start of reading: in all files, and in this file. */
  readonly skipped: number
  readonly records: number
  /**
   * Records before the position, over all files. Records that are read again are skipped up to this
   * number.
   */
  readonly skip: number
  /** Bytes before the start of reading, over all files. */
  readonly stored: number
}

/** The start of a run that does not resume. */
export const atStart = (csv: CsvOptions, skip: number): ResumePlace => ({
  file: 0,
  offset: undefined,
  csv,
  skipped: 0,
  records: 0,
  skip,
  stored: 0
})

/** Whether the file at the position is still the same, by its first bytes. */
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

const fromStart = "To ingest the current files from their start, leave --resume out."

/** Where reading resumes. Fails when the files have changed. */
export const resumePlace = Effect.fnUntraced(function* (
  inputs: ReadonlyArray<RecordInput>,
  position: FilesPosition
): Effect.fn.Return<ResumePlace, CommandFailed> {
  const { bytesBefore, file, place, records, recordsBefore } = position
  const input = inputs[file]!
  const done = inputs.slice(0, file)
  if (done.reduce((sum, { size }) => sum + (size ?? 0), 0) !== bytesBefore) {
    return yield* failed(
      `The files before ${input.name}, where --resume continues, have other sizes than when ` +
        `they were read. Ingest ` +
        `what was added to them by itself, with another --spool. ${fromStart}`
    )
  }
  if (!(yield* isSameFile(inputs, position))) {
    return yield* failed(
      `${input.name} is not the file that was read: its first bytes differ. ${fromStart}`
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

/** Why reading cannot resume at a position of a file. */
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
        `${name} was read up to byte ${count(offset)}, and the bytes before that have ` +
          `changed. ${fromStart}`
      )
    case "Grown":
      return failed(
        `${name} was read up to byte ${count(offset)}, where its last line had no line end, and ` +
          `that line has grown. ` +
          `Ingest the line separately; to continue after it, replace --resume with ` +
          `--skip ${records}.`
      )
  }
}
