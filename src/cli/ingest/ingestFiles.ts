/**
 * Ingests files one after another, starting where an earlier run stopped when it is resumed.
 */
import * as Effect from "effect/Effect"
import { openFile, recordBytes } from "../input/recordBytes.ts"
import { reader as readerOf } from "../records/recordFile.ts"
import { because, type CommandFailed } from "../terminal/CommandFailed.ts"
import { ingestFile, type IngestSource } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"
import type { ResumePlace } from "./resumePlace.ts"
import type { SpoolPlace } from "./spoolPlace.ts"

/** The options of an ingest, apart from its files. */
export type FilesSource = Omit<IngestSource, "name" | "bytes" | "reader" | "header" | "keeping">

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

  const ingestOne = Effect.fnUntraced(function* (input: RecordInput, index: number) {
    const { bytes, file, format, gzip, name, size } = input
    const isFirst = index === begin.file
    const from = isFirst ? begin.offset : undefined
    const reader = readerOf(format, isFirst ? begin.csv : input.csv)
    if (several) places.begin(name)
    const onRead = (read: number) => (counts.stored += read)
    const one = {
      ...source,
      name: several ? name : undefined,
      bytes: (from === undefined ? bytes : undefined) ?? recordBytes(file, { gzip, from, onRead }),
      reader,
      header: format === "csv"
    }
    if (place === undefined) return yield* ingestFile(one)
    // Anything but a regular file can be opened only once.
    const handle =
      size === undefined
        ? undefined
        : yield* Effect.acquireRelease(Effect.mapError(openFile(file), because), (handle) =>
            Effect.ignore(Effect.promise(() => handle.close()))
          )
    const open = handle === undefined ? undefined : { handle, from: from ?? 0, reader }
    const keeping = yield* place.begin({ file: index, open, records: isFirst ? begin.records : 0 })
    yield* ingestFile({ ...one, keeping })
    yield* keeping.ended
  }, Effect.scoped)

  return Effect.forEach(
    inputs.map((input, index) => [input, index] as const).slice(begin.file),
    ([input, index]) => ingestOne(input, index),
    { discard: true }
  )
}
