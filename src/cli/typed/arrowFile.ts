/**
 * Reads files and streams of Arrow's IPC format, Feather files among them, through `apache-arrow`.
 * One record batch is in memory at a time.
 */
import {
  type AsyncRecordBatchFileReader,
  compressionRegistry,
  type RecordBatch,
  RecordBatchReader,
  type Schema
} from "apache-arrow"
import type * as Fs from "node:fs/promises"
import { lz4Decompress } from "../../internal/arrow/lz4Frame.ts"
import { decompressZstdTo } from "../../local/parquet/codecs.ts"
import { UnreadableFile } from "../input/recordBytes.ts"
import { TypedRow } from "../records/typedRow.ts"
import { columnHolds, isHeld } from "./arrowBounds.ts"
import { type ArrowColumn, arrowColumns } from "./arrowColumns.ts"
import { CheckedFile, checkedStream } from "./arrowMessages.ts"
import { BadFile, badFile } from "./badFile.ts"
import { PulledBytes } from "./pulledBytes.ts"
import type { BytesRead, OpenTypedFile } from "./typedFile.ts"

const magic = "ARROW1"
/** In front of each message of a stream. */
const continuation = "\u00ff\u00ff\u00ff\u00ff"

/** Rows that are given at a time. */
const rowsAtOnce = 1024

/** Most bytes of a buffer, decompressed. */
const mostBytes = 1024 * 1024 * 1024

/**
 * Decompresses a buffer. The format puts the size in front of it, where the library has cut; it
 * views numbers in place, so they have to be aligned.
 */
const decompressing =
  (decompress: (bytes: Uint8Array, size: number) => Uint8Array) =>
  (bytes: Uint8Array): Uint8Array => {
    const prefix = new DataView(bytes.buffer, bytes.byteOffset - 8, 8)
    const size = Number(prefix.getBigInt64(0, true))
    if (!(size >= 0 && size <= mostBytes)) return badFile("has a buffer of an invalid size.")
    const plain = decompress(bytes, size)
    return plain.byteOffset % 8 === 0 ? plain : new Uint8Array(plain)
  }

/** The numbers of the codecs in the format. The library has none of its own. */
const codecs = [
  [0, decompressing(lz4Decompress)],
  [1, decompressing(decompressZstdTo)]
] as const

const useCodecs = (): void => {
  for (const [number, decode] of codecs) {
    if (compressionRegistry.get(number) === null) compressionRegistry.set(number, { decode })
  }
}

/** Opens a plain file of the format: the index at its end leads to the rows. */
export const openArrowFile = async (
  handle: Fs.FileHandle,
  read: BytesRead
): Promise<OpenTypedFile> => {
  useCodecs()
  // What the library needs of a handle. It is closed with the scope.
  const file = {
    fd: handle.fd,
    stat: () => handle.stat(),
    read: async (buffer: Uint8Array, offset: number, length: number, position: number) => {
      const { bytesRead } = await handle.read(buffer, offset, length, position)
      read.stored += bytesRead
      read.bytes += bytesRead
      return { buffer, bytesRead }
    },
    close: () => Promise.resolve()
  }
  const problem = "is an Arrow file whose end is damaged or cut off."
  const checked = await reading(problem, () => CheckedFile.open(handle))
  const reader = await reading(problem, async () => {
    const found = await RecordBatchReader.from(file as unknown as Fs.FileHandle)
    return found.open()
  })
  const columns = await columnsOf(reader.schema)
  const { numRecordBatches } = reader as AsyncRecordBatchFileReader
  const end = async (batches: number) => {
    if (batches < numRecordBatches) badFile(`is damaged behind record batch ${batches}.`)
  }
  const batches = async function* () {
    const source = reader[Symbol.asyncIterator]()
    for (let index = 0; ; index++) {
      await checked.checkBatch(index)
      const next = await source.next()
      if (next.done === true) return
      yield next.value
    }
  }
  return { columns, rows: readBatches(batches(), columns, end) }
}

/**
 * Opens a stream given its bytes, or a file of the format that is read in order, as the stream that
 * it holds. Throws `BadFile`.
 */
export const openArrow = async (source: AsyncIterable<Uint8Array>): Promise<OpenTypedFile> => {
  useCodecs()
  const bytes = new PulledBytes(source)
  const start = (await bytes.peek(8)).toString("latin1")
  if (start.startsWith("FEA1")) {
    badFile("is a Feather file of version 1. Write it in version 2, which is the Arrow format.")
  }
  const isFile = start.startsWith(magic)
  if (isFile) {
    await bytes.take(8)
    if ((await bytes.peek(4)).toString("latin1") !== continuation) {
      badFile("is an Arrow file without a stream in it, as Polars writes. Save it uncompressed.")
    }
  } else if (!start.startsWith(continuation)) {
    badFile("is not an Arrow file or stream: its first bytes are not those of one.")
  }
  const rest = new Remaining(checkedStream(bytes))
  const reader = await reading("cannot be read as Arrow: its schema is damaged or cut off.", () =>
    RecordBatchReader.from(rest).then((found) => found.open())
  )
  const { schema } = reader
  if (schema === undefined) return badFile("is an Arrow stream without a schema.")
  const columns = await columnsOf(schema)
  const end = async () => {
    if (isFile && (await rest.end()) !== magic)
      badFile("is cut off: the end of the file is missing.")
  }
  return { columns, rows: readBatches(reader, columns, end) }
}

const columnsOf = ({ fields }: Schema): Promise<ReadonlyArray<ArrowColumn>> =>
  reading("has a damaged schema.", async () => arrowColumns(fields))

/** The bytes for the library, which must not end their source when it stops, and how they end. */
class Remaining {
  private readonly source: AsyncIterator<Uint8Array>
  private last = ""

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.next() }
  }

  /** Reads the bytes to their end and answers the last few. */
  async end(): Promise<string> {
    while ((await this.next()).done !== true);
    return this.last
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    const next = await this.source.next()
    if (next.done !== true) {
      const tail = next.value.subarray(-magic.length)
      this.last = (this.last + Buffer.from(tail).toString("latin1")).slice(-magic.length)
    }
    return next
  }
}

/** Runs the library; what it throws for damaged bytes becomes a `BadFile`. */
const reading = async <A>(problem: string, run: () => Promise<A>): Promise<A> => {
  try {
    return await run()
  } catch (error) {
    if (error instanceof BadFile || error instanceof UnreadableFile) throw error
    return badFile(problem)
  }
}

const readBatches = async function* (
  batches: AsyncIterable<RecordBatch>,
  columns: ReadonlyArray<ArrowColumn>,
  end: (batches: number) => Promise<void>
): AsyncGenerator<ReadonlyArray<TypedRow>> {
  const source = batches[Symbol.asyncIterator]()
  let row = 0
  for (let count = 0; ; count++) {
    const problem = `is damaged or cut off behind row ${row}.`
    const next = await reading(problem, () => source.next())
    if (next.done === true) return await end(count)
    const batch: RecordBatch = next.value
    if (!isHeld(batch.data, batch.numRows)) badFile(problem)
    const bound = await reading(problem, async () =>
      columns.map(({ bind }, index) => {
        const data = batch.data.children[index]!
        return columnHolds(data, batch.numRows) ? bind(data) : badFile(problem)
      })
    )
    for (let at = 0; at < batch.numRows; at += rowsAtOnce) {
      const rows: Array<TypedRow> = []
      for (let index = at; index < Math.min(at + rowsAtOnce, batch.numRows); index++) {
        row++
        rows.push(new TypedRow(row, columns, valuesAt(bound, index, row)))
      }
      yield rows
    }
  }
}

const valuesAt = (
  bound: ReadonlyArray<(row: number) => unknown>,
  index: number,
  row: number
): ReadonlyArray<unknown> => {
  try {
    return bound.map((read) => read(index))
  } catch {
    return badFile(`is damaged in row ${row}.`)
  }
}
