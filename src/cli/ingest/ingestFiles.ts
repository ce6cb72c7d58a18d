/**
 * Ingests files one after another, starting where an earlier run stopped when it is resumed.
 */
import * as Effect from "effect/Effect"
import { openFile, recordBytes } from "../input/recordBytes.ts"
import { isTyped } from "../records/fileKind.ts"
import { reader as readerOf } from "../records/recordFile.ts"
import { because, type CommandFailed } from "../terminal/CommandFailed.ts"
import { openTyped } from "../typed/typedFile.ts"
import type { OpenFile } from "./filePlace.ts"
import { ingestFile, type IngestSource, ingestTyped } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"
import type { ResumePlace } from "./resumePlace.ts"
import type { SpoolPlace } from "./spoolPlace.ts"

/** The options of an ingest, apart from its files. */
export type FilesSource = Omit<IngestSource, "name" | "bytes" | "reader" | "header" | "keeping">

/** The place of a file that cannot be read from its middle. */
const readFromStart = { place: () => undefined, line: () => 0 }

/**
 * Queues the records of the files. `place` saves the position in the stream's spool, if it has one.
 */
export const ingestFiles = (
  inputs: ReadonlyArray<RecordInput>,
  source: FilesSource,
  begin: ResumePlace,
  place: SpoolPlace | undefined
): Effect.Effect<void, CommandFailed> => {
  const several = inputs.length > 1
  const { counts, places } = source

  /** The way through the spool for a file, if there is one. */
  const keepingOf = Effect.fnUntraced(function* (
    { file, size }: RecordInput,
    index: number,
    reader: OpenFile["reader"]
  ) {
    if (place === undefined) return undefined
    const isFirst = index === begin.file
    const from = isFirst ? begin.offset : undefined
    // Anything but a regular file can be opened only once.
    const handle =
      size === undefined
        ? undefined
        : yield* Effect.acquireRelease(Effect.mapError(openFile(file), because), (handle) =>
            Effect.ignore(Effect.promise(() => handle.close()))
          )
    const open = handle === undefined ? undefined : { handle, from: from ?? 0, reader }
    return yield* place.begin({ file: index, open, records: isFirst ? begin.records : 0 })
  })

  const ingestOne = Effect.fnUntraced(function* (input: RecordInput, index: number) {
    const { bytes, file, format, gzip, name } = input
    const isFirst = index === begin.file
    if (several || isTyped(format)) {
      places.begin({
        ...(several ? { file: name } : {}),
        ...(isTyped(format) ? { unit: "row" } : {})
      })
    }
    const named = { ...source, name: several ? name : undefined }
    if (isTyped(format)) {
      const typed =
        input.typed ?? (yield* Effect.mapError(openTyped({ file, format, gzip }), because))
      const keeping = yield* keepingOf(input, index, readFromStart)
      yield* ingestTyped({ ...named, keeping }, typed)
      return yield* keeping?.ended ?? Effect.void
    }
    const from = isFirst ? begin.offset : undefined
    const reader = readerOf(format, isFirst ? begin.csv : input.csv)
    const onRead = (read: number) => (counts.stored += read)
    const keeping = yield* keepingOf(input, index, reader)
    yield* ingestFile({
      ...named,
      bytes: (from === undefined ? bytes : undefined) ?? recordBytes(file, { gzip, from, onRead }),
      reader,
      header: format === "csv",
      keeping
    })
    yield* keeping?.ended ?? Effect.void
  }, Effect.scoped)

  return Effect.forEach(
    inputs.map((input, index) => [input, index] as const).slice(begin.file),
    ([input, index]) => ingestOne(input, index),
    { discard: true }
  )
}
