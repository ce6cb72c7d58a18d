/**
 * Composes the protobuf encoder of a table from closures, one per column, without generated code.
 *
 * Every writer appends to the caller's sink and returns `undefined`, or why it refused the value.
 * The caller drops the bytes that were written before a refusal. `scalarWriters.ts` writes scalars.
 */
import * as Result from "effect/Result"
import type * as SchemaIssue from "effect/SchemaIssue"
import { BadValue } from "./badValue.ts"
import type { ColumnNode, ConvertNode, StructNode } from "./columnNode.ts"
import { columnTypeOf, structOf } from "./columnNode.ts"
import { sqlName } from "../columns/scalarTypes.ts"
import { issuePath } from "./issuePath.ts"
import type { Leaf } from "./scalars.ts"
import { describeValue } from "./describeValue.ts"
import type { WriteValue } from "./scalarWriters.ts"
import { delimited, fieldTag, leafWriter } from "./scalarWriters.ts"
import type { ByteSink } from "../recordCodec.ts"

/** What messages state as found where a column is missing. */
export const missing = "nothing (the column is missing)"

/** Writes a value as field `number`: the tag, the length if one is needed, and the content. */
const fieldWriter = (node: ColumnNode, number: number): WriteValue => {
  switch (node._tag) {
    case "Leaf":
      return leafWriter(node.leaf, fieldTag(number, node.leaf.scalar))
    case "Nullable": {
      const inner = fieldWriter(node.inner, number)
      const empty = node.empty
      return (value, sink) => (value === empty ? undefined : inner(value, sink))
    }
    case "Check":
      return checked(node, fieldWriter(node.inner, number))
    case "Convert":
      return converted(node, (inner) => fieldWriter(inner, number))
    case "Struct": {
      const tag = fieldTag(number, "bytes")
      const write = structWriter(node)
      return (value, sink) => delimited(tag, write, value, sink)
    }
    case "Array": {
      const element = fieldWriter(node.element, number)
      return (value, sink) => {
        if (!Array.isArray(value)) return new BadValue("ARRAY (an array)", describeValue(value))
        for (let index = 0; index < value.length; index++) {
          const bad = element(value[index], sink)
          if (bad !== undefined) return bad.at(index)
        }
        return undefined
      }
    }
    case "Map":
      return mapWriter(node, number)
  }
}

const checked = (node: ColumnNode & { readonly _tag: "Check" }, inner: WriteValue): WriteValue => {
  const accepts = node.accepts
  return (value, sink) =>
    inner(value, sink) ?? (accepts(value) ? undefined : failsCheck(node.inner, value))
}

/** The refusal of a value that fails the checks of its schema. */
export const failsCheck = (node: ColumnNode, value: unknown): BadValue =>
  new BadValue(
    `${expectedOf(node)} that meets the checks of its schema`,
    `${describeValue(value)} that does not`
  )

const converted = (node: ConvertNode, writer: (inner: ColumnNode) => WriteValue): WriteValue => {
  if (node.instance !== undefined) {
    const { accepts } = node.instance
    const write = writer(node.instance.inner)
    return (value, sink) => (accepts(value) ? write(value, sink) : failsCheck(node, value))
  }
  const inner = writer(node.inner)
  const encode = node.encode
  return (value, sink) => {
    const encoded = encode(value)
    return Result.isSuccess(encoded)
      ? inner(encoded.success, sink)
      : failsEncoding(node.inner, value, encoded.failure)
  }
}

/** The refusal of a value that its schema cannot encode. */
export const failsEncoding = (
  node: ColumnNode,
  value: unknown,
  issue: SchemaIssue.Issue
): BadValue => {
  const bad = new BadValue(
    `${expectedOf(node)} that its schema can encode`,
    `${describeValue(value)} that it cannot`
  )
  bad.path.push(...issuePath(issue))
  return bad
}

/** Writes a whole record. */
export const recordWriter = (node: ColumnNode): WriteValue =>
  node._tag === "Check"
    ? checked(node, recordWriter(node.inner))
    : node._tag === "Convert"
      ? converted(node, recordWriter)
      : structWriter(structOf(node))

const mapWriter = (node: ColumnNode & { readonly _tag: "Map" }, number: number): WriteValue => {
  const tag = fieldTag(number, "bytes")
  const writeKey = fieldWriter(node.keyNode, 1)
  const writeValue = fieldWriter(node.value, 2)
  let key: unknown
  const entry: WriteValue = (value, sink) =>
    writeKey(key, sink)?.at("key") ?? writeValue(value, sink)?.at("value")
  const one = (
    name: unknown,
    value: unknown,
    index: number,
    sink: ByteSink
  ): BadValue | undefined => {
    key = name
    return delimited(tag, entry, value, sink)?.at(index)
  }
  if (!node.plainObject) {
    return (value, sink) => {
      if (!(value instanceof Map)) return new BadValue("MAP (a Map)", describeValue(value))
      let index = 0
      for (const [name, item] of value) {
        const bad = one(name, item, index++, sink)
        if (bad !== undefined) return bad
      }
      return undefined
    }
  }
  return (value, sink) => {
    if (!isRecord(value)) return new BadValue("MAP (a plain object)", describeValue(value))
    let index = 0
    for (const name of Object.keys(value)) {
      const bad = one(name, value[name], index++, sink)
      if (bad !== undefined) return bad
    }
    return undefined
  }
}

/** Whether a value can be a record or struct: an object other than an array, map or buffer. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Map) &&
  !ArrayBuffer.isView(value)

/** The first key of a record that is not a column. */
export const unknownKey = (record: object, names: ReadonlySet<string>): string | undefined =>
  Object.keys(record).find((key) => !names.has(key))

/** Keys come from the caller's data, so messages repeat only plain identifiers. */
export const shownKey = (key: string): string =>
  /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(key) ? key : "(a key that is not a column name)"

/** Writes the fields of a message, without tag and length. */
export const structWriter = (node: StructNode): WriteValue => {
  const count = node.fields.length
  const names = node.fields.map((field) => field.name)
  const nameSet = new Set(names)
  const optional = node.fields.map((field) => field.optional)
  const writers = node.fields.map((field) => fieldWriter(field.node, field.number))
  const nodes = node.fields.map((field) => field.node)
  // A column called "constructor" must not read the inherited property.
  const inherited = names.map((name) => name in Object.prototype)
  // Handles fields from `from` on by name: for keys in another order, absent columns, and
  // everything that is refused.
  const writeByName = (value: unknown, sink: ByteSink, from: number): BadValue | undefined => {
    if (!isRecord(value)) return new BadValue("STRUCT (an object)", describeValue(value))
    let present = from
    for (let index = from; index < count; index++) {
      const name = names[index]!
      const item = inherited[index] && !Object.hasOwn(value, name) ? undefined : value[name]
      if (item === undefined) {
        if (optional[index]) {
          if (Object.hasOwn(value, name)) present++
          continue
        }
        if (inherited[index] || !(name in value))
          return new BadValue(expectedOf(nodes[index]!), missing).at(name)
      }
      present++
      const bad = writers[index]!(item, sink)
      if (bad !== undefined) return bad.at(name)
    }
    let keys = 0
    for (const _key in value) keys++
    if (keys === present) return undefined
    const extra = unknownKey(value, nameSet)
    return extra === undefined
      ? undefined
      : new BadValue("only columns of the table", "a column that is not in it", true).at(
          shownKey(extra)
        )
  }
  return (value, sink) => {
    if (typeof value !== "object" || value === null)
      return new BadValue("STRUCT (an object)", describeValue(value))
    // Most records have their keys in the order of the columns. Iterating over the keys is then
    // several times cheaper than looking up each name, and shows at once that no key is unknown.
    let index = 0
    for (const key in value) {
      if (key !== names[index]) return writeByName(value, sink, index)
      const item = (value as Readonly<Record<string, unknown>>)[key]
      if (item === undefined) return writeByName(value, sink, index)
      const bad = writers[index]!(item, sink)
      if (bad !== undefined) return bad.at(key)
      index++
    }
    return index === count ? undefined : writeByName(value, sink, index)
  }
}

/** What a node expects, in words. */
export const expectedOf = (node: ColumnNode): string => {
  const leaf = leafOf(node)
  return leaf === undefined ? sqlName(columnTypeOf(node)._tag) : leaf.expected
}

const leafOf = (node: ColumnNode): Leaf | undefined =>
  node._tag === "Leaf" ? node.leaf : "inner" in node ? leafOf(node.inner) : undefined
