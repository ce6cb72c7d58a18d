/**
 * Finds the columns of a Parquet file that carry the annotation VARIANT. Our files have none, because Spark 4.0 refuses it;
 * those of other writers and of earlier versions of this server have it, and readers show the two kinds differently.
 */
import { parquetMetadata } from "./parquetLibrary.ts"

/** How many bytes at the end of a file its metadata takes, given at least the last 8 bytes. */
export const footerBytes = (tail: Uint8Array): number =>
  8 + new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getUint32(tail.byteLength - 8, true)

/** The top-level columns that are a VARIANT by annotation, or hold one, given the metadata at the end of a file. */
export const annotatedVariants = (tail: Uint8Array): ReadonlyArray<string> => {
  const { schema } = parquetMetadata(
    tail.buffer.slice(tail.byteOffset, tail.byteOffset + tail.byteLength) as ArrayBuffer
  )
  const found: Array<string> = []
  let index = 1
  const hasVariant = (): boolean => {
    const element = schema[index++]!
    let has = element.logical_type?.type === "VARIANT"
    for (let child = 0; child < (element.num_children ?? 0); child++) has = hasVariant() || has
    return has
  }
  while (index < schema.length) {
    const { name } = schema[index]!
    if (hasVariant()) found.push(name)
  }
  return found
}
