/**
 * The columns that a table has now, and how it gets from one set of columns to the next when another
 * writer changes them.
 */
import * as Result from "effect/Result"
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { changeProblem } from "../delta/schemaChange.ts"
import { definitionOf, schemaKey } from "../delta/tableFolder.ts"
import { TableRefused, type TableRules, writeProblem } from "../delta/writability.ts"
import { type DecodedRows, decodeFrames } from "../records/recordDecoder.ts"
import { problemOf } from "../records/recordProblem.ts"
import { OpenBatch } from "./openBatch.ts"

/** The columns of a table as of the last look, and the buffers of the open batch made for them. */
export interface TableForm {
  readonly definition: TableDefinition
  /** As `schemaKey` gives it. */
  readonly schema: string
  readonly open: OpenBatch
}

/** The form for these columns, with an empty batch. */
export const formOf = (definition: TableDefinition, schema: string): TableForm => ({
  definition,
  schema,
  open: new OpenBatch(definition.columns)
})

/**
 * The form of a table after a look: the same one while the columns are, a new one when records for the
 * old columns fit the new ones. Throws `TableRefused` when they do not, when the table has rules that
 * this server cannot keep, and when it is another table.
 */
export const followed = (form: TableForm, tableId: string, rules: TableRules): TableForm => {
  const { name } = form.definition
  const refuse = (why: string): never => {
    throw new TableRefused(name, why)
  }
  if (rules.metadata.id !== tableId) refuse("another table has taken its folder")
  const problem = writeProblem(rules)
  if (problem !== undefined) refuse(problem)
  const schema = schemaKey(rules.metadata)
  if (schema === form.schema) return form
  const definition = Result.getOrThrowWith(
    definitionOf(name, rules.metadata),
    (why) => new TableRefused(name, `its schema cannot be read: ${why}`)
  )
  const change = changeProblem(form.definition, definition)
  if (change !== undefined) refuse(change)
  return formOf(definition, schema)
}

/** Decodes log entries newer than `after` for the present columns. Throws `TableRefused` when accepted records do not fit. */
export const decodeAgain = (
  name: string,
  { tree }: OpenBatch,
  frames: Parameters<typeof decodeFrames>[1],
  after = 0
): DecodedRows => {
  try {
    return decodeFrames(tree, frames, after)
  } catch (error) {
    const { expected, path } = problemOf(error)
    throw new TableRefused(name, `acknowledged records do not fit its columns any more (${path}: ${expected})`)
  }
}
