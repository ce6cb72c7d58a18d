/**
 * Appends the values of Arrow columns to the leaves of a table. Each node of the column tree has an
 * appender, which is given the column of each batch and then appends its values one by one.
 */
import type { ArrowColumn } from "../../internal/arrow/arrowColumns.ts"
import { refuseArrow } from "../../internal/arrow/arrowProblem.ts"
import type { ArrowField } from "../../internal/arrow/arrowSchema.ts"
import { absentHere, expectation } from "../../internal/columns/expectation.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import type { ColumnNode, ListNode, MapNode, StructNode } from "../parquet/columnTree.ts"
import { scalarAppender, type ValueAppender } from "./arrowScalars.ts"
import { omittedValue } from "./jsonValues.ts"
import { RecordProblem } from "./recordProblem.ts"

/** Appends the values of a node, including NULL. */
export interface ColumnAppender extends Pick<ValueAppender, "load" | "append"> {
  /** Like `ValueAppender.appendAll`; the appender has the validity of its column itself. */
  readonly appendAll?: (count: number) => boolean
}

/** The appender for the column of a field that was checked against the node. */
export const columnAppender = (
  node: ColumnNode,
  field: ArrowField,
  leaves: ReadonlyArray<Leaf>
): ColumnAppender => {
  const value = valueAppender(node, field, leaves)
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  let validity: Uint8Array | undefined
  const addNull = (repetition: number): void => {
    if (!node.nullable) {
      throw new RecordProblem(node.path, `${expectation(node.type)}; ${absentHere}`)
    }
    for (let i = 0; i < below.length; i++) below[i]!.addNull(repetition, node.nullDefinition)
  }
  return {
    load: (column) => {
      validity = column.validity
      return value.load(column)
    },
    append: (index, repetition) => {
      if (validity !== undefined && ((validity[index >> 3]! >> (index & 7)) & 1) === 0) {
        return addNull(repetition)
      }
      value.append(index, repetition)
    },
    appendAll: (count) =>
      (node.nullable || validity === undefined) &&
      value.appendAll?.(count, { validity, nullDefinition: node.nullDefinition }) === true
  }
}

/** Appends values that are not NULL. */
const valueAppender = (
  node: ColumnNode,
  field: ArrowField,
  leaves: ReadonlyArray<Leaf>
): ValueAppender => {
  switch (node.kind) {
    case "leaf":
      return scalarAppender(node, leaves)
    case "struct":
      return structAppender(node, field, leaves)
    case "list":
      return listAppender(node, field, leaves)
    case "map":
      return mapAppender(node, field, leaves)
  }
}

/**
 * Appenders for the fields of a struct or the columns of a table. The schema may lack some of them.
 */
export interface FieldAppenders {
  /**
   * Sets the columns of a batch with this many rows. Returns the maximum number of leaf entries
   * that they create.
   */
  readonly load: (columns: ReadonlyArray<ArrowColumn>, rows: number) => number
  readonly appenders: ReadonlyArray<ColumnAppender>
}

/** Appenders of all nodes, in order. A node that the schema lacks gets NULL or its default. */
export const fieldAppenders = (
  names: ReadonlyArray<string>,
  nodes: ReadonlyArray<ColumnNode>,
  fields: ReadonlyArray<ArrowField>,
  leaves: ReadonlyArray<Leaf>
): FieldAppenders => {
  const places = new Map(fields.map(({ name }, index) => [name.toLowerCase(), index]))
  const parts = nodes.map((node, index) => {
    const place = places.get(names[index]!.toLowerCase())
    return place === undefined
      ? { place, leaves: node.endLeaf - node.firstLeaf, appender: omittedAppender(node, leaves) }
      : { place, leaves: 0, appender: columnAppender(node, fields[place]!, leaves) }
  })
  return {
    load: (columns, rows) => {
      let entries = 0
      for (const { appender, leaves: omitted, place } of parts) {
        entries += place === undefined ? rows * omitted : appender.load(columns[place]!)
      }
      return entries
    },
    appenders: parts.map(({ appender }) => appender)
  }
}

const omittedAppender = (node: ColumnNode, leaves: ReadonlyArray<Leaf>): ColumnAppender => {
  const omitted = omittedValue(node, leaves)
  return { load: () => 0, append: (_, repetition) => omitted(repetition) }
}

const structAppender = (
  node: StructNode,
  { children }: ArrowField,
  leaves: ReadonlyArray<Leaf>
): ValueAppender => {
  const { appenders, load } = fieldAppenders(node.names, node.fields, children, leaves)
  return {
    load: ({ children: columns, length }) => load(columns, length),
    append: (index, repetition) => {
      for (let i = 0; i < appenders.length; i++) appenders[i]!.append(index, repetition)
    }
  }
}

/** Appends an empty list or map. */
const emptyAppender = (
  { emptyDefinition, endLeaf, firstLeaf }: ListNode | MapNode,
  leaves: ReadonlyArray<Leaf>
): ((repetition: number) => void) => {
  const below = leaves.slice(firstLeaf, endLeaf)
  return (repetition) => {
    for (let i = 0; i < below.length; i++) below[i]!.addNull(repetition, emptyDefinition)
  }
}

const listAppender = (
  node: ListNode,
  { children }: ArrowField,
  leaves: ReadonlyArray<Leaf>
): ValueAppender => {
  const element = columnAppender(node.element, children[0]!, leaves)
  const below = node.endLeaf - node.firstLeaf
  const addEmpty = emptyAppender(node, leaves)
  let offsets = new Int32Array(0)
  return {
    load: (column) => {
      offsets = column.offsets as Int32Array<ArrayBuffer>
      return column.length * below + element.load(column.children[0]!)
    },
    append: (index, repetition) => {
      const start = offsets[index]!
      const end = offsets[index + 1]!
      if (start === end) return addEmpty(repetition)
      for (let at = start; at < end; at++)
        element.append(at, at === start ? repetition : node.repetition)
    }
  }
}

const mapAppender = (
  node: MapNode,
  { children }: ArrowField,
  leaves: ReadonlyArray<Leaf>
): ValueAppender => {
  const [keyField, valueField] = children[0]!.children
  const key = columnAppender(node.key, keyField!, leaves)
  const value = columnAppender(node.value, valueField!, leaves)
  const addEmpty = emptyAppender(node, leaves)
  let offsets = new Int32Array(0)
  return {
    load: (column) => {
      offsets = column.offsets as Int32Array<ArrayBuffer>
      const entries = column.children[0]!
      if (entries.validity !== undefined && offsets[offsets.length - 1]! > offsets[0]!) {
        refuseArrow("The entries of a map are NULL.")
      }
      const below = node.endLeaf - node.firstLeaf
      const [keys, values] = entries.children
      return column.length * below + key.load(keys!) + value.load(values!)
    },
    append: (index, repetition) => {
      const start = offsets[index]!
      const end = offsets[index + 1]!
      if (start === end) return addEmpty(repetition)
      for (let at = start; at < end; at++) {
        const level = at === start ? repetition : node.repetition
        key.append(at, level)
        value.append(at, level)
      }
    }
  }
}
