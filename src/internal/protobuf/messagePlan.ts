/**
 * Plans a protobuf message for the columns of a table: field numbers, labels, scalar types and the
 * names of nested messages.
 *
 * The descriptor, the `.proto` text and the record encoder all follow one plan, so they cannot
 * disagree. Columns that cannot travel are refused here, with advice.
 */
import * as Result from "effect/Result"
import { maxDepth } from "../columns/columnNames.ts"
import { Refusal, refuse } from "../columns/columnRules.ts"
import { definitionProblem } from "../columns/columnRules.ts"
import type { ColumnDefinition, ColumnType, TableDefinition } from "../columns/columnType.ts"
import { typeText } from "../columns/columnType.ts"
import { isSimple, sqlName, type WireScalar, wireScalar } from "../columns/scalarTypes.ts"

/**
 * The type of a planned field: a scalar, or the index of a message among `nested` of the same
 * message.
 */
export type PlanType =
  | { readonly _tag: "Scalar"; readonly scalar: WireScalar }
  | { readonly _tag: "Message"; readonly nested: number }

/** One field of a planned message. */
export interface PlanField {
  readonly name: string
  readonly number: number
  readonly label: "optional" | "required" | "repeated"
  readonly type: PlanType
  readonly comment: string | undefined
}

/** A planned message. A map entry has exactly the fields `key` and `value`. */
export interface MessagePlan {
  readonly name: string
  readonly fields: ReadonlyArray<PlanField>
  readonly nested: ReadonlyArray<MessagePlan>
  readonly mapEntry: boolean
}

/** Largest field number protobuf allows. */
const maxFieldNumber = 536_870_911

/**
 * A name in PascalCase, ASCII letters and digits only, starting with a letter (`M` is added in
 * front if needed).
 */
export const pascalCase = (text: string): string => {
  const name = text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("")
  return /^[A-Za-z]/.test(name) ? name : `M${name}`
}

/** The name of the message of a table: PascalCase of schema and table. */
export const messageName = (tableName: string): string => {
  const [, schema = "", table = ""] = tableName.split(".")
  return pascalCase(`${schema}_${table}`)
}

/**
 * The name that protobuf requires for the entry message of a map field: underscores removed, the
 * letter after each capitalised.
 */
export const mapEntryName = (field: string): string =>
  `${field
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("")}Entry`

const keyScalars: ReadonlySet<string> = new Set<WireScalar>(["bool", "int32", "int64", "string"])

interface Scope {
  readonly used: Set<string>
  readonly nested: Array<MessagePlan>
}

const unique = (scope: Scope, base: string): string => {
  let name = base
  for (let n = 2; scope.used.has(name); n++) name = `${base}${n}`
  scope.used.add(name)
  return name
}

const addStruct = (
  scope: Scope,
  base: string,
  path: string,
  fields: ReadonlyArray<ColumnDefinition>,
  depth: number
): PlanType => {
  const name = unique(scope, base)
  const message = planMessage(name, `${name}_`, path, fields, depth, (_, index) => index + 1)
  scope.nested.push(message)
  return { _tag: "Message", nested: scope.nested.length - 1 }
}

const planElement = (
  scope: Scope,
  base: string,
  path: string,
  element: ColumnType,
  depth: number
): PlanType => {
  if (isSimple(element)) return { _tag: "Scalar", scalar: wireScalar(element) }
  if (element._tag === "Struct")
    return addStruct(scope, `${base}Element`, path, element.fields, depth)
  return refuse(
    `Column ${path} is an ${element._tag === "Map" ? "array of maps" : "array of arrays"}, ` +
      `which protobuf cannot carry. ` +
      `Wrap the inner ${element._tag === "Map" ? "map" : "array"} in a struct: ` +
      `ARRAY<STRUCT<items: ${typeText(element).slice(0, 80)}>>.`
  )
}

const planMap = (
  scope: Scope,
  base: string,
  field: string,
  path: string,
  type: ColumnType & { _tag: "Map" },
  depth: number
): PlanType => {
  const key = isSimple(type.key) ? wireScalar(type.key) : undefined
  if (key === undefined || !keyScalars.has(key) || type.key._tag === "Variant") {
    return refuse(
      `Column ${path} is a map with ${sqlName(type.key._tag)} keys, which protobuf cannot carry. ` +
        `Use integral, BOOLEAN or STRING keys, or an array of structs with the fields key and ` +
        `value.`
    )
  }
  let value: PlanType
  let nested: ReadonlyArray<MessagePlan> = []
  if (isSimple(type.value)) {
    value = { _tag: "Scalar", scalar: wireScalar(type.value) }
  } else if (type.value._tag === "Struct") {
    value = addStruct(scope, `${base}Value`, path, type.value.fields, depth)
    nested = scope.nested
  } else {
    return refuse(
      `Column ${path} is a map of ${type.value._tag === "Map" ? "maps" : "arrays"}, which ` +
        `protobuf cannot carry. ` +
        `Wrap the value in a struct: MAP<${typeText(type.key)},STRUCT<items: ` +
        `${typeText(type.value).slice(0, 80)}>>.`
    )
  }
  const optional = { label: "optional", comment: undefined } as const
  scope.nested.push({
    name: mapEntryName(field),
    mapEntry: true,
    // The message of the value is a sibling of the entry, not nested in it.
    nested,
    fields: [
      { name: "key", number: 1, type: { _tag: "Scalar", scalar: key }, ...optional },
      { name: "value", number: 2, type: value, ...optional }
    ]
  })
  return { _tag: "Message", nested: scope.nested.length - 1 }
}

const planMessage = (
  name: string,
  prefix: string,
  path: string,
  columns: ReadonlyArray<ColumnDefinition>,
  depth: number,
  numberOf: (column: ColumnDefinition, index: number) => number
): MessagePlan => {
  if (depth > maxDepth)
    return refuse(`Column ${path.slice(0, 128)} is nested deeper than ${maxDepth} levels.`)
  const scope: Scope = { used: new Set(columns.map((column) => column.name)), nested: [] }
  const entries = new Map<string, string>()
  for (const column of columns) {
    if (column.type._tag !== "Map") continue
    const entry = mapEntryName(column.name)
    const other = entries.get(entry) ?? (scope.used.has(entry) ? entry : undefined)
    if (other !== undefined) {
      return refuse(
        `Columns ${other} and ${column.name} both need the protobuf name ${entry}. Rename one, ` +
          `or wrap the map in a struct.`
      )
    }
    entries.set(entry, column.name)
  }
  for (const entry of entries.keys()) scope.used.add(entry)
  const numbers = new Map<number, string>()
  const fields = columns.map((column, index): PlanField => {
    const columnPath = path === "" ? column.name : `${path}.${column.name}`
    const number = numberOf(column, index)
    if (
      !Number.isInteger(number) ||
      number < 1 ||
      number > maxFieldNumber ||
      (number >= 19_000 && number <= 19_999)
    ) {
      return refuse(
        `Column ${columnPath} would get the field number ${number}, which protobuf does not allow.`
      )
    }
    const other = numbers.get(number)
    if (other !== undefined)
      return refuse(`Columns ${other} and ${columnPath} have the same position.`)
    numbers.set(number, columnPath)
    const base = pascalCase(`${prefix}${column.name}`)
    const type = column.type
    const planned: PlanType = isSimple(type)
      ? { _tag: "Scalar", scalar: wireScalar(type) }
      : type._tag === "Array"
        ? planElement(scope, base, columnPath, type.element, depth + 1)
        : type._tag === "Map"
          ? planMap(scope, base, column.name, columnPath, type, depth + 1)
          : addStruct(scope, base, columnPath, type.fields, depth + 1)
    const repeated = type._tag === "Array" || type._tag === "Map"
    return {
      name: column.name,
      number,
      label: repeated ? "repeated" : column.nullable ? "optional" : "required",
      type: planned,
      comment: column.comment
    }
  })
  return { name, fields, nested: scope.nested, mapEntry: false }
}

/**
 * Plans the message of a table. Columns with a negative position are left out; the others are
 * sorted by position.
 */
export const planTable = (
  definition: TableDefinition,
  name?: string
): Result.Result<MessagePlan, string> => {
  const problem = definitionProblem(definition)
  if (problem !== undefined) return Result.fail(problem)
  const placed = definition.columns
    .map((column, index) => ({ column, position: column.position ?? index }))
    .filter((entry) => entry.position >= 0)
    .sort((a, b) => a.position - b.position)
  if (placed.length === 0) return Result.fail(`Table ${definition.name} has no columns.`)
  try {
    return Result.succeed(
      planMessage(
        name ?? messageName(definition.name),
        "",
        "",
        placed.map((entry) => entry.column),
        0,
        (_, index) => (placed[index]?.position ?? 0) + 1
      )
    )
  } catch (error) {
    if (error instanceof Refusal) return Result.fail(error.message)
    throw error
  }
}
