/**
 * The columns of a Parquet file: which column type holds the values of each, and how a value as
 * hyparquet reads it without annotations takes the form of a row.
 */
import { base64OfBytes } from "../../internal/columns/base64Text.ts"
import type { ColumnDefinition, ColumnType } from "../../internal/columns/columnType.ts"
import type { FileMetaData } from "../../local/parquet/parquetLibrary.ts"
import type { FileColumn } from "../records/typedRow.ts"
import { KeyTwice } from "../records/valueCheck.ts"
import {
  decimalValue,
  floatValue,
  halfValue,
  integerValue,
  microsOf,
  textOfTime,
  textValue,
  uuidValue
} from "./fileValues.ts"
import { type ShreddedNode, variantReader } from "./parquetVariant.ts"

type Element = FileMetaData["schema"][number]

/** Brings a value that is not null into the form of a row. */
type Convert = (value: any) => unknown

/** A column type and the way of its values into it. */
interface Reading {
  readonly type: ColumnType
  readonly convert: Convert
}

/** A column of a Parquet file. */
export interface ParquetColumn extends FileColumn {
  readonly convert: Convert
}

interface Node {
  readonly element: Element
  readonly children: ReadonlyArray<Node>
}

/** Thrown for a type that no column has; the message is the name of the type. */
class NoColumnType extends Error {}

const noType = (name: string): never => {
  throw new NoColumnType(name)
}

const treeOf = (schema: ReadonlyArray<Element>): Node => {
  let at = 0
  const read = (): Node => {
    const element = schema[at++]!
    const children: Array<Node> = []
    for (let left = element.num_children ?? 0; left > 0; left--) children.push(read())
    return { element, children }
  }
  return read()
}

/** The columns of a file. */
export const parquetColumns = (schema: ReadonlyArray<Element>): ReadonlyArray<ParquetColumn> =>
  treeOf(schema).children.map((node) => {
    const { name } = node.element
    const nullable = isNullable(node)
    try {
      const { convert, type } = readingOf(node)
      return { name, type, typeText: fileTypeText(node), nullable, convert }
    } catch (error) {
      if (!(error instanceof NoColumnType)) throw error
      return { name, type: undefined, typeText: error.message, nullable, convert: () => null }
    }
  })

const isNullable = ({ element }: Node): boolean => element.repetition_type === "OPTIONAL"

const annotationOf = ({ converted_type: converted, logical_type: logical }: Element) =>
  logical?.type ?? converted

const fileTypeText = ({ element }: Node): string =>
  String(annotationOf(element) ?? element.type ?? "a group")

const isList = ({ element }: Node): boolean => annotationOf(element) === "LIST"

const isText = (element: Element): boolean =>
  ["UTF8", "STRING", "ENUM", "JSON"].includes(String(annotationOf(element)))

/**
 * The schema as hyparquet reads it. Most annotations of values are left out, since its conversions
 * lose digits. Texts keep theirs: it converts those of a dictionary once.
 */
export const withoutAnnotations = (schema: ReadonlyArray<Element>): Array<Element> =>
  schema.map((element) => {
    const { converted_type: _c, logical_type: _l, scale: _s, precision: _p, ...physical } = element
    if (annotationOf(element) === "LIST") return { ...physical, converted_type: "LIST" }
    return isText(element) ? { ...physical, converted_type: "UTF8" } : physical
  })

const orNull =
  (convert: Convert): Convert =>
  (value) =>
    value === null || value === undefined ? null : convert(value)

const readingOf = (node: Node): Reading => {
  if (node.element.repetition_type !== "REPEATED") return unrepeated(node)
  const { convert, type } = unrepeated(node)
  return {
    type: { _tag: "Array", element: type, containsNull: false },
    convert: (items: ReadonlyArray<unknown>) => items.map(convert)
  }
}

const unrepeated = (node: Node): Reading => {
  const { children, element } = node
  if (element.num_children === undefined) return leaf(element)
  const annotation = annotationOf(element)
  if (isList(node) && children.length === 1) return list(children[0]!)
  if ((annotation === "MAP" || annotation === "MAP_KEY_VALUE") && children.length === 1) {
    return map(children[0]!)
  }
  if (annotation === "VARIANT") return variant(node)
  return struct(children)
}

const list = (repeated: Node): Reading => {
  // The library gives the items of a group of several fields as the group.
  const isWrapped = repeated.children.length !== 1
  const item = isWrapped ? repeated : repeated.children[0]!
  const { convert, type } = unrepeated(item)
  const one = orNull(convert)
  const { name } = repeated.element
  return {
    type: { _tag: "Array", element: type, containsNull: !isWrapped && isNullable(item) },
    convert: (value) => {
      const items = Array.isArray(value) ? value : (value[name] ?? [])
      return (items as ReadonlyArray<unknown>).map(one)
    }
  }
}

const map = (repeated: Node): Reading => {
  const [keys, values] = repeated.children
  if (keys === undefined || values === undefined) return noType("MAP without values")
  const key = unrepeated(keys)
  const value = readingOf(values)
  const item = orNull(value.convert)
  const [entriesName, keyName, valueName] = [repeated, keys, values].map((n) => n.element.name)
  return {
    type: {
      _tag: "Map",
      key: key.type,
      value: value.type,
      valueContainsNull: isNullable(values)
    },
    convert: (group) => {
      const found: Record<string, unknown> = Object.create(null)
      for (const entry of group[entriesName!] ?? []) {
        const name = String(key.convert(entry[keyName!]))
        if (Object.hasOwn(found, name)) return new KeyTwice(name)
        found[name] = item(entry[valueName!])
      }
      return found
    }
  }
}

const struct = (children: ReadonlyArray<Node>): Reading => {
  if (children.length === 0) return noType("a group without fields")
  const fields = children.map((child) => {
    const { convert, type } = readingOf(child)
    const { name } = child.element
    const definition: ColumnDefinition = { name, type, nullable: isNullable(child) }
    return { definition, name, convert: orNull(convert) }
  })
  return {
    type: { _tag: "Struct", fields: fields.map(({ definition }) => definition) },
    convert: (value) => {
      const record: Record<string, unknown> = Object.create(null)
      for (const { convert, name } of fields) record[name] = convert(value[name])
      return record
    }
  }
}

/** A group of a VARIANT with the node that it was made of. */
interface VariantNode extends ShreddedNode {
  readonly node: Node
  readonly children: ReadonlyArray<VariantNode>
}

const variantNode = (node: Node): VariantNode => ({
  name: node.element.name,
  isList: isList(node),
  children: node.children.map(variantNode),
  node
})

const variant = (group: Node): Reading => {
  const convert = variantReader(variantNode(group), ({ node }) => {
    try {
      return leaf(node.element)
    } catch (error) {
      if (error instanceof NoColumnType) return undefined
      throw error
    }
  })
  if (convert === undefined) return noType("VARIANT with columns of a type that JSON lacks")
  return { type: { _tag: "Variant" }, convert }
}

const units = { MILLIS: "ms", MICROS: "us", NANOS: "ns" } as const

const leaf = (element: Element): Reading => {
  const { converted_type: converted, logical_type: logical, type } = element
  switch (logical?.type) {
    case "TIMESTAMP": {
      const unit = units[logical.unit]
      return {
        type: { _tag: logical.isAdjustedToUTC ? "Timestamp" : "TimestampNtz" },
        convert: (value: bigint) => microsOf(BigInt(value), unit)
      }
    }
    case "TIME": {
      const unit = units[logical.unit]
      return { type: { _tag: "String" }, convert: (value) => textOfTime(BigInt(value), unit) }
    }
    case "INTEGER":
      return integer(logical.bitWidth, logical.isSigned)
    case "UUID":
      return { type: { _tag: "String" }, convert: uuidValue }
    case "FLOAT16":
      return { type: { _tag: "Float" }, convert: halfBytes }
    case "INTERVAL":
    case "BSON":
      return noType(logical.type)
    case "NULL":
      return { type: { _tag: "String" }, convert: () => null }
  }
  switch (converted) {
    case "UTF8":
    case "ENUM":
    case "JSON":
      return { type: { _tag: "String" }, convert: textValue }
    case "DECIMAL":
      return decimal(element)
    case "DATE":
      return { type: { _tag: "Date" }, convert: same }
    case "TIMESTAMP_MILLIS":
    case "TIMESTAMP_MICROS": {
      const unit = converted === "TIMESTAMP_MILLIS" ? "ms" : "us"
      return {
        type: { _tag: "Timestamp" },
        convert: (value: bigint) => microsOf(BigInt(value), unit)
      }
    }
    case "TIME_MILLIS":
    case "TIME_MICROS": {
      const unit = converted === "TIME_MILLIS" ? "ms" : "us"
      return { type: { _tag: "String" }, convert: (value) => textOfTime(BigInt(value), unit) }
    }
    case "INTERVAL":
    case "BSON":
      return noType(converted)
  }
  const sized = /^(U?)INT_(8|16|32|64)$/.exec(converted ?? "")
  if (sized !== null) return integer(Number(sized[2]), sized[1] === "")
  if (logical?.type === "DECIMAL") return decimal(logical)
  if (logical?.type === "DATE") return { type: { _tag: "Date" }, convert: same }
  if (logical?.type === "STRING" || logical?.type === "JSON" || logical?.type === "ENUM") {
    return { type: { _tag: "String" }, convert: textValue }
  }
  switch (type) {
    case "BOOLEAN":
      return { type: { _tag: "Boolean" }, convert: same }
    case "INT32":
      return { type: { _tag: "Int" }, convert: same }
    case "INT64":
      return { type: { _tag: "BigInt" }, convert: integerValue }
    case "INT96":
      return { type: { _tag: "Timestamp" }, convert: (nanos: bigint) => microsOf(nanos, "ns") }
    case "FLOAT":
      return { type: { _tag: "Float" }, convert: floatValue }
    case "DOUBLE":
      return { type: { _tag: "Double" }, convert: floatValue }
    case "BYTE_ARRAY":
    case "FIXED_LEN_BYTE_ARRAY":
      return { type: { _tag: "Binary" }, convert: base64OfBytes }
    default:
      return noType(String(type))
  }
}

const same: Convert = (value) => value

const halfBytes = (bytes: Uint8Array): number | string => halfValue(bytes[0]! | (bytes[1]! << 8))

/** Integers of fewer bits are stored in INT32; those without a sign need a wider type. */
const integer = (bits: number, isSigned: boolean): Reading => {
  if (isSigned) {
    const tag = bits === 8 ? "TinyInt" : bits === 16 ? "SmallInt" : bits === 32 ? "Int" : "BigInt"
    return { type: { _tag: tag }, convert: bits === 64 ? integerValue : same }
  }
  if (bits === 64) {
    const unsigned = (value: bigint) => integerValue(BigInt.asUintN(64, value))
    return { type: { _tag: "Decimal", precision: 20, scale: 0 }, convert: unsigned }
  }
  const tag = bits === 8 ? "SmallInt" : bits === 16 ? "Int" : "BigInt"
  return { type: { _tag: tag }, convert: (value: number) => value >>> 0 }
}

const decimal = ({ precision = 0, scale = 0 }: Pick<Element, "precision" | "scale">): Reading =>
  precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision
    ? {
        type: { _tag: "Decimal", precision, scale },
        convert: (value: number | bigint | Uint8Array) => decimalValue(value, scale)
      }
    : noType(`DECIMAL(${precision},${scale})`)
