/**
 * Reads serialized `DescriptorProto` messages from outside, with limits on size, depth and fields,
 * without reflection or code generation. `reader.ts` reads the wire format.
 */
import * as Result from "effect/Result"
import { maxDepth } from "../columns/columnNames.ts"
import { Refusal, refuse } from "../columns/columnRules.ts"
import type { FieldShape, FieldType, MessageShape } from "./descriptorShape.ts"
import { labels, typeNumbers } from "./descriptorShape.ts"
import { WireReader } from "./reader.ts"

/** The largest descriptor that is read, in bytes. */
export const maxDescriptorBytes = 4 * 1024 * 1024

/** The most fields of all messages of a descriptor together. */
export const maxDescriptorFields = 50_000

const typesByNumber = new Map(
  Object.entries(typeNumbers).map(([name, number]) => [number, name as FieldType])
)

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

const readMessage = (
  reader: WireReader,
  parent: RawMessage | undefined,
  budget: Budget,
  depth: number
): RawMessage => {
  if (depth > maxDepth) return refuse(`The descriptor is nested deeper than ${maxDepth} levels.`)
  const name = messageNameIn(reader.clone())
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    return refuse("A message of the descriptor has no legal name.")
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
  if (budget.messages.has(path))
    return refuse(`The descriptor defines the message ${path.slice(0, 128)} twice.`)
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

// A name with a leading dot is absolute, but the package of the top message is unknown, so every
// suffix is tried. Other names are looked up from the innermost scope outwards, as in protoc.
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
    return refuse(
      `The message ${message.path.slice(0, 128)} contains itself. A table cannot hold recursive ` +
        `records.`
    )
  if (depth > maxDepth) return refuse(`The descriptor is nested deeper than ${maxDepth} levels.`)
  message.resolving = true
  const names = new Set<string>()
  const numbers = new Set<number>()
  const fields = message.fields.map((raw): FieldShape => {
    const where = `${message.path}.${raw.name}`.slice(0, 160)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(raw.name))
      return refuse(`The message ${message.path.slice(0, 128)} has a field without a legal name.`)
    if (
      raw.number < 1 ||
      raw.number > 536_870_911 ||
      (raw.number >= 19_000 && raw.number <= 19_999)
    ) {
      return refuse(
        `The field ${where} has the number ${raw.number}, which protobuf does not allow.`
      )
    }
    if (names.has(raw.name) || numbers.has(raw.number))
      return refuse(`The field ${where} repeats a name or number.`)
    names.add(raw.name)
    numbers.add(raw.number)
    const label = labels[raw.label - 1]
    if (label === undefined) return refuse(`The field ${where} has an unknown label.`)
    const type = typesByNumber.get(raw.type)
    if (type === undefined) {
      const has = raw.type === 10 ? "the type group, which is not supported" : "no known type"
      return refuse(`The field ${where} has ${has}.`)
    }
    const base = { name: raw.name, number: raw.number, label, type, packed: raw.packed }
    if (type !== "message") return { ...base, mapEntry: false }
    const target = lookUp(raw.typeName, message, budget)
    if (target === undefined) {
      return refuse(
        `The field ${where} uses a message that the descriptor does not contain. Nest every ` +
          `message inside the record's message.`
      )
    }
    if (target.mapEntry && label !== "repeated")
      return refuse(`The field ${where} uses a map entry without being repeated.`)
    return { ...base, message: resolve(target, budget, depth + 1), mapEntry: target.mapEntry }
  })
  if (message.mapEntry && !(fields.length === 2 && numbers.has(1) && numbers.has(2))) {
    return refuse(
      `The map entry ${message.path.slice(0, 128)} does not have exactly the fields 1 (key) and ` +
        `2 (value).`
    )
  }
  message.resolving = false
  message.shape = { name: message.name, fields }
  return message.shape
}

/**
 * Reads a serialized `DescriptorProto`. Type names may be absolute with any package, or relative.
 * The failure is a sentence that contains nothing of the input except checked names.
 */
export const parseDescriptorProto = (bytes: Uint8Array): Result.Result<MessageShape, string> => {
  if (bytes.length > maxDescriptorBytes)
    return Result.fail(
      `The descriptor is ${bytes.length} bytes long, above the limit of ${maxDescriptorBytes}.`
    )
  try {
    const budget: Budget = { fields: 0, messages: new Map() }
    return Result.succeed(
      resolve(readMessage(new WireReader(bytes), undefined, budget, 0), budget, 0)
    )
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
