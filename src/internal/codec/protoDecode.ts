/**
 * Composes the protobuf decoder of a table from closures: the inverse of `protoEncode.ts`, for rows
 * read back from a server or from unacknowledged records. Input is untrusted: lengths, wire types
 * and ranges are checked, unknown fields are skipped.
 */
import * as Result from "effect/Result"
import type { ColumnNode, StructNode } from "./columnNode.ts"
import { structOf } from "./columnNode.ts"
import { refuse } from "../columns/columnRules.ts"
import type { Leaf, WireValue } from "./scalars.ts"
import { WireReader } from "../protobuf/reader.ts"

type Read = (reader: WireReader, wire: number) => unknown

/** Holds the value for an absent field; `undefined` means that the field is mandatory. */
interface Absent {
  readonly value: unknown
}

const mismatch = (): never => refuse("A field of the record has another wire type than its column.")

const readWire = (leaf: Leaf): ((reader: WireReader, wire: number) => WireValue) => {
  switch (leaf.scalar) {
    case "double":
      return (reader, wire) =>
        wire === 1 ? dataView(reader).getFloat64(reader.fixed(8), true) : mismatch()
    case "float":
      return (reader, wire) =>
        wire === 5 ? dataView(reader).getFloat32(reader.fixed(4), true) : mismatch()
    case "int32":
      return (reader, wire) => (wire === 0 ? reader.int32() : mismatch())
    case "int64":
      return (reader, wire) => (wire === 0 ? reader.int64() : mismatch())
    case "bool":
      return (reader, wire) => (wire === 0 ? reader.int64() !== 0n : mismatch())
    case "string":
      return (reader, wire) => (wire === 2 ? reader.string() : mismatch())
    case "bytes":
      return (reader, wire) => (wire === 2 ? reader.view() : mismatch())
  }
}

const dataView = (reader: WireReader): DataView =>
  new DataView(reader.bytes.buffer, reader.bytes.byteOffset, reader.bytes.byteLength)

const leafReader = (leaf: Leaf): Read => {
  const read = readWire(leaf)
  return (reader, wire) => {
    const value = leaf.fromWire(read(reader, wire))
    return value === undefined ? refuse(`A value is outside what ${leaf.expected} holds.`) : value
  }
}

/** Reads one occurrence of a field. The surrounding message collects the items of collections. */
const fieldReader = (node: ColumnNode): Read => {
  switch (node._tag) {
    case "Leaf":
      return leafReader(node.leaf)
    case "Struct": {
      const read = structReader(node)
      return (reader, wire) => (wire === 2 ? read(reader.sub()) : mismatch())
    }
    case "Nullable":
    case "Check":
      return fieldReader(node.inner)
    case "Convert": {
      const read = fieldReader(node.inner)
      return (reader, wire) => convert(node, read(reader, wire))
    }
    default:
      return () => refuse("A collection stands inside a collection.")
  }
}

const convert = (node: ColumnNode & { readonly _tag: "Convert" }, value: unknown): unknown =>
  Result.getOrElse(node.decode(value), () =>
    refuse("A value cannot be decoded by the schema of its column.")
  )

const absent = (node: ColumnNode): Absent | undefined => {
  switch (node._tag) {
    case "Nullable":
      return { value: node.empty }
    case "Check":
      return absent(node.inner)
    case "Convert": {
      const inner = absent(node.inner)
      return inner === undefined ? undefined : { value: convert(node, inner.value) }
    }
    default:
      return undefined
  }
}

/** A field that collects its values and returns them at the end of the message. */
interface Gather {
  readonly add: (reader: WireReader, wire: number, sofar: unknown) => unknown
  readonly finish: (gathered: unknown) => unknown
}

const identity = (value: unknown): unknown => value

const gather = (node: ColumnNode): Gather => {
  switch (node._tag) {
    case "Check":
    case "Nullable":
      return gather(node.inner)
    case "Convert": {
      const inner = gather(node.inner)
      return isCollection(node.inner)
        ? { add: inner.add, finish: (value) => convert(node, inner.finish(value)) }
        : { add: fieldReader(node), finish: identity }
    }
    case "Array": {
      const read = fieldReader(node.element)
      const packed = packedWire(node.element)
      return {
        add: (reader, wire, sofar) => {
          const items = sofar === undefined ? [] : (sofar as Array<unknown>)
          if (wire === 2 && packed !== undefined) {
            const sub = reader.sub()
            while (sub.more()) items.push(read(sub, packed))
          } else items.push(read(reader, wire))
          return items
        },
        finish: (items) => items ?? []
      }
    }
    case "Map": {
      const entry = entryReader(node)
      return {
        add: (reader, wire, sofar) => {
          const map =
            sofar === undefined ? new Map<unknown, unknown>() : (sofar as Map<unknown, unknown>)
          if (wire !== 2) return mismatch()
          const [key, value] = entry(reader.sub())
          return map.set(key, value)
        },
        finish: (gathered) => {
          const map =
            gathered === undefined
              ? new Map<unknown, unknown>()
              : (gathered as Map<unknown, unknown>)
          return node.plainObject ? Object.fromEntries(map as Map<string, unknown>) : map
        }
      }
    }
    default:
      return { add: fieldReader(node), finish: identity }
  }
}

const isCollection = (node: ColumnNode): boolean =>
  node._tag === "Array" || node._tag === "Map" || ("inner" in node && isCollection(node.inner))

const packedWire = (node: ColumnNode): number | undefined => {
  if ("inner" in node) return packedWire(node.inner)
  if (node._tag !== "Leaf") return undefined
  const scalar = node.leaf.scalar
  return scalar === "string" || scalar === "bytes"
    ? undefined
    : scalar === "double"
      ? 1
      : scalar === "float"
        ? 5
        : 0
}

const entryReader = (
  node: ColumnNode & { readonly _tag: "Map" }
): ((reader: WireReader) => readonly [unknown, unknown]) => {
  const readKey = fieldReader(node.keyNode)
  const readValue = fieldReader(node.value)
  return (reader) => {
    let key: unknown
    let value: unknown
    while (reader.more()) {
      const { number, wire } = reader.tag()
      if (number === 1) key = readKey(reader, wire)
      else if (number === 2) value = readValue(reader, wire)
      else reader.skip(wire)
    }
    // Other encoders omit a key or value that is zero, false or empty.
    if (key === undefined) key = readKey(...zero(node.keyNode))
    if (value === undefined) value = readValue(...zero(node.value))
    return [key, value]
  }
}

const zero = (node: ColumnNode): [WireReader, number] => {
  if ("inner" in node) return zero(node.inner)
  const wire = node._tag === "Leaf" ? (packedWire(node) ?? 2) : 2
  return [new WireReader(new Uint8Array(8).subarray(0, wire === 1 ? 8 : wire === 5 ? 4 : 1)), wire]
}

/** Reads a whole record. Throws a `Refusal`. */
export const recordReader = (node: ColumnNode): ((reader: WireReader) => unknown) => {
  if (node._tag === "Check") return recordReader(node.inner)
  if (node._tag === "Convert") {
    const read = recordReader(node.inner)
    return (reader) => convert(node, read(reader))
  }
  return structReader(structOf(node))
}

/** Reads the fields of a message into an object with its columns in order. Throws a `Refusal`. */
export const structReader = (
  node: StructNode
): ((reader: WireReader) => Record<string, unknown>) => {
  const gathers = node.fields.map((field) => gather(field.node))
  const slots = new Map(node.fields.map((field, index) => [field.number, index]))
  const absents = node.fields.map((field): Absent | undefined =>
    isCollection(field.node) ? undefined : absent(field.node)
  )
  return (reader) => {
    const found: Array<unknown> = node.fields.map(() => undefined)
    while (reader.more()) {
      const { number, wire } = reader.tag()
      const slot = slots.get(number)
      if (slot === undefined) reader.skip(wire)
      else found[slot] = gathers[slot]!.add(reader, wire, found[slot])
    }
    const record: Record<string, unknown> = {}
    for (let index = 0; index < node.fields.length; index++) {
      const field = node.fields[index]!
      if (found[index] !== undefined) record[field.name] = gathers[index]!.finish(found[index])
      else if (field.optional) continue
      else if (isCollection(field.node)) record[field.name] = gathers[index]!.finish(undefined)
      else if (absents[index] !== undefined) record[field.name] = absents[index]!.value
      else return refuse(`The record lacks the column ${field.name}.`)
    }
    return record
  }
}
