/**
 * `zerobus ingest --create`: infers a table from the first records of a file.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  fullTypeText,
  parseTableDefinition,
  type TableDefinition
} from "../internal/columns/columnType.ts"
import { withCatalog } from "./catalog.ts"
import { type Inferred, inferColumns, typedColumns } from "./ingest/inferTable.ts"
import type { RecordInput } from "./ingest/inputs.ts"
import { recordBytes } from "./input/recordBytes.ts"
import { startOfBytes } from "./input/startOfBytes.ts"
import { isTyped, type TextFormat, type TypedFormat } from "./records/fileKind.ts"
import { reader } from "./records/recordFile.ts"
import type { SourceRecord } from "./records/sourceRecord.ts"
import type { ValueForms } from "./records/valueForms.ts"
import { because, type CommandFailed, failed } from "./terminal/CommandFailed.ts"
import { print, remark } from "./terminal/print.ts"
import { counted } from "./terminal/progress.ts"
import { openTyped } from "./typed/typedFile.ts"

/** Most records and bytes that the columns are inferred from. */
const mostRecords = 20_000
const mostBytes = 16 * 1024 * 1024

/** SQL keywords in upper case; field names keep their case. */
const sqlText = (text: string): string => (text.includes("<") ? text : text.toUpperCase())

/** The definition as `zerobus table create` takes it. */
export const definitionText = ({ columns, name }: TableDefinition): string =>
  `${name}(${columns.map(({ name, type }) => `${name} ${sqlText(fullTypeText(type))}`).join(", ")})`

/** The table definition inferred from the file, and the input to read afterwards. */
const definitionFor = Effect.fnUntraced(function* (
  table: string,
  input: RecordInput,
  forms: ValueForms
): Effect.fn.Return<readonly [TableDefinition, RecordInput], CommandFailed, Scope.Scope> {
  const { format } = input
  const [found, then] = isTyped(format)
    ? yield* columnsInFile(input, format)
    : yield* columnsOfText(input, format, forms)
  if ("problem" in found) {
    return yield* failed(`The columns of ${input.name} cannot be inferred: ${found.problem}.`)
  }
  const text = definitionText({ name: table, columns: found.columns })
  const definition = yield* Effect.mapError(Effect.fromResult(parseTableDefinition(text)), (why) =>
    failed(`The columns of ${input.name} are not a valid table definition. ${why}`)
  )
  return [definition, then] as const
})

/** The columns that a file names itself. Standard input cannot be opened a second time. */
const columnsInFile = Effect.fnUntraced(function* (input: RecordInput, format: TypedFormat) {
  const typed = yield* Effect.mapError(openTyped({ ...input, format }), because)
  const then = input.file === "-" ? { ...input, typed } : input
  return [typedColumns(typed.columns), then] as const
})

/** The columns that take the records at the start of a file of text. */
const columnsOfText = Effect.fnUntraced(function* (
  input: RecordInput,
  format: TextFormat,
  forms: ValueForms
): Effect.fn.Return<readonly [Inferred, RecordInput], CommandFailed, Scope.Scope> {
  if (input.csv.names?.length === 0) {
    return yield* failed(
      "--create needs the names of the columns. Add --columns, or leave --no-header out."
    )
  }
  const one = reader(format, input.csv)
  const records: Array<SourceRecord> = []
  let bytes = 0
  const isEnough = () =>
    bytes >= mostBytes || records.length >= mostRecords || one.problem() !== undefined
  const take = (chunk: Uint8Array): boolean => {
    if (isEnough()) return false
    bytes += chunk.length
    for (const record of one.push(chunk)) records.push(record)
    return !isEnough()
  }
  const source = recordBytes(input.file, { gzip: input.gzip })
  // A file is read again afterwards, so that its first bytes count in the progress. Standard input
  // can be read only once.
  const read =
    input.file === "-"
      ? Effect.map(startOfBytes(source, take), (whole) => ({ ...input, bytes: whole }))
      : Effect.as(Stream.runDrain(Stream.takeWhile(source, take)), input)
  const then = yield* Effect.mapError(read, because)
  if (bytes < mostBytes && records.length < mostRecords) records.push(...one.end())
  const problem = one.problem()
  const found =
    problem === undefined
      ? inferColumns(records.slice(0, mostRecords), one.header(), forms)
      : { problem }
  return [found, then] as const
})

/** Prints the table definition inferred from the file. */
export const printTable = (
  table: string,
  input: RecordInput,
  forms: ValueForms
): Effect.Effect<void, CommandFailed> =>
  Effect.scoped(
    Effect.flatMap(definitionFor(table, input, forms), ([definition]) =>
      print(definitionText(definition))
    )
  )

/**
 * Creates a table for the file unless one with this name exists. Returns the input to read
 * afterwards.
 */
export const createTable = Effect.fnUntraced(function* (
  table: string,
  input: RecordInput,
  forms: ValueForms
): Effect.fn.Return<RecordInput, CommandFailed, Scope.Scope> {
  const exists = yield* withCatalog((catalog) =>
    catalog.getTable(table).pipe(
      Effect.as(true),
      Effect.catchTag("InvalidTable", () => Effect.succeed(false))
    )
  )
  if (exists) return input
  const [definition, then] = yield* definitionFor(table, input, forms)
  yield* withCatalog((catalog) => catalog.createTable(definition))
  yield* remark(
    `Created ${definitionText(definition)} with ${counted(definition.columns.length, "column")}.`
  )
  return then
})
