/**
 * A position in a file from which reading can resume: the byte offset and line of the next record,
 * and hashes that identify the file.
 */
import * as Effect from "effect/Effect"
import type * as Fs from "node:fs/promises"
import { enoughBytes, packingOf } from "../input/contentKind.ts"
import { endOf, type FileIdentity, identityOf } from "../input/followedFile.ts"
import { type UnreadableFile, unreadable } from "../input/recordBytes.ts"
import { type CsvOptions, csvReader } from "../records/csvRecords.ts"
import { carriageReturn, lineEndAt, lineFeed } from "../records/lineEnds.ts"
import type { RecordReader } from "../records/sourceRecord.ts"
import type { RecordInput } from "./inputs.ts"

/** A position in a file. Nothing after it has been read. */
export interface FilePlace {
  readonly identity: FileIdentity
  /** Byte offset and line at which the next record starts. */
  readonly offset: number
  readonly line: number
  /** SHA-256 of the bytes before the offset. */
  readonly end: string
}

/** A file that is being read. */
export interface OpenFile {
  readonly handle: Fs.FileHandle
  /** The byte offset at which its reader started. */
  readonly from: number
  readonly reader: Pick<RecordReader, "place" | "line">
}

/** Bytes read at a time to find a header. */
const chunkSize = 64 * 1024

/**
 * The current position in an open file. Undefined for a format that must be read from its start.
 */
export const placeOf = async ({
  from,
  handle,
  reader
}: OpenFile): Promise<FilePlace | undefined> => {
  const read = reader.place()
  if (read === undefined) return undefined
  const offset = from + read
  const line = offset === 0 ? 1 : reader.line()
  return { identity: await identityOf(handle), offset, line, end: await endOf(handle, offset) }
}

/**
 * Whether reading can start in the middle of an open file. This is not possible for compressed
 * files and UTF-16.
 */
export const isPlain = async (handle: Fs.FileHandle): Promise<boolean> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(enoughBytes), 0, enoughBytes, 0)
  return packingOf(buffer.subarray(0, bytesRead)) === "plain"
}

/** Where reading resumes, or how the file has changed since. */
export type GoingOn =
  | { readonly _tag: "Place"; readonly offset: number; readonly csv: CsvOptions }
  /** The file is shorter than the position. */
  | { readonly _tag: "Cut"; readonly size: number }
  /** The bytes before the position have changed. */
  | { readonly _tag: "Changed" }
  /** The last line before the position had no line end, and more text was appended to it. */
  | { readonly _tag: "Grown" }

/** Compares an open file with the position of an earlier run, and reads its header. */
export const goingOn = async (
  handle: Fs.FileHandle,
  { end, line, offset }: Pick<FilePlace, "end" | "line" | "offset">,
  input: Pick<RecordInput, "csv" | "format">
): Promise<GoingOn> => {
  const { size } = await handle.stat()
  if (size < offset) return { _tag: "Cut", size }
  if ((await endOf(handle, offset)) !== end) return { _tag: "Changed" }
  if (offset === 0) return { _tag: "Place", offset, csv: input.csv }
  const more = await lineEndBehind(handle, offset)
  if (more === undefined) return { _tag: "Grown" }
  const csv = input.format === "csv" ? await headOf(handle, input.csv) : input.csv
  return csv === undefined
    ? { _tag: "Changed" }
    : { _tag: "Place", offset: offset + more, csv: { ...csv, line } }
}

/**
 * Length of the line end after the position, when the last line had none when it was read.
 * Undefined when other text follows.
 */
const lineEndBehind = async (
  handle: Fs.FileHandle,
  offset: number
): Promise<number | undefined> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, offset - 1)
  const [before, next] = buffer
  if (bytesRead === 1 || before === lineFeed) return 0
  if (before === carriageReturn) return next === lineFeed ? 1 : 0
  const length = lineEndAt(buffer.subarray(0, bytesRead), 1, true)
  return length === 0 ? undefined : length
}

/** The header names and the delimiter at the start of a CSV file. */
const headOf = async (handle: Fs.FileHandle, csv: CsvOptions): Promise<CsvOptions | undefined> => {
  const reader = csvReader(csv)
  for (let at = 0; ;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, at)
    if (bytesRead > 0) reader.push(buffer.subarray(0, bytesRead))
    else reader.end()
    const [names, delimiter] = [reader.header(), reader.delimiter()]
    if (names !== undefined && delimiter !== undefined) return { ...csv, names, delimiter }
    if (bytesRead === 0 || reader.problem() !== undefined) return undefined
    at += bytesRead
  }
}

/** Runs file operations and names the file in errors. */
export const reading = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, UnreadableFile> =>
  Effect.tryPromise({ try: run, catch: (error) => unreadable(file, error) })
