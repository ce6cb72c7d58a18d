/**
 * Opens a file that names the types of its columns: Parquet, Arrow or Avro. The reader of each
 * format is loaded when a file of it is opened.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { openBytes, openFile, nameOf, UnreadableFile, unreadable } from "../input/recordBytes.ts"
import type { TypedFormat } from "../records/fileKind.ts"
import type { FileColumn, TypedRow } from "../records/typedRow.ts"
import { BadFile } from "./badFile.ts"

/** What the reader of a format gives. */
export interface OpenTypedFile {
  /** The columns of the file, in its order. */
  readonly columns: ReadonlyArray<FileColumn>
  /** The rows in order, in pieces. They can be read once, and are read as they are pulled. */
  readonly rows: AsyncIterable<ReadonlyArray<TypedRow>>
}

/** A file whose columns are known; its rows can be read once. */
export interface TypedFile {
  readonly columns: ReadonlyArray<FileColumn>
  readonly rows: Stream.Stream<ReadonlyArray<TypedRow>, UnreadableFile>
  readonly read: BytesRead
}

/** Where a file is, and how it is compressed as a whole. */
export interface TypedFileOptions {
  readonly file: string
  readonly format: TypedFormat
  readonly gzip: boolean
}

/** How much of a file was read. Changed in place. */
export interface BytesRead {
  /** Bytes of the file itself. */
  stored: number
  /** Bytes that these are, decompressed. */
  bytes: number
}

/** Opens a file and reads its columns. It is closed with the scope. */
export const openTyped = Effect.fnUntraced(function* (
  options: TypedFileOptions
): Effect.fn.Return<TypedFile, UnreadableFile, Scope.Scope> {
  const { file, format } = options
  const name = nameOf(file)
  const asUnreadable = (error: unknown): UnreadableFile =>
    error instanceof UnreadableFile
      ? error
      : error instanceof BadFile
        ? new UnreadableFile({ message: `${name} ${error.message}` })
        : unreadable(name, error)
  const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: asUnreadable })
  const read: BytesRead = { stored: 0, bytes: 0 }
  const open = yield* openers[format](options, read)
  const { columns, rows } = yield* attempt(open)
  return { columns, rows: Stream.fromAsyncIterable(rows, asUnreadable), read }
})

type Open = () => Promise<OpenTypedFile>

const plainHandle = (file: string) =>
  Effect.acquireRelease(openFile(file), (handle) =>
    Effect.ignore(Effect.promise(() => handle.close()))
  )

/** Parquet is read from its end, so its place among the bytes has to be chosen freely. */
const parquet = Effect.fnUntraced(function* (
  { file, gzip }: TypedFileOptions,
  read: BytesRead
): Effect.fn.Return<Open, UnreadableFile, Scope.Scope> {
  if (file === "-") {
    return yield* new UnreadableFile({
      message:
        "Parquet is read from its end, so it cannot come from standard input. Save it to a file " +
        "first, or pipe Arrow, Avro, CSV or NDJSON."
    })
  }
  if (gzip) {
    return yield* new UnreadableFile({
      message: `${file} cannot be read as gzip: Parquet is compressed inside. Decompress it first.`
    })
  }
  const handle = yield* plainHandle(file)
  const { openParquet } = yield* Effect.promise(() => import("./parquetFile.ts"))
  return () => openParquet(handle, read)
})

/** A plain file goes by the index at its end, which Polars needs; a stream has none. */
const arrow = Effect.fnUntraced(function* (
  options: TypedFileOptions,
  read: BytesRead
): Effect.fn.Return<Open, UnreadableFile, Scope.Scope> {
  const { file, gzip } = options
  const { openArrow, openArrowFile } = yield* arrowReaders
  if (file === "-" || gzip) return yield* sequential(options, read, openArrow)
  const handle = yield* plainHandle(file)
  const isFile = yield* Effect.tryPromise({
    try: async () => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(6), 0, 6, 0)
      return buffer.toString("latin1", 0, bytesRead) === "ARROW1" && (await handle.stat()).isFile()
    },
    catch: (error) => unreadable(file, error)
  })
  if (!isFile) return yield* sequential(options, read, openArrow)
  return () => openArrowFile(handle, read)
})

const arrowReaders = Effect.tryPromise({
  try: () => import("./arrowFile.ts"),
  catch: (error) => {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes("apache-arrow")) throw error
    return new UnreadableFile({
      message:
        "Arrow files are read with the package apache-arrow, which is not installed. " +
        "Run npm install apache-arrow in the project that has effect-zerobus."
    })
  }
})

const avro = Effect.fnUntraced(function* (options: TypedFileOptions, read: BytesRead) {
  const { openAvro } = yield* Effect.promise(() => import("./avroFile.ts"))
  return yield* sequential(options, read, openAvro)
})

/** Reads a file, or standard input, from its start. */
const sequential = Effect.fnUntraced(function* (
  { file, format, gzip }: TypedFileOptions,
  read: BytesRead,
  open: (bytes: AsyncIterable<Uint8Array>) => Promise<OpenTypedFile>
): Effect.fn.Return<Open, UnreadableFile, Scope.Scope> {
  const onRead = (bytes: number) => (read.stored += bytes)
  const source = yield* openBytes(file, { format, gzip, onRead })
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      read.bytes += chunk.length
      yield chunk
    }
  }
  const bytes = counted()
  // A read that is pending may take long to end, so nobody waits for it.
  yield* Effect.addFinalizer(() => Effect.sync(() => void bytes.return(undefined).catch(() => {})))
  return () => open(bytes)
})

const openers = { parquet, arrow, avro }
