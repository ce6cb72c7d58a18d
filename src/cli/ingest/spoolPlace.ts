/**
 * `zerobus ingest --spool`: saves the position in the files in the spool, next to their records,
 * and finds where the next run resumes.
 *
 * Each position is saved with an offset of the spool. Records after the position that the spool
 * already contains are skipped. The order of the spool decides, so a kill at any moment neither
 * loses nor duplicates a record. NDJSON and CSV files are read from the byte offset of the
 * position. Files that are compressed, in UTF-16 or of format json are read from their start, and
 * records up to the position are skipped.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import type * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { ByteSink, RecordCodec } from "../../internal/recordCodec.ts"
import * as Spool from "../../Spool.ts"
import type { RecordAck } from "../../RecordAck.ts"
import type { ZerobusStream } from "../../ZerobusStream.ts"
import { type FileIdentity, identityOf, knownBytes } from "../input/followedFile.ts"
import type { SourceRecord } from "../records/sourceRecord.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"
import { type Counts, recordsRead } from "../terminal/progress.ts"
import { type FilePlace, isPlain, type OpenFile, placeOf, reading } from "./filePlace.ts"
import type { FollowKeeper } from "./followRun.ts"
import type { Keeping } from "./ingestFile.ts"
import type { RecordInput } from "./inputs.ts"

/** The position saved in the spool, as JSON. */
export interface FilesPosition {
  readonly kind: "zerobus ingest"
  /** Hash of the file names, in order, and of the flags for reading them. */
  readonly source: string
  /** Index of the file that was being read, and its identity. */
  readonly file: number
  readonly identity: Pick<FileIdentity, "length" | "start"> & Partial<FileIdentity>
  /** Bytes and records of the previous files, including rejected records. */
  readonly bytesBefore: number
  readonly recordsBefore: number
  /** Records read from this file. */
  readonly records: number
  /** Their end, in a file that can be read from there. */
  readonly place: Omit<FilePlace, "identity"> | undefined
}

/** A file that is ingested through a spool. */
export interface SpooledFile {
  /** Its index among the files. */
  readonly file: number
  /** The open file. Undefined for standard input and anything but a regular file. */
  readonly open: OpenFile | undefined
  /** Records of the file that an earlier run read, when this run starts after them. */
  readonly records: number
}

/** Positions in a spool. */
export interface SpoolPlace {
  /** Offset of the first record that this run adds. */
  readonly firstOffset: number
  /** The saved position of these files, whether or not this run resumes there. */
  readonly before: FilesPosition | undefined
  /** Starts a file and saves its position from now on. */
  readonly begin: (file: SpooledFile) => Effect.Effect<SpooledKeeping, CommandFailed>
  /**
   * Called when the input restarts: what is read next does not match the spool's records after the
   * position.
   */
  readonly restarted: () => void
}

/** Saves the position in a file in the spool. */
export interface SpooledKeeping extends Keeping {
  /** Ends the file. All of its records were accepted or rejected. */
  readonly ended: Effect.Effect<void, CommandFailed>
}

/** Options of `spoolPlace`. */
export interface SpoolPlaceOptions {
  readonly stream: ZerobusStream<SourceRecord>
  readonly folder: string
  readonly inputs: ReadonlyArray<RecordInput>
  readonly codec: RecordCodec<SourceRecord>
  /** The flags that determine which records the files contain. */
  readonly reading: unknown
  /** Whether the run resumes at the position. */
  readonly resume: boolean
  /**
   * Whether the only file is followed. Its records then count from the start of the latest file
   * with its name.
   */
  readonly follow: boolean
  /** Number of records to skip at the start, over all files. */
  readonly skip: number
  readonly counts: Counts
}

/** A sink whose bytes are discarded: records are encoded only to see whether they are valid. */
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
    const { file, identity, kind } = position
    return kind === "zerobus ingest" && typeof file === "number" && typeof identity === "object"
      ? position
      : undefined
  } catch {
    return undefined
  }
}

/** The identity of an input that cannot be read again. */
const unknown = { length: 0, start: "" }

const identityIn = (handle: Fs.FileHandle | undefined) =>
  handle === undefined ? Promise.resolve(unknown) : identityOf(handle)

/**
 * Opens the positions of a stream's spool. Fails when the run should resume and the spool has no
 * matching position.
 */
export const spoolPlace = Effect.fnUntraced(function* (
  options: SpoolPlaceOptions
): Effect.fn.Return<SpoolPlace, CommandFailed> {
  const { codec, counts, folder, follow, inputs, resume, skip, stream } = options
  const { behindPosition, nextOffset, position } = yield* Effect.mapError(
    Spool.progress(stream),
    because
  )
  const source = sha256(
    JSON.stringify([inputs.map(({ file }) => Path.basename(file)), options.reading])
  )
  const found = positionOf(position)
  const before = found?.source === source ? found : undefined
  if (resume && before === undefined && (position !== undefined || nextOffset > 0)) {
    return yield* failed(
      `The spool ${folder} has no position of these files with these flags. Give the same ` +
        `files, in the same order, and ` +
        (follow
          ? `the same flags as the run before; or another folder.`
          : `the same flags as the run before; or leave --resume out to ingest them from their ` +
            `start.`)
    )
  }
  let left = resume && before !== undefined ? behindPosition : 0
  let bytesBefore = resume ? (before?.bytesBefore ?? 0) : 0
  const discarded = new Discarded()
  const passOver = (record: SourceRecord): boolean => {
    if (left === 0) return false
    discarded.position = 0
    if (codec.write(record, discarded) !== undefined) return false
    left--
    return true
  }

  // A position is saved before the first record of a file, so the spool's records after a position
  // belong to that file.
  const restarted = (): void => {
    left = 0
  }

  const begin = Effect.fnUntraced(function* ({
    file,
    open,
    records
  }: SpooledFile): Effect.fn.Return<SpooledKeeping, CommandFailed> {
    const { file: name } = inputs[file]!
    const files = <A>(run: () => Promise<A>) => Effect.mapError(reading(name, run), because)
    const earlier = recordsRead(counts) - records
    const seekable = open !== undefined && (yield* files(() => isPlain(open.handle)))
    /** Number of bytes in the file's saved identity. */
    let known = 0
    const note = Effect.fnUntraced(function* (
      last: RecordAck | undefined
    ): Effect.fn.Return<void, CommandFailed> {
      // A saved position before skipped records would ingest them in the next run.
      const found =
        seekable && recordsRead(counts) >= skip ? yield* files(() => placeOf(open)) : undefined
      const identity = found?.identity ?? (yield* files(() => identityIn(open?.handle)))
      const next: FilesPosition = {
        kind: "zerobus ingest",
        source,
        file,
        identity,
        bytesBefore,
        recordsBefore: follow ? 0 : earlier,
        records: Math.max(recordsRead(counts), skip) - earlier,
        place:
          found === undefined
            ? undefined
            : { offset: found.offset, line: found.line, end: found.end }
      }
      yield* Effect.mapError(
        Spool.notePosition(stream, Buffer.from(JSON.stringify(next)), last),
        because
      )
      known = identity.length
    })
    // Records that are still skipped come after the saved position.
    const keep = (last: RecordAck | undefined) => (left > 0 ? Effect.void : note(last))
    // Saved before the file's first record, so that the next run finds it after a kill, and the
    // records after it belong to one file.
    if (open === undefined || open.from === 0) yield* keep(undefined)
    // An empty file, or one with only a header, cannot be identified. Another file could appear
    // with the same name and inode, and its records would be skipped.
    const ahead = Effect.gen(function* () {
      if (known >= knownBytes || left > 0) return
      const { length } = yield* files(() => identityIn(open?.handle))
      if (length > known) yield* note(undefined)
    })
    const ended = Effect.gen(function* () {
      restarted()
      if (open === undefined) return
      const read = seekable ? (open.reader.place() ?? 0) : 0
      bytesBefore += read > 0 ? open.from + read : (yield* files(() => open.handle.stat())).size
    })
    return { passOver, ahead, keep, ended }
  })
  return {
    firstOffset: nextOffset,
    before,
    begin,
    restarted
  }
})

/** Saves the position in the only, followed file in the spool. */
export const spoolKeeper = (
  place: SpoolPlace,
  folder: string
): Effect.Effect<FollowKeeper, CommandFailed> => {
  const { before, begin, restarted } = place
  const identity = before?.identity
  if (before !== undefined && before.place === undefined) {
    return Effect.fail(
      failed(
        `The position in the spool ${folder} is not one at which a file can be followed. End ` +
          `that ingest with --resume first.`
      )
    )
  }
  const records = before?.records ?? 0
  return Effect.succeed({
    before:
      before === undefined ? undefined : { ...before.place!, identity: identity as FileIdentity },
    begin: (open) => begin({ file: 0, open, records: open.from === 0 ? 0 : records }),
    restarted,
    idle: Effect.void,
    save: Effect.void
  })
}
