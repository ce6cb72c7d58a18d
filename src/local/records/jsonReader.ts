/**
 * Reads JSON records from their bytes directly into the leaves of a table, without creating objects
 * and strings: closures composed once per stream, one per node of the column tree.
 *
 * It handles the usual form of records. A value in another form (escapes, long integers, VARIANT)
 * is parsed separately and appended by `jsonValues.ts`. It gives up on a record that is invalid, or
 * has an unknown key, a duplicate key or a value that does not fit, with a part of it appended:
 * `jsonDecoder.ts` rolls that back, and `jsonValues.ts` refuses the record.
 */
import { isUtf8 } from "node:buffer"
import { beginRecord, jsonScalar, type ReadJson, textEnd } from "./jsonScalars.ts"
import { type JsonAppend, omittedValue, valueAppender } from "./jsonValues.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import type { ColumnNode, ColumnTree, ListNode, MapNode } from "../parquet/columnTree.ts"

/**
 * Reads the record in `[start, end)` and returns whether all of it was appended. May throw the
 * errors of `jsonValues.ts`. Bytes after the record may be read, but are never treated as part of
 * it.
 */
export type ReadRecord = (bytes: Uint8Array, start: number, end: number) => boolean

/** The reader of records for these leaves. */
export const jsonReader = (tree: ColumnTree, leaves: ReadonlyArray<Leaf>): ReadRecord => {
  const read = structReader(tree.names, tree.columns, leaves, tree.rescue)
  return (bytes, start, end) => {
    beginRecord()
    const at = read(bytes, behindSpace(bytes, start, end), end, 0)
    return at >= 0 && behindSpace(bytes, at, end) === end
  }
}

const behindSpace = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    at++
  }
  return at
}

/** A field of an object. */
interface Field {
  /** The key with its quotes, as in the record. */
  readonly key: Uint8Array
  readonly value: ReadValue
  readonly omitted: (repetition: number) => void
  /** The number of the last object with the field. */
  seen: number
  /** The field that followed this one last time; it is tried first. */
  next: Field | undefined
}

const isAt = (key: Uint8Array, bytes: Uint8Array, at: number): boolean => {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return false
  return true
}

/** The reader of objects. The column `hidden` is not accepted as a field. */
const structReader = (
  names: ReadonlyArray<string>,
  nodes: ReadonlyArray<ColumnNode>,
  leaves: ReadonlyArray<Leaf>,
  hidden?: number
): ReadJson => {
  const fields = nodes.map((node, index): Field => ({
    key: Buffer.from(JSON.stringify(names[index]!)),
    value: valueReader(node, leaves),
    omitted: omittedValue(node, leaves),
    seen: 0,
    next: undefined
  }))
  // Keys with escapes are not found here, so the caller parses the whole record.
  const visible = fields.filter((_, index) => index !== hidden)
  const byKey = new Map(visible.map((field) => [Buffer.from(field.key).toString("latin1"), field]))
  const first: Field = {
    key: new Uint8Array(0),
    value: { read: refused, rest: refused },
    omitted: () => {},
    seen: 0,
    next: visible[0]
  }
  visible.forEach((field, index) => (field.next = visible[index + 1]))
  const found = (bytes: Uint8Array, at: number, end: number): Field | undefined => {
    const stop = bytes[at] === 0x22 ? textEnd(bytes, at + 1, end) : -1
    if (stop < 0) return undefined
    return byKey.get(
      Buffer.from(bytes.buffer, bytes.byteOffset + at, stop + 1 - at).toString("latin1")
    )
  }
  let stamp = 0
  return (bytes, start, end, repetition) => {
    if (bytes[start] !== 0x7b) return -1
    stamp++
    let at = behindSpace(bytes, start + 1, end)
    let present = 0
    if (bytes[at] === 0x7d) at++
    else {
      let previous = first
      for (;;) {
        let field = previous.next
        if (field === undefined || !isAt(field.key, bytes, at)) {
          field = found(bytes, at, end)
          if (field === undefined) return -1
          previous.next = field
        }
        if (field.seen === stamp) return -1
        field.seen = stamp
        present++
        at += field.key.length
        if (bytes[at] !== 0x3a) {
          at = behindSpace(bytes, at, end)
          if (bytes[at] !== 0x3a) return -1
        }
        at++
        if (bytes[at]! <= 0x20) at = behindSpace(bytes, at, end)
        const { value } = field
        let next = value.read(bytes, at, end, repetition)
        if (next < 0) next = value.rest(bytes, at, end, repetition)
        if (next < 0) return -1
        at = next
        if (bytes[at]! <= 0x20) at = behindSpace(bytes, at, end)
        const sign = bytes[at++]
        if (sign === 0x7d) break
        if (sign !== 0x2c) return -1
        if (bytes[at]! <= 0x20) at = behindSpace(bytes, at, end)
        previous = field
      }
    }
    if (present < fields.length) {
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i]!
        if (field.seen !== stamp) field.omitted(repetition)
      }
    }
    return at > end ? -1 : at
  }
}

/** How a value is read: first in the usual form; if that returns -1, in the other forms. */
interface ReadValue {
  readonly read: ReadJson
  readonly rest: ReadJson
}

const refused: ReadJson = () => -1

/** The reader of a node's values, including `null` if the node is nullable. */
const valueReader = (node: ColumnNode, leaves: ReadonlyArray<Leaf>): ReadValue => {
  switch (node.kind) {
    case "leaf": {
      const parse = parsed(valueAppender(node, leaves))
      return {
        read: jsonScalar(node.type, leaves[node.firstLeaf]!) ?? refused,
        rest: orNull(node, leaves, parse)
      }
    }
    case "struct":
      return {
        read: structReader(node.names, node.fields, leaves),
        rest: orNull(node, leaves, refused)
      }
    case "list":
      return { read: listReader(node, leaves), rest: orNull(node, leaves, refused) }
    case "map":
      return { read: mapReader(node, leaves), rest: orNull(node, leaves, refused) }
  }
}

/** Reads `null` if the node is nullable, and passes everything else to `read`. */
const orNull = (node: ColumnNode, leaves: ReadonlyArray<Leaf>, read: ReadJson): ReadJson => {
  if (!node.nullable) return read
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  const { nullDefinition } = node
  return (bytes, at, end, repetition) => {
    if (bytes[at] !== 0x6e) return read(bytes, at, end, repetition)
    if (at + 4 > end || bytes[at + 1] !== 0x75 || bytes[at + 2] !== 0x6c || bytes[at + 3] !== 0x6c)
      return -1
    for (let i = 0; i < below.length; i++) below[i]!.addNull(repetition, nullDefinition)
    return at + 4
  }
}

const listReader = (node: ListNode, leaves: ReadonlyArray<Leaf>): ReadJson => {
  const element = valueReader(node.element, leaves)
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  return (bytes, start, end, repetition) => {
    if (bytes[start] !== 0x5b) return -1
    let at = behindSpace(bytes, start + 1, end)
    if (bytes[at] === 0x5d) {
      for (const leaf of below) leaf.addNull(repetition, node.emptyDefinition)
      return at + 1
    }
    let level = repetition
    for (;;) {
      let next = element.read(bytes, at, end, level)
      if (next < 0) next = element.rest(bytes, at, end, level)
      if (next < 0) return -1
      at = behindSpace(bytes, next, end)
      const sign = bytes[at++]
      if (sign === 0x5d) return at > end ? -1 : at
      if (sign !== 0x2c) return -1
      at = behindSpace(bytes, at, end)
      level = node.repetition
    }
  }
}

/** The most entries of a map whose keys are compared here. */
const maxEntries = 32

/**
 * The reader of maps with text keys. A JavaScript object has each key once and puts integer keys
 * first. A map with a key that begins with a digit, a duplicate key or many keys is therefore
 * parsed.
 */
const mapReader = (node: MapNode, leaves: ReadonlyArray<Leaf>): ReadJson => {
  const parse = parsed(valueAppender(node, leaves))
  const { type } = node.key
  if (type._tag !== "String" || type.textLength !== undefined) return parse
  const keys = leaves[node.key.firstLeaf]!
  const value = valueReader(node.value, leaves)
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  const starts = new Int32Array(maxEntries)
  const stops = new Int32Array(maxEntries)
  /** Whether a key differs from the earlier ones of the map; records its position. */
  const isNew = (bytes: Uint8Array, entries: number, start: number, stop: number): boolean => {
    for (let entry = 0; entry < entries; entry++) {
      if (stops[entry]! - starts[entry]! !== stop - start) continue
      let at = 0
      while (start + at < stop && bytes[starts[entry]! + at] === bytes[start + at]) at++
      if (start + at === stop) return false
    }
    starts[entries] = start
    stops[entries] = stop
    return true
  }
  const entriesOf = new Int32Array(below.length)
  const sizesOf = new Float64Array(below.length)
  return (bytes, start, end, repetition) => {
    if (bytes[start] !== 0x7b) return -1
    let at = behindSpace(bytes, start + 1, end)
    if (bytes[at] === 0x7d) {
      for (const leaf of below) leaf.addNull(repetition, node.emptyDefinition)
      return at + 1
    }
    for (let i = 0; i < below.length; i++) {
      entriesOf[i] = below[i]!.entries
      sizesOf[i] = below[i]!.size
    }
    let level = repetition
    for (let entry = 0; ; entry++) {
      const stop = bytes[at] === 0x22 ? textEnd(bytes, at + 1, end) : -1
      const byte = bytes[at + 1]!
      if (
        stop < 0 ||
        entry === maxEntries ||
        (byte >= 48 && byte <= 57) ||
        !isNew(bytes, entry, at + 1, stop)
      ) {
        for (let i = 0; i < below.length; i++) below[i]!.cut(entriesOf[i]!, sizesOf[i]!)
        return parse(bytes, start, end, repetition)
      }
      keys.addBytes(level, bytes, at + 1, stop)
      at = behindSpace(bytes, stop + 1, end)
      if (bytes[at] !== 0x3a) return -1
      at = behindSpace(bytes, at + 1, end)
      let next = value.read(bytes, at, end, level)
      if (next < 0) next = value.rest(bytes, at, end, level)
      if (next < 0) return -1
      at = behindSpace(bytes, next, end)
      const sign = bytes[at++]
      if (sign === 0x7d) return at > end ? -1 : at
      if (sign !== 0x2c) return -1
      at = behindSpace(bytes, at, end)
      level = node.repetition
    }
  }
}

/** Parses the value separately and appends the result. */
const parsed =
  (append: JsonAppend): ReadJson =>
  (bytes, at, end, repetition) => {
    const stop = valueEnd(bytes, at, end)
    if (stop < 0) return -1
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, stop - at)
    if (!isUtf8(text)) return -1
    append(JSON.parse(text.toString("utf8")), repetition)
    return stop
  }

/** The end of the valid value that begins at `start`. For an invalid one, any position or -1. */
const valueEnd = (bytes: Uint8Array, start: number, end: number): number => {
  let depth = 0
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte === 0x22) {
      for (at++; at < end && bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++
      if (depth === 0) return at < end ? at + 1 : -1
    } else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (byte === 0x2c || byte <= 0x20)) return at
    at++
  }
  return -1
}
