/**
 * Maps the columns of a table to its leaves: definition and repetition levels of every node, and
 * the Parquet schema.
 *
 * The decoders append through the nodes of a tree, and the Parquet writer reads its leaf shapes in
 * the same order. Lists and maps have Parquet's standard three-level form.
 */
import type { SchemaElement } from "./parquetLibrary.ts"
import type { ColumnDefinition, ColumnType, SimpleType } from "../../internal/columns/columnType.ts"
import { isSimple } from "../../internal/columns/scalarTypes.ts"
import { Leaf, type LeafShape } from "./columnBuffer.ts"
import { storageOf } from "./columnStorage.ts"

interface NodeLevels {
  readonly path: ReadonlyArray<string>
  readonly type: ColumnType
  readonly nullable: boolean
  /** As in `ColumnDefinition`; only top-level columns have one. */
  readonly defaultSql?: string | undefined
  /** The definition level of an entry where the node itself is NULL. */
  readonly nullDefinition: number
  /** The leaves of the node have the indexes `firstLeaf` to `endLeaf - 1`. */
  readonly firstLeaf: number
  readonly endLeaf: number
}

/** A primitive column. A VARIANT is one too, with two leaves: its metadata and its value. */
export interface LeafNode extends NodeLevels {
  readonly kind: "leaf"
  readonly type: SimpleType
}
/** A struct; its fields in order. */
export interface StructNode extends NodeLevels {
  readonly kind: "struct"
  readonly fields: ReadonlyArray<ColumnNode>
  readonly names: ReadonlyArray<string>
}
/** An array. */
export interface ListNode extends NodeLevels {
  readonly kind: "list"
  readonly emptyDefinition: number
  readonly repetition: number
  readonly element: ColumnNode
}
/** A map. */
export interface MapNode extends NodeLevels {
  readonly kind: "map"
  readonly emptyDefinition: number
  readonly repetition: number
  readonly key: ColumnNode
  readonly value: ColumnNode
}
/** A node of the column tree. */
export type ColumnNode = LeafNode | StructNode | ListNode | MapNode

/**
 * The tree of a table: the top-level columns, the shapes of all leaves in order, and the Parquet
 * schema with its root first.
 */
export interface ColumnTree {
  readonly columns: ReadonlyArray<ColumnNode>
  readonly names: ReadonlyArray<string>
  /** The index of the rescue column, which stores fields of JSON records that have no column. */
  readonly rescue?: number | undefined
  readonly leaves: ReadonlyArray<LeafShape>
  /** The column type of each leaf. */
  readonly leafTypes: ReadonlyArray<SimpleType>
  readonly schema: ReadonlyArray<SchemaElement>
}

/** Levels are stored in bytes, so deeper nesting is refused when a table is created. */
export const maxDefinitionLevel = 250

/** Builds the column tree of a table or of a checkpoint. */
export const columnTree = (columns: ReadonlyArray<ColumnDefinition>): ColumnTree => {
  const leaves: Array<LeafShape> = []
  const leafTypes: Array<SimpleType> = []
  const schema: Array<SchemaElement> = [{ name: "schema", num_children: columns.length }]

  const addLeaf = (
    path: ReadonlyArray<string>,
    repetition_type: "OPTIONAL" | "REQUIRED",
    type: SimpleType,
    maxDefinition: number,
    maxRepetition: number
  ): void => {
    const { annotation, physical, width } = storageOf(type)
    leaves.push({ path, physical, width, maxDefinition, maxRepetition })
    leafTypes.push(type)
    schema.push({
      name: path.at(-1)!,
      repetition_type,
      type: physical === "FIXED" ? "FIXED_LEN_BYTE_ARRAY" : physical,
      ...(physical === "FIXED" ? { type_length: width } : {}),
      ...annotation
    })
  }

  const build = (
    name: string,
    type: ColumnType,
    nullable: boolean,
    path: ReadonlyArray<string>,
    definition: number,
    repetition: number
  ): ColumnNode => {
    const here = [...path, name]
    const inside = definition + (nullable ? 1 : 0)
    const repetition_type = nullable ? "OPTIONAL" : "REQUIRED"
    const base = {
      path: here,
      type,
      nullable,
      nullDefinition: definition,
      firstLeaf: leaves.length
    }
    if (isSimple(type)) {
      if (type._tag === "Variant") {
        // Without the VARIANT annotation: Spark 4.0 and Polars refuse every file that has it, and
        // find the two parts by the table's schema.
        schema.push({ name, repetition_type, num_children: 2 })
        for (const part of ["metadata", "value"])
          addLeaf([...here, part], "REQUIRED", type, inside, repetition)
      } else addLeaf(here, repetition_type, type, inside, repetition)
      return { ...base, kind: "leaf", type, endLeaf: leaves.length }
    }
    switch (type._tag) {
      case "Struct": {
        schema.push({ name, repetition_type, num_children: type.fields.length })
        const fields = type.fields.map((field) =>
          build(field.name, field.type, field.nullable, here, inside, repetition)
        )
        const names = type.fields.map((field) => field.name)
        return { ...base, kind: "struct", fields, names, endLeaf: leaves.length }
      }
      case "Array": {
        schema.push({
          name,
          repetition_type,
          num_children: 1,
          converted_type: "LIST",
          logical_type: { type: "LIST" }
        })
        schema.push({ name: "list", repetition_type: "REPEATED", num_children: 1 })
        const element = build(
          "element",
          type.element,
          type.containsNull,
          [...here, "list"],
          inside + 1,
          repetition + 1
        )
        return {
          ...base,
          kind: "list",
          emptyDefinition: inside,
          repetition: repetition + 1,
          element,
          endLeaf: leaves.length
        }
      }
      case "Map": {
        schema.push({
          name,
          repetition_type,
          num_children: 1,
          converted_type: "MAP",
          logical_type: { type: "MAP" }
        })
        schema.push({ name: "key_value", repetition_type: "REPEATED", num_children: 2 })
        const entry = [...here, "key_value"]
        const key = build("key", type.key, false, entry, inside + 1, repetition + 1)
        const value = build(
          "value",
          type.value,
          type.valueContainsNull,
          entry,
          inside + 1,
          repetition + 1
        )
        return {
          ...base,
          kind: "map",
          emptyDefinition: inside,
          repetition: repetition + 1,
          key,
          value,
          endLeaf: leaves.length
        }
      }
    }
  }

  const nodes = columns.map(({ defaultSql, name, nullable, type }): ColumnNode => {
    const node = build(name, type, nullable, [], 0, 0)
    return defaultSql === undefined ? node : { ...node, defaultSql }
  })
  const rescue = columns.findIndex((column) => column.rescue === true)
  const names = columns.map((column) => column.name)
  return { columns: nodes, names, ...(rescue < 0 ? {} : { rescue }), leaves, leafTypes, schema }
}

/** New, empty leaves for a tree. */
export const makeLeaves = (tree: ColumnTree): ReadonlyArray<Leaf> =>
  tree.leaves.map((shape) => new Leaf(shape))
