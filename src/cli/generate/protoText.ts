/**
 * Writes the `.proto` file (proto2) of a planned message. Its `protoc` descriptor equals the one
 * that `descriptor.ts` builds from the same plan. Comments come from the catalog and are treated as
 * data: they are cut into single `//` lines.
 */
import type { MessagePlan, PlanField } from "../../internal/protobuf/messagePlan.ts"

/**
 * Protobuf's default JSON name: underscores are dropped and the letter after each is capitalised.
 */
const defaultJsonName = (name: string): string =>
  name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase())

// Control characters, zero-width characters and bidirectional marks.
const invisible = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu

/**
 * Untrusted text as lines without line breaks, control characters or blank lines. At most 4,096
 * characters in total.
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

/** Untrusted text as comment lines, each starting with `//`. */
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
    // Each nested message is written before the first field that uses it.
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

/** The text of the `.proto` file. An empty package name is omitted. */
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
