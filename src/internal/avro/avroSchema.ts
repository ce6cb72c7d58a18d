/**
 * Reads Avro schemas (their JSON text) into plain data with all names resolved.
 *
 * Aliases, defaults, orders and documentation are ignored: they matter to readers with a schema of
 * their own, and the schema of a stream is that of its writer. A logical type that is unknown, or
 * does not fit its underlying type, is ignored too, as the Avro specification requires.
 */
import { refuseAvro } from "./avroProblem.ts"

/** Logical types of `int` and `long`. */
export type AvroTime =
  | "date"
  | "time-millis"
  | "time-micros"
  | "timestamp-millis"
  | "timestamp-micros"
  | "timestamp-nanos"
  | "local-timestamp-millis"
  | "local-timestamp-micros"
  | "local-timestamp-nanos"

/** The digits of a decimal. */
export interface AvroDecimal {
  readonly precision: number
  readonly scale: number
}

/** An Avro type. Named types may contain themselves. */
export type AvroType =
  | { readonly type: "null" | "boolean" | "float" | "double" }
  | { readonly type: "int" | "long"; readonly time?: AvroTime | undefined }
  | { readonly type: "string"; readonly uuid?: boolean | undefined }
  | { readonly type: "bytes"; readonly decimal?: AvroDecimal | undefined }
  | AvroFixed
  | { readonly type: "enum"; readonly name: string; readonly symbols: ReadonlyArray<string> }
  | { readonly type: "array"; readonly items: AvroType }
  | { readonly type: "map"; readonly values: AvroType }
  | { readonly type: "union"; readonly branches: ReadonlyArray<AvroType> }
  | AvroRecord

/** A union: one of several types. */
export type AvroUnion = Extract<AvroType, { readonly type: "union" }>

/** A fixed number of bytes. */
export interface AvroFixed {
  readonly type: "fixed"
  readonly name: string
  readonly size: number
  readonly decimal?: AvroDecimal | undefined
  readonly uuid?: boolean | undefined
  readonly duration?: boolean | undefined
}

/** Fields in the order in which they are written. */
export interface AvroRecord {
  readonly type: "record"
  readonly name: string
  readonly fields: ReadonlyArray<AvroField>
}

/** A field of a record. */
export interface AvroField {
  readonly name: string
  readonly type: AvroType
}

/** Longest text of a schema, in characters. */
export const maxSchemaLength = 4 * 1024 * 1024

/** Most types, fields and symbols of a schema together. */
const maxParts = 50_000

/** The deepest nesting of types. */
export const maxAvroDepth = 100

const plain = /^[A-Za-z_]\w*$/
const dotted = /^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*$/

/** A name, if it is safe for a message. */
export const shownName = (name: unknown): string =>
  typeof name === "string" && dotted.test(name) ? name.slice(0, 100) : "(unprintable)"

/** Reads the schema of a stream, which must be a record. Throws an `AvroProblem`. */
export const parseAvroSchema = (text: string): AvroRecord => {
  if (text.length > maxSchemaLength) {
    return refuseAvro(`The schema is longer than ${maxSchemaLength} characters.`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return refuseAvro("The schema is not valid JSON.")
  }
  const type = new SchemaReader().read(json, "", 0)
  return type.type === "record"
    ? type
    : refuseAvro(`The schema must be that of a record, and is that of type ${type.type}.`)
}

type Json = { readonly [key: string]: unknown }

const primitives: Readonly<Record<string, AvroType>> = Object.assign(Object.create(null), {
  null: { type: "null" },
  boolean: { type: "boolean" },
  int: { type: "int" },
  long: { type: "long" },
  float: { type: "float" },
  double: { type: "double" },
  bytes: { type: "bytes" },
  string: { type: "string" }
})

const intTimes: ReadonlyArray<unknown> = ["date", "time-millis"]
const longTimes: ReadonlyArray<unknown> = [
  "time-micros",
  "timestamp-millis",
  "timestamp-micros",
  "timestamp-nanos",
  "local-timestamp-millis",
  "local-timestamp-micros",
  "local-timestamp-nanos"
]

class SchemaReader {
  private readonly named = new Map<string, AvroType>()
  private parts = 0

  read(json: unknown, namespace: string, depth: number): AvroType {
    this.count()
    if (depth > maxAvroDepth) return refuseAvro(`The schema is nested deeper than ${maxAvroDepth}.`)
    if (typeof json === "string") return this.byName(json, namespace)
    if (Array.isArray(json)) return this.union(json, namespace, depth)
    if (typeof json !== "object" || json === null) {
      return refuseAvro("A type of the schema is neither a name, an object nor a list.")
    }
    return this.object(json as Json, namespace, depth)
  }

  private count(): void {
    if (++this.parts > maxParts) refuseAvro(`The schema has more than ${maxParts} parts.`)
  }

  private byName(name: string, namespace: string): AvroType {
    const primitive = primitives[name]
    if (primitive !== undefined) return primitive
    const full = name.includes(".") || namespace === "" ? name : `${namespace}.${name}`
    return (
      this.named.get(full) ??
      this.named.get(name) ??
      refuseAvro(`The schema has no type ${shownName(name)} before it is used.`)
    )
  }

  private union(list: ReadonlyArray<unknown>, namespace: string, depth: number): AvroType {
    if (list.length === 0) return refuseAvro("A union of the schema has no branch.")
    const branches = list.map((branch) => this.read(branch, namespace, depth + 1))
    const kinds = new Set<string>()
    for (const branch of branches) {
      if (branch.type === "union") return refuseAvro("A union of the schema holds another union.")
      const kind = "name" in branch ? `named ${branch.name}` : branch.type
      if (kinds.has(kind)) return refuseAvro(`A union of the schema has two branches of one type.`)
      kinds.add(kind)
    }
    return { type: "union", branches }
  }

  private object(json: Json, namespace: string, depth: number): AvroType {
    const { logicalType, type } = json
    switch (type) {
      case "int":
        return intTimes.includes(logicalType) ? { type, time: logicalType as AvroTime } : { type }
      case "long":
        return longTimes.includes(logicalType) ? { type, time: logicalType as AvroTime } : { type }
      case "string":
        return logicalType === "uuid" ? { type, uuid: true } : { type }
      case "bytes":
        return { type, decimal: decimalOf(json, Infinity) }
      case "array":
        return { type, items: this.read(json["items"], namespace, depth + 1) }
      case "map":
        return { type, values: this.read(json["values"], namespace, depth + 1) }
      case "fixed":
        return this.fixed(json, namespace)
      case "enum":
        return this.enumeration(json, namespace)
      case "record":
      case "error":
        return this.record(json, namespace, depth)
      default:
        return this.read(type, namespace, depth + 1)
    }
  }

  /** The full name of a named type, and the namespace of the types in it. */
  private nameOf(json: Json, around: string): readonly [name: string, namespace: string] {
    const { name, namespace } = json
    if (typeof name !== "string" || !dotted.test(name)) {
      return refuseAvro("A record, enum or fixed of the schema has no valid name.")
    }
    const inside = name.includes(".")
      ? name.slice(0, name.lastIndexOf("."))
      : typeof namespace === "string"
        ? namespace
        : around
    if (inside !== "" && !dotted.test(inside)) {
      return refuseAvro(`The namespace of ${shownName(name)} is not a valid name.`)
    }
    const full = name.includes(".") || inside === "" ? name : `${inside}.${name}`
    if (this.named.has(full) || full in primitives) {
      return refuseAvro(`The schema defines ${shownName(full)} twice.`)
    }
    return [full, inside]
  }

  private fixed(json: Json, namespace: string): AvroType {
    const [name] = this.nameOf(json, namespace)
    const { logicalType, size } = json
    if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || size > 0x7fff_ffff) {
      return refuseAvro(`The size of ${shownName(name)} must be a whole number.`)
    }
    // The largest number of digits whose numbers all fit in this many bytes.
    const digits = Math.floor(Math.log10(2) * (8 * size - 1))
    const type: AvroFixed = {
      type: "fixed",
      name,
      size,
      decimal: decimalOf(json, digits),
      uuid: logicalType === "uuid" && size === 16,
      duration: logicalType === "duration" && size === 12
    }
    this.named.set(name, type)
    return type
  }

  private enumeration(json: Json, namespace: string): AvroType {
    const [name] = this.nameOf(json, namespace)
    const { symbols } = json
    if (!Array.isArray(symbols) || symbols.length === 0) {
      return refuseAvro(`The enum ${shownName(name)} has no symbols.`)
    }
    const seen = new Set<string>()
    for (const symbol of symbols as ReadonlyArray<unknown>) {
      this.count()
      if (typeof symbol !== "string" || !plain.test(symbol) || seen.has(symbol)) {
        return refuseAvro(
          `The enum ${shownName(name)} has a duplicate symbol, or one that is not a name.`
        )
      }
      seen.add(symbol)
    }
    const type: AvroType = { type: "enum", name, symbols: [...seen] }
    this.named.set(name, type)
    return type
  }

  private record(json: Json, namespace: string, depth: number): AvroType {
    const [name, inside] = this.nameOf(json, namespace)
    const fields: Array<AvroField> = []
    const type: AvroRecord = { type: "record", name, fields }
    this.named.set(name, type)
    const list = json["fields"]
    if (!Array.isArray(list)) return refuseAvro(`The record ${shownName(name)} has no fields.`)
    const seen = new Set<string>()
    for (const field of list as ReadonlyArray<unknown>) {
      const found = typeof field === "object" && field !== null ? (field as Json) : {}
      const fieldName = found["name"]
      if (typeof fieldName !== "string" || !plain.test(fieldName) || seen.has(fieldName)) {
        return refuseAvro(
          `The record ${shownName(name)} has a duplicate field, or one without a valid name.`
        )
      }
      seen.add(fieldName)
      fields.push({ name: fieldName, type: this.read(found["type"], inside, depth + 1) })
    }
    return type
  }
}

const decimalOf = (
  { logicalType, precision, scale = 0 }: Json,
  mostDigits: number
): AvroDecimal | undefined =>
  logicalType === "decimal" &&
  typeof precision === "number" &&
  typeof scale === "number" &&
  Number.isInteger(precision) &&
  Number.isInteger(scale) &&
  precision >= 1 &&
  precision <= mostDigits &&
  scale >= 0 &&
  scale <= precision
    ? { precision, scale }
    : undefined
