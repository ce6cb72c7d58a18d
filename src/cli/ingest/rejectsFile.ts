/**
 * The file of rejected records: NDJSON of `{"line", "reason", "record"}`. It is only appended to,
 * so that rejects of an earlier run, or any other content, are never lost.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Fs from "node:fs/promises"
import { NotAFile, openPlain } from "../../internal/log/plainFile.ts"

/** A rejected record and the reason. */
export interface Reject {
  /** Its file, when there are several. */
  readonly file?: string | undefined
  readonly line: number
  readonly reason: string
  readonly record: string
}

/** The rejects file cannot be used. The message says why. */
export class UnusableRejects extends Data.TaggedError("UnusableRejects")<{
  readonly message: string
}> {}

/** Writes rejects. Succeeds when they are in the file. */
export type WriteRejects = (rejects: ReadonlyArray<Reject>) => Effect.Effect<void, UnusableRejects>

const { O_APPEND, O_CREAT, O_RDWR } = Fs.constants

/** Bytes at the start of a file that are checked to recognize a rejects file. */
const shown = 64 * 1024

/**
 * Whether the text starts with a reject. A first line longer than `shown` is recognized by its
 * start.
 */
const isOfRejects = (start: string): boolean => {
  const end = start.indexOf("\n")
  if (end < 0) return /^\{"(?:file":"(?:[^"\\]|\\.)*",")?line":\d+,"reason":"/.test(start)
  try {
    const first = JSON.parse(start.slice(0, end)) as Record<string, unknown>
    return (
      typeof first === "object" &&
      ["line", "reason", "record"].every((key) => Object.hasOwn(first, key))
    )
  } catch {
    return false
  }
}

/**
 * Opens the file to append to it. It may be new, empty, or a rejects file that belongs to this
 * user. Any other file is refused.
 */
export const openRejects = (
  path: string,
  sources: ReadonlyArray<string>
): Effect.Effect<WriteRejects, UnusableRejects, Scope.Scope> =>
  Effect.gen(function* () {
    const unusable = (error: unknown) =>
      error instanceof UnusableRejects
        ? error
        : new UnusableRejects({
            message:
              error instanceof NotAFile
                ? `--rejects: ${error.message}`
                : `The file of rejects ${path} cannot be written ` +
                  `(${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`
          })
    const handle = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => openOwn(path, sources), catch: unusable }),
      (handle) => Effect.ignore(Effect.promise(() => handle.close()))
    )
    const turn = yield* Semaphore.make(1)
    return (rejects) =>
      Effect.tryPromise({
        try: () =>
          handle.appendFile(rejects.map((reject) => `${JSON.stringify(reject)}\n`).join("")),
        catch: unusable
      }).pipe(turn.withPermits(1))
  })

const openOwn = async (path: string, sources: ReadonlyArray<string>): Promise<Fs.FileHandle> => {
  const handle = await openPlain(path, O_CREAT | O_RDWR | O_APPEND)
  try {
    const { dev, ino, nlink, size, uid } = await handle.stat()
    const refuse = (why: string) => {
      throw new UnusableRejects({
        message: `--rejects: ${path} ${why}. Nothing was written to it; name another file.`
      })
    }
    for (const source of sources) {
      const other = source === "-" ? undefined : await Fs.stat(source).catch(() => undefined)
      if (other !== undefined && other.dev === dev && other.ino === ino) refuse("is the input file")
    }
    if (nlink > 1) refuse("has a second name (a hard link)")
    if (process.getuid !== undefined && uid !== process.getuid()) refuse("belongs to another user")
    if (size > 0) {
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(Math.min(size, shown)),
        0,
        Math.min(size, shown),
        0
      )
      if (!isOfRejects(buffer.toString("utf8", 0, bytesRead)))
        refuse("exists and is not a file of rejects")
      const { buffer: last } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
      // A killed process may have left the last line without a line feed.
      if (last[0] !== 0x0a) await handle.appendFile("\n")
    }
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}
