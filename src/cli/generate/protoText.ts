/**
 * Writes the `.proto` file (proto2) of a planned message: the text whose `protoc` descriptor equals
 * what `descriptor.ts` makes of the same plan. Comments come from the catalog and are data: they
 * are cut into single `//` lines.
 */
import type { MessagePlan, PlanField } from "../../internal/protobuf/messagePlan.ts"

/**
 * The name that protobuf's JSON form uses unless told otherwise: underscores dropped, the letter
 * after each capitalised.
 */
const defaultJsonName = (name: string): string =>
  name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase())

// Control characters, and marks that change the direction or the place of the text that follows.
const invisible = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu

/**
 * A text from outside as single lines without line ends, control characters or blank lines, at most
 * 4,096 characters in all.
 */
export const cleanLines = (comment: string): ReadonlyArray<string> =>
  comment
    .slice(0, 4_096)
    .toWellFormed()
    .split(/[\r\n\u0085\u2028\u2029\v\f]+/)
    .map((line) => line.replace(invisible, " ").replace(/ +/g, " ").trim())
    // A line that ends in a backslash continues on the next one in some languages.
    .map((line) => line.replace(/[\\ ]+$/, ""))
    .filter((line) => line !== "")

/** A text from outside as comment lines, each starting with `//`. */
export const commentLines = (comment: string, indent: string): ReadonlyArray<string> =>
  cleanLines(comment).map((line) => `${indent}// ${line}`)

const typeOf = (field: PlanField, plan: MessagePlan): string =>
  field.type._tag === "Scalar" ? field.type.scalar : (plan.nested[field.type.nested]?.name ?? "")

const fieldLine = (field: PlanField, plan: MessagePlan): string => {
  const jsonName =
    defaultJsonName(field.name) === field.name ? "" : ` [json_name = "${field.name}"]`
  const entry = field.type._tag === "Message" ? plan.nested[field.type.nested] : undefined
  const [key, value] = entry?.mapEntry === true ? entry.fields : []
  const type =
    key !== undefined && value !== undefined
      ? `map<${typeOf(key, plan)}, ${typeOf(value, plan)}>`
      : `${field.label} ${typeOf(field, plan)}`
  return `${type} ${field.name} = ${field.number}${jsonName};`
}

const messageLines = (
  plan: MessagePlan,
  indent: string,
  comment: string | undefined
): Array<string> => {
  const inner = `${indent}  `
  const lines = comment === undefined ? [] : [...commentLines(comment, indent)]
  lines.push(`${indent}message ${plan.name} {`)
  let written = 0
  for (const field of plan.fields) {
    // Each nested message stands in front of the first field that uses it.
    const uses = field.type._tag === "Message" ? field.type.nested + 1 : 0
    for (; written < uses; written++) {
      const nested = plan.nested[written]
      if (nested !== undefined && !nested.mapEntry)
        lines.push(...messageLines(nested, inner, undefined))
    }
    if (field.comment !== undefined) lines.push(...commentLines(field.comment, inner))
    lines.push(`${inner}${fieldLine(field, plan)}`)
  }
  lines.push(`${indent}}`)
  return lines
}

/** The text of the `.proto` file. The package is left out when empty. */
export const planToProto = (
  plan: MessagePlan,
  options: {
    readonly packageName: string
    readonly comment?: string | undefined
    readonly header?: string | undefined
  }
): string =>
  [
    ...(options.header === undefined ? [] : commentLines(options.header, "")),
    'syntax = "proto2";',
    "",
    ...(options.packageName === "" ? [] : [`package ${options.packageName};`, ""]),
    ...messageLines(plan, "", options.comment),
    ""
  ].join("\n")
