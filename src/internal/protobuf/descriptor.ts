/**
 * Serialized `DescriptorProto` messages of tables: the bytes that `protoc` gives for the equivalent proto2 file, written along a
 * `MessagePlan`. Reading those of others is in `descriptorReader.ts`.
 */
import * as Result from "effect/Result"
import type { TableDefinition } from "../columns/columnType.ts"
import { labels, typeNumbers } from "./descriptorShape.ts"
import type { MessagePlan, PlanField } from "./messagePlan.ts"
import { planTable } from "./messagePlan.ts"

export { maxDescriptorBytes, maxDescriptorFields, parseDescriptorProto } from "./descriptorReader.ts"
export type { FieldShape, FieldType, MessageShape } from "./descriptorShape.ts"

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
