/**
 * Follows a growing file like `tail -F`: appended bytes, and the new file after a rotation.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openFile, type UnreadableFile, unreadable } from "./recordBytes.ts"

/** Time between two polls of a file that has not grown. */
const pause = "200 millis"

const chunkSize = 256 * 1024

/** Number of bytes at the start of a file that identify it. */
export const knownBytes = 256

/** Identity of a file. Inode numbers are reused, so it includes a hash of the first bytes. */
export interface FileIdentity {
  readonly device: number
  readonly inode: number
  /** Number of hashed bytes at the start, and their SHA-256. */
  readonly length: number
  readonly start: string
}

/** The SHA-256 of up to `length` bytes starting at `from`. */
const hashOf = async (handle: Fs.FileHandle, from: number, length: number) => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from)
  const hash = createHash("sha256").update(buffer.subarray(0, bytesRead)).digest("hex")
  return { hash, bytesRead }
}

/**
 * The identity of an open file. To compare it with an earlier one, pass the earlier one's `length`.
 */
export const identityOf = async (
  handle: Fs.FileHandle,
  length = knownBytes
): Promise<FileIdentity> => {
  const { dev, ino } = await handle.stat()
  const { bytesRead, hash } = await hashOf(handle, 0, Math.min(knownBytes, length))
  return { device: dev, inode: ino, length: bytesRead, start: hash }
}

/**
 * Whether an open file starts with the bytes of an identity. The inode is ignored, so a copy
 * matches too.
 */
export const startsAs = async (
  handle: Fs.FileHandle,
  wanted: Pick<FileIdentity, "length" | "start">
): Promise<boolean> => {
  const { length, start } = await identityOf(handle, wanted.length)
  return length === wanted.length && start === wanted.start
}

/** The SHA-256 of the last bytes before an offset. */
export const endOf = async (handle: Fs.FileHandle, offset: number): Promise<string> => {
  const length = Math.min(knownBytes, offset)
  return (await hashOf(handle, offset - length, length)).hash
}

/**
 * Opens the file with this identity, under its name or under another name in the same folder, to
 * which rotation may have moved it. Undefined when it is gone.
 */
export const reopen = async (
  file: string,
  wanted: FileIdentity
): Promise<Fs.FileHandle | undefined> => {
  const folder = Path.dirname(file)
  const names = await Fs.readdir(folder)
  const candidates = [file, ...names.map((name) => Path.join(folder, name))]
  for (const candidate of candidates) {
    const found = await Fs.lstat(candidate).catch(() => undefined)
    if (
      found === undefined ||
      !found.isFile() ||
      found.ino !== wanted.inode ||
      found.dev !== wanted.device
    )
      continue
    const handle = await Fs.open(candidate, "r")
    if (await startsAs(handle, wanted)) return handle
    await handle.close()
  }
  return undefined
}

/** Callbacks for a followed file. */
export interface Follower<E> {
  /** Receives more bytes of the file, which start at `offset`. */
  readonly onBytes: (
    bytes: Uint8Array,
    handle: Fs.FileHandle,
    offset: number
  ) => Effect.Effect<void, E>
  /** Runs when there was nothing more to read. */
  readonly onIdle: Effect.Effect<void, E>
  /**
   * Runs when the file has ended: it was truncated, or another file has its name. Reading continues
   * from the start.
   */
  readonly onRestart: (why: "rotated" | "cut") => Effect.Effect<void, E>
}

/** Follows a file from an offset of an open handle, until interrupted. */
export const follow = <E>(
  file: string,
  first: { readonly handle: Fs.FileHandle; readonly offset: number },
  follower: Follower<E>
): Effect.Effect<never, E | UnreadableFile, Scope.Scope> =>
  Effect.gen(function* () {
    let { handle, offset } = first
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.promise(() => handle.close())))
    const of = <A>(run: () => Promise<A>) =>
      Effect.tryPromise({ try: run, catch: (error) => unreadable(file, error) })
    /** The offset at which another file was first found under the name. */
    let replaced: number | undefined
    while (true) {
      const { buffer, bytesRead } = yield* of(() =>
        handle.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, offset)
      )
      if (bytesRead > 0) {
        yield* follower.onBytes(buffer.subarray(0, bytesRead), handle, offset)
        offset += bytesRead
        continue
      }
      const own = yield* of(() => handle.stat())
      if (own.size < offset) {
        yield* follower.onRestart("cut")
        offset = 0
        continue
      }
      const named = yield* Effect.promise(() => Fs.stat(file).catch(() => undefined))
      if (named !== undefined && (named.ino !== own.ino || named.dev !== own.dev)) {
        // The writer may still append for a moment: the old file is done when it has not grown
        // between two polls.
        if (replaced === offset) {
          yield* follower.onRestart("rotated")
          const next = yield* openFile(file)
          yield* of(() => handle.close())
          handle = next
          offset = 0
          replaced = undefined
          continue
        }
        replaced = offset
      }
      yield* follower.onIdle
      yield* Effect.sleep(pause)
    }
  })
