/**
 * The bytes of a record file or of standard input, decompressed, as a stream that reads no further than its consumer.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import { pipeline } from "node:stream"
import { createGunzip } from "node:zlib"
import * as Data from "effect/Data"

/** The file cannot be opened or read, or is not gzip as it should be; the message says which. */
export class UnreadableFile extends Data.TaggedError("UnreadableFile")<{ readonly message: string }> {}

/** Bytes read at a time. */
const chunkSize = 256 * 1024

/** Opens a file (`-` is standard input) and gives its bytes. Fails when it cannot be opened or read, or is not gzip as it should be. */
export const recordBytes = (file: string, gzip: boolean): Stream.Stream<Uint8Array, UnreadableFile> => {
  const name = file === "-" ? "Standard input" : file
  return Stream.unwrap(
    Effect.gen(function* () {
      const source =
        file === "-" ? process.stdin : (yield* openFile(file)).createReadStream({ highWaterMark: chunkSize })
      // The callback takes the error that also reaches whoever reads the last stream of the pipeline.
      const bytes = gzip ? pipeline(source, createGunzip({ chunkSize }), () => {}) : source
      return Stream.fromAsyncIterable<Uint8Array, UnreadableFile>(bytes, (error) => unreadable(name, error))
    })
  )
}

/** Fails as `recordBytes` does where the file cannot be opened. */
export const checkFile = (file: string): Effect.Effect<void, UnreadableFile> =>
  file === "-" ? Effect.void : Effect.flatMap(openFile(file), (handle) => Effect.promise(() => handle.close()))

const openFile = (file: string): Effect.Effect<Fs.FileHandle, UnreadableFile> =>
  Effect.tryPromise({
    try: async () => {
      const handle = await Fs.open(file, "r")
      if ((await handle.stat()).isDirectory()) {
        await handle.close()
        throw Object.assign(new Error(), { code: "EISDIR" })
      }
      return handle
    },
    catch: (error) => unreadable(file, error)
  })

const unreadable = (name: string, error: unknown): UnreadableFile => {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error"
  return new UnreadableFile({ message: sentence(name, code) })
}

const sentence = (name: string, code: string): string => {
  switch (code) {
    case "ENOENT":
      return `${name} does not exist.`
    case "EACCES":
    case "EPERM":
      return `${name} may not be read (${code}). Check its permissions.`
    case "EISDIR":
      return `${name} is a folder. Name a file.`
    default:
      return code.startsWith("Z_") ? `${name} is not a whole gzip file (${code}).` : `${name} cannot be read (${code}).`
  }
}
