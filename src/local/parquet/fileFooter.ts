/**
 * What the footer of a Parquet file says of its rows and of its VARIANT columns. Our files hold a
 * VARIANT as two plain parts, because Spark 4.0 refuses the annotation VARIANT; those of other
 * writers and of earlier versions of this server carry it, or hold further columns for parts of the
 * values ("shredded"). Readers show the kinds differently.
 */
import { parquetMetadata, type SchemaElement } from "./parquetLibrary.ts"

/** The footer of a file. */
export interface FileFooter {
  readonly rows: number
  /** The top-level columns. */
  readonly columns: ReadonlyArray<string>
  /** The top-level columns that are a VARIANT by annotation, or hold one. */
  readonly annotatedVariants: ReadonlyArray<string>
  /** The top-level columns with the parts of a shredded VARIANT, at any depth. */
  readonly shreddedVariants: ReadonlyArray<string>
}

type Schema = ReadonlyArray<Pick<SchemaElement, "name" | "num_children" | "logical_type">>

/**
 * The top-level columns with an element, itself or below it, for which `is` is true; it gets the
 * names of the children too.
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
 * The top-level columns of a file with the parts of a shredded VARIANT. A STRUCT may have fields of
 * the same names.
 */
export const shreddedVariants = (schema: Schema): ReadonlyArray<string> =>
  columnsWith(schema, (_, parts) => parts.includes("metadata") && parts.includes("typed_value"))

/** Reads a footer given the end of a file, at least as far back as the footer begins. */
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

/** How many bytes at the end of a file its footer takes, given at least the last 8 bytes. */
export const footerBytes = (tail: Uint8Array): number =>
  8 +
  new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getUint32(tail.byteLength - 8, true)

/** Whether a file was written here, by its footer; false for what is no Parquet file. */
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
