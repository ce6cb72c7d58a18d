/**
 * Adds the VARIANT annotation to the VARIANT columns in the footer of a Parquet file. Spark 4.0
 * omits it, even for shredded values, and readers need it to reassemble such values.
 */
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { footerBytes } from "./fileFooter.ts"
import { ByteWriter, type FileMetaData, parquetMetadata, writeMetadata } from "./parquetLibrary.ts"

/** A group or a column of the schema, with its index in the schema. */
interface Node {
  readonly index: number
  readonly name: string
  readonly children: ReadonlyArray<Node>
}

const rootOf = (schema: FileMetaData["schema"]): Node => {
  let next = 0
  const read = (): Node => {
    const index = next++
    const { name, num_children: count = 0 } = schema[index]!
    return { index, name, children: Array.from({ length: count }, read) }
  }
  return read()
}

const variantsIn = (node: Node | undefined, type: ColumnType): ReadonlyArray<number> => {
  if (node === undefined) return []
  if (isSimple(type)) return type._tag === "Variant" ? [node.index] : []
  switch (type._tag) {
    case "Struct":
      return variantsOf(node, type.fields)
    case "Array":
      return variantsIn(node.children[0]?.children[0], type.element)
    case "Map":
      return variantsIn(node.children[0]?.children[1], type.value)
  }
}

const variantsOf = (
  { children }: Node,
  columns: ReadonlyArray<ColumnDefinition>
): ReadonlyArray<number> =>
  columns.flatMap(({ name, type }) => {
    const child = children.find((each) => each.name.toLowerCase() === name.toLowerCase())
    return variantsIn(child, type)
  })

/**
 * The new end of a file, which replaces its footer and everything after it. `tail` must include the
 * footer. Statistics and Bloom filters are left out, because they only speed up reading.
 */
export const annotatedEnd = (
  tail: Uint8Array,
  columns: ReadonlyArray<ColumnDefinition>
): { readonly bytes: Uint8Array; readonly replaced: number } => {
  const buffer = tail.buffer.slice(
    tail.byteOffset,
    tail.byteOffset + tail.byteLength
  ) as ArrayBuffer
  const { key_value_metadata: _, metadata_length: __, ...metadata } = parquetMetadata(buffer)
  const variants = new Set(variantsOf(rootOf(metadata.schema), columns))
  const writer = new ByteWriter()
  writeMetadata(writer, {
    ...metadata,
    schema: metadata.schema.map((element, index) =>
      variants.has(index)
        ? { ...element, converted_type: undefined, logical_type: { type: "VARIANT" } }
        : element
    ),
    row_groups: metadata.row_groups.map((group) => ({
      ...group,
      columns: group.columns.map(({ file_offset, meta_data }) => {
        if (meta_data === undefined) return { file_offset }
        const {
          bloom_filter_length: _1,
          bloom_filter_offset: _2,
          statistics: _3,
          ...kept
        } = meta_data
        return { file_offset, meta_data: kept }
      })
    }))
  } as FileMetaData)
  writer.appendBytes(new TextEncoder().encode("PAR1"))
  return { bytes: writer.getBytes(), replaced: footerBytes(tail) }
}
