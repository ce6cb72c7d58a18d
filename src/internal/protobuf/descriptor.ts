/**
 * Serialized `DescriptorProto` messages of tables: the bytes that `protoc` produces for the
 * equivalent proto2 file, written from a `MessagePlan`. `descriptorReader.ts` reads descriptors
 * from other sources.
 */
import * as Result from "effect/Result"
import type { TableDefinition } from "../columns/columnType.ts"
import { labels, typeNumbers } from "./descriptorShape.ts"
import type { MessagePlan, PlanField } from "./messagePlan.ts"
import { planTable } from "./messagePlan.ts"
import { bytesField, concat, textField, varintField } from "./writer.ts"

export {
  maxDescriptorBytes,
  maxDescriptorFields,
  parseDescriptorProto
} from "./descriptorReader.ts"
export type { FieldShape, FieldType, MessageShape } from "./descriptorShape.ts"

const writeField = (
  field: PlanField,
  scope: string,
  siblings: ReadonlyArray<MessagePlan>
): Uint8Array => {
  const out = [
    textField(1, field.name),
    varintField(3, field.number),
    varintField(4, labels.indexOf(field.label) + 1),
    varintField(5, typeNumbers[field.type._tag === "Scalar" ? field.type.scalar : "message"])
  ]
  if (field.type._tag === "Message")
    out.push(textField(6, `${scope}.${siblings[field.type.nested]?.name}`))
  out.push(textField(10, field.name))
  return concat(out)
}

const mapEntryOption = bytesField(7, varintField(7, 1))

const writeMessage = (plan: MessagePlan, parent: string): Uint8Array => {
  const scope = `${parent}.${plan.name}`
  // An entry's value message is a sibling of the entry, so the entry's fields refer to the
  // surrounding scope.
  const around = plan.mapEntry ? parent : scope
  return concat([
    textField(1, plan.name),
    ...plan.fields.map((field) => bytesField(2, writeField(field, around, plan.nested))),
    ...(plan.mapEntry
      ? [mapEntryOption]
      : plan.nested.map((nested) => bytesField(3, writeMessage(nested, scope))))
  ])
}

/**
 * The serialized `DescriptorProto` of a plan for a message in `packageName`; by default without a
 * package.
 */
export const planToDescriptorProto = (plan: MessagePlan, packageName = ""): Uint8Array =>
  writeMessage(plan, packageName === "" ? "" : `.${packageName}`)

/**
 * The serialized `FileDescriptorSet` of one proto2 file with one message, as
 * `protoc --descriptor_set_out` writes it. The file name is the one `protoc` was given.
 */
export const planToDescriptorSet = (
  plan: MessagePlan,
  fileName: string,
  packageName: string
): Uint8Array =>
  bytesField(
    1,
    concat([
      textField(1, fileName),
      ...(packageName === "" ? [] : [textField(2, packageName)]),
      bytesField(4, planToDescriptorProto(plan, packageName))
    ])
  )

/**
 * The serialized `DescriptorProto` of a table's records. The failure is a sentence about the column
 * that cannot travel, and why.
 */
export const toDescriptorProto = (definition: TableDefinition): Result.Result<Uint8Array, string> =>
  Result.map(planTable(definition), (plan) => planToDescriptorProto(plan))
