/**
 * Reads Avro's container files: a header with the schema, then blocks of records, each of which
 * may be compressed. The bytes of one block are in memory at a time, and few of its rows.
 */
import { crc32, inflateRawSync, zstdDecompressSync } from "node:zlib"
import { AvroProblem } from "../../internal/avro/avroProblem.ts"
import { type AvroRecord, parseAvroSchema } from "../../internal/avro/avroSchema.ts"
import { blockReader } from "../../internal/avro/datumReader.ts"
import { snappyUncompress } from "../../local/parquet/parquetLibrary.ts"
import { TypedRow } from "../records/typedRow.ts"
import { avroColumns, isVariant } from "./avroColumns.ts"
import { badFile } from "./badFile.ts"
import { PulledBytes } from "./pulledBytes.ts"
import type { OpenTypedFile } from "./typedFile.ts"

const magic = "Obj\u0001"
const syncLength = 16

/** Most bytes of a block, decompressed, and of a value of the header. */
const mostBytes = 256 * 1024 * 1024

/** Most records of a block that take no bytes. */
const mostEmptyRecords = 1_000_000

type Decompress = (bytes: Buffer) => Uint8Array

const codecs: Readonly<Record<string, Decompress>> = Object.assign(Object.create(null), {
  null: (bytes: Buffer) => bytes,
  deflate: (bytes: Buffer) => inflateRawSync(bytes, { maxOutputLength: mostBytes }),
  zstandard: (bytes: Buffer) => zstdDecompressSync(bytes, { maxOutputLength: mostBytes }),
  snappy: (bytes: Buffer) => {
    const packed = bytes.subarray(0, -4)
    const out = new Uint8Array(snappyLength(packed))
    snappyUncompress(packed, out)
    if (crc32(out) !== bytes.readUInt32BE(packed.length)) throw new Error("checksum")
    return out
  }
})

/** The length in front of bytes of snappy. */
const snappyLength = (bytes: Buffer): number => {
  let length = 0
  for (let at = 0, scale = 1; at < 5; at++, scale *= 128) {
    length += (bytes[at]! & 0x7f) * scale
    if (bytes[at]! < 0x80) break
  }
  if (!(length <= mostBytes)) throw new Error("length")
  return length
}

/** Opens a file given its bytes. Throws `BadFile`. */
export const openAvro = async (source: AsyncIterable<Uint8Array>): Promise<OpenTypedFile> => {
  const bytes = new PulledBytes(source)
  const start = await bytes.take(magic.length)
  if (start?.toString("latin1") !== magic) {
    return badFile("is not an Avro container file: its first bytes are not those of one.")
  }
  const meta = await readHeader(bytes)
  const sync = (await bytes.take(syncLength)) ?? cutOff("its header")
  const name = meta.get("avro.codec")?.toString("latin1") ?? "null"
  const decompress =
    codecs[name] ??
    badFile(
      `is compressed inside with ${/^[a-z\d-]{1,20}$/.test(name) ? name : "an unknown codec"}, ` +
        "which is not read here. Write it with deflate, snappy or zstandard, or without a codec."
    )
  const schema = readSchema(meta.get("avro.schema"))
  const columns = avroColumns(schema)
  return { columns, rows: readBlocks(bytes, Buffer.from(sync), decompress, schema, columns) }
}

const cutOff = (where: string): never => badFile(`is cut off within ${where}.`)

const readSchema = (text: Buffer | undefined): AvroRecord => {
  if (text === undefined) return badFile("is an Avro file without a schema.")
  try {
    return parseAvroSchema(text.toString("utf8"))
  } catch (error) {
    if (error instanceof AvroProblem) return badFile(`cannot be read: ${error.message}`)
    throw error
  }
}

/** The key-value pairs of the header: a map of Avro. */
const readHeader = async (bytes: PulledBytes): Promise<ReadonlyMap<string, Buffer>> => {
  const meta = new Map<string, Buffer>()
  const size = async (): Promise<number> => {
    const length = (await bytes.long()) ?? cutOff("its header")
    return length >= 0 && length <= mostBytes ? length : badFile("has a damaged header.")
  }
  const content = async (): Promise<Buffer> =>
    Buffer.from((await bytes.take(await size())) ?? cutOff("its header"))
  for (;;) {
    const count = (await bytes.long()) ?? cutOff("its header")
    if (count === 0) return meta
    if (Number.isNaN(count)) return badFile("has a damaged header.")
    if (count < 0) await size()
    for (let left = Math.abs(count); left > 0; left--) {
      const key = await content()
      meta.set(key.toString("utf8"), await content())
    }
  }
}

const readBlocks = async function* (
  bytes: PulledBytes,
  sync: Buffer,
  decompress: Decompress,
  schema: AvroRecord,
  columns: OpenTypedFile["columns"]
): AsyncGenerator<ReadonlyArray<TypedRow>> {
  const read = blockReader(schema, { cutNanos: true, asJson: isVariant })
  const names = columns.map(({ name }) => name)
  let row = 0
  while ((await bytes.peek(1)).length > 0) {
    const first = row + 1
    const block = `the block of row ${first}`
    const count = (await bytes.long()) ?? cutOff(block)
    const size = (await bytes.long()) ?? cutOff(block)
    if (!(count >= 0 && size >= 0 && size <= mostBytes)) badFile(`is damaged in ${block}.`)
    const packed = (await bytes.take(size)) ?? cutOff(block)
    const mark = (await bytes.take(syncLength)) ?? cutOff(block)
    if (!mark.equals(sync)) badFile(`is damaged in ${block}.`)
    const plain = unpacked(decompress, packed, first)
    // Records of NULLs alone take no bytes.
    if (count > Math.max(plain.length, mostEmptyRecords)) badFile(`is damaged in ${block}.`)
    try {
      for (const records of read(plain, count)) {
        yield records.map((record) => {
          const values = names.map((name) => record[name] ?? null)
          return new TypedRow(++row, columns, values)
        })
      }
    } catch (error) {
      if (!(error instanceof AvroProblem)) throw error
      const { message, path } = error
      const where = path.length === 0 ? "" : `, field ${path.join(".")}`
      badFile(`cannot be read at row ${row + 1}${where}: ${message}`)
    }
  }
}

const unpacked = (decompress: Decompress, packed: Buffer, row: number): Uint8Array => {
  try {
    return decompress(packed)
  } catch {
    return badFile(`is damaged in the block of row ${row}: it cannot be decompressed.`)
  }
}
