/**
 * `zerobus ingest --spool`: how far the files were read, kept in the spool beside their records, and
 * where the next run goes on.
 *
 * The position is the count of records read. It belongs to an offset of the spool; the records of
 * the files behind it that the spool has as well are passed over. The spool's own order decides, so
 * a kill at any moment leaves no record out and none twice.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Path from "node:path"
import type { ByteSink, RecordCodec } from "../../internal/recordCodec.ts"
import * as Spool from "../../Spool.ts"
import type { RecordAck } from "../../RecordAck.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { identityOf } from "../input/followedFile.ts"
import { openFile } from "../input/recordBytes.ts"
import type { SourceRecord } from "../records/sourceRecord.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import type { Spooling } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"

/** The position as it stands in the spool, in JSON. */
interface FilesPosition {
  readonly kind: "zerobus ingest"
  /** Which files, by names in order, and how they are read. */
  readonly source: string
  /** The bytes at the start of the first file: how many, and their SHA-256. */
  readonly length: number
  readonly start: string
  /** Records read of all files, rejected ones included. */
  readonly records: number
}

/** Where an ingest with a spool begins, and how it goes on. */
export interface SpoolPlace {
  /** Records at the start of the files that are passed over. */
  readonly skip: number
  /** The offset of the first record that this run adds. */
  readonly firstOffset: number
  /** Whether the spool has a position of these files that this run does not use. */
  readonly isIgnored: boolean
  readonly spooling: Spooling
}

/** A place to encode records that are only counted. */
class Discarded implements ByteSink {
  buffer = Buffer.allocUnsafe(64 * 1024)
  position = 0
  readonly mark = 0

  ensure(bytes: number): void {
    const needed = this.position + bytes
    if (needed > this.buffer.length) this.buffer = Buffer.allocUnsafe(2 * needed)
  }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

const positionOf = (bytes: Uint8Array | undefined): FilesPosition | undefined => {
  if (bytes === undefined) return undefined
  try {
    const position = JSON.parse(Buffer.from(bytes).toString("utf8")) as FilesPosition
    return position.kind === "zerobus ingest" ? position : undefined
  } catch {
    return undefined
  }
}

/** The identity of the first file's start; of `wanted` bytes where it is compared with an earlier one. */
const startOf = Effect.fnUntraced(function* (
  { file }: RecordInput,
  wanted: number
): Effect.fn.Return<{ readonly length: number; readonly start: string }, CommandFailed> {
  if (file === "-") return { length: 0, start: "" }
  const handle = yield* Effect.mapError(openFile(file), because)
  return yield* Effect.promise(async () => {
    try {
      const { length, start } = await identityOf(handle, wanted)
      return { length, start }
    } finally {
      await handle.close()
    }
  })
})

/**
 * The position in the files where an ingest resumes. `reading` has the flags that decide which
 * records the files have.
 */
export const spoolPlace = Effect.fnUntraced(function* (options: {
  readonly stream: ZerobusStream<SourceRecord>
  readonly folder: string
  readonly inputs: ReadonlyArray<RecordInput>
  readonly codec: RecordCodec<SourceRecord>
  readonly reading: unknown
  readonly resume: boolean
  readonly skip: number
}): Effect.fn.Return<SpoolPlace, CommandFailed> {
  const { codec, folder, inputs, reading, resume, stream } = options
  const { behindPosition, nextOffset, position } = yield* Effect.mapError(Spool.progress(stream), because)
  const [first] = inputs
  const source = sha256(JSON.stringify([inputs.map(({ file }) => Path.basename(file)), reading]))
  const before = positionOf(position)
  const started = yield* startOf(first!, Infinity)
  const wasSame =
    before !== undefined && before.source === source && before.start === (yield* startOf(first!, before.length)).start
  if (resume && (position === undefined ? nextOffset > 0 : !wasSame)) {
    return yield* failed(
      `The spool ${folder} has no position of these files with these flags. Give the same files, in the same order, and ` +
        `the same flags as the run before; or leave --resume out to ingest them from their start.`
    )
  }
  const goesOn = resume && before !== undefined
  let left = goesOn ? behindPosition : 0
  const discarded = new Discarded()
  const passOver = (record: SourceRecord): boolean => {
    if (left === 0) return false
    discarded.position = 0
    if (codec.write(record, discarded) !== undefined) return false
    left--
    return true
  }
  const note = (records: number, last: RecordAck | undefined): Effect.Effect<void, CommandFailed> => {
    const next: FilesPosition = { kind: "zerobus ingest", source, ...started, records }
    return Effect.mapError(Spool.notePosition(stream, Buffer.from(JSON.stringify(next)), last), because)
  }
  // On disk before the first record, so that a kill finds a position whatever it leaves.
  if (!goesOn) yield* note(options.skip, undefined)
  return {
    skip: goesOn ? before.records : options.skip,
    firstOffset: nextOffset,
    isIgnored: !resume && wasSame,
    spooling: {
      passOver,
      // What is passed over is behind the position that the spool has.
      keep: (last, records) => (left > 0 ? Effect.void : note(records, last))
    }
  }
})
