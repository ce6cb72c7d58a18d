/**
 * Writes and reads serialized `DescriptorProto` messages.
 *
 * Writing follows a `MessagePlan` and gives the bytes that `protoc` gives for the equivalent proto2 file. Reading is for
 * descriptors that come from outside: a reader of its own with limits on size, depth and fields, no reflection and no code
 * generation. Wire-level reading is in `wireReader.ts`.
 */
import * as Result from "effect/Result"
import { maxDepth } from "./columnNames.ts"
import { Refusal, refuse } from "./columnRules.ts"
import type { TableDefinition } from "./columnType.ts"
import type { MessagePlan, PlanField } from "./messagePlan.ts"
import { planTable } from "./messagePlan.ts"
import { WireReader } from "./wireReader.ts"

/** The protobuf types a field of a {@link MessageShape} may have. */
export type FieldType =
  | "double"
  | "float"
  | "int64"
  | "uint64"
  | "int32"
  | "fixed64"
  | "fixed32"
  | "bool"
  | "string"
  | "message"
  | "bytes"
  | "uint32"
  | "enum"
  | "sfixed32"
  | "sfixed64"
  | "sint32"
  | "sint64"

/** One field of a message that was read. A map is a repeated field whose message is the entry with `key` and `value`. */
export interface FieldShape {
  readonly name: string
  readonly number: number
  readonly label: "optional" | "required" | "repeated"
  readonly type: FieldType
  /** The message of a field of type `message`; shared where several fields use one message. */
  readonly message?: MessageShape
  readonly mapEntry: boolean
  readonly packed: boolean
}

/** A message that was read, with all messages it uses resolved. */
export interface MessageShape {
  readonly name: string
  readonly fields: ReadonlyArray<FieldShape>
}

/** Most bytes of a descriptor that is read. */
export const maxDescriptorBytes = 4 * 1024 * 1024

/** Most fields of all messages of a descriptor together. */
export const maxDescriptorFields = 50_000

const typeNumbers: { readonly [K in FieldType]: number } = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18
}

const typesByNumber = new Map(Object.entries(typeNumbers).map(([name, number]) => [number, name as FieldType]))

const labels = ["optional", "required", "repeated"] as const

// --- writing

const varint = (out: Array<number>, value: number): void => {
  let rest = value
  while (rest > 127) {
    out.push((rest & 127) | 128)
    rest >>>= 7
  }
  out.push(rest)
}

const lengthDelimited = (out: Array<number>, number: number, bytes: ReadonlyArray<number> | Uint8Array): void => {
  varint(out, (number << 3) | 2)
  varint(out, bytes.length)
  for (const byte of bytes) out.push(byte)
}

const text = (out: Array<number>, number: number, value: string): void =>
  lengthDelimited(out, number, new TextEncoder().encode(value))

const enumeration = (out: Array<number>, number: number, value: number): void => {
  varint(out, number << 3)
  varint(out, value)
}

const writeField = (field: PlanField, scope: string, siblings: ReadonlyArray<MessagePlan>): Array<number> => {
  const out: Array<number> = []
  text(out, 1, field.name)
  enumeration(out, 3, field.number)
  enumeration(out, 4, labels.indexOf(field.label) + 1)
  enumeration(out, 5, typeNumbers[field.type._tag === "Scalar" ? field.type.scalar : "message"])
  if (field.type._tag === "Message") text(out, 6, `${scope}.${siblings[field.type.nested]?.name}`)
  text(out, 10, field.name)
  return out
}

const writeMessage = (plan: MessagePlan, parent: string): Array<number> => {
  const out: Array<number> = []
  const scope = `${parent}.${plan.name}`
  text(out, 1, plan.name)
  // An entry's value message is its sibling, so the entry's fields refer to the scope around it.
  for (const field of plan.fields)
    lengthDelimited(out, 2, writeField(field, plan.mapEntry ? parent : scope, plan.nested))
  if (!plan.mapEntry) {
    for (const nested of plan.nested) lengthDelimited(out, 3, writeMessage(nested, scope))
  }
  if (plan.mapEntry) lengthDelimited(out, 7, [0x38, 1])
  return out
}

/** The serialized `DescriptorProto` of a plan whose message stands in `packageName`, none by default. */
export const planToDescriptorProto = (plan: MessagePlan, packageName = ""): Uint8Array =>
  Uint8Array.from(writeMessage(plan, packageName === "" ? "" : `.${packageName}`))

/**
 * The serialized `FileDescriptorSet` of one proto2 file with one message, as `protoc --descriptor_set_out` writes it. The file name
 * is the one `protoc` was given.
 */
export const planToDescriptorSet = (plan: MessagePlan, fileName: string, packageName: string): Uint8Array => {
  const file: Array<number> = []
  text(file, 1, fileName)
  if (packageName !== "") text(file, 2, packageName)
  lengthDelimited(file, 4, planToDescriptorProto(plan, packageName))
  const set: Array<number> = []
  lengthDelimited(set, 1, file)
  return Uint8Array.from(set)
}

/** The serialized `DescriptorProto` of a table's records. The failure says in a sentence which column cannot travel and why. */
export const toDescriptorProto = (definition: TableDefinition): Result.Result<Uint8Array, string> =>
  Result.map(planTable(definition), (plan) => planToDescriptorProto(plan))

// --- reading

interface RawField {
  name: string
  number: number
  label: number
  type: number
  typeName: string
  packed: boolean
}

interface RawMessage {
  name: string
  readonly path: string
  readonly parent: RawMessage | undefined
  readonly fields: Array<RawField>
  readonly nested: Array<RawMessage>
  mapEntry: boolean
  shape: { name: string; fields: Array<FieldShape> } | undefined
  resolving: boolean
}

interface Budget {
  fields: number
  readonly messages: Map<string, RawMessage>
}

const readOptions = (reader: WireReader, wanted: number): boolean => {
  let value = false
  while (reader.more()) {
    const tag = reader.tag()
    if (tag.number === wanted && tag.wire === 0) value = reader.varint() !== 0
    else reader.skip(tag.wire)
  }
  return value
}

const readField = (reader: WireReader): RawField => {
  const field: RawField = { name: "", number: 0, label: 1, type: 0, typeName: "", packed: false }
  while (reader.more()) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === 2) field.name = reader.string()
    else if (number === 3 && wire === 0) field.number = reader.varint()
    else if (number === 4 && wire === 0) field.label = reader.varint()
    else if (number === 5 && wire === 0) field.type = reader.varint()
    else if (number === 6 && wire === 2) field.typeName = reader.string()
    else if (number === 8 && wire === 2) field.packed = readOptions(reader.sub(), 2)
    else reader.skip(wire)
  }
  return field
}

const messageNameIn = (reader: WireReader): string => {
  while (reader.more()) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === 2) return reader.string()
    reader.skip(wire)
  }
  return ""
}

const readMessage = (reader: WireReader, parent: RawMessage | undefined, budget: Budget, depth: number): RawMessage => {
  if (depth > maxDepth) return refuse(`The descriptor is nested deeper than ${maxDepth} levels.`)
  const name = messageNameIn(reader.clone())
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return refuse("A message of the descriptor has no legal name.")
  const path = parent === undefined ? name : `${parent.path}.${name}`
  const message: RawMessage = {
    name,
    path,
    parent,
    fields: [],
    nested: [],
    mapEntry: false,
    shape: undefined,
    resolving: false
  }
  if (budget.messages.has(path)) return refuse(`The descriptor defines the message ${path.slice(0, 128)} twice.`)
  budget.messages.set(path, message)
  while (reader.more()) {
    const { number, wire } = reader.tag()
    if (number === 2 && wire === 2) {
      if (++budget.fields > maxDescriptorFields)
        return refuse(`The descriptor has more than ${maxDescriptorFields} fields.`)
      message.fields.push(readField(reader.sub()))
    } else if (number === 3 && wire === 2) {
      message.nested.push(readMessage(reader.sub(), message, budget, depth + 1))
    } else if (number === 7 && wire === 2) {
      message.mapEntry = readOptions(reader.sub(), 7)
    } else reader.skip(wire)
  }
  return message
}

// A name with a leading dot is absolute, but the package in front of the top message is not known: every tail is tried. Others
// are looked up from the innermost scope outwards, as protoc does.
const lookUp = (typeName: string, scope: RawMessage, budget: Budget): RawMessage | undefined => {
  if (typeName.startsWith(".")) {
    let tail = typeName.slice(1)
    for (;;) {
      const found = budget.messages.get(tail)
      if (found !== undefined) return found
      const dot = tail.indexOf(".")
      if (dot < 0) return undefined
      tail = tail.slice(dot + 1)
    }
  }
  for (let at: RawMessage | undefined = scope; at !== undefined; at = at.parent) {
    const found = budget.messages.get(`${at.path}.${typeName}`)
    if (found !== undefined) return found
  }
  return budget.messages.get(typeName)
}

const resolve = (message: RawMessage, budget: Budget, depth: number): MessageShape => {
  if (message.shape !== undefined) return message.shape
  if (message.resolving)
    return refuse(`The message ${message.path.slice(0, 128)} contains itself. A table cannot hold recursive records.`)
  if (depth > maxDepth) return refuse(`The descriptor is nested deeper than ${maxDepth} levels.`)
  message.resolving = true
  const names = new Set<string>()
  const numbers = new Set<number>()
  const fields = message.fields.map((raw): FieldShape => {
    const where = `${message.path}.${raw.name}`.slice(0, 160)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(raw.name))
      return refuse(`The message ${message.path.slice(0, 128)} has a field without a legal name.`)
    if (raw.number < 1 || raw.number > 536_870_911 || (raw.number >= 19_000 && raw.number <= 19_999)) {
      return refuse(`The field ${where} has the number ${raw.number}, which protobuf does not allow.`)
    }
    if (names.has(raw.name) || numbers.has(raw.number)) return refuse(`The field ${where} repeats a name or number.`)
    names.add(raw.name)
    numbers.add(raw.number)
    const label = labels[raw.label - 1]
    if (label === undefined) return refuse(`The field ${where} has an unknown label.`)
    const type = typesByNumber.get(raw.type)
    if (type === undefined)
      return refuse(
        `The field ${where} has ${raw.type === 10 ? "the type group, which is not supported" : "no known type"}.`
      )
    const base = { name: raw.name, number: raw.number, label, type, packed: raw.packed }
    if (type !== "message") return { ...base, mapEntry: false }
    const target = lookUp(raw.typeName, message, budget)
    if (target === undefined) {
      return refuse(
        `The field ${where} uses a message that the descriptor does not contain. Nest every message inside the record's message.`
      )
    }
    if (target.mapEntry && label !== "repeated")
      return refuse(`The field ${where} uses a map entry without being repeated.`)
    return { ...base, message: resolve(target, budget, depth + 1), mapEntry: target.mapEntry }
  })
  if (message.mapEntry && !(fields.length === 2 && numbers.has(1) && numbers.has(2))) {
    return refuse(`The map entry ${message.path.slice(0, 128)} does not have exactly the fields 1 (key) and 2 (value).`)
  }
  message.resolving = false
  message.shape = { name: message.name, fields }
  return message.shape
}

/**
 * Reads a serialized `DescriptorProto`. Type names may be absolute with any package, or relative. The failure is a sentence; nothing
 * of the input but names, which are checked, stands in it.
 */
export const parseDescriptorProto = (bytes: Uint8Array): Result.Result<MessageShape, string> => {
  if (bytes.length > maxDescriptorBytes)
    return Result.fail(`The descriptor is ${bytes.length} bytes long, above the limit of ${maxDescriptorBytes}.`)
  try {
    const budget: Budget = { fields: 0, messages: new Map() }
    return Result.succeed(resolve(readMessage(new WireReader(bytes), undefined, budget, 0), budget, 0))
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
