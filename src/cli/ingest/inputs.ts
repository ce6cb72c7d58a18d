/**
 * The inputs of an ingest and how they are read, from the command-line flags.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as Path from "node:path"
import { nameOf, sizeOf, type UnreadableFile } from "../input/recordBytes.ts"
import type { CsvOptions } from "../records/csvRecords.ts"
import { type Format, formats, kindOf } from "../records/fileKind.ts"
import { type TimeFormat, timeFormat } from "../records/timeFormat.ts"
import type { TimestampUnit, ValueForms } from "../records/valueForms.ts"
import type { TypedFile } from "../typed/typedFile.ts"
import { because, type CommandFailed, failed } from "../terminal/CommandFailed.ts"

/** The flags that determine how files are read. */
export interface ReadingFlags {
  readonly files: ReadonlyArray<string>
  readonly format: Option.Option<Format>
  readonly gzip: boolean
  readonly delimiter: Option.Option<string>
  readonly noHeader: boolean
  readonly columns: Option.Option<string>
  readonly nullWords: ReadonlyArray<string>
  readonly dateFormat: Option.Option<string>
  readonly timestampFormat: Option.Option<string>
  readonly timestampUnit: TimestampUnit
  readonly rowLines: number
  readonly ignoreUnknown: boolean
  /** Whether the file is followed. It may then be missing briefly during rotation. */
  readonly follow: boolean
}

/** One file, ready to be read. */
export interface RecordInput {
  readonly file: string
  /** Its name in messages, when there are several. */
  readonly name: string
  readonly format: Format
  readonly gzip: boolean
  readonly csv: CsvOptions
  /** Size of the stored file in bytes. Undefined when unknown. */
  readonly size: number | undefined
  /** The bytes of an input whose start has already been read. They can be read once. */
  readonly bytes?: Stream.Stream<Uint8Array, UnreadableFile>
  /** The open file, where it has been opened already; its rows can be read once. */
  readonly typed?: TypedFile
}

/** Accepts `\t` and `tab` for a tab, which is hard to type. */
const delimiterNamed = (text: string): string =>
  text === "\\t" || text.toLowerCase() === "tab" ? "\t" : text

const formatOf = (
  flag: string,
  text: Option.Option<string>,
  time: boolean
): Effect.Effect<TimeFormat | undefined, CommandFailed> => {
  if (Option.isNone(text)) return Effect.succeed(undefined)
  const format = timeFormat(text.value, time)
  return "problem" in format
    ? Effect.fail(
        failed(
          `--${flag} cannot be read: ${format.problem}. Write it as DD/MM/YYYY HH:mm:ss, or as ` +
            `%d/%m/%Y %H:%M:%S.`
        )
      )
    : Effect.succeed(format)
}

/** The value formats from the flags. */
export const formsOf = (flags: ReadingFlags): Effect.Effect<ValueForms, CommandFailed> =>
  Effect.map(
    Effect.all([
      formatOf("date-format", flags.dateFormat, false),
      formatOf("timestamp-format", flags.timestampFormat, true)
    ]),
    ([dateFormat, timestampFormat]) => ({
      ignoreUnknown: flags.ignoreUnknown,
      nullWords: flags.nullWords,
      dateFormat,
      timestampFormat,
      timestampUnit: flags.timestampUnit
    })
  )

const csvOf = (flags: ReadingFlags): Effect.Effect<CsvOptions, CommandFailed> => {
  const delimiter = Option.getOrUndefined(Option.map(flags.delimiter, delimiterNamed))
  if (delimiter !== undefined && ([...delimiter].length !== 1 || /["\r\n]/.test(delimiter))) {
    return Effect.fail(
      failed(
        "--delimiter must be one character, or \\t for a tab, and neither a quote nor a line end."
      )
    )
  }
  if (Option.isSome(flags.columns) && !flags.noHeader) {
    return Effect.fail(
      failed(
        "--columns names the fields of a file without a header. Add --no-header, or leave it out."
      )
    )
  }
  if (flags.rowLines < 1) return Effect.fail(failed("--row-lines must be at least 1."))
  const columns = Option.map(flags.columns, (text) => text.split(",").map((name) => name.trim()))
  // An empty list is replaced by the table's columns, which are read later.
  const names = flags.noHeader ? Option.getOrElse(columns, () => []) : undefined
  return Effect.succeed({ delimiter, names, rowLines: flags.rowLines })
}

/** The inputs from the command line. Fails when one cannot be read. */
export const inputsOf = Effect.fnUntraced(function* (
  flags: ReadingFlags
): Effect.fn.Return<ReadonlyArray<RecordInput>, CommandFailed> {
  const csv = yield* csvOf(flags)
  if (flags.files.filter((file) => file === "-").length > 1)
    return yield* failed("Standard input can be read only once.")
  return yield* Effect.forEach(
    flags.files,
    Effect.fnUntraced(function* (file): Effect.fn.Return<RecordInput, CommandFailed> {
      const kind = kindOf(file)
      const format =
        Option.getOrUndefined(flags.format) ?? kind.format ?? (file === "-" ? "ndjson" : undefined)
      if (format === undefined) {
        return yield* failed(
          `The format of ${file} is not clear from its name. Give it with --format ` +
            `(${formats.join(", ")}).`
        )
      }
      const found = flags.follow ? Effect.orElseSucceed(sizeOf(file), () => 0) : sizeOf(file)
      const size = yield* Effect.mapError(found, because)
      const name = file === "-" ? nameOf(file) : Path.basename(file)
      return {
        file,
        name,
        format,
        gzip: flags.gzip || kind.gzip,
        csv: { ...csv, usualDelimiter: kind.delimiter },
        size
      }
    })
  )
})

/** Sets the table's columns as names for inputs that have none. */
export const withColumns = (
  inputs: ReadonlyArray<RecordInput>,
  columns: ReadonlyArray<{ readonly name: string }>
): ReadonlyArray<RecordInput> =>
  inputs.map((input) =>
    input.csv.names?.length === 0
      ? { ...input, csv: { ...input.csv, names: columns.map(({ name }) => name) } }
      : input
  )
