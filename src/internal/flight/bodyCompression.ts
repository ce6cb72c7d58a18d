/**
 * The compressions of a batch's buffers.
 */
import { constants, zstdCompressSync } from "node:zlib"
import { lz4Compress } from "../arrow/lz4Compress.ts"
import type { BodyCompression } from "./batchMessage.ts"

/** The number of LZ4 frames in Arrow's format. */
export const LZ4 = 0

/** The number of ZSTD in Arrow's format. */
export const ZSTD = 1

/** The levels above 1 take more time for hardly fewer bytes of columns. */
const zstdParams = { [constants.ZSTD_c_compressionLevel]: 1 }

/** Output is put together from pieces of this size; one piece costs least. */
const LARGEST_PIECE = 1024 * 1024

const zstd: BodyCompression = {
  codec: ZSTD,
  compress: (bytes) =>
    zstdCompressSync(bytes, {
      params: zstdParams,
      pledgedSrcSize: bytes.length,
      chunkSize: Math.min(bytes.length, LARGEST_PIECE)
    })
}

/** How batches can be compressed. */
export type CompressionName = "zstd" | "lz4" | "none"

const compressions: Readonly<Record<CompressionName, BodyCompression | undefined>> = {
  zstd,
  lz4: { codec: LZ4, compress: lz4Compress },
  none: undefined
}

/** Whether a value, perhaps of an untyped program, names a compression. */
export const isCompression = (value: unknown): value is CompressionName =>
  typeof value === "string" && Object.hasOwn(compressions, value)

/** The compression of this name; undefined for none. */
export const bodyCompression = (name: CompressionName): BodyCompression | undefined =>
  compressions[name]
