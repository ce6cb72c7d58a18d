/**
 * The files that `zerobus generate` writes for one table: the `.proto` file, its descriptor set and
 * the TypeScript module. All come from one plan, so that they agree. Pure: the command reads the
 * definition and writes the files.
 */
import * as Result from "effect/Result"
import type { TableDefinition } from "../../internal/columns/columnType.ts"
import { planToDescriptorSet } from "../../internal/protobuf/descriptor.ts"
import { planTable } from "../../internal/protobuf/messagePlan.ts"
import { planToProto } from "./protoText.ts"
import { tableModule } from "./tableModule.ts"

/** A file to write: its name without a folder, and its content. */
export interface GeneratedFile {
  readonly name: string
  readonly content: string | Uint8Array
}

/** The settings of one run, as the official generator has them. */
export interface GenerateOptions {
  /** The name of the `.proto` file. Default `<table>.proto` in lower case. */
  readonly output?: string | undefined
  /** The message is called `table_<protoMessage>`. Default the table's name. */
  readonly protoMessage?: string | undefined
  /** A phrase that says where the definition came from. */
  readonly origin: string
}

/** The file name stem of a table: lower case, with `table_` before a leading digit. */
export const fileStem = (tableName: string): string => {
  const stem = (tableName.split(".")[2] ?? "").toLowerCase()
  return /^\d/.test(stem) ? `table_${stem}` : stem
}

/**
 * A file stem as a protobuf package name. Characters other than letters, digits and underscores
 * become underscores.
 */
const packageOf = (stem: string): string => {
  const name = stem.replace(/[^A-Za-z0-9_]/g, "_")
  return /^[A-Za-z_]/.test(name) ? name : `_${name}`
}

/** The three files of a table. The failure is a sentence that names the column or the option. */
export const generateTable = (
  definition: TableDefinition,
  options: GenerateOptions
): Result.Result<ReadonlyArray<GeneratedFile>, string> => {
  const output = options.output ?? `${fileStem(definition.name)}.proto`
  if (!/^[A-Za-z0-9_.-]{1,200}\.proto$/.test(output) || output.startsWith(".")) {
    return Result.fail(
      "The output must be a file name such as orders.proto; choose the folder with --output-dir."
    )
  }
  const message = options.protoMessage ?? definition.name.split(".")[2] ?? ""
  if (!/^[A-Za-z0-9_]{1,200}$/.test(message))
    return Result.fail("The message name must consist of ASCII letters, digits and underscores.")
  const stem = output.slice(0, -".proto".length)
  const columns = definition.columns
    .map((column, index) => ({ ...column, position: column.position ?? index }))
    // Programs do not write the rescue column: it collects fields without a column.
    .filter((column) => column.position >= 0 && column.rescue !== true)
    .sort((a, b) => a.position - b.position)
  const sorted = { ...definition, columns }
  const packageName = packageOf(stem)
  return Result.map(planTable(sorted, `table_${message}`), (plan) => [
    {
      name: output,
      content: planToProto(plan, {
        packageName,
        comment: definition.comment,
        header:
          `Written by \`zerobus generate\` from ${options.origin}. Do not edit: generate ` +
          `it again.`
      })
    },
    { name: `${stem}.descriptor`, content: planToDescriptorSet(plan, output, packageName) },
    { name: `${stem}.ts`, content: tableModule(sorted, options.origin) }
  ])
}
