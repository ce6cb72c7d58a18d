/**
 * VARIANT values of Parquet as JSON text. Writers may store parts of the values in separate columns
 * ("shredded"), as DuckDB does. The reader joins those with the other parts.
 */
import type { ColumnType } from "../../internal/columns/columnType.ts"
import { decodeVariant } from "../../local/parquet/variant.ts"

/** A part of a value: bytes in the encoding of VARIANT, and values of columns. */
interface Part {
  readonly value?: Uint8Array | null | undefined
  readonly typed_value?: unknown
}

/** The JSON text of the columns of a part. `rest` is the text of the other fields of an object. */
type Typed = (typed: any, metadata: Uint8Array, rest: string | undefined) => string

/** The JSON text of a part; undefined for a field that the object does not have. */
type Read = (part: Part, metadata: Uint8Array) => string | undefined

/** A group of a shredded VARIANT, as the schema has it. */
export interface ShreddedNode {
  readonly name: string
  readonly isList: boolean
  readonly children: ReadonlyArray<ShreddedNode>
}

/** How the values of a leaf are read. */
export type LeafOf<Node> = (
  node: Node
) => { readonly type: ColumnType; readonly convert: (value: any) => unknown } | undefined

/** The reader of a VARIANT group; undefined where its columns have a type that JSON lacks. */
export const variantReader = <Node extends ShreddedNode>(
  group: Node,
  leafOf: LeafOf<Node>
): ((value: { readonly metadata: Uint8Array } & Part) => string) | undefined => {
  const read = partReader(group, leafOf)
  return read && ((value) => read(value, value.metadata) ?? "null")
}

const partReader = <Node extends ShreddedNode>(
  group: Node,
  leafOf: LeafOf<Node>
): Read | undefined => {
  const column = group.children.find(({ name }) => name === "typed_value") as Node | undefined
  const typed = column && typedReader(column, leafOf)
  if (column !== undefined && typed === undefined) return undefined
  return ({ typed_value, value }, metadata) => {
    const hasRest = value !== null && value !== undefined
    const rest = hasRest ? decodeVariant({ metadata, value }) : undefined
    if (typed === undefined || typed_value === null || typed_value === undefined) return rest
    return typed(typed_value, metadata, rest)
  }
}

const typedReader = <Node extends ShreddedNode>(
  column: Node,
  leafOf: LeafOf<Node>
): Typed | undefined => {
  if (column.children.length === 0) return leafReader(leafOf(column))
  if (column.isList) {
    const item = column.children[0]?.children[0] as Node | undefined
    const read = item && partReader(item, leafOf)
    return (
      read &&
      ((items: ReadonlyArray<Part>, metadata) =>
        `[${items.map((part) => read(part, metadata) ?? "null").join(",")}]`)
    )
  }
  const fields: Array<{ readonly name: string; readonly read: Read }> = []
  for (const field of column.children) {
    const read = partReader(field as Node, leafOf)
    if (read === undefined) return undefined
    fields.push({ name: field.name, read })
  }
  return (object: Readonly<Record<string, Part | null>>, metadata, rest) => {
    const texts = fields.flatMap(({ name, read }) => {
      const part = object[name]
      const text = part === null || part === undefined ? undefined : read(part, metadata)
      return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
    })
    const others = rest?.slice(1, -1) ?? ""
    return `{${[...texts, ...(others === "" ? [] : [others])].join(",")}}`
  }
}

const leafReader = (leaf: ReturnType<LeafOf<ShreddedNode>>): Typed | undefined => {
  if (leaf === undefined) return undefined
  const { convert } = leaf
  switch (leaf.type._tag) {
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "BigInt":
    case "Decimal":
      return (value) => String(convert(value))
    case "Boolean":
    case "String":
    case "Binary":
      return (value) => JSON.stringify(convert(value))
    case "Float":
    case "Double":
      return (value) => (Object.is(value, -0) ? "-0.0" : JSON.stringify(convert(value)))
    case "Date":
    case "Timestamp":
    case "TimestampNtz":
    case "Variant":
    case "Array":
    case "Map":
    case "Struct":
      return undefined
  }
}
