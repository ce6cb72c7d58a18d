/**
 * A file that grows, as `tail -F` follows it: what is appended, and the file that takes its name
 * when it is rotated.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { openFile, type UnreadableFile, unreadable } from "./recordBytes.ts"

/** Time between two looks at a file that has not grown. */
const pause = "200 millis"

const chunkSize = 256 * 1024

/** Bytes at the start of a file by which it is known again. */
export const knownBytes = 256

/**
 * Which file of a name it is: inode numbers are used again, so the bytes at the start count too.
 */
export interface FileIdentity {
  readonly device: number
  readonly inode: number
  /** How many bytes at the start were looked at, and their SHA-256. */
  readonly length: number
  readonly start: string
}

/** The SHA-256 of `length` bytes from `from` on, of a file that may be shorter. */
const hashOf = async (handle: Fs.FileHandle, from: number, length: number) => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from)
  const hash = createHash("sha256").update(buffer.subarray(0, bytesRead)).digest("hex")
  return { hash, bytesRead }
}

/**
 * The identity of an open file; to compare it with an earlier one, by as many bytes as that has.
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
 * Whether an open file begins with the bytes of an identity, whatever its inode: a copy does as
 * well.
 */
export const startsAs = async (
  handle: Fs.FileHandle,
  wanted: Pick<FileIdentity, "length" | "start">
): Promise<boolean> => {
  const { length, start } = await identityOf(handle, wanted.length)
  return length === wanted.length && start === wanted.start
}

/** The SHA-256 of the bytes in front of an offset. */
export const endOf = async (handle: Fs.FileHandle, offset: number): Promise<string> => {
  const length = Math.min(knownBytes, offset)
  return (await hashOf(handle, offset - length, length)).hash
}

/**
 * Opens the file of this identity, by its name or by another one in the same folder, as rotation
 * gives it. Undefined when it is gone.
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

/** What becomes of the file. */
export interface Follower<E> {
  /** More bytes of the file, from `offset` on. */
  readonly onBytes: (
    bytes: Uint8Array,
    handle: Fs.FileHandle,
    offset: number
  ) => Effect.Effect<void, E>
  /** Nothing more was there. */
  readonly onIdle: Effect.Effect<void, E>
  /**
   * The file has ended: it was cut, or another one has its name. What follows is read from its
   * start.
   */
  readonly onRestart: (why: "rotated" | "cut") => Effect.Effect<void, E>
}

/** Follows a file from an offset of the handle that is open, until it is interrupted. */
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
    /** The position up to which the file was read when another one was found under its name. */
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
        // Its writer may have gone on for a moment: the file is done when nothing came between two
        // looks.
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
