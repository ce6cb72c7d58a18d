/**
 * The bytes of a record file or of standard input, decompressed and as UTF-8. The stream reads only
 * as fast as its consumer.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import { pipeline, Readable, type Transform } from "node:stream"
import { createGunzip, createZstdDecompress } from "node:zlib"
import { type BinaryFormat, enoughBytes, type Packing, packingOf } from "./contentKind.ts"
import { utf16ToUtf8 } from "./utf16.ts"

/** The file cannot be opened, read or decompressed. The message says which. */
export class UnreadableFile extends Data.TaggedError("UnreadableFile")<{
  readonly message: string
}> {}

/** How a file is read. */
export interface ReadOptions {
  /** Treat the file as gzip regardless of its first bytes. Default false. */
  readonly gzip?: boolean | undefined
  /**
   * Byte offset at which reading starts, for plain UTF-8 files. Default: the start, where the
   * encoding is detected.
   */
  readonly from?: number | undefined
  /** Called with the number of bytes read from the stored file. */
  readonly onRead?: ((bytes: number) => void) | undefined
  /** The format of a file that is no text. Default: it is text. */
  readonly format?: BinaryFormat | undefined
}

/** Bytes read at a time. */
const chunkSize = 256 * 1024

/** The name of a file in messages. */
export const nameOf = (file: string): string => (file === "-" ? "Standard input" : file)

/**
 * Opens a file (`-` is standard input) and streams its content as UTF-8. Decompresses gzip and zstd
 * and converts UTF-16, as detected from the first bytes. Fails when the file cannot be opened or
 * read, or its format is unsupported.
 */
export const recordBytes = (
  file: string,
  options: ReadOptions = {}
): Stream.Stream<Uint8Array, UnreadableFile> =>
  Stream.unwrap(
    Effect.map(openBytes(file, options), (bytes) =>
      Stream.fromAsyncIterable(bytes, (error) => error as UnreadableFile)
    )
  )

/**
 * Opens a file as {@link recordBytes} does; with a `format` its bytes are that, compressed or not.
 * Throws `UnreadableFile` while it is read. Ending the iteration closes the file.
 */
export const openBytes = Effect.fnUntraced(function* (
  file: string,
  options: ReadOptions = {}
): Effect.fn.Return<AsyncIterable<Uint8Array>, UnreadableFile> {
  if (file === "-") return yield* unpackedBytes(process.stdin, nameOf(file), options)
  const handle = yield* openFile(file)
  const source = handle.createReadStream({ highWaterMark: chunkSize, start: options.from })
  return yield* unpackedBytes(source, file, options).pipe(
    Effect.onError(() => Effect.sync(() => source.destroy()))
  )
})

const unpackedBytes = Effect.fnUntraced(function* (
  source: Readable,
  name: string,
  { format, from, gzip, onRead }: ReadOptions
): Effect.fn.Return<AsyncIterable<Uint8Array>, UnreadableFile> {
  const outer =
    gzip === true
      ? { bytes: source, packing: "gzip" as const }
      : from === undefined
        ? yield* begin(source, name, format)
        : { bytes: source, packing: "plain" as const }
  // A listener for data would start the flow, which is for the reader to do.
  if (onRead !== undefined) outer.bytes.on("data", (chunk: Buffer) => onRead(chunk.length)).pause()
  const unpacked = unpack(outer)
  // Compressed text may be in UTF-16 as well; compressed twice it is not read.
  const compressed = outer.packing === "gzip" || outer.packing === "zstd"
  const inner = compressed
    ? yield* begin(unpacked, name, format, outer.packing)
    : { bytes: unpacked, packing: "plain" as const }
  if (inner.packing === "gzip" || inner.packing === "zstd") {
    return yield* new UnreadableFile({
      message: `${name} is compressed twice. Decompress it once.`
    })
  }
  return bytesOf(unpack(inner), (error) => unreadable(name, error, outer.packing))
})

const bytesOf = async function* (
  source: AsyncIterable<Uint8Array>,
  asUnreadable: (error: unknown) => UnreadableFile
): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    throw asUnreadable(error)
  }
}

const unpack = ({ bytes, packing }: Begun): Readable => {
  // The pipeline requires a callback. The error also reaches the reader of the last stream.
  const through = (transform: Transform): Readable => pipeline(bytes, transform, () => {})
  switch (packing) {
    case "gzip":
      return through(createGunzip({ chunkSize }))
    case "zstd":
      return through(createZstdDecompress({ chunkSize }))
    case "utf16le":
    case "utf16be":
      return through(utf16ToUtf8(packing))
    case "plain":
      return bytes
  }
}

/** A stream from its start, with the detected encoding. */
interface Begun {
  readonly bytes: Readable
  readonly packing: Packing
}

/** Detects the encoding from the first bytes of a stream. */
const begin = (
  source: Readable,
  name: string,
  format: BinaryFormat | undefined,
  packing: Packing = "plain"
): Effect.Effect<Begun, UnreadableFile> =>
  Effect.callback((resume) => {
    const seen: Array<Buffer> = []
    let length = 0
    const stop = () => {
      source.off("readable", look)
      source.off("end", end)
      source.off("error", fail)
    }
    const answer = (bytes: Readable, head: Buffer) => {
      stop()
      const shown = packingOf(head, format)
      resume(
        typeof shown === "string"
          ? Effect.succeed({ bytes, packing: shown })
          : Effect.fail(new UnreadableFile({ message: `${name} is ${shown.problem}.` }))
      )
    }
    const look = () => {
      const chunk = source.read() as Buffer | null
      if (chunk === null) return
      seen.push(chunk)
      length += chunk.length
      if (length < enoughBytes) return
      const head = Buffer.concat(seen)
      source.unshift(head)
      answer(source, head)
    }
    // `unshift` does not work on an ended stream.
    const end = () => answer(Readable.from(seen), Buffer.concat(seen))
    const fail = (error: Error) => {
      stop()
      resume(Effect.fail(unreadable(name, error, packing)))
    }
    source.on("readable", look)
    source.on("end", end)
    source.on("error", fail)
    return Effect.sync(stop)
  })

/**
 * The size of a file in bytes. Undefined for standard input and anything but a regular file. Fails
 * like `recordBytes`.
 */
export const sizeOf = (file: string): Effect.Effect<number | undefined, UnreadableFile> =>
  file === "-"
    ? Effect.succeed(undefined)
    : Effect.flatMap(openFile(file), (handle) =>
        Effect.promise(async () => {
          const found = await handle.stat()
          await handle.close()
          return found.isFile() ? found.size : undefined
        })
      )

/** Opens a file for reading. */
export const openFile = (file: string): Effect.Effect<Fs.FileHandle, UnreadableFile> =>
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

/** The error for a file that cannot be read. */
export const unreadable = (
  name: string,
  error: unknown,
  packing: Packing = "plain"
): UnreadableFile => {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error"
  return new UnreadableFile({ message: sentence(name, code, packing) })
}

const sentence = (name: string, code: string, packing: Packing): string => {
  switch (code) {
    case "ENOENT":
      return `${name} does not exist.`
    case "EACCES":
    case "EPERM":
      return `${name} may not be read (${code}). Check its permissions.`
    case "EISDIR":
      return `${name} is a folder. Name a file.`
    default:
      return /^Z(?:STD)?_/.test(code)
        ? `${name} is not a complete ${packing} file (${code}).`
        : `${name} cannot be read (${code}).`
  }
}
