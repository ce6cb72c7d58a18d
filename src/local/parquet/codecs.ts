/**
 * The compression of data files: zstd if the runtime has it (Node 22.15 and later), else snappy.
 */
import { type CompressionCodec, snappyCompress } from "./parquetLibrary.ts"
import * as Zlib from "node:zlib"

type Compress = (bytes: Uint8Array) => Uint8Array

const zlib = Zlib as {
  readonly zstdCompressSync?: (bytes: Uint8Array, options?: object) => Uint8Array
  readonly zstdDecompressSync?: (bytes: Uint8Array, options?: object) => Uint8Array
}

// 100 is ZSTD_c_compressionLevel. On column data, level 1 costs half of level 3 for nearly the same
// size.
const params = { 100: 1 }
/** An output chunk of this size holds most pages in one piece. */
const options = ({ length }: Uint8Array) => ({ params, chunkSize: Math.max(1024, length >> 1) })

/** The codec of new files and its part of the file name. */
export const codec: {
  readonly name: CompressionCodec
  readonly suffix: string
  readonly compress: Compress
} =
  zlib.zstdCompressSync === undefined
    ? { name: "SNAPPY", suffix: "snappy", compress: snappyCompress }
    : {
        name: "ZSTD",
        suffix: "zstd",
        compress: (bytes) => zlib.zstdCompressSync!(bytes, options(bytes))
      }

/** Decompresses zstd pages; undefined if the runtime has no zstd. */
export const decompressZstd: Compress | undefined =
  zlib.zstdDecompressSync === undefined ? undefined : (bytes) => zlib.zstdDecompressSync!(bytes)

/**
 * Decompresses untrusted bytes to at most `size` bytes. Throws for more, for damaged bytes, and if
 * the runtime has no zstd.
 */
export const decompressZstdTo = (bytes: Uint8Array, size: number): Uint8Array => {
  const chunkSize = Math.min(Math.max(1024, size), 1024 * 1024)
  if (zlib.zstdDecompressSync === undefined) throw new Error("This runtime cannot read zstd.")
  return zlib.zstdDecompressSync(bytes, { maxOutputLength: size, chunkSize })
}
