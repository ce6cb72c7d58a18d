/**
 * A place in a file at which reading can go on: the byte and the line at which the next record
 * starts, and by which bytes the file is known again.
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

/** A place in a file, behind which nothing was read. */
export interface FilePlace {
  readonly identity: FileIdentity
  /** Byte at which the next record starts, and its line. */
  readonly offset: number
  readonly line: number
  /** SHA-256 of the bytes in front of the offset. */
  readonly end: string
}

/** A file that is read. */
export interface OpenFile {
  readonly handle: Fs.FileHandle
  /** The byte at which its reader began. */
  readonly from: number
  readonly reader: RecordReader
}

/** Bytes read at a time to find a header. */
const chunkSize = 64 * 1024

/** How far an open file was read. Undefined for a format that has to be read from its start. */
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
 * Whether reading can start in the middle of an open file: not of one that is compressed, or in
 * UTF-16.
 */
export const isPlain = async (handle: Fs.FileHandle): Promise<boolean> => {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(enoughBytes), 0, enoughBytes, 0)
  return packingOf(buffer.subarray(0, bytesRead)) === "plain"
}

/** Where reading goes on, or what became of the file since. */
export type GoingOn =
  | { readonly _tag: "Place"; readonly offset: number; readonly csv: CsvOptions }
  /** It is shorter than the place. */
  | { readonly _tag: "Cut"; readonly size: number }
  /** Its bytes in front of the place are others. */
  | { readonly _tag: "Changed" }
  /** The record in front of the place had no line end, and goes on now. */
  | { readonly _tag: "Grown" }

/** Compares an open file with a place that an earlier run kept, and reads its header. */
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
 * Bytes behind the place of the line end that the last line did not have when it was read;
 * undefined where something else came there.
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

/** The names and the delimiter that a CSV file has at its start. */
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

/** Runs file operations on a file of this name. */
export const reading = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, UnreadableFile> =>
  Effect.tryPromise({ try: run, catch: (error) => unreadable(file, error) })
