/**
 * The tree that encoders and decoders of typed tables are composed from: one node per step from a
 * record's value to the wire.
 *
 * Trees come from Effect Schemas (`columnSchema.ts`), or from column types for tables known only at
 * run time.
 */
import type * as Result from "effect/Result"
import type * as SchemaIssue from "effect/SchemaIssue"
import { refuse } from "../columns/columnRules.ts"
import type { ColumnDefinition, ColumnType, SimpleType } from "../columns/columnType.ts"
import { isSimple } from "../columns/scalarTypes.ts"
import type { Leaf } from "./scalars.ts"
import { decimal, leaves } from "./scalars.ts"

/** One step from a record's value to the wire. */
export type ColumnNode =
  | { readonly _tag: "Leaf"; readonly leaf: Leaf }
  | { readonly _tag: "Array"; readonly element: ColumnNode }
  | {
      readonly _tag: "Map"
      readonly key: Leaf
      readonly keyNode: ColumnNode
      readonly value: ColumnNode
      readonly plainObject: boolean
    }
  | StructNode
  | { readonly _tag: "Nullable"; readonly inner: ColumnNode; readonly empty: null | undefined }
  | {
      readonly _tag: "Check"
      readonly inner: ColumnNode
      readonly accepts: (value: unknown) => boolean
    }
  | ConvertNode

/** A message with its fields in order. */
export interface StructNode {
  readonly _tag: "Struct"
  readonly fields: ReadonlyArray<FieldNode>
}

/** A transformation between the value a program uses and the value that is written. */
export interface ConvertNode {
  readonly _tag: "Convert"
  readonly inner: ColumnNode
  readonly encode: (value: unknown) => Result.Result<unknown, SchemaIssue.Issue>
  readonly decode: (value: unknown) => Result.Result<unknown, SchemaIssue.Issue>
  /**
   * For rows that are class instances: they have the struct's fields and are written like it,
   * without the transformation.
   */
  readonly instance:
    | { readonly inner: ColumnNode; readonly accepts: (value: unknown) => boolean }
    | undefined
}

/** A column or struct field. `optional` means that its key may be absent from the record. */
export interface FieldNode {
  readonly name: string
  readonly node: ColumnNode
  readonly optional: boolean
  /** The number of the protobuf field. */
  readonly number: number
  readonly definition: ColumnDefinition
}

/** Whether `null` or `undefined` is among the values that reach the wire. */
export const isNullable = (node: ColumnNode): boolean =>
  node._tag === "Nullable" ||
  ((node._tag === "Check" || node._tag === "Convert") && isNullable(node.inner))

/** The column type that a node writes. */
export const columnTypeOf = (node: ColumnNode): ColumnType => {
  switch (node._tag) {
    case "Leaf":
      return node.leaf.type
    case "Array":
      return { _tag: "Array", element: columnTypeOf(node.element), containsNull: false }
    case "Map":
      return {
        _tag: "Map",
        key: node.key.type,
        value: columnTypeOf(node.value),
        valueContainsNull: false
      }
    case "Struct":
      return { _tag: "Struct", fields: node.fields.map((field) => field.definition) }
    default:
      return columnTypeOf(node.inner)
  }
}

/** The struct inside a record's node. */
export const structOf = (node: ColumnNode): StructNode =>
  node._tag === "Struct"
    ? node
    : node._tag === "Check" || node._tag === "Convert"
      ? structOf(node.inner)
      : refuse(
          "A table is made of columns by name: pass an object of columns, a Schema.Struct or a " +
            "Schema.Class."
        )

const leafOfType = (type: SimpleType): Leaf =>
  type._tag === "Decimal" ? decimal(type.precision, type.scale) : leaves[type._tag]

/**
 * The node of a column type in its default representation, for tables known only at run time.
 * Nullable columns may be absent.
 */
export const nodeOfType = (type: ColumnType): ColumnNode => {
  if (isSimple(type)) return { _tag: "Leaf", leaf: leafOfType(type) }
  switch (type._tag) {
    case "Array":
      return { _tag: "Array", element: nodeOfType(type.element) }
    case "Map": {
      const key = isSimple(type.key)
        ? leafOfType(type.key)
        : refuse("A map has keys of more than one value.")
      return {
        _tag: "Map",
        key,
        keyNode: { _tag: "Leaf", leaf: key },
        value: nodeOfType(type.value),
        plainObject: false
      }
    }
    case "Struct":
      return nodeOfFields(type.fields, (_column, index) => index + 1)
  }
}

/** The struct of columns known only at run time. */
export const nodeOfColumns = (columns: ReadonlyArray<ColumnDefinition>): StructNode =>
  nodeOfFields(columns, (column, index) => (column.position ?? index) + 1)

const nodeOfFields = (
  columns: ReadonlyArray<ColumnDefinition>,
  numberOf: (column: ColumnDefinition, index: number) => number
): StructNode => ({
  _tag: "Struct",
  fields: columns.map((definition, index): FieldNode => {
    const node = nodeOfType(definition.type)
    const collection = node._tag === "Array" || node._tag === "Map"
    return {
      name: definition.name,
      node:
        definition.nullable && !collection ? { _tag: "Nullable", inner: node, empty: null } : node,
      optional: definition.nullable,
      number: numberOf(definition, index),
      definition
    }
  })
})
