/**
 * `zerobus ingest --spool`: how far the files were read, kept in the spool beside their records,
 * and where the next run goes on.
 *
 * The position belongs to an offset of the spool. The records of the files behind the position that
 * the spool has as well are passed over. The spool's own order decides, so a kill at any moment
 * leaves no record out and none twice. A file of NDJSON or CSV is read from the byte of the
 * position on; one that is compressed, in UTF-16 or of format json is read from its start, and its
 * records up to the position are passed over.
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

/** The position as it stands in the spool, in JSON. */
export interface FilesPosition {
  readonly kind: "zerobus ingest"
  /** Which files, by names in order, and how they are read. */
  readonly source: string
  /** The file that was read, from 0, and by what it is known again. */
  readonly file: number
  readonly identity: Pick<FileIdentity, "length" | "start"> & Partial<FileIdentity>
  /** Bytes and records of the files before it, rejected records included. */
  readonly bytesBefore: number
  readonly recordsBefore: number
  /** Records read of the file itself. */
  readonly records: number
  /** Where they end, in a file that can be read from there. */
  readonly place: Omit<FilePlace, "identity"> | undefined
}

/** A file that is read with a spool. */
export interface SpooledFile {
  /** Its place among the files, from 0. */
  readonly file: number
  /** The open file; undefined for standard input and for what is no plain file. */
  readonly open: OpenFile | undefined
  /** Records of the file that an earlier run read, where this one begins behind them. */
  readonly records: number
}

/** The way through a spool. */
export interface SpoolPlace {
  /** The offset of the first record that this run adds. */
  readonly firstOffset: number
  /** The position of these files that the spool has, whether this run goes on there or not. */
  readonly before: FilesPosition | undefined
  /** Begins a file: keeps its place from now on. */
  readonly begin: (file: SpooledFile) => Effect.Effect<SpooledKeeping, CommandFailed>
  /** What is read from now on is not what the records behind the position came from. */
  readonly restarted: () => void
}

/** Keeps how far a file was read, in the spool. */
export interface SpooledKeeping extends Keeping {
  /** Ends the file, all of whose records were taken or rejected. */
  readonly ended: Effect.Effect<void, CommandFailed>
}

/** What a way through a spool needs. */
export interface SpoolPlaceOptions {
  readonly stream: ZerobusStream<SourceRecord>
  readonly folder: string
  readonly inputs: ReadonlyArray<RecordInput>
  readonly codec: RecordCodec<SourceRecord>
  /** The flags that decide which records the files have. */
  readonly reading: unknown
  /** Whether the run goes on at the position. */
  readonly resume: boolean
  /**
   * Whether the only file is followed: its records count from the start of the latest file of its
   * name.
   */
  readonly follow: boolean
  /** Records at the start of all files that are passed over. */
  readonly skip: number
  readonly counts: Counts
}

/** Bytes to encode records in that are only counted. */
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

/** What a file that cannot be read again is known by. */
const unknown = { length: 0, start: "" }

const identityIn = (handle: Fs.FileHandle | undefined) =>
  handle === undefined ? Promise.resolve(unknown) : identityOf(handle)

/**
 * The way through a stream's spool; fails where it has no position at which this run could go on.
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

  // A position is kept before the first record of a file, so what is behind it is of that file.
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
    /** Bytes by which the file is known again in the position. */
    let known = 0
    const note = Effect.fnUntraced(function* (
      last: RecordAck | undefined
    ): Effect.fn.Return<void, CommandFailed> {
      // A place in front of records that are skipped would have them ingested.
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
    // What is passed over is behind the position that the spool has.
    const keep = (last: RecordAck | undefined) => (left > 0 ? Effect.void : note(last))
    // On disk before the file's first record, so that a kill finds it, and what is behind it is of
    // one file.
    if (open === undefined || open.from === 0) yield* keep(undefined)
    // A file that was empty, or had its header only, is not known by that: another one may have
    // come under its name and inode, whose records would be passed over.
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

/** Keeps how far the only file is followed, in the spool. */
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
