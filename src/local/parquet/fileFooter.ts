/**
 * Reads the number of rows and the VARIANT columns from the footer of a Parquet file. Our files
 * store a VARIANT as two plain parts, because Spark 4.0 refuses the VARIANT annotation. Files of
 * other writers and of earlier versions of this server have the annotation, or store parts of the
 * values in separate columns ("shredded"). Readers treat these kinds differently.
 */
import { parquetMetadata, type SchemaElement } from "./parquetLibrary.ts"

/** The footer of a file. */
export interface FileFooter {
  readonly rows: number
  /** The top-level columns. */
  readonly columns: ReadonlyArray<string>
  /** The top-level columns that are annotated as VARIANT, or contain one that is. */
  readonly annotatedVariants: ReadonlyArray<string>
  /** The top-level columns with a shredded VARIANT at any depth. */
  readonly shreddedVariants: ReadonlyArray<string>
}

type Schema = ReadonlyArray<Pick<SchemaElement, "name" | "num_children" | "logical_type">>

/**
 * The top-level columns that are or contain an element for which `is` is true. It also receives the
 * names of the children.
 */
const columnsWith = (
  schema: Schema,
  is: (element: Schema[number], children: ReadonlyArray<string>) => boolean
): ReadonlyArray<string> => {
  const found: Array<string> = []
  let index = 1
  const visit = (): boolean => {
    const element = schema[index++]!
    const children: Array<string> = []
    let has = false
    for (let child = 0; child < (element.num_children ?? 0); child++) {
      children.push(schema[index]!.name)
      has = visit() || has
    }
    return is(element, children) || has
  }
  while (index < schema.length) {
    const { name } = schema[index]!
    if (visit()) found.push(name)
  }
  return found
}

/**
 * The top-level columns of a file with a shredded VARIANT. A STRUCT with fields of the same names
 * counts too.
 */
export const shreddedVariants = (schema: Schema): ReadonlyArray<string> =>
  columnsWith(schema, (_, parts) => parts.includes("metadata") && parts.includes("typed_value"))

/** Reads the footer from the end of a file, which has to include the start of the footer. */
export const footerOf = (tail: Uint8Array): FileFooter => {
  const { num_rows, schema } = parquetMetadata(
    tail.buffer.slice(tail.byteOffset, tail.byteOffset + tail.byteLength) as ArrayBuffer
  )
  return {
    rows: Number(num_rows),
    columns: columnsWith(schema, () => true),
    annotatedVariants: columnsWith(schema, (element) => element.logical_type?.type === "VARIANT"),
    shreddedVariants: shreddedVariants(schema)
  }
}

/** The number of bytes of a file's footer, read from at least the last 8 bytes of the file. */
export const footerBytes = (tail: Uint8Array): number =>
  8 +
  new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getUint32(tail.byteLength - 8, true)

/** Whether this server wrote a file, according to its footer; false if it is not a Parquet file. */
export const isOwnParquet = (file: Uint8Array): boolean => {
  try {
    const { created_by } = parquetMetadata(
      file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer
    )
    return created_by === "effect-zerobus"
  } catch {
    return false
  }
}
