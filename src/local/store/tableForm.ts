/**
 * The current columns of a table, and the switch to new columns when another writer changes them.
 */
import * as Result from "effect/Result"
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import { definitionProblem, type TableDefinition } from "../../internal/columns/columnType.ts"
import type { Metadata } from "../delta/deltaActions.ts"
import { changeProblem } from "../delta/schemaChange.ts"
import { definitionOf, schemaKey } from "../delta/tableFolder.ts"
import { TableRefused, type TableRules, writeProblem } from "../delta/writability.ts"
import { type DecodedRows, decodeFrames } from "../records/recordDecoder.ts"
import type { RecordsFrame } from "../log/logFrames.ts"
import { formatProblem } from "../records/formatCheck.ts"
import { problemOf } from "../records/recordProblem.ts"
import { sharedTrees } from "../parquet/sharedTrees.ts"
import { OpenBatch } from "./openBatch.ts"

/** The columns of a table as of the last look, and the buffers of the open batch made for them. */
export interface TableForm {
  readonly definition: TableDefinition
  /** The result of `schemaKey`. */
  readonly schema: string
  readonly open: OpenBatch
}

const treeOf = sharedTrees()

/** The form for these columns, with an empty batch. `schema` is the result of `schemaKey`. */
export const formOf = (definition: TableDefinition, schema: string): TableForm => {
  const { columns, key, tree } = treeOf(schema, () => definition.columns)
  return { definition: { ...definition, columns }, schema: key, open: new OpenBatch(columns, tree) }
}

/**
 * Reads the definition of a table. Throws `TableRefused` for a table that no client could use, such
 * as one with a column `total cost $`.
 */
export const usableDefinition = (name: string, metadata: Metadata): TableDefinition => {
  const definition = Result.getOrThrowWith(
    definitionOf(name, metadata),
    (why) => new TableRefused(name, `its schema cannot be read: ${withoutStop(why)}`, changeIt)
  )
  const nameProblem = tableNameProblem(name)
  if (nameProblem !== undefined) throw new TableRefused(name, withoutStop(nameProblem), renameIt)
  const problem = definitionProblem(definition)
  if (problem !== undefined)
    throw new TableRefused(name, `no client could use it: ${withoutStop(problem)}`, changeIt)
  return definition
}

const changeIt =
  "Change it with another program, and the server serves it; or move its folder out of the data " +
  "folder."
const renameIt =
  "Rename its folder and restart the server, or move the folder out of the data folder."

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, "")

/**
 * The form of a table after a look: the same object for unchanged columns, a new one when records
 * for the old columns fit the new ones. Throws `TableRefused` when they do not fit, when the table
 * has features that this server cannot follow, and when it is another table.
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
  const definition = usableDefinition(name, rules.metadata)
  const change = changeProblem(form.definition, definition)
  if (change !== undefined) refuse(change)
  return formOf(definition, schema)
}

/**
 * Decodes log entries for the columns of the form. Throws `TableRefused` when acknowledged records
 * do not fit.
 */
export const decodeAgain = (
  { definition, open }: TableForm,
  frames: ReadonlyArray<RecordsFrame>
): DecodedRows => {
  const refuse = (why: string): never => {
    throw new TableRefused(
      definition.name,
      `acknowledged records do not fit its columns any more (${why})`
    )
  }
  // Checked before decoding: for a descriptor that does not fit, the decoder's error would be less
  // exact.
  for (const format of new Set(frames.map((frame) => frame.format))) {
    const problem = formatProblem(definition.columns, format)
    if (problem?._tag === "Unfit") refuse(problem.findings.map(({ message }) => message).join("; "))
    if (problem?._tag === "Unreadable")
      refuse(`their ${problem.noun} cannot be read: ${problem.why}`)
  }
  try {
    return decodeFrames(open.tree, frames)
  } catch (error) {
    const { expected, path } = problemOf(error)
    return refuse(`${path}: ${expected}`)
  }
}
