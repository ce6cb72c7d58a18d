/**
 * Appends parsed JSON records to the leaves of a table, by the value conventions of Zerobus: DATE
 * as days, timestamps as microseconds, BINARY as base64, DECIMAL as a string, BIGINT beyond 2^53 as
 * a string.
 *
 * An unknown key is refused. A null value of a nullable column is NULL, and so is a missing value
 * without a default. The appenders are composed closures, one per node of the column tree. On a
 * problem they throw `RecordProblem` and leave a partial record behind, which the caller rolls
 * back.
 */
import type { ColumnNode, ColumnTree, LeafNode, StructNode } from "../parquet/columnTree.ts"
import { addDecimal } from "./decimalText.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import { RecordProblem } from "./recordProblem.ts"
import { bytesOfBase64 } from "../../internal/columns/base64Text.ts"
import { literalValue } from "../../internal/columns/defaultLiteral.ts"
import { absentHere, expectation } from "../../internal/columns/expectation.ts"
import { integerRange, numberRange } from "../../internal/columns/scalarTypes.ts"
import { fittedText } from "../../internal/columns/textLength.ts"
import { encodeVariant } from "../parquet/variantEncoder.ts"

/** Appends one value of a node at a repetition level. */
export type JsonAppend = (value: unknown, repetition: number) => void

const integerText = /^-?(0|[1-9][0-9]{0,18})$/
const bits = new DataView(new ArrayBuffer(8))

/** Creates the appender of parsed JSON objects as rows. */
export const jsonObjectAppender = (tree: ColumnTree, leaves: ReadonlyArray<Leaf>): JsonAppend =>
  structFields([], tree.names, tree.columns, leaves)

const structFields = (
  path: ReadonlyArray<string>,
  names: ReadonlyArray<string>,
  nodes: ReadonlyArray<ColumnNode>,
  leaves: ReadonlyArray<Leaf>
): JsonAppend => {
  const known = new Set(names)
  const appends = nodes.map((node) => nullable(node, leaves))
  const omitted = nodes.map((node, index) => omittedAppender(node, appends[index]!))
  const count = names.length
  return (value, repetition) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new RecordProblem(
        path,
        path.length === 0 ? "expected a JSON object" : "expected STRUCT, a JSON object"
      )
    }
    const object = value as Record<string, unknown>
    let present = 0
    for (let i = 0; i < count; i++) {
      const name = names[i]!
      if (Object.hasOwn(object, name)) {
        present++
        appends[i]!(object[name], repetition)
      } else {
        omitted[i]!(repetition)
      }
    }
    let keys = 0
    for (const _ in object) keys++
    if (keys === present) return
    for (const key in object) {
      if (!known.has(key)) {
        throw new RecordProblem(
          [...path, columnName(key)],
          "the table has no such column; unknown keys are refused"
        )
      }
    }
  }
}

/** A key of the record for a message: only if it could be a column name, truncated. */
const columnName = (key: string): string =>
  /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(key) ? key : "(unknown)"

/** Appends the default of a column, or NULL without one, for a record that omits the column. */
export const omittedValue = (
  node: ColumnNode,
  leaves: ReadonlyArray<Leaf>
): ((repetition: number) => void) => omittedAppender(node, nullable(node, leaves))

/** The same, given the appender of the node's values. */
export const omittedAppender = (
  node: ColumnNode,
  append: JsonAppend
): ((repetition: number) => void) => {
  if (node.defaultSql === undefined) return (repetition) => append(undefined, repetition)
  const literal = literalValue(node.type, node.defaultSql)
  if (literal !== undefined) return (repetition) => append(literal.value, repetition)
  return () => {
    throw new RecordProblem(
      node.path,
      "expected a value, because the column's default is not an SQL literal"
    )
  }
}

/** The appender of a node's values, including NULL if it is nullable. */
export const nullable = (node: ColumnNode, leaves: ReadonlyArray<Leaf>): JsonAppend => {
  const append = valueAppender(node, leaves)
  const below = leaves.slice(node.firstLeaf, node.endLeaf)
  const only = below.length === 1 ? below[0]! : undefined
  return (value, repetition) => {
    if (value !== null && value !== undefined) return append(value, repetition)
    if (!node.nullable)
      throw new RecordProblem(node.path, `${expectation(node.type)}; ${absentHere}`)
    if (only !== undefined) only.addNull(repetition, node.nullDefinition)
    else for (const leaf of below) leaf.addNull(repetition, node.nullDefinition)
  }
}

/** The appender of a node's values except NULL. */
export const valueAppender = (node: ColumnNode, leaves: ReadonlyArray<Leaf>): JsonAppend => {
  switch (node.kind) {
    case "leaf":
      return leafAppender(node, leaves)
    case "struct":
      return structFields(node.path, (node as StructNode).names, node.fields, leaves)
    case "list": {
      const element = nullable(node.element, leaves)
      const below = leaves.slice(node.firstLeaf, node.endLeaf)
      return (value, repetition) => {
        if (!Array.isArray(value))
          throw new RecordProblem(node.path, "expected ARRAY, a JSON array")
        if (value.length === 0)
          for (const leaf of below) leaf.addNull(repetition, node.emptyDefinition)
        for (let i = 0; i < value.length; i++)
          element(value[i], i === 0 ? repetition : node.repetition)
      }
    }
    case "map": {
      const key = keyAppender(node.key as LeafNode, leaves)
      const entry = nullable(node.value, leaves)
      const below = leaves.slice(node.firstLeaf, node.endLeaf)
      return (value, repetition) => {
        if (typeof value !== "object" || value === null || Array.isArray(value)) {
          throw new RecordProblem(node.path, "expected MAP, a JSON object")
        }
        let level = repetition
        let empty = true
        for (const [name, item] of Object.entries(value)) {
          key(name, level)
          entry(item, level)
          level = node.repetition
          empty = false
        }
        if (empty) for (const leaf of below) leaf.addNull(repetition, node.emptyDefinition)
      }
    }
  }
}

/** The appender of map keys. JSON keys are text, so numbers and booleans are parsed from it. */
const keyAppender = (node: LeafNode, leaves: ReadonlyArray<Leaf>): JsonAppend => {
  const append = valueAppender(node, leaves)
  switch (node.type._tag) {
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "Date":
    case "Float":
    case "Double":
      return (value, repetition) => {
        const number = Number(value)
        if (value === "" || String(number) !== value)
          throw new RecordProblem(node.path, expectation(node.type))
        append(number, repetition)
      }
    case "Boolean":
      return (value, repetition) =>
        append(value === "true" ? true : value === "false" ? false : value, repetition)
    case "BigInt":
    case "String":
    case "Binary":
    case "Timestamp":
    case "TimestampNtz":
    case "Decimal":
    case "Variant":
      return append
  }
}

const leafAppender = (node: LeafNode, leaves: ReadonlyArray<Leaf>): JsonAppend => {
  const leaf = leaves[node.firstLeaf]!
  const type = node.type
  const refuse = (): never => {
    throw new RecordProblem(node.path, expectation(type))
  }
  switch (type._tag) {
    case "Boolean":
      return (value, repetition) =>
        typeof value === "boolean" ? leaf.addBoolean(repetition, value) : refuse()
    case "TinyInt":
    case "SmallInt":
    case "Int":
    case "Date": {
      const [min, max] = numberRange(type._tag)
      return (value, repetition) =>
        typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
          ? leaf.addWord(repetition, value)
          : refuse()
    }
    case "BigInt":
    case "Timestamp":
    case "TimestampNtz": {
      const [min, max] = integerRange(type._tag)
      const floor = type._tag === "BigInt" ? Number.MIN_SAFE_INTEGER : Number(min)
      return (value, repetition) => {
        if (typeof value === "number" && Number.isSafeInteger(value) && value >= floor) {
          leaf.addWords(repetition, value | 0, Math.floor(value / 4294967296))
        } else if (typeof value === "string" && integerText.test(value)) {
          const number = BigInt(value)
          if (number < min || number > max) refuse()
          leaf.addWords(repetition, Number(BigInt.asIntN(32, number)), Number(number >> 32n))
        } else refuse()
      }
    }
    case "Float":
    case "Double":
      return (value, repetition) => {
        const number = typeof value === "number" ? value : specialNumber(value)
        if (number === undefined) return refuse()
        if (type._tag === "Float") {
          bits.setFloat32(0, number, true)
          if (typeof value === "number" && !Number.isFinite(bits.getFloat32(0, true))) refuse()
          leaf.addWord(repetition, bits.getInt32(0, true))
        } else {
          bits.setFloat64(0, number, true)
          if (typeof value === "number" && !Number.isFinite(number)) refuse()
          leaf.addWords(repetition, bits.getInt32(0, true), bits.getInt32(4, true))
        }
      }
    case "Decimal":
      return (value, repetition) => {
        if (typeof value !== "string" || value.length > 100) return refuse()
        const text = Buffer.from(value, "utf8")
        if (!addDecimal(leaf, repetition, type.precision, type.scale, text, 0, text.length))
          refuse()
      }
    case "Binary":
      return (value, repetition) => {
        const bytes = typeof value === "string" ? bytesOfBase64(value) : undefined
        if (bytes === undefined) return refuse()
        leaf.addBytes(repetition, bytes, 0, bytes.length)
      }
    case "Variant":
      return variantAppender(node, leaf, leaves[node.firstLeaf + 1]!)
    case "String":
      return (value, repetition) => {
        if (typeof value !== "string" || !value.isWellFormed()) return refuse()
        const text = type.textLength === undefined ? value : fittedText(value, type.textLength)
        if (text === undefined) return refuse()
        const bytes = Buffer.from(text, "utf8")
        leaf.addBytes(repetition, bytes, 0, bytes.length)
      }
  }
}

const variantAppender =
  (node: LeafNode, metadata: Leaf, content: Leaf): JsonAppend =>
  (value, repetition) => {
    const variant = typeof value === "string" ? encodeVariant(value) : expectation(node.type)
    if (typeof variant === "string") throw new RecordProblem(node.path, variant)
    metadata.addBytes(repetition, variant.metadata, 0, variant.metadata.length)
    content.addBytes(repetition, variant.value, 0, variant.value.length)
  }

const specialNumber = (value: unknown): number | undefined =>
  value === "NaN"
    ? NaN
    : value === "Infinity"
      ? Infinity
      : value === "-Infinity"
        ? -Infinity
        : undefined
