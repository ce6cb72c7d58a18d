/**
 * Moves one file after the other into a stream, from where an earlier run got, if it did.
 */
import * as Effect from "effect/Effect"
import { openFile, recordBytes } from "../input/recordBytes.ts"
import { reader as readerOf } from "../records/recordFile.ts"
import { because, type CommandFailed } from "../terminal/CommandFailed.ts"
import { ingestFile, type IngestSource } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"
import type { ResumePlace } from "./resumePlace.ts"
import type { SpoolPlace } from "./spoolPlace.ts"

/** What an ingest needs in addition to its files. */
export type FilesSource = Omit<IngestSource, "name" | "bytes" | "reader" | "header" | "keeping">

/**
 * Queues the records of the files; `place` is the way through the spool of the stream, if it has
 * one.
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
    // What is no plain file can be opened once only.
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
