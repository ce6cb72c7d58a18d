/**
 * Appends JSON records of a table with a rescue column. Fields without a column, and values that do
 * not fit a nullable column, are stored in the rescue column as one JSON object. The record is
 * accepted.
 *
 * A field is rescued as a whole, even if only a part inside a STRUCT, ARRAY or MAP does not fit.
 * Numbers keep their digits.
 */
import type { ColumnTree } from "../parquet/columnTree.ts"
import type { Leaf } from "../parquet/columnBuffer.ts"
import { nullable, omittedAppender } from "./jsonValues.ts"
import { RecordProblem } from "./recordProblem.ts"

/**
 * Creates the appender of parsed JSON objects as rows; `text` is the record that the object was
 * parsed from.
 */
export const rescuingAppender = (
  tree: ColumnTree,
  leaves: ReadonlyArray<Leaf>,
  rescue: number
): ((value: unknown, repetition: number, text: string) => void) => {
  const { columns, names } = tree
  const appends = columns.map((node) => nullable(node, leaves))
  const omitted = columns.map((node, index) => omittedAppender(node, appends[index]!))
  const below = columns.map((node) => leaves.slice(node.firstLeaf, node.endLeaf))
  const known = new Set(names.filter((_, index) => index !== rescue))

  /**
   * Appends a field. If it does not fit and the column is nullable, appends NULL and returns false.
   */
  const fits = (index: number, value: unknown, repetition: number): boolean => {
    const own = below[index]!
    const marks = own.map(({ entries, size }) => ({ entries, size }))
    try {
      appends[index]!(value, repetition)
      return true
    } catch (error) {
      if (!(error instanceof RecordProblem) || !columns[index]!.nullable) throw error
      own.forEach((leaf, at) => leaf.cut(marks[at]!.entries, marks[at]!.size))
      appends[index]!(null, repetition)
      return false
    }
  }

  return (value, repetition, text) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new RecordProblem([], "expected a JSON object")
    }
    const object = value as Record<string, unknown>
    const rescued: Array<string> = []
    for (let i = 0; i < names.length; i++) {
      if (i === rescue) continue
      const name = names[i]!
      if (!Object.hasOwn(object, name)) omitted[i]!(repetition)
      else if (!fits(i, object[name], repetition)) rescued.push(name)
    }
    // The rescue column is not a field of records: a field with its name is rescued like any other.
    for (const key of Object.keys(object)) if (!known.has(key)) rescued.push(key)
    appends[rescue]!(
      rescued.length === 0 ? null : textOf(text, rescued, columns[rescue]!.path),
      repetition
    )
  }
}

/**
 * The fields of a record as the text of a JSON object. Numbers are copied from the record's text,
 * so that no digits are lost.
 */
const textOf = (
  text: string,
  names: ReadonlyArray<string>,
  path: ReadonlyArray<string>
): string => {
  try {
    const exact = JSON.parse(text, keepNumber) as Record<string, unknown>
    const fields = names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(exact[name])}`)
    return `{${fields.join(",")}}`
  } catch (error) {
    // Both calls are recursive.
    if (error instanceof RangeError)
      throw new RecordProblem(path, "expected fields that are nested less deeply")
    throw error
  }
}

/** TypeScript's types lack `rawJSON`, which keeps the source text of numbers. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

const keepNumber = (
  _key: string,
  value: unknown,
  context?: { readonly source?: string }
): unknown =>
  typeof value === "number" && context?.source !== undefined ? rawJSON(context.source) : value
