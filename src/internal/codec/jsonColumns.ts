/**
 * Typed records as JSON, in the value forms of the service: DATE as days, timestamps as
 * microseconds, BINARY as base64, DECIMAL as text, VARIANT as text that holds JSON, integers beyond
 * 2^53 as text. Composed of closures like the protobuf encoder, with the same checks. NaN and
 * infinities are refused because JSON cannot represent them.
 */
import * as Result from "effect/Result"
import { BadValue, badLeaf } from "./badValue.ts"
import type { ColumnNode, StructNode } from "./columnNode.ts"
import { refuse } from "../columns/columnRules.ts"
import { base64OfBytes, bytesOfBase64 } from "../columns/base64Text.ts"
import { integerJson } from "../columns/scalarTypes.ts"
import type { Leaf, WireValue } from "./scalars.ts"
import { describeValue } from "./describeValue.ts"
import {
  expectedOf,
  failsCheck,
  failsEncoding,
  isRecord,
  missing,
  shownKey,
  unknownKey
} from "./protoEncode.ts"

/** Converts a value for `JSON.stringify`, or returns why it is refused. */
export type ToJson = (value: unknown) => unknown

/** Converts parsed JSON to a value. Throws a `Refusal`. */
export type FromJson = (json: unknown) => unknown

const leafToJson =
  (leaf: Leaf): ToJson =>
  (value) => {
    const wire = leaf.toWire(value)
    switch (typeof wire) {
      case "undefined":
        return badLeaf(leaf, value)
      case "number":
        return Number.isFinite(wire)
          ? wire
          : new BadValue(
              `${leaf.expected.replace("a number", "a finite number")} in a JSON table`,
              describeValue(wire)
            )
      case "bigint":
        return integerJson(wire)
      case "object":
        return base64OfBytes(wire)
      default:
        return wire
    }
  }

const leafFromJson =
  (leaf: Leaf): FromJson =>
  (json) => {
    const value = fromWireJson(leaf, json)
    const result = value === undefined ? undefined : leaf.fromWire(value)
    return result === undefined ? refuse(`A value is not ${leaf.expected}.`) : result
  }

const fromWireJson = (leaf: Leaf, json: unknown): WireValue | undefined => {
  switch (leaf.scalar) {
    case "int64":
      if (typeof json === "number" && Number.isSafeInteger(json)) return BigInt(json)
      return typeof json === "string" && /^-?\d{1,19}$/.test(json) ? BigInt(json) : undefined
    case "int32":
      return typeof json === "number" && Number.isInteger(json) ? json : undefined
    case "double":
    case "float":
      return typeof json === "number" ? json : undefined
    case "bool":
      return typeof json === "boolean" ? json : undefined
    case "bytes":
      return typeof json === "string" ? bytesOfBase64(json) : undefined
    case "string":
      return typeof json === "string" ? json : undefined
  }
}

/** The JSON encoder of a node. */
export const toJson = (node: ColumnNode): ToJson => {
  switch (node._tag) {
    case "Leaf":
      return leafToJson(node.leaf)
    case "Struct":
      return structToJson(node)
    case "Nullable": {
      const inner = toJson(node.inner)
      return (value) => (value === node.empty ? value : inner(value))
    }
    case "Check": {
      const inner = toJson(node.inner)
      return (value) => {
        const json = inner(value)
        return json instanceof BadValue || node.accepts(value)
          ? json
          : failsCheck(node.inner, value)
      }
    }
    case "Convert": {
      const inner = toJson(node.inner)
      return (value) => {
        const encoded = node.encode(value)
        return Result.isSuccess(encoded)
          ? inner(encoded.success)
          : failsEncoding(node.inner, value, encoded.failure)
      }
    }
    case "Array": {
      const element = toJson(node.element)
      return (value) => {
        if (!Array.isArray(value)) return new BadValue("ARRAY (an array)", describeValue(value))
        const items: Array<unknown> = []
        for (let index = 0; index < value.length; index++) {
          const json = element(value[index])
          if (json instanceof BadValue) return json.at(index)
          items.push(json)
        }
        return items
      }
    }
    case "Map": {
      const key = toJson(node.keyNode)
      const item = toJson(node.value)
      return (value) => {
        if (node.plainObject ? !isRecord(value) : !(value instanceof Map)) {
          return new BadValue(
            node.plainObject ? "MAP (a plain object)" : "MAP (a Map)",
            describeValue(value)
          )
        }
        const entries: Array<[string, unknown]> = []
        for (const [name, one] of value instanceof Map ? value : Object.entries(value as object)) {
          const jsonKey = key(name)
          if (jsonKey instanceof BadValue) return jsonKey.at("key").at(entries.length)
          const json = item(one)
          if (json instanceof BadValue) return json.at("value").at(entries.length)
          entries.push([String(jsonKey), json])
        }
        return Object.fromEntries(entries)
      }
    }
  }
}

/** The JSON encoder of a record or struct. */
export const structToJson = (node: StructNode): ToJson => {
  const fields = node.fields.map((field) => ({ ...field, toJson: toJson(field.node) }))
  const names = new Set(fields.map((field) => field.name))
  return (value) => {
    if (!isRecord(value)) return new BadValue("STRUCT (an object)", describeValue(value))
    const out: Record<string, unknown> = {}
    for (const field of fields) {
      const own =
        Object.hasOwn(value, field.name) ||
        (field.name in value && !(field.name in Object.prototype))
      const item = own ? value[field.name] : undefined
      if (item === undefined && field.optional) continue
      if (!own) return new BadValue(expectedOf(field.node), missing).at(field.name)
      const json = field.toJson(item)
      if (json instanceof BadValue) return json.at(field.name)
      if (json !== undefined) out[field.name] = json
    }
    const extra = unknownKey(value, names)
    return extra === undefined
      ? out
      : new BadValue("only columns of the table", "a column that is not in it", true).at(
          shownKey(extra)
        )
  }
}

/** The JSON decoder of a node. */
export const fromJson = (node: ColumnNode): FromJson => {
  switch (node._tag) {
    case "Leaf":
      return leafFromJson(node.leaf)
    case "Struct":
      return structFromJson(node)
    case "Nullable": {
      const inner = fromJson(node.inner)
      return (json) => (json === null || json === undefined ? node.empty : inner(json))
    }
    case "Check":
      return fromJson(node.inner)
    case "Convert": {
      const inner = fromJson(node.inner)
      return (json) =>
        Result.getOrElse(node.decode(inner(json)), () =>
          refuse("A value cannot be decoded by the schema of its column.")
        )
    }
    case "Array": {
      const element = fromJson(node.element)
      return (json) =>
        Array.isArray(json) ? json.map((item) => element(item)) : refuse("A value is not an array.")
    }
    case "Map": {
      const item = fromJson(node.value)
      const key = fromJson(node.keyNode)
      return (json) => {
        if (!isRecord(json)) return refuse("A value is not an object.")
        const entries = Object.entries(json).map(
          ([name, value]) => [key(keyJson(node.key, name)), item(value)] as const
        )
        return node.plainObject
          ? Object.fromEntries(entries as ReadonlyArray<readonly [string, unknown]>)
          : new Map(entries)
      }
    }
  }
}

const keyJson = (leaf: Leaf, name: string): unknown =>
  leaf.scalar === "bool"
    ? name === "true"
      ? true
      : name === "false"
        ? false
        : undefined
    : leaf.scalar === "int32"
      ? Number(name)
      : name

/**
 * The JSON decoder of a record or struct. Absent columns become null, absent or empty, depending on
 * the schema.
 */
export const structFromJson = (node: StructNode): FromJson => {
  const fields = node.fields.map((field) => ({ ...field, fromJson: fromJson(field.node) }))
  return (json) => {
    if (!isRecord(json)) return refuse("The record is not an object.")
    const record: Record<string, unknown> = {}
    for (const field of fields) {
      const value = Object.hasOwn(json, field.name) ? json[field.name] : undefined
      if (value === undefined && field.optional) continue
      record[field.name] = field.fromJson(value)
    }
    return record
  }
}
