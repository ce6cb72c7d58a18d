/**
 * Appends protobuf records to the leaves of a table, with closures composed once per stream from
 * the descriptor and the columns.
 *
 * Follows protobuf's rules: fields in any order, the last occurrence of a scalar wins, occurrences
 * of a nested message merge, repeated numbers are packed or not. One rule is stricter: a field that
 * the descriptor lacks is refused instead of skipped. An absent repeated field is an empty array or
 * map, because the wire format cannot express NULL. An absent field of a column with a default gets
 * the default. On a problem it throws `RecordProblem` or `MalformedMessage`, which `problemOf`
 * accepts; the caller rolls back.
 */
import type { MessageShape } from "../../internal/protobuf/descriptor.ts"
import { low, readLength, readVarint } from "../../internal/protobuf/wire.ts"
import type { ColumnNode, ColumnTree, ListNode, MapNode, LeafNode } from "../parquet/columnTree.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import { omittedValue } from "./jsonValues.ts"
import { scalarReader, wireTypeOf, type ReadScalar } from "./scalarReaders.ts"
import { malformed, RecordProblem } from "./recordProblem.ts"
import { absentHere, expectation } from "../../internal/columns/expectation.ts"

type FieldShape = MessageShape["fields"][number]

/** Reads one occurrence of a field. `first` is true for the first occurrence in a message. */
type ReadField = (
  bytes: Uint8Array,
  at: number,
  end: number,
  wire: number,
  first: boolean,
  repetition: number
) => number

interface Field {
  readonly read: ReadField
  /** Reads the first occurrence of a scalar in a message, if it has the wire type `wire`. */
  readonly scalar?: ReadScalar | undefined
  readonly wire?: number | undefined
  readonly absent: (repetition: number) => void
  seen: number
}

/** Appends one message whose bytes are `[start, end)`. */
type ReadMessage = (bytes: Uint8Array, start: number, end: number, repetition: number) => void

/**
 * Creates the decoder of a stream, which returns 1 for each record. The descriptor must have passed
 * `checkDescriptor` for the same columns.
 */
export const protoDecoder = (
  tree: ColumnTree,
  shape: MessageShape,
  leaves: ReadonlyArray<Leaf>
): ((bytes: Uint8Array, start?: number, end?: number) => number) => {
  const read = messageReader([], tree.names, tree.columns, shape, leaves)
  return (bytes, start = 0, end = bytes.length) => {
    read(bytes, start, end, 0)
    return 1
  }
}

const messageReader = (
  path: ReadonlyArray<string>,
  names: ReadonlyArray<string>,
  nodes: ReadonlyArray<ColumnNode>,
  shape: MessageShape,
  leaves: ReadonlyArray<Leaf>
): ReadMessage => {
  const byNumber = new Map<number, Field>()
  const fields: Array<Field> = []
  const byName = new Map(shape.fields.map((field) => [field.name.toLowerCase(), field]))
  nodes.forEach((node, index) => {
    const fieldShape = byName.get(names[index]!.toLowerCase())
    const parts =
      fieldShape === undefined
        ? { read: unknownField(path), absent: absentValue(node, leaves) }
        : fieldReader(node, fieldShape, leaves)
    const field: Field = {
      read: parts.read,
      scalar: parts.scalar,
      wire: parts.wire,
      absent: parts.absent,
      seen: 0
    }
    fields.push(field)
    if (fieldShape !== undefined) byNumber.set(fieldShape.number, field)
  })
  const dense: Array<Field | undefined> = Array.from({ length: 128 }, (_, number) =>
    byNumber.get(number)
  )
  let stamp = 0
  return (bytes, start, end, repetition) => {
    stamp++
    let at = start
    while (at < end) {
      let tag = bytes[at]!
      if (tag < 0x80) at++
      else {
        at = readVarint(bytes, at, end)
        tag = low >>> 0
      }
      const number = tag >>> 3
      const field = number < 128 ? dense[number] : byNumber.get(number)
      if (field === undefined) {
        if (number === 0) malformed(path)
        throw new RecordProblem(path, `field number ${number} is not in the stream's descriptor`)
      }
      const first = field.seen !== stamp
      field.seen = stamp
      const wire = tag & 7
      const { scalar } = field
      at =
        scalar !== undefined && first && wire === field.wire
          ? scalar(bytes, at, end, repetition)
          : field.read(bytes, at, end, wire, first, repetition)
    }
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!
      if (field.seen !== stamp) field.absent(repetition)
    }
  }
}

const unknownField =
  (path: ReadonlyArray<string>): ReadField =>
  () =>
    malformed(path)

const addNulls = (
  node: ColumnNode,
  leaves: ReadonlyArray<Leaf>,
  definition: number
): ((repetition: number) => void) => {
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  const only = below[0]!
  if (below.length === 1) return (repetition) => only.addNull(repetition, definition)
  return (repetition) => {
    for (let i = 0; i < below.length; i++) below[i]!.addNull(repetition, definition)
  }
}

const absentValue = (
  node: ColumnNode,
  leaves: ReadonlyArray<Leaf>
): ((repetition: number) => void) => {
  if (node.defaultSql !== undefined) return omittedValue(node, leaves)
  if (node.nullable) return addNulls(node, leaves, node.nullDefinition)
  return () => {
    throw new RecordProblem(node.path, `${expectation(node.type)}; ${absentHere}`)
  }
}

const fieldReader = (
  node: ColumnNode,
  field: FieldShape,
  leaves: ReadonlyArray<Leaf>
): FieldParts => {
  switch (node.kind) {
    case "leaf":
      return scalarField(node, field, leaves)
    case "struct":
      return structField(node, field, leaves)
    case "list":
      return listField(node, field, leaves)
    case "map":
      return mapField(node, field, leaves)
  }
}

type FieldParts = Omit<Field, "seen">

/** The leaf with the value of a VARIANT; its first leaf is the metadata. */
const secondLeaf = (node: LeafNode, leaves: ReadonlyArray<Leaf>): Leaf | undefined =>
  node.endLeaf - node.firstLeaf === 2 ? leaves[node.firstLeaf + 1] : undefined

const scalarField = (
  node: LeafNode,
  field: FieldShape,
  leaves: ReadonlyArray<Leaf>
): FieldParts => {
  const leaf = leaves[node.firstLeaf]!
  const second = secondLeaf(node, leaves)
  const scalar = scalarReader(node.type, field.type, node.path, leaf, second)
  const expected = wireTypeOf(field.type)
  return {
    read: (bytes, at, end, wire, first, repetition) => {
      if (wire !== expected) malformed(node.path)
      if (!first) {
        leaf.removeLast()
        second?.removeLast()
      }
      return scalar(bytes, at, end, repetition)
    },
    scalar,
    wire: expected,
    absent: absentValue(node, leaves)
  }
}

/**
 * Reads a nested message. A second occurrence is decoded together with the first one, to merge them
 * as protobuf defines.
 */
const structField = (
  node: ColumnNode & { kind: "struct" },
  field: FieldShape,
  leaves: ReadonlyArray<Leaf>
): FieldParts => {
  const read = messageReader(node.path, node.names, node.fields, field.message!, leaves)
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  const entries = new Float64Array(below.length)
  const sizes = new Float64Array(below.length)
  // The position of the first occurrence, and the joined bytes from the second one on. A view of
  // the first occurrence would keep its message in memory.
  let firstStart = 0
  let firstStop = 0
  let merged: Uint8Array | undefined
  return {
    read: (bytes, at, end, wire, first, repetition) => {
      if (wire !== 2) malformed(node.path)
      const start = readLength(bytes, at, end)
      const stop = start + low
      if (first) {
        for (let i = 0; i < below.length; i++) {
          entries[i] = below[i]!.entries
          sizes[i] = below[i]!.size
        }
        firstStart = start
        firstStop = stop
        merged = undefined
        read(bytes, start, stop, repetition)
      } else {
        for (let i = 0; i < below.length; i++) below[i]!.cut(entries[i]!, sizes[i]!)
        const before = merged ?? bytes.subarray(firstStart, firstStop)
        const both = new Uint8Array(before.length + stop - start)
        both.set(before)
        both.set(bytes.subarray(start, stop), before.length)
        merged = both
        read(both, 0, both.length, repetition)
      }
      return stop
    },
    absent: absentValue(node, leaves)
  }
}

const listField = (node: ListNode, field: FieldShape, leaves: ReadonlyArray<Leaf>): FieldParts => {
  const absent = addNulls(node, leaves, node.emptyDefinition)
  if (node.element.kind === "struct") {
    const element = node.element
    const read = messageReader(element.path, element.names, element.fields, field.message!, leaves)
    return {
      read: (bytes, at, end, wire, first, repetition) => {
        if (wire !== 2) malformed(node.path)
        const start = readLength(bytes, at, end)
        const stop = start + low
        read(bytes, start, stop, first ? repetition : node.repetition)
        return stop
      },
      absent
    }
  }
  const element = single(node.element)
  const leaf = leaves[element.firstLeaf]!
  const scalar: ReadScalar = scalarReader(
    element.type,
    field.type,
    node.path,
    leaf,
    secondLeaf(element, leaves)
  )
  const expected = wireTypeOf(field.type)
  return {
    read: (bytes, at, end, wire, first, repetition) => {
      if (wire === expected) {
        // A preceding empty packed run added the entry of an empty list, which an element replaces.
        const replaces = !first && leaf.emptyRun
        leaf.emptyRun = false
        if (replaces) {
          leaf.removeLast()
          return scalar(bytes, at, end, repetition)
        }
        return scalar(bytes, at, end, first ? repetition : node.repetition)
      }
      if (wire !== 2 || expected === 2) malformed(node.path)
      let position = readLength(bytes, at, end)
      const stop = position + low
      let level = first ? repetition : node.repetition
      if (position === stop) {
        if (first) {
          absent(repetition)
          leaf.emptyRun = true
        }
        return stop
      }
      if (!first && leaf.emptyRun) {
        leaf.removeLast()
        level = repetition
      }
      leaf.emptyRun = false
      while (position < stop) {
        position = scalar(bytes, position, stop, level)
        level = node.repetition
      }
      return stop
    },
    absent
  }
}

/**
 * Reads map entries. Entries with the same key are all kept: readers of the table apply their own
 * rule, as with Spark.
 */
const mapField = (node: MapNode, field: FieldShape, leaves: ReadonlyArray<Leaf>): FieldParts => {
  // The entry message has key = 1 and value = 2. An absent key or value has its protobuf default.
  const entryShape = field.message!
  const key = entryPart(
    node.key,
    entryShape.fields.find((part) => part.number === 1)!,
    leaves
  )
  const value = entryPart(
    node.value,
    entryShape.fields.find((part) => part.number === 2)!,
    leaves
  )
  return {
    read: (bytes, at, end, wire, first, repetition) => {
      if (wire !== 2) malformed(node.path)
      let position = readLength(bytes, at, end)
      const stop = position + low
      const level = first ? repetition : node.repetition
      let keySeen = false
      let valueSeen = false
      while (position < stop) {
        position = readVarint(bytes, position, stop)
        const tag = low >>> 0
        if (tag >>> 3 === 1) {
          position = key.read(bytes, position, stop, tag & 7, !keySeen, level)
          keySeen = true
        } else if (tag >>> 3 === 2) {
          position = value.read(bytes, position, stop, tag & 7, !valueSeen, level)
          valueSeen = true
        } else malformed(node.path)
      }
      if (!keySeen) key.absent(level)
      if (!valueSeen) value.absent(level)
      return stop
    },
    absent: addNulls(node, leaves, node.emptyDefinition)
  }
}

/** The node as a leaf. Descriptors with nested collections were already refused. */
const single = (node: ColumnNode): LeafNode => (node.kind === "leaf" ? node : malformed(node.path))

const entryPart = (
  node: ColumnNode,
  field: FieldShape,
  leaves: ReadonlyArray<Leaf>
): FieldParts => {
  if (node.kind === "struct") {
    const parts = structField(node, field, leaves)
    const read = messageReader(node.path, node.names, node.fields, field.message!, leaves)
    return { read: parts.read, absent: (repetition) => read(empty, 0, 0, repetition) }
  }
  const value = single(node)
  const parts = scalarField(value, field, leaves)
  const leaf = leaves[value.firstLeaf]!
  const scalar = scalarReader(value.type, field.type, value.path, leaf, secondLeaf(value, leaves))
  return {
    read: parts.read,
    absent: (repetition) => void scalar(zeros, 0, wireTypeOf(field.type) === 5 ? 4 : 8, repetition)
  }
}

const empty = new Uint8Array(0)
const zeros = new Uint8Array(8)
